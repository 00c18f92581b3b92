"""Sessions: who enters and what they may do, calls, bulk loads, cancelling, surviving."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from emulators.warehouse.engine.answers import Argument, Login, LoginFailed, ResultSet
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.store import LOGINS
from tests.emulators.warehouse.engine_session import Place, lines, opened, run

INT, TEXT = SqlType("int"), SqlType("nvarchar", 4000)
PASSWORD = "Str0ng-enough"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with opened(tmp_path_factory.mktemp("sql")) as made:
        yield made


@pytest.fixture(scope="module")
def people(place: Place) -> Place:
    """A reader, a writer and a runner, and things to read, write and run."""
    master = place.login(database="master")
    told = [
        line
        for name in ("reader", "writer", "runner", "nobody")
        for line in run(master, f"CREATE LOGIN {name} WITH PASSWORD = '{PASSWORD}'")
    ]
    admin = place.login()
    told += run(
        admin,
        """CREATE SCHEMA sales
GO
CREATE TABLE dbo.secret (a int)
INSERT INTO dbo.secret VALUES (42)
CREATE TABLE sales.orders (a int)
INSERT INTO sales.orders VALUES (1), (2)
CREATE USER reader
CREATE USER writer FOR LOGIN writer
CREATE USER runner FROM LOGIN runner WITH DEFAULT_SCHEMA = sales
ALTER ROLE db_datareader ADD MEMBER reader
CREATE ROLE clerks
EXEC sp_addrolemember 'clerks', 'writer'
GRANT SELECT, INSERT ON SCHEMA::sales TO clerks
GO
CREATE PROCEDURE dbo.reveals AS SELECT a FROM dbo.secret
GO
CREATE PROCEDURE dbo.reveals_by_text AS EXEC ('SELECT a FROM dbo.secret')
GO
GRANT EXECUTE ON dbo.reveals TO runner
GRANT EXECUTE ON OBJECT::dbo.reveals_by_text TO runner""",
    )
    assert [line for line in told if line.startswith("error")] == []
    master.close()
    admin.close()
    return place


def test_the_administrator_lands_in_the_pool(place: Place) -> None:
    session = place.login()
    assert run(session, "SELECT DB_NAME(), USER_NAME(), SUSER_SNAME(), @@SPID") == [
        f"| sqlpool | dbo | sqladminuser | {session.id} |"
    ]
    session.close()


@pytest.mark.parametrize(
    ("user", "password", "database", "number"),
    [
        ("sqladminuser", "wrong", "", 18456),
        ("stranger", PASSWORD, "", 18456),
        ("reader", "wrong", "", 18456),
        ("reader", PASSWORD, "nowhere", 4060),
        ("nobody", PASSWORD, "sqlpool", 4060),
    ],
)
def test_who_is_turned_away(
    people: Place, user: str, password: str, database: str, number: int
) -> None:
    with pytest.raises(LoginFailed) as refused:
        people.login(user, password, database)
    assert refused.value.number == number


def test_passwords_are_kept_as_hashes(people: Place) -> None:
    record = people.ctx.store.get(LOGINS, "reader")
    assert record is not None
    assert PASSWORD not in f"{record}"
    other = people.ctx.store.get(LOGINS, "writer")
    assert other is not None
    assert other.hash != record.hash


@pytest.mark.parametrize(
    ("user", "script", "expected"),
    [
        ("reader", "SELECT a FROM dbo.secret", ["| 42 |"]),
        ("reader", "INSERT INTO dbo.secret VALUES (1)", ["error 229 14 5 at 1"]),
        ("reader", "SELECT COUNT(*) FROM sales.orders", ["| 2 |"]),
        ("reader", "EXEC dbo.reveals", ["error 229 14 5 at 1"]),
        ("writer", "SELECT a FROM dbo.secret", ["error 229 14 5 at 1"]),
        ("writer", "INSERT INTO sales.orders VALUES (3) DELETE FROM sales.orders",
         ["count 1", "error 229 14 5 at 1"]),
        ("writer", "CREATE TABLE dbo.mine (a int)", ["error 262 14 1 at 1"]),
        ("runner", "EXEC dbo.reveals", ["| 42 |"]),
        ("runner", "EXEC dbo.reveals_by_text", ["error 229 14 5 at 1"]),
        ("runner", "SELECT a FROM dbo.secret", ["error 229 14 5 at 1"]),
        ("runner", "SELECT SCHEMA_NAME(), USER_NAME()", ["| sales | runner |"]),
        ("runner", "GRANT SELECT ON dbo.secret TO runner", ["error 15247 16 1 at 1"]),
        ("runner", "CREATE USER x WITHOUT LOGIN", ["error 15247 16 1 at 1"]),
        ("runner", "CREATE TABLE #own (a int) INSERT INTO #own VALUES (1) SELECT * FROM #own",
         ["count 1", "| 1 |"]),
    ],
)  # fmt: skip
def test_what_they_may(people: Place, user: str, script: str, expected: list[str]) -> None:
    session = people.login(user, PASSWORD, "sqlpool")
    told = [line.partition(": ")[0] for line in run(session, script)]
    session.close()
    assert told == expected


def test_deny_wins_over_every_grant(people: Place) -> None:
    admin, user = people.login(), people.login("reader", PASSWORD)
    run(admin, "DENY SELECT ON dbo.secret TO reader")
    assert run(user, "SELECT a FROM dbo.secret")[0].startswith("error 229")
    run(admin, "REVOKE SELECT ON dbo.secret FROM reader")
    assert run(user, "SELECT a FROM dbo.secret") == ["| 42 |"]


def test_logins_belong_to_master(place: Place) -> None:
    session = place.login()
    told = run(session, f"CREATE LOGIN misplaced WITH PASSWORD = '{PASSWORD}'")
    assert told[0].startswith("error 5001")


def test_weak_passwords_are_refused(place: Place) -> None:
    session = place.login(database="master")
    told = run(session, "CREATE LOGIN weak WITH PASSWORD = 'password'")
    assert told[0].startswith("error 15118")


def test_entra_tokens_enter(place: Place) -> None:
    ours = place.ctx.tokens.issue("https://database.windows.net/")
    session = place.server.login(Login(token=ours))
    assert session.is_admin
    run(session, "CREATE USER [factory one] FROM EXTERNAL PROVIDER")
    run(session, "ALTER ROLE db_datareader ADD MEMBER [factory one]")
    claims = {"xms_mirid": "/subscriptions/s/resourceGroups/r/providers/x/factories/Factory One"}
    theirs = place.ctx.tokens.issue(
        "https://database.windows.net/", object_id="00000000-0000-0000-0000-000000000001",
        app_id="00000000-0000-0000-0000-000000000002", claims=claims,
    )  # fmt: skip
    entered = place.server.login(Login(token=theirs))
    assert run(entered, "SELECT USER_NAME(), IS_MEMBER('db_datareader')") == ["| factory one | 1 |"]
    wrong = place.ctx.tokens.issue("https://management.azure.com/")
    with pytest.raises(LoginFailed) as refused:
        place.server.login(Login(token=wrong))
    assert refused.value.number == 18456


def test_a_token_of_nobody_here_fails_as_a_login(place: Place) -> None:
    """18456 and not 4060, after which python-tds tries again until its time is over."""
    theirs = place.ctx.tokens.issue(
        "https://database.windows.net/", object_id="00000000-0000-0000-0000-000000000009"
    )
    with pytest.raises(LoginFailed) as refused:
        place.server.login(Login(token=theirs, database="sqlpool"))
    assert refused.value.number == 18456
    assert refused.value.text == "Login failed for user '<token-identified principal>'."


@pytest.mark.parametrize(
    "text",
    ["IF 1=1 " * 5000 + "SELECT 1", "BEGIN " * 3000 + "SELECT 1 " + "END " * 3000,
     "SELECT " + "(" * 5000 + "1" + ")" * 5000],
    ids=["branches", "blocks", "parentheses"],
)  # fmt: skip
def test_too_deep_a_nest_is_an_error_of_the_batch(place: Place, text: str) -> None:
    session = place.login()
    assert run(session, text)[0].startswith("error 191")
    assert run(session, "SELECT 1") == ["| 1 |"]
    session.close()


def call(session: Any, name: str, *given: Any) -> list[str]:
    arguments = [
        one
        if isinstance(one, Argument)
        else Argument("", TEXT if isinstance(one, str) else INT, one)
        for one in given
    ]
    return lines(session.call(name, arguments))


def test_calls_by_name_give_outputs_and_status(place: Place) -> None:
    session = place.login()
    header = "CREATE OR ALTER PROC dbo.called @n int, @twice int OUTPUT"
    run(session, f"{header} AS SET @twice = @n * 2 RETURN 7")
    out = Argument("@twice", INT, None, output=True)
    assert call(session, "dbo.called", 4, out) == ["output @twice 8", "status 7"]
    assert call(session, "[dbo].[called]", Argument("@n", INT, 5), out)[0] == "output @twice 10"
    assert call(session, "nosuch") == [
        "error 2812 16 62 at 1: Could not find stored procedure 'nosuch'."
    ]


def test_the_prepare_family(place: Place) -> None:
    session = place.login()
    handle = Argument("", INT, None, output=True)
    assert call(session, "sp_prepexec", handle, "@a int", "SELECT @a + 1", 4) == [
        "| 5 |", "output  1", "status 0",
    ]  # fmt: skip
    assert call(session, "sp_execute", 1, 9) == ["| 10 |", "status 0"]
    assert call(session, "sp_prepare", handle, "@a nvarchar(10)", "SELECT @a", 1) == [
        "output  2", "status 0",
    ]  # fmt: skip
    assert call(session, "sp_execute", 2, Argument("@a", TEXT, "xyz")) == ["| xyz |", "status 0"]
    assert call(session, "sp_unprepare", 1) == ["status 0"]
    assert call(session, "sp_execute", 1, 9)[0].startswith("error 8179")
    types = "@P1 int, @P2 nvarchar(5)"
    told = call(session, "sp_executesql", "SELECT @P1, @P2", types, 1, "a")
    assert told == ["| 1 | a |", "status 0"]


def test_drivers_learn_the_longest_lengths(place: Place) -> None:
    """Without these rows ODBC cuts long values or refuses them."""
    session = place.login()
    rows: dict[str, Any] = {}
    for number in (12, -9, -3, 93):
        asked = [Argument("", INT, number), Argument("", INT, 3)]
        for answer in session.call("sp_datatype_info_100", asked):
            if isinstance(answer, ResultSet):
                assert len(answer.columns) == 20
                for batch in answer.batches:
                    rows |= {r["TYPE_NAME"]: r["PRECISION"] for r in batch.to_pylist()}
    assert rows["varchar"] == rows["varbinary"] == 8000
    assert (rows["nvarchar"], rows["datetime2"]) == (4000, 27)
    assert run(session, "sp_datatype_info_100 12,3")[0].startswith("| varchar | 12 | 8000 |")


def test_parameters_are_described_by_the_columns_they_meet(place: Place) -> None:
    session = place.login()
    run(session, "CREATE TABLE dbo.described (a bigint, b nvarchar(20), c decimal(9, 2))")
    text = "INSERT INTO dbo.described (c, a) VALUES (@P1, @P2)"
    told = call(session, "sp_describe_undeclared_parameters", text)
    assert [line.split(" | ")[3] for line in told[:2]] == ["decimal(9,2)", "bigint"]
    text = "SELECT 1 FROM dbo.described WHERE b = @P1"
    told = call(session, "sp_describe_undeclared_parameters", text)
    assert told[0].split(" | ")[3] == "nvarchar(20)"
    told = call(session, "sp_describe_first_result_set", "SELECT a, b FROM dbo.described")
    assert [line.split(" | ")[2] for line in told[:2]] == ["a", "b"]


def test_a_bulk_load_arrives_whole_or_not_at_all(place: Place) -> None:
    session = place.login()
    run(session, "CREATE TABLE dbo.loaded (a int NOT NULL, b nvarchar(20))")
    batch = pa.record_batch(
        [pa.array([1, 2, 3], pa.int32()), pa.array(["x", None, "z"])], names=["a", "b"]
    )
    run(session, "INSERT BULK dbo.loaded (a int, b nvarchar(20)) WITH (TABLOCK)")
    load = session.take_bulk()
    assert load is not None
    assert session.take_bulk() is None
    load.write(batch)
    load.write(batch)
    assert lines(load.finish()) == ["count 6"]
    run(session, "INSERT BULK dbo.loaded (a int, b nvarchar(20))")
    load = session.take_bulk()
    assert load is not None
    load.write(batch)
    load.abandon()
    assert run(session, "SELECT COUNT(*), COUNT(b), SUM(a) FROM dbo.loaded") == ["| 6 | 4 | 12 |"]
    assert run(session, "INSERT BULK dbo.nosuch (a int)")[0].startswith("error 208")


def test_fmtonly_gives_columns_without_rows(place: Place) -> None:
    session = place.login()
    run(session, "CREATE TABLE dbo.shape (a int, b nvarchar(20))")
    told = run(session, "SET FMTONLY ON select * from sqlpool.dbo.shape SET FMTONLY OFF SELECT 1")
    assert told == ["| no rows |", "| 1 |"]


def test_the_probe_of_bulkcopy(place: Place) -> None:
    """One batch of twelve statements, as the Rust core of mssql-python sends it."""
    session = place.login()
    run(session, "CREATE TABLE dbo.probed (a int, b nvarchar(20))")
    told = run(
        session,
        "SELECT @@TRANCOUNT; SET FMTONLY ON; EXEC(N'SELECT a, b FROM [probed]'); SET FMTONLY OFF;"
        " EXEC sp_tablecollations_100 N'[probed]'",
    )
    assert told[0] == "| 0 |"
    assert told[1] == "| no rows |"
    assert told[-1] == "| 2 | b | 0x0904D00034 | SQL_Latin1_General_CP1_CI_AS |"


def test_a_reset_begins_anew(place: Place) -> None:
    session = place.login()
    run(session, "CREATE TABLE #gone (a int) SET NOCOUNT ON SET XACT_ABORT ON BEGIN TRAN")
    session.reset()
    assert run(session, "SELECT @@TRANCOUNT, @@OPTIONS & 512") == ["| 0 | 0 |"]
    assert run(session, "SELECT * FROM #gone")[0].startswith("error 208")


def test_transactions_of_two_sessions_do_not_see_each_other(place: Place) -> None:
    one, two = place.login(), place.login()
    run(one, "CREATE TABLE dbo.shared (a int) INSERT INTO dbo.shared VALUES (0)")
    run(one, "BEGIN TRAN UPDATE dbo.shared SET a = 1")
    assert run(two, "SELECT a FROM dbo.shared") == ["| 0 |"]
    run(one, "COMMIT")
    assert run(two, "SELECT a FROM dbo.shared") == ["| 1 |"]


def test_updates_side_by_side_all_count(place: Place) -> None:
    """Statements of their own wait for each other, as locks would make them."""
    run(place.login(), "CREATE TABLE dbo.counted (a int) INSERT INTO dbo.counted VALUES (0)")
    failures: list[str] = []

    def work() -> None:
        session = place.login()
        for _ in range(25):
            told = run(session, "UPDATE dbo.counted SET a = a + 1")
            failures.extend(line for line in told if line.startswith("error"))
        session.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert run(place.login(), "SELECT a FROM dbo.counted") == ["| 75 |"]


def test_a_conflict_inside_a_transaction_is_told(place: Place) -> None:
    one, two = place.login(), place.login()
    run(one, "CREATE TABLE dbo.fought (a int) INSERT INTO dbo.fought VALUES (0)")
    run(one, "BEGIN TRAN UPDATE dbo.fought SET a = 1")
    told = run(two, "BEGIN TRAN UPDATE dbo.fought SET a = 2")
    assert told[1].startswith("error 3960 16 2")
    assert run(two, "PRINT XACT_STATE() ROLLBACK") == ["print -2", "rollback"]
    assert run(one, "COMMIT") == ["commit"]


@pytest.mark.parametrize(
    "script",
    [
        "WHILE 1 = 1 SET @@x = 1",
        "DECLARE @i bigint = 0 WHILE 1 = 1 SET @i += 1",
        "SELECT SUM(CAST(a.object_id AS float) * b.object_id * c.object_id * d.object_id) FROM"
        " sys.all_columns a CROSS JOIN sys.all_columns b CROSS JOIN sys.all_columns c"
        " CROSS JOIN sys.all_columns d CROSS JOIN sys.all_columns e",
        "WAITFOR DELAY '01:00:00'",
    ],
)
def test_cancelling_ends_what_runs(place: Place, script: str) -> None:
    session = place.login()
    timer = threading.Timer(0.3, session.cancel)
    timer.start()
    told = run(session, script)
    timer.cancel()
    assert told == [] or told[0].startswith("error 137")
    assert run(session, "SELECT 1") == ["| 1 |"]


def test_a_strict_pool_refuses_what_its_pages_say_it_has_not(tmp_path: Path) -> None:
    with opened(tmp_path, sql_strict=True) as strict:
        session = strict.login()
        told = run(
            session,
            """BEGIN TRAN
