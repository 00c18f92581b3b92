"""Storage requests to values and answers back."""
