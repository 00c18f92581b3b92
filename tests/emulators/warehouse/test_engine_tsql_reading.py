"""Batches are read into statements: tokens, ends of statements, blocks, lines, refusals."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.warehouse.engine.tsql import nodes
from emulators.warehouse.engine.tsql.blocks import parse_batch, split
from emulators.warehouse.engine.tsql.lexing import literal, quote, tokenize
from emulators.warehouse.engine.tsql.modules import parse_module
from emulators.warehouse.engine.tsql.typenames import parse_type
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError

names = st.text(
    st.characters(categories=["L", "Nd"], include_characters="_ ]['\";-@#"), min_size=1, max_size=8
)
strings = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.integers(0, 10**9)
comments = st.sampled_from(
    ["", " ", "\n", "-- SELECT ; 'x'\n", "/* DELETE ' /* nested */ [ */", "\t-- ]\r\n"]
)


@st.composite
def expressions(draw: st.DrawFn) -> str:
    """An expression with everything in it that could look like an end of statement."""
    gap = draw(comments)
    return draw(
        st.sampled_from(
            [
                str(draw(numbers)),
                literal(draw(strings)),
                quote(draw(names)),
                f"CASE WHEN {draw(numbers)} = 1{gap} THEN 'SELECT' ELSE NULL END",
                f"(SELECT MAX({quote(draw(names))}){gap} FROM t)",
                f"LEFT({literal(draw(strings))}, 2)",
                "@v",
            ]
        )
    )


@st.composite
def statements(draw: st.DrawFn) -> str:
    """A statement that needs no semicolon before or after it."""
    one, two, gap = draw(expressions()), draw(expressions()), f" {draw(comments)} "
    name = quote(draw(names))
    return draw(
        st.sampled_from(
            [
                f"SELECT {one} AS {name}{gap}FROM t WITH (NOLOCK) WHERE x = {two}",
                f"SELECT {one}{gap}UNION ALL SELECT {two} ORDER BY 1 OFFSET 1 ROWS"
                " FETCH NEXT 2 ROWS ONLY",
                f"INSERT INTO {name} (a, b) VALUES ({one}, {two}), (1, 2)",
                f"INSERT {name}{gap}SELECT {one}",
                f"INSERT INTO {name} EXEC p @a = 1, @b = 2",
                f"UPDATE {name} SET a = {one}{gap}FROM t WHERE b = {two}",
                f"DELETE FROM {name} WHERE a = {one}",
                f"MERGE t USING u ON t.a = u.a WHEN MATCHED THEN UPDATE SET a = {one}{gap}"
                "WHEN NOT MATCHED THEN INSERT (a) VALUES (1)",
                f"CREATE TABLE {name} (a int, b varchar(5){gap}REFERENCES o (a) ON DELETE CASCADE)",
                f"CREATE TABLE {name} WITH (HEAP) AS SELECT {one} AS a",
                f"ALTER TABLE {name} ALTER COLUMN a int",
                f"ALTER TABLE {name} DROP COLUMN a",
                f"DROP TABLE IF EXISTS {name}",
                f"DECLARE @a int = {one}, @b nvarchar(10){gap}",
                f"SET @a = {one}",
                f"SET @a +={gap}{two}",
                "SET NOCOUNT ON",
                "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
                f"SELECT @a = {one}, @b = {two}{gap}FROM t",
                f"IF {one} = {two} PRINT {two}",
                f"IF {one} IS NULL{gap}BEGIN SELECT {two}; PRINT 'x' END ELSE SELECT 2",
                f"IF EXISTS (SELECT 1 FROM t) DELETE t ELSE IF 1 = 2 THROW 50000, {one}, 1",
                f"WHILE {one} > 1 BEGIN SET @a = 1{gap}BREAK CONTINUE END",
                f"BEGIN TRY SELECT {one} END TRY{gap}BEGIN CATCH PRINT {two} THROW END CATCH",
                "BEGIN TRAN",
                "COMMIT TRANSACTION",
                "ROLLBACK",
                f"PRINT {one}",
                f"RAISERROR({one}, 16, 1) WITH NOWAIT",
                f"EXEC @r = dbo.{name} {draw(numbers)}, @b = @c OUTPUT, @d = DEFAULT",
                f"EXECUTE ({literal(draw(strings))}{gap}+ @x)",
                "WAITFOR DELAY '00:00:01'",
                "GRANT SELECT, INSERT, UPDATE, DELETE ON SCHEMA::dbo TO bob",
                "TRUNCATE TABLE t",
                f"CREATE USER {name} FOR LOGIN bob WITH DEFAULT_SCHEMA = dbo",
                f"ALTER ROLE {name} DROP MEMBER bob",
                f"DROP USER IF EXISTS {name}",
                "ALTER DATABASE d SET RESULT_SET_CACHING ON",
                "USE master",
                "GOTO there",
            ]
        )
    )


@given(st.lists(st.tuples(statements(), comments, st.booleans()), min_size=1, max_size=6))
def test_joined_statements_are_taken_apart_again(parts: list[tuple[str, str, bool]]) -> None:
    """Whatever stands between them: semicolons, comments, white space."""
    text = " ".join(f"{s}{';' if semi else ''} {gap}" for s, gap, semi in parts)
    assert [_bare(s) for s in split(text)] == [_bare(s) for s, _, _ in parts]


def test_members_are_dropped_and_then_users() -> None:
    told = split(
        "ALTER ROLE r DROP MEMBER bob DROP USER IF EXISTS bob IF EXISTS (SELECT 1) PRINT 1"
    )
    assert told == [
        "ALTER ROLE r DROP MEMBER bob",
        "DROP USER IF EXISTS bob",
        "IF EXISTS (SELECT 1) PRINT 1",
    ]


def _number(text: str) -> int:
    """The error that a batch is refused with; 0 when it is read."""
    try:
        parse_batch(text)
    except SqlError as refused:
        return refused.number
    return 0


def _bare(text: str) -> list[str]:
    return [t.text for t in tokenize(text)]


@given(names, strings)
def test_tokens_give_back_names_and_strings(name: str, text: str) -> None:
    named, told = tokenize(f"/* ' */ {quote(name)} --'\n {literal(text)}")
    assert (named.name, told.value) == (name, text)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_as_sql_server_refuses(text: str) -> None:
    assert _number(text) in range(50000)


WORDS = (
    "SELECT ( ) ; , 1 'x' BEGIN END TRY CATCH IF ELSE EXEC @a = SET p DECLARE int CREATE PROC AS"
    " WITH TABLE . [t] UPDATE RETURN CASE WHEN THROW GRANT TO ON"
)


@given(st.lists(st.sampled_from(WORDS.split()), max_size=14).map(" ".join))
def test_any_words_are_read_or_refused(text: str) -> None:
    assert _number(text) in range(50000)


@pytest.mark.parametrize(
    ("text", "number", "line"),
    [
        ("SELECT 'abc", 105, 1),
        ("SELECT 1\n/* never /* closed */", 113, 2),
        ("BEGIN SELECT 1", 102, 1),
        ("BEGIN END", 156, 1),
        ("DECLARE @a int\nGO\nSELECT 2", 102, 2),
        ("SELECT (1", 102, 1),
        ("IF 1 = 1", 102, 1),
        ("PRINT 1\nELSE PRINT 2", 156, 2),
        ("SELECT 1\nCREATE PROCEDURE p AS SELECT 1", 111, 2),
        ("EXEC p 1 + 2", 102, 1),
        ("SELECT @a = 1, 2", 141, 1),
        ("SELECT @@NOSUCH", 137, 1),
        ("DECLARE @a nosuchtype", 2715, 1),
        ("DECLARE @a varchar(9000)", 131, 1),
        ("DECLARE @a decimal(39, 2)", 2750, 1),
        ("THROW 50000, 'two'", 102, 1),
    ],
)
def test_what_cannot_be_read_has_its_number_and_line(text: str, number: int, line: int) -> None:
    with pytest.raises(SqlError) as refused:
        parse_batch(text)
    assert (refused.value.number, refused.value.line) == (number, line)


def test_lines_are_of_the_statements() -> None:
    batch = parse_batch("\nSELECT 1\n\n/* a\nb */ PRINT 2\nIF 1 = 1\n  THROW 50000, 'x', 1")
    assert [s.line for s in batch] == [2, 5, 6]
    assert isinstance(batch[2], nodes.If)
    assert batch[2].then.line == 7


def test_facts_and_long_literals_become_variables() -> None:
    digits = "ab" * 600
    [read] = parse_batch(f"INSERT INTO t SELECT @@ROWCOUNT, ERROR_NUMBER(), @x, 0x{digits}")
    assert isinstance(read, nodes.Sql)
    fragment = read.fragment
    assert fragment.text.endswith("@__g_rowcount, @__f_error_number, @x, @__hex0")
    assert fragment.literals == (("__hex0", bytes.fromhex(digits)),)
    assert fragment.variables == {"x", "__g_rowcount", "__f_error_number", "__hex0"}


def test_a_long_literal_inside_a_string_stays_text() -> None:
    [read] = parse_batch(f"SELECT '0x{'ab' * 600}'")
    assert isinstance(read, nodes.Sql)
    assert read.fragment.literals == ()


def test_fmtonly_needs_no_semicolons() -> None:
    """As freebcp sends it."""
    assert split("SET FMTONLY ON select * from db.dbo.t SET FMTONLY OFF") == [
        "SET FMTONLY ON",
        "select * from db.dbo.t",
        "SET FMTONLY OFF",
    ]


def test_a_call_may_omit_exec_at_the_start() -> None:
    """As FreeTDS's ODBC sends it."""
    [read] = parse_batch("sp_datatype_info_100 12,3")
    assert isinstance(read, nodes.Execute)
    assert (read.parts, len(read.given)) == (("sp_datatype_info_100",), 2)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("nvarchar(max)", SqlType("nvarchar", MAX)),
        ("VARCHAR", SqlType("varchar", 1)),
        ("decimal", SqlType("decimal", 0, 18, 0)),
        ("NUMERIC(10, 3)", SqlType("decimal", 0, 10, 3)),
        ("float(24)", SqlType("real")),
        ("double precision", SqlType("float")),
        ("datetime2", SqlType("datetime2", 0, 0, 7)),
        ("[sys].[int]", SqlType("int")),
        ("sysname", SqlType("nvarchar", 128)),
        ("national_", None),
    ],
)
def test_types_are_read(text: str, kind: SqlType | None) -> None:
    if kind is None:
        with pytest.raises(SqlError):
            parse_type(text)
    else:
        assert parse_type(text) == kind


