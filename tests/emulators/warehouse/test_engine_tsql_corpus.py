"""Statements and programs as text: batches, `----`, what is answered line by line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulators.warehouse.engine_session import Place, opened, run

FOLDER = Path(__file__).parent / "corpus"


def cases() -> Iterator[tuple[str, str, str, list[str]]]:
    """Name, flavor, script and expected lines of every case."""
    for file in sorted(FOLDER.glob("*/*.test")):
        for block in file.read_text().split("\n=== ")[1:]:
            title, _, rest = block.partition("\n")
            name, _, flavor = title.partition(" @")
            script, _, expected = rest.partition("\n----")
            yield f"{file.stem}: {name}", flavor or "synapse", script, expected.split("\n")


CASES = list(cases())


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Place]]:
    with (
        opened(tmp_path_factory.mktemp("synapse")) as synapse,
        opened(tmp_path_factory.mktemp("managed"), "managed-instance") as managed,
    ):
        yield {"synapse": synapse, "managed": managed}


@pytest.mark.parametrize(
    ("flavor", "script", "expected"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_case(places: dict[str, Place], flavor: str, script: str, expected: list[str]) -> None:
    session = places[flavor].login()
    try:
        told = run(session, script)
    finally:
        session.close()
    wanted = [line.rstrip() for line in expected if line.strip()]
    # An expected error without a text is any text's.
    cut = [
        line.partition(": ")[0] if line.startswith("error") and ": " not in want else line
        for line, want in zip(told, wanted, strict=False)
    ] + told[len(wanted) :]
    assert [line.rstrip() for line in cut] == wanted
