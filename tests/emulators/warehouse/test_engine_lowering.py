"""Expressions of T-SQL by a corpus of our own: values, types, errors, each by a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulators.warehouse.engine.answers import Failed, ResultSet
from tests.emulators.warehouse.engine_session import Place, opened, shown

BLANK = "\u2423"
"""Stands for a blank that could be overlooked."""

FILE = Path(__file__).parent / "corpus" / "expressions.txt"


def cases() -> Iterator[tuple[str, str]]:
    """Each expression with what is expected of it."""
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("# "):
            asked, _, expected = line.rpartition(" -> ")
            yield asked or expected, expected


CASES = list(cases())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with opened(tmp_path_factory.mktemp("warehouse")) as made:
        yield made


@pytest.mark.parametrize(("asked", "expected"), CASES, ids=[asked for asked, _ in CASES])
def test_an_expression(place: Place, asked: str, expected: str) -> None:
    session = place.login()
    try:
        told = "nothing"
        for answer in session.batch(f"SELECT {asked}"):
            if isinstance(answer, Failed):
                told = f"error {answer.number}"
            elif isinstance(answer, ResultSet):
                (column,) = answer.columns
                values = [v for b in answer.batches for v in b.column(0).to_pylist()]
                if values:
                    told = f"{shown(values[0])} :: {column.type}"
    finally:
        session.close()
    assert told == expected.replace(BLANK, " ")
