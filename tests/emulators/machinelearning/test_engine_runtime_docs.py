"""The page on runtimes shows the curated environments that the table has."""

from __future__ import annotations

from pathlib import Path

from emulators.machinelearning.engine.runtime.curated import CURATED

PAGE = Path(__file__).parents[3] / "docs" / "runtimes.md"


def test_curated_environments_are_documented() -> None:
    rows = [
        f"| `{one.name}` | {one.pythons} | {', '.join(one.requirements)} |"
        for one in CURATED.values()
    ]
    block = PAGE.read_text(encoding="utf-8").partition("<!-- curated -->")[2]
    lines = block.partition("<!-- end -->")[0].strip().splitlines()
    assert lines == ["| name | Python | requirements |", "|---|---|---|", *rows]
