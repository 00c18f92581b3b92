"""The shared corpus of expressions, whole."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conformance.datafactory_expressions import run


def test_every_line_of_the_shared_corpus(shared: Path) -> None:
    told = run(shared / "atlas" / "adf-corpus" / "expressions.jsonl")
    assert told["failed"] == []
    assert told["passed"] > 1000


def test_only_a_line_feed_ends_a_case(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    text = "a\u2028b\x85c"
    case = {"id": "ends", "expr": text, "expected": text}
    corpus.write_text(json.dumps(case, ensure_ascii=False) + "\n", encoding="utf-8")
    assert run(corpus) == {"passed": 1, "failed": []}
