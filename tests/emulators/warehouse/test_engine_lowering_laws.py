"""Laws of lowered T-SQL: what goes in comes out, numbers are Python's, no text breaks it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal, localcontext
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulators.warehouse.engine.answers import Argument, Failed, ResultSet
from emulators.warehouse.engine.lowering import lower
from emulators.warehouse.engine.tsql.lexing import tokenize
from emulators.warehouse.engine.tsql.session import SqlSession
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError
from tests.emulators.warehouse.engine_session import opened

CORPUS = Path(__file__).parent / "corpus"
QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlSession]:
    with opened(tmp_path_factory.mktemp("laws"), "managed-instance") as place:
        made = place.login()
        for answer in made.batch(
            "CREATE TABLE people (id int NOT NULL, name nvarchar(20), team int, pay decimal(9,2))\n"
            "CREATE TABLE teams (id int NOT NULL, title varchar(20))"
        ):
            assert not isinstance(answer, Failed)
        yield made
        made.close()


def told(session: SqlSession, asked: str) -> Any:
    """The one value of a query, or the number of its error."""
    found: Any = None
    for answer in session.batch(asked):
        if isinstance(answer, Failed):
            return answer.number
        if isinstance(answer, ResultSet):
            for batch in answer.batches:
                found = batch.column(0).to_pylist()[0]
    return found


INSTANTS = st.datetimes(datetime.fromisoformat("1753-01-01"), datetime.fromisoformat("9999-12-30"))
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
NARROW = st.characters(codec="cp1252", exclude_characters="\0", exclude_categories=["Cc"])
TYPES: list[tuple[SqlType, st.SearchStrategy[Any]]] = [
    (SqlType("bit"), st.booleans()),
    (SqlType("tinyint"), st.integers(0, 255)),
    (SqlType("smallint"), st.integers(-(2**15), 2**15 - 1)),
    (SqlType("int"), st.integers(-(2**31), 2**31 - 1)),
    (SqlType("bigint"), st.integers(-(2**63), 2**63 - 1)),
    (SqlType("real"), st.floats(allow_nan=False, allow_infinity=False, width=32)),
    (SqlType("float"), st.floats(allow_nan=False, allow_infinity=False)),
    (SqlType("decimal", 0, 38, 10), st.decimals(-(10**27), 10**27, places=10)),
    (SqlType("decimal", 0, 5, 0), st.decimals(-99999, 99999, places=0)),
    (SqlType("money"), st.decimals(-922337203685477, 922337203685477, places=4)),
    (SqlType("date"), st.dates()),
    (SqlType("time", scale=6), st.times()),
    (SqlType("datetime2", scale=6), st.datetimes()),
    (SqlType("datetimeoffset", scale=6), INSTANTS.map(lambda one: one.replace(tzinfo=UTC))),
    (SqlType("uniqueidentifier"), st.uuids()),
    (SqlType("varchar", 50), st.text(NARROW, max_size=50)),
    (SqlType("nvarchar", 50), st.text(LETTERS, max_size=25)),
    (SqlType("nvarchar", MAX), st.text(LETTERS, max_size=3000)),
    (SqlType("varbinary", 50), st.binary(max_size=50)),
    (SqlType("varbinary", MAX), st.binary(max_size=5000)),
]


@pytest.mark.parametrize(("kind", "values"), TYPES, ids=[str(kind) for kind, _ in TYPES])
def test_what_goes_in_comes_out(
    session: SqlSession, kind: SqlType, values: st.SearchStrategy[Any]
) -> None:
    table = "#" + "".join(c for c in str(kind) if c.isalnum())
    assert told(session, f"CREATE TABLE {table} (v {kind})") is None
    asked = f"DELETE {table}; INSERT {table} VALUES (@v); SELECT v FROM {table} WHERE v = @v"
    if kind.length == MAX:
        asked = asked.replace(" WHERE v = @v", "")
    wide = SqlType("nvarchar", MAX)

    @given(values)
    @settings(QUICK, max_examples=25)
    def law(value: Any) -> None:
        arguments = (
            Argument("", wide, asked),
            Argument("", wide, f"@v {kind}"),
            Argument("@v", kind, value),
        )
        found = []
        for answer in session.call("sp_executesql", arguments):
            assert not isinstance(answer, Failed), answer
            if isinstance(answer, ResultSet):
                found += [one for b in answer.batches for one in b.column(0).to_pylist()]
        assert len(found) == 1
        (same,) = found
        assert (UUID(same) if isinstance(value, UUID) else same) == value

    law()


INTS = st.one_of(st.integers(-(2**31), 2**31 - 1), st.integers(-9, 9))


def divided(a: int, b: int) -> int:
    """Towards zero, as SQL divides."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


@given(a=INTS, b=INTS, operator=st.sampled_from("+-*/%"))
@settings(QUICK, max_examples=150)
def test_whole_numbers(session: SqlSession, a: int, b: int, operator: str) -> None:
    found = told(session, f"DECLARE @a int = {a}, @b int = {b}; SELECT @a {operator} @b")
    if operator in "/%" and b == 0:
        assert found == 8134
        return
    meant = {
        "+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b,
        "/": lambda: divided(a, b), "%": lambda: a - b * divided(a, b),
    }[operator]()  # fmt: skip
    assert found == (meant if -(2**31) <= meant < 2**31 else 8115)


