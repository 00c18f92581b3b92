"""Bytes to values and back: the edge in front of the server, and the app inside it."""
