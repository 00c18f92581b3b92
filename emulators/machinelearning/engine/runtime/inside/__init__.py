"""Started by file path, also by the user's interpreter (3.8 and later): standard library only."""
