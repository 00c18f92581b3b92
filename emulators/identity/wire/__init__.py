"""Forms and JSON to values and back: routes of the sign-in hosts."""
