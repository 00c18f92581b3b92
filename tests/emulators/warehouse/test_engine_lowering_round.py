"""Any value of any type stored and selected back; arithmetic against a model in Python."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, localcontext
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from emulators.warehouse.engine.answers import Argument, Failed, ResultSet
from emulators.warehouse.engine.tsql.session import SqlSession
from emulators.warehouse.engine.tsql.typenames import parse_type
from emulators.warehouse.engine.types import SqlType
from tests.emulators.warehouse.engine_session import opened

QUICK = settings(max_examples=25, deadline=None)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
LATIN = st.text(st.characters(codec="latin-1", min_codepoint=32, max_codepoint=126), max_size=20)


def at(year: int, month: int = 1, day: int = 1) -> datetime:
    """A local instant: T-SQL's have no zone."""
    return datetime(year, month, day, tzinfo=UTC).replace(tzinfo=None)


INSTANT = st.datetimes(at(1753), at(9999, 12, 31))
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "bit": st.booleans(),
    "tinyint": st.integers(0, 255),
    "smallint": st.integers(-(2**15), 2**15 - 1),
    "int": st.integers(-(2**31), 2**31 - 1),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "real": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "decimal(38,10)": st.decimals(-(10**27), 10**27, places=10),
    "decimal(9,0)": st.decimals(-999_999_999, 999_999_999, places=0),
    "money": st.decimals(-(10**14), 10**14, places=4),
    "varchar(20)": LATIN,
    "nvarchar(20)": TEXT,
    "nvarchar(max)": st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    "varbinary(max)": st.binary(max_size=300),
    "date": st.dates(date(1, 1, 1), date(9999, 12, 31)),
    "time(7)": st.times(),
    "datetime2(7)": st.datetimes(at(1), at(9999, 12, 31)),
    "datetime2(0)": st.datetimes(at(1), at(9999, 12, 30)).map(lambda v: v.replace(microsecond=0)),
    "datetimeoffset(7)": INSTANT.map(lambda v: v.replace(tzinfo=UTC)),
    "uniqueidentifier": st.uuids(),
}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlSession]:
    with opened(tmp_path_factory.mktemp("round")) as place:
        made = place.login()
        for at, kind in enumerate(KINDS):
            assert not told(made, f"CREATE TABLE dbo.t{at} (v {kind} NULL) WITH (HEAP)")
        yield made


def told(session: SqlSession, text: str, *arguments: Argument) -> list[Any]:
    """Values of the rows, and errors' numbers."""
    found: list[Any] = []
    declared = ", ".join(f"{a.name} {a.type}" for a in arguments)
    plain = SqlType("nvarchar", -1)
    head = [Argument("@stmt", plain, text), Argument("@params", plain, declared)]
    for answer in session.call("sp_executesql", [*head, *arguments]):
        if isinstance(answer, ResultSet):
            for batch in answer.batches:
                for at, column in enumerate(answer.columns):
                    assert batch.schema.field(at).type == column.type.arrow, column
                found += [tuple(row.values()) for row in batch.to_pylist()]
        elif isinstance(answer, Failed):
            found.append(answer.number)
    return found


@pytest.mark.parametrize("kind", KINDS)
@QUICK
@given(data=st.data())
def test_what_is_stored_comes_back(session: SqlSession, kind: str, data: st.DataObject) -> None:
    value = data.draw(st.none() | KINDS[kind])
    if isinstance(value, str):
        assume(len(value.encode("utf-16-le")) <= 40 or kind == "nvarchar(max)")
    table = f"dbo.t{list(KINDS).index(kind)}"
    asked = (
        f"DELETE {table}; INSERT {table} VALUES (@v);"
        f" SELECT v FROM {table} WHERE v = @v OR v IS NULL"
    )
    (row,) = told(session, asked, Argument("@v", parse_type(kind), value))
    expected = str(value) if kind == "uniqueidentifier" and value is not None else value
    assert row == (expected,), kind


@QUICK
@given(
    a=st.integers(-(2**31), 2**31 - 1),
    b=st.integers(-(2**31), 2**31 - 1),
    at=st.sampled_from("+-*/%"),
)
def test_whole_numbers(session: SqlSession, a: int, b: int, at: str) -> None:
    kind = SqlType("int")
    found = told(
        session, f"SELECT @a {at} @b AS x", Argument("@a", kind, a), Argument("@b", kind, b)
    )
    if at in "/%" and b == 0:
        assert found == [8134]
        return
    model = {"+": a + b, "-": a - b, "*": a * b}.get(at)
    if model is None:
        whole = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
        model = whole if at == "/" else a - whole * b
    assert found == ([(model,)] if -(2**31) <= model < 2**31 else [8115])


