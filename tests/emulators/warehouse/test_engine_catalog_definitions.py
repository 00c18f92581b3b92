"""Definitions: what is made is told again by the catalog, however it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulators.warehouse.engine.catalog import views
from emulators.warehouse.engine.tsql.session import SqlSession
from emulators.warehouse.engine.tsql.typenames import parse_type
from tests.emulators.warehouse.engine_session import Place, opened, run


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with opened(tmp_path_factory.mktemp("catalog")) as made:
        yield made


@pytest.fixture
def session(place: Place) -> Iterator[SqlSession]:
    made = place.login()
    yield made
    made.close()


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("| ").split(" | ")]


names = st.text("abcXYZ_ ü]'\"", min_size=1, max_size=12).filter(lambda n: n.strip() == n)
types = st.sampled_from(
    ["int", "bigint", "bit", "tinyint", "smallint", "real", "float", "money", "date", "datetime",
     "smalldatetime", "uniqueidentifier", "decimal(12,3)", "decimal(38,0)", "varchar(7)",
     "varchar(max)", "nvarchar(20)", "nvarchar(max)", "char(3)", "nchar(4)", "varbinary(9)",
     "varbinary(max)", "binary(2)", "time(3)", "datetime2(0)", "datetime2(7)",
     "datetimeoffset(4)"]
)  # fmt: skip
columns = st.lists(
    st.tuples(names, types, st.booleans()), min_size=1, max_size=6, unique_by=lambda c: c[0].lower()
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(columns)
def test_a_table_is_told_as_it_was_made(
    session: SqlSession, wanted: list[tuple[str, str, bool]]
) -> None:
    """Names, types and nullability come back from the session and from sys.columns."""
    listed = ", ".join(
        f"[{name.replace(']', ']]')}] {kind} {'NULL' if null else 'NOT NULL'}"
        for name, kind, null in wanted
    )
    assert run(session, f"CREATE TABLE dbo.[round trip] ({listed}) WITH (HEAP)") == []
    try:
        found = session.columns("dbo", "round trip")
        assert [(c.name, str(c.type), c.nullable) for c in found] == [
            (name, str(parse_type(kind)), null) for name, kind, null in wanted
        ]
        told = session.query(
            "SELECT name, TYPE_NAME(user_type_id), is_nullable FROM sys.columns"
            " WHERE object_id = OBJECT_ID('dbo.[round trip]') ORDER BY column_id"
        )
        assert told == [(n, parse_type(k).name, null) for n, k, null in wanted]
        assert run(session, "SELECT * FROM dbo.[round trip]") == ["| no rows |"]
    finally:
        run(session, "DROP TABLE dbo.[round trip]")


@pytest.mark.parametrize("key", sorted(views.all_views()))
def test_every_system_view_answers(session: SqlSession, key: tuple[str, str]) -> None:
    view = views.all_views()[key]
    told = run(session, f"SELECT * FROM {view.schema}.{view.name}")
    assert not told[0].startswith("error"), told


def test_another_session_sees_what_is_committed_only(place: Place, session: SqlSession) -> None:
    other = place.login()
    run(session, "BEGIN TRAN\nCREATE TABLE dbo.seen (a int)\nINSERT INTO dbo.seen VALUES (1)")
    assert run(other, "SELECT a FROM dbo.seen")[0].startswith("error 208")
    run(session, "COMMIT")
    assert run(other, "SELECT a FROM dbo.seen") == ["| 1 |"]
    run(other, "DROP TABLE dbo.seen")
    assert run(session, "SELECT a FROM dbo.seen")[0].startswith("error 208")
    other.close()


def test_what_is_rolled_back_leaves_nothing(session: SqlSession) -> None:
    run(session, "CREATE TABLE dbo.undone (a int)")
    before = session.catalog.version
    script = (
        "BEGIN TRAN\nALTER TABLE dbo.undone ADD b int\nCREATE INDEX ix ON dbo.undone (a)\n"
        "RENAME OBJECT dbo.undone TO redone\nCREATE TABLE dbo.more (a int)\nROLLBACK"
    )
    assert run(session, script) == ["begin", "rollback"]
    assert session.catalog.version != before
    assert [c.name for c in session.columns("dbo", "undone")] == ["a"]
    assert run(session, "SELECT OBJECT_ID('dbo.redone'), OBJECT_ID('dbo.more')") == [
        "| NULL | NULL |"
    ]
    asked = "SELECT COUNT(*) FROM sys.indexes WHERE object_id = OBJECT_ID('dbo.undone')"
    assert run(session, asked) == ["| 1 |"]


def test_columns_of_views_follow_their_tables(session: SqlSession) -> None:
    run(session, "CREATE TABLE dbo.under (a int, b varchar(5))")
    run(session, "CREATE VIEW dbo.over_it AS SELECT b, a + 1.5 AS c FROM dbo.under")
    asked = (
        "SELECT name, TYPE_NAME(user_type_id) FROM sys.columns"
        " WHERE object_id = OBJECT_ID('dbo.over_it') ORDER BY column_id"
    )
    assert run(session, asked) == ["| b | varchar |", "| c | decimal |"]
    run(session, "DROP TABLE dbo.under")
    assert run(session, asked) == ["| no rows |"]


def test_rights_go_with_the_table_and_follow_its_name(session: SqlSession) -> None:
    run(session, "CREATE TABLE dbo.granted (a int)\nCREATE ROLE readers_of_it")
    run(session, "GRANT SELECT ON dbo.granted TO readers_of_it")
    run(session, "RENAME OBJECT dbo.granted TO kept_rights")
    asked = (
        "SELECT OBJECT_NAME(p.major_id) FROM sys.database_permissions p"
        " JOIN sys.database_principals u ON u.principal_id = p.grantee_principal_id"
        " WHERE u.name = 'readers_of_it' AND p.permission_name = 'SELECT'"
    )
    assert run(session, asked) == ["| kept_rights |"]
    run(session, "DROP TABLE dbo.kept_rights")
    assert run(session, asked) == ["| no rows |"]


def test_a_strict_pool_wants_a_heap_for_long_values(tmp_path: Path) -> None:
    with opened(tmp_path, sql_strict=True) as place:
        session = place.login()
        told = run(session, "CREATE TABLE dbo.models (m varbinary(max))")
        assert told[0].startswith("error 35343 16 1")
        assert run(session, "CREATE TABLE dbo.models (m varbinary(max)) WITH (HEAP)") == []
        told = run(session, "CREATE TABLE dbo.copy AS SELECT 1 AS a")
        assert told[0].startswith("error 103010")
        session.close()


MAKER = """
import sys
from pathlib import Path
from tests.emulators.warehouse.engine_session import opened, run
with opened(Path(sys.argv[1])) as place:
    session = place.login()
    n = 0
    while True:
        n += 1
        make = f"CREATE TABLE dbo.t{n} (a int IDENTITY, b int CONSTRAINT df{n} DEFAULT 3)"
        assert run(session, make) == []
        assert run(session, f"INSERT INTO dbo.t{n} DEFAULT VALUES") == ["count 1"]
        print(n, flush=True)
"""


def test_definitions_survive_a_kill(tmp_path: Path) -> None:
    """What was told is whole: in the catalog, in DuckDB, and the numbers go on."""
    with subprocess.Popen(
        [sys.executable, "-c", MAKER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as maker:
        assert maker.stdout is not None
        for line in maker.stdout:
            if int(line) >= 8:
                break
        maker.send_signal(signal.SIGKILL)
        last = max([8, *(int(line) for line in maker.stdout if line.endswith("\n"))])
    with opened(tmp_path) as place:
        session = place.login()
        tables = session.query("SELECT name FROM sys.tables")
        assert len(tables) in (last, last + 1)
        for (name,) in tables:
            told = run(
                session, f"INSERT INTO dbo.{name} (b) VALUES (9) SELECT a, b FROM dbo.{name}"
            )
            if name != f"t{last + 1}":
                assert told == ["count 1", "| 1 | 3 |", "| 2 | 9 |"]
        constraints = session.query("SELECT name FROM sys.default_constraints")
        assert len(constraints) == len(tables)
        session.close()
