"""A factory as it lies in git: read, checked as a whole, and put over the wire in order."""
