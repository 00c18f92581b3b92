"""The shared corpus of expressions, whole."""

from __future__ import annotations

from pathlib import Path

from tests.conformance.datafactory_expressions import run


def test_every_line_of_the_shared_corpus(shared: Path) -> None:
    told = run(shared / "atlas" / "adf-corpus" / "expressions.jsonl")
    assert told["failed"] == []
    assert told["passed"] > 1000
