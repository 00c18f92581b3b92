"""Shared corpora run against the emulators: `python -m tests.conformance NAME PATH [--json]`."""
