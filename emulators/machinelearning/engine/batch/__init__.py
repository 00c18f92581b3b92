"""Batch endpoints: what they are, what an invocation asks for, how its files are scored."""
