"""The shared pipelines: what must not be published is told, and everything else passes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emulators.datafactory.engine.validation import validate


class Several:
    """The pipelines of one case as published resources."""

    def __init__(self, pipelines: list[dict[str, Any]]) -> None:
        self._by_key = {one["name"].lower(): one["properties"] for one in pipelines}

    def find(self, kind: str, name: str) -> Mapping[str, Any] | None:
        if kind != "pipelines":
            return {}
        return self._by_key.get(name.lower())


def test_the_shared_pipelines_are_judged_as_the_corpus_says(shared: Path) -> None:
    wrong = []
    for file in sorted((shared / "atlas" / "adf-corpus" / "pipelines").glob("*.json")):
        case = json.loads(file.read_text(encoding="utf-8"))
        published = Several(case["pipelines"])
        problems = [p for one in case["pipelines"] for p in validate(one, published)]
        expected = case["expected"]
        if bool(expected.get("deployError")) != bool(problems):
            wrong.append(f"{file.stem}: {[str(p) for p in problems]}")
        elif problems and expected.get("messageContains", "") not in str(problems[0]):
            wrong.append(f"{file.stem}: {problems[0]} lacks {expected['messageContains']}")
    assert not wrong, "\n".join(wrong)
