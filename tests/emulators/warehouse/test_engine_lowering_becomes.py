"""What T-SQL becomes for DuckDB: pairs, so that a change of the lowering is seen and judged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulators.warehouse.engine.lowering import LoweringEnv, lower
from tests.emulators.warehouse.engine_session import lines, opened

FILE = Path(__file__).parent / "corpus" / "becomes.txt"
PAIRS = [
    tuple(line.strip() for line in pair.split("\n"))
    for pair in FILE.read_text(encoding="utf-8").strip().split("\n\n")
]
TABLES = """
CREATE TABLE dbo.t (i int NOT NULL, b bit, d decimal(10,2), f float, v varchar(10),
    n nvarchar(20), dt datetime, g uniqueidentifier);
CREATE TABLE dbo.u (i int, v varchar(3))
"""


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoweringEnv]:
    with opened(tmp_path_factory.mktemp("becomes")) as place:
        session = place.login()
        assert lines(session.batch(TABLES)) == []
        yield session.plans.env({})


@pytest.mark.parametrize(("asked", "becomes"), PAIRS, ids=[pair[0] for pair in PAIRS])
def test_what_it_becomes(env: LoweringEnv, asked: str, becomes: str) -> None:
    assert lower(asked, env).sql == becomes