def exact(precision: int, scale: int) -> st.SearchStrategy[tuple[Decimal, SqlType]]:
    edge = Decimal(10) ** (precision - scale) - Decimal(1).scaleb(-scale)
    kind = SqlType("decimal", 0, precision, scale)
    return st.decimals(-edge, edge, places=scale).map(lambda value: (value, kind))


NUMBER = st.sampled_from([(9, 2), (5, 0), (12, 4), (4, 4)]).flatmap(lambda p: exact(*p))


@QUICK
@given(left=NUMBER, right=NUMBER, at=st.sampled_from("+-*/"))
def test_exact_numbers(
    session: SqlSession, left: tuple[Decimal, SqlType], right: tuple[Decimal, SqlType], at: str
) -> None:
    (a, x), (b, y) = left, right
    found = told(session, f"SELECT @a {at} @b AS x", Argument("@a", x, a), Argument("@b", y, b))
    if at == "/" and b == 0:
        assert found == [8134]
        return
    with localcontext() as context:
        context.prec = 80
        if at == "/":
            scale = max(6, x.scale + y.precision + 1)
            model = (a / b).quantize(Decimal(1).scaleb(-scale), ROUND_DOWN)
        else:
            model = {"+": a + b, "-": a - b, "*": a * b}[at]
    assert found == [(model,)]


@QUICK
@given(value=st.decimals(-99999, 99999, places=4), scale=st.integers(0, 3))
def test_a_cast_rounds_half_away_from_nought(
    session: SqlSession, value: Decimal, scale: int
) -> None:
    kind = SqlType("decimal", 0, 9, 4)
    found = told(
        session, f"SELECT CAST(@v AS decimal(9,{scale})) AS x", Argument("@v", kind, value)
    )
    assert found == [(value.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP),)]


@QUICK
@given(a=INSTANT, b=INSTANT)
def test_boundaries_between_instants(session: SqlSession, a: datetime, b: datetime) -> None:
    kind = SqlType("datetime2", 0, 0, 7)
    asked = "SELECT DATEDIFF(year, @a, @b) AS y, DATEDIFF(month, @a, @b) AS m, DATEDIFF(day, @a, @b) AS d, DATEDIFF(week, @a, @b) AS w"  # noqa: E501
    (row,) = told(session, asked, Argument("@a", kind, a), Argument("@b", kind, b))
    years, months = b.year - a.year, b.month - a.month
    sunday = date(1, 1, 7)
    weeks = [math.floor((at.date() - sunday).days / 7) for at in (a, b)]
    assert row == (years, years * 12 + months, (b.date() - a.date()).days, weeks[1] - weeks[0])


@QUICK
@given(value=st.datetimes(at(1753), at(9999, 12, 30)))
def test_datetime_has_three_hundredths(session: SqlSession, value: datetime) -> None:
    kind = SqlType("datetime2", 0, 0, 7)
    ((found,),) = told(session, "SELECT CAST(@v AS datetime) AS x", Argument("@v", kind, value))
    assert abs(found - value) <= timedelta(microseconds=2_000)
    assert found.microsecond % 1000 == 0
    assert (found.microsecond // 1000) % 10 in (0, 3, 7)


@QUICK
@given(a=TEXT, b=TEXT)
def test_texts_side_by_side(session: SqlSession, a: str, b: str) -> None:
    kind = SqlType("nvarchar", 60)
    asked = "SELECT @a + @b AS x, DATALENGTH(@a) AS n, CONCAT(@a, NULL, @b) AS c, REVERSE(@a) AS r"
    (row,) = told(session, asked, Argument("@a", kind, a), Argument("@b", kind, b))
    assert row[0] == a + b == row[2]
    assert row[1] == len(a.encode("utf-16-le"))


def test_times_of_day(session: SqlSession) -> None:
    kind = SqlType("time", 0, 0, 7)
    found = told(
        session, "SELECT CAST(@v AS time(0)) AS x", Argument("@v", kind, time(1, 2, 3, 499))
    )
    assert found == [(time(1, 2, 3),)]
