"""The floor: no knowledge of any single service."""
