"""Bytes to values and back. No decisions."""
