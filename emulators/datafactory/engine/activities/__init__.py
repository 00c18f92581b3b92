"""What each type of activity does."""
