"""Benchmarks: each a ratio against a named peer or a physical limit, in one interleaved run."""