CREATE TABLE dbo.late (a int)
GO
ROLLBACK
GO
CREATE PROC dbo.one @a int = 1 AS SELECT 1
GO
CREATE PROC dbo.two AS IF 1 = 1 BEGIN RETURN 3 END
GO
CREATE PROC dbo.three @a int AS RETURN""",
        )
    numbers = [line.split()[1] if line.startswith("error") else line for line in told]
    assert numbers == ["begin", "111212", "rollback", "40517", "40517"]


FORBIDDEN = [
    "SELECT * FROM read_csv('{file}')",
    "SELECT * FROM read_text('{file}')",
    "SELECT * FROM read_blob('{file}')",
    "SELECT * FROM read_parquet('{file}')",
    "SELECT * FROM read_json('{file}')",
    "SELECT * FROM read_ndjson_auto('{file}')",
    "SELECT * FROM sniff_csv('{file}')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM '{file}'",
    'SELECT * FROM "{file}"',
    "SELECT * FROM [{file}]",
    "INSERT INTO t SELECT * FROM read_csv('{file}')",
    "COPY t TO '{out}'",
    "COPY (SELECT 1) TO '{out}'",
    "COPY t FROM '{file}'",
    "ATTACH '{out}' AS other",
    "DETACH sqlpool",
    "EXPORT DATABASE '{out}'",
    "IMPORT DATABASE '{folder}'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{file}'",
    "PRAGMA database_list",
    "CALL pragma_database_list()",
    "CHECKPOINT",
    "FORCE CHECKPOINT",
    "VACUUM",
    "SET enable_external_access = true",
    "SET GLOBAL enable_external_access = true",
    "RESET enable_external_access",
    "SET lock_configuration = false",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM pragma_database_list()",
    "SELECT getenv('PATH')",
    "SELECT current_setting('home_directory')",
    "SELECT * FROM query('ATTACH ''{out}'' AS x')",
    "SELECT * FROM query_table('t')",
    "SELECT * FROM sqlite_scan('{file}', 't')",
    "SELECT * FROM parquet_metadata('{file}')",
    "SELECT * FROM rehearsal_catalog.grants",
    "DELETE FROM rehearsal_catalog.grants",
    "CREATE SECRET s (TYPE s3)",
    "CREATE MACRO m() AS 1",
    "EXEC ('ATTACH ''{out}'' AS x')",
    "EXEC sp_executesql N'COPY t TO ''{out}'''",
    "EXEC xp_cmdshell 'id'",
    "SELECT 1; ATTACH '{out}' AS x",
    "SELECT * FROM OPENROWSET(BULK '{file}', FORMAT = 'CSV') AS r",
    "BULK INSERT t FROM '{file}'",
    "CREATE VIEW v_evil AS SELECT * FROM read_text('{file}')",
]


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Path]]:
    folder = tmp_path_factory.mktemp("host")
    (folder / "secret.csv").write_text("a,b\n1,hunter2\n")
    with opened(tmp_path_factory.mktemp("closed")) as made:
        run(made.login(), "CREATE TABLE t (a int)")
        yield made, folder


@pytest.mark.parametrize("attempt", FORBIDDEN)
def test_no_statement_reaches_the_host(closed: tuple[Place, Path], attempt: str) -> None:
    place, folder = closed
    before = sorted(folder.iterdir())
    session = place.login()
    script = attempt.format(file=folder / "secret.csv", folder=folder, out=folder / "out.db")
    told = run(session, script)
    assert any(line.startswith("error ") for line in told), told
    assert "hunter2" not in "".join(told)
    assert sorted(folder.iterdir()) == before
    assert run(session, "SELECT 1") == ["| 1 |"]
    session.close()