def test_a_procedure_header_is_read() -> None:
    module = parse_module(
        "-- why\nCREATE OR ALTER PROC [dbo].[p] (@a int = -5, @b varchar(10) OUTPUT)\n"
        "WITH RECOMPILE AS\nBEGIN SET @b = 'x' END"
    )
    assert (module.kind, module.schema, module.name) == ("P", "dbo", "p")
    assert [(p.name, p.output, p.default and p.default.text) for p in module.parameters] == [
        ("a", False, "-5"),
        ("b", True, None),
    ]
    assert module.body[0].line == 4


def test_functions_and_views_are_read() -> None:
    scalar = parse_module("CREATE FUNCTION f(@x int) RETURNS int AS BEGIN RETURN @x + 1 END")
    table = parse_module("CREATE FUNCTION f(@x int) RETURNS TABLE AS RETURN (SELECT @x AS x);")
    view = parse_module(
        "CREATE VIEW v (a, b) WITH SCHEMABINDING AS WITH c AS (SELECT 1 x) SELECT x, x FROM c;"
    )
    assert (scalar.kind, table.kind, view.kind) == ("FN", "IF", "V")
    assert table.query is not None
    assert table.query.text == "SELECT @x AS x"
    assert view.columns == ("a", "b")


@pytest.mark.parametrize(
    "text",
    [
        "CREATE FUNCTION f() RETURNS @t TABLE (a int) AS BEGIN RETURN END",
        "CREATE PROC p @t dbo.kind READONLY AS SELECT 1",
        "CREATE PROC p WITH EXECUTE AS 'bob' AS SELECT 1",
    ],
)
def test_modules_that_are_not_emulated_say_so(text: str) -> None:
    with pytest.raises(SqlError):
        parse_module(text)


@pytest.mark.parametrize(("opens", "closes"), [("'", "'"), ("[", "]"), ('"', '"')])
def test_a_long_literal_is_one_quick_step(opens: str, closes: str) -> None:
    """Nobody else's query waits while megabytes of text are read."""
    text = f"SELECT {opens}{'x' * 8_000_000}{closes}"
    began = time.process_time()
    tokens = tokenize(text)
    assert time.process_time() - began < 1
    assert len(tokens[1].text) == 8_000_002