NUMBERS = st.decimals(-(10**7), 10**7, places=3)


@given(a=NUMBERS, b=NUMBERS, operator=st.sampled_from("+-*/"))
@settings(QUICK, max_examples=150)
def test_decimals(session: SqlSession, a: Decimal, b: Decimal, operator: str) -> None:
    kind = "decimal(11,3)"
    found = told(session, f"DECLARE @a {kind} = {a:f}, @b {kind} = {b:f}; SELECT @a {operator} @b")
    if operator == "/" and b == 0:
        assert found == 8134
        return
    with localcontext() as context:
        context.prec = 80
        meant = {
            "+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: a / b,
        }[operator]()  # fmt: skip
        if operator == "/":  # scale: max(6, 3 + 11 + 1)
            meant = meant.quantize(Decimal("1e-15"), ROUND_DOWN)
    assert found == meant


WORDS = st.text(st.sampled_from("abAB _z0"), max_size=4)


@given(a=WORDS, b=WORDS)
@settings(QUICK, max_examples=150)
def test_text_is_compared_without_case_and_trailing_blanks(
    session: SqlSession, a: str, b: str
) -> None:
    given = f"DECLARE @a varchar(9) = '{a}', @b nvarchar(9) = N'{b}'; "
    signs = "CASE WHEN @a = @b THEN '=' WHEN @a < @b THEN '<' WHEN @a > @b THEN '>' END"
    alike = a.rstrip(" ").lower() == b.rstrip(" ").lower()
    found = told(session, f"{given}SELECT {signs}")
    assert (found == "=") == alike
    other = told(session, f"{given}SELECT {signs.translate(str.maketrans('ab', 'ba'))}")
    assert {found, other} in ({"="}, {"<", ">"})
    grouped = "SELECT COUNT(DISTINCT x) FROM (VALUES (@a), (@b)) v (x)"
    assert told(session, f"{given}{grouped}") == (1 if alike else 2)
    assert told(session, f"{given}SELECT 1 WHERE @a LIKE @b ESCAPE '_'") in (1, None)


@given(INSTANTS.filter(lambda one: 1900 < one.year < 9800), st.integers(-40000, 40000))
@settings(QUICK, max_examples=60)
def test_days_added_are_days_apart(session: SqlSession, moment: datetime, days: int) -> None:
    given = f"DECLARE @a datetime2 = '{moment.isoformat()}'; "
    assert told(session, f"{given}SELECT DATEDIFF(day, @a, DATEADD(day, {days}, @a))") == days
    assert told(session, f"{given}SELECT DATEADD(day, {days}, @a)") == moment + timedelta(days=days)
    assert told(session, f"{given}SELECT CAST(@a AS date)") == moment.date()


@cache
def pieces() -> tuple[list[list[str]], list[str]]:
    """Statements of the corpora as tokens, and every token."""
    texts = [
        f"SELECT {line.rpartition(' -> ')[0]}"
        for line in (CORPUS / "expressions.txt").read_text(encoding="utf-8").splitlines()
        if " -> " in line
    ]
    for file in (CORPUS / "statements").glob("*.test"):
        for block in file.read_text(encoding="utf-8").split("\n=== ")[1:]:
            texts += block.partition("\n")[2].partition("\n----")[0].split("\n")
    statements = []
    for text in texts:
        try:
            statements.append([token.text for token in tokenize(text)])
        except SqlError:
            continue
    words = sorted({word for one in statements for word in one})
    return [one for one in statements if one], words


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A statement of the corpora with some tokens gone, doubled, or others."""
    statements, words = pieces()
    tokens = list(draw(st.sampled_from(statements)))
    for _ in range(draw(st.integers(0, 3))):
        if not tokens:
            break
        at = draw(st.integers(0, len(tokens) - 1))
        match draw(st.sampled_from(["cut", "put", "change", "other"])):
            case "cut":
                del tokens[at]
            case "put":
                tokens.insert(at, draw(st.sampled_from(words)))
            case "change":
                tokens[at] = draw(st.sampled_from(words))
            case _:
                other = draw(st.sampled_from(statements))
                tokens[at:] = other[draw(st.integers(0, len(other) - 1)) :]
    return " ".join(tokens)


def explained(session: SqlSession, text: str) -> str:
    """What DuckDB says against the plan of a text; nothing when it takes it, or there is none."""
    env = session.plans.env({"n": SqlType("int"), "v": SqlType("varchar", 3)})
    try:
        plan = lower(text, env)
    except SqlError:
        return ""
    if plan.kind == "ddl" or "rehearsal_predict" in plan.sql:
        return ""
    given = dict.fromkeys((f"p{at}" for at in range(1, len(plan.parameters) + 1)), None)
    try:
        session.con.execute(f"EXPLAIN {plan.sql}", given or None)
    except duckdb.Error as why:
        return f"{type(why).__name__}: {str(why).partition(chr(10))[0]}"
    return ""


@given(mutated())
@settings(QUICK, max_examples=400)
def test_no_text_breaks_it(session: SqlSession, text: str) -> None:
    found = explained(session, text)
    assert not found.startswith("Parser"), (found, text)
