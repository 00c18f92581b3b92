"""Documentation that is tested, and the parts of it that are generated."""
