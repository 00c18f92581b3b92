"""Our own client against our own server: what a session says arrives as it was said."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from threading import Timer

import pyarrow as pa
import pytest

from emulators.warehouse.engine.answers import (
    Argument,
    Column,
    DatabaseChanged,
    Failed,
    Finished,
    Login,
    LoginFailed,
    Message,
    OutputValue,
    ResultSet,
    ReturnStatus,
    Session,
    TransactionChanged,
)
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.wire.client import connect
from emulators.warehouse.wire.outgoing import Place
from tests.emulators.warehouse.fake import FakeSessions
from tests.emulators.warehouse.listening import Listening, authority, listening

ADMIN = Login("sa", "Right_1", database="db")


@pytest.fixture(scope="module")
def sessions() -> FakeSessions:
    return FakeSessions()


@pytest.fixture(scope="module")
def up(sessions: FakeSessions) -> Iterator[Listening]:
    with listening(sessions) as running:
        yield running
    assert running.bugs == []


@pytest.fixture(params=["plain", "trusted", "checked"])
def session(up: Listening, request: pytest.FixtureRequest) -> Iterator[Session]:
    ca = str(authority().ca_file) if request.param == "checked" else ""
    place = Place("localhost", up.port, encrypt=request.param != "plain", ca=ca)
    opened = connect(place, ADMIN)
    yield opened
    opened.close()


def rows(answers: Iterator[object]) -> list[dict[str, object]]:
    found = []
    for answer in answers:
        if isinstance(answer, ResultSet):
            found += pa.Table.from_batches(list(answer.batches)).to_pylist()
    return found


def test_rows_arrive(session: Session) -> None:
    assert session.database == "db"
    text = "SELECT 1 AS a, 'ü' AS b, 1.50::DECIMAL(9,2) AS c, NULL::INT AS d"
    assert rows(session.batch(text)) == [{"a": 1, "b": "ü", "c": Decimal("1.50"), "d": None}]


def test_many_rows_arrive_in_batches(session: Session) -> None:
    text = "SELECT i, repeat('x', i % 50) AS t FROM range(100000) r(i)"
    answers = session.batch(text)
    first = next(answers)
    assert isinstance(first, ResultSet)
    batches = list(first.batches)
    assert len(batches) > 5
    assert pa.Table.from_batches(batches).column("i").to_pylist() == list(range(100_000))
    assert list(answers) == [Finished(100_000, 0xC1)]


def test_what_nobody_reads_is_passed_over(session: Session) -> None:
    kinds = [type(a) for a in session.batch("SELECT i FROM range(50000) r(i); SELECT 2 AS b")]
    assert kinds == [ResultSet, Finished, ResultSet, Finished]
    assert rows(session.batch("SELECT 3 AS c")) == [{"c": 3}]


def test_a_large_value_arrives(session: Session) -> None:
    ((_, value),) = rows(session.batch("SELECT repeat('ü', 1000000) AS a"))[0].items()
    assert value == "ü" * 1_000_000


def test_all_else_arrives(session: Session) -> None:
    said = list(session.batch("PRINT 'hello'; USE other; BEGIN TRAN; THROW"))
    assert said == [
        Message(0, "hello", 0, 1),
        DatabaseChanged("other", "db"),
        TransactionChanged("begin", 42),
        Failed(51234, "Thrown.", 16, 3, "thrower", 4),
    ]
    assert session.database == "other"


def test_calls_arrive_with_their_arguments(session: Session, sessions: FakeSessions) -> None:
    given = [
        Argument("", SqlType("int"), 21),
        Argument("@out", SqlType("int"), None, output=True),
    ]
    said = [a for a in session.call("double", given) if not isinstance(a, ResultSet)]
    assert said == [
        Finished(1, 0xC1), ReturnStatus(7), OutputValue(1, "@out", SqlType("int"), 42),
    ]  # fmt: skip
    given = [
        Argument("", SqlType("nvarchar", MAX), "SELECT @a AS a, @b AS b"),
        Argument("", SqlType("nvarchar", MAX), "@a int, @b nvarchar(10)"),
        Argument("@a", SqlType("int"), 5),
        Argument("@b", SqlType("nvarchar", 10), "ü"),
    ]
    assert rows(session.call("sp_executesql", given)) == [{"a": 5, "b": "ü"}]
    assert sessions.opened[-1].calls[-1] == ("sp_executesql", tuple(given))


def test_transactions_are_told(session: Session) -> None:
    assert list(session.begin(2)) == [TransactionChanged("begin", 42), Finished(None)]
    assert list(session.rollback("x")) == [TransactionChanged("rollback", 42), Finished(None)]
    assert list(session.commit()) == [TransactionChanged("commit", 42), Finished(None)]


def test_a_query_is_cancelled(session: Session) -> None:
    timer = Timer(0.3, session.cancel)
    timer.start()
    began = time.monotonic()
    list(session.batch("WAIT"))
    assert time.monotonic() - began < 10
    timer.join()
    assert rows(session.batch("SELECT 3 AS c")) == [{"c": 3}]


def test_a_load_arrives(session: Session, sessions: FakeSessions) -> None:
    list(session.batch("INSERT BULK t (a int)"))
    load = session.take_bulk()
    assert load is not None
    load.columns = [Column("a", SqlType("int"))]
    batch = pa.RecordBatch.from_pydict({"a": [1, None, 3]}, pa.schema([("a", pa.int32())]))
    load.write(batch)
    assert list(load.finish()) == [Finished(3, 0xC3)]
    assert sessions.opened[-1].loads[-1].batches[0].to_pydict() == {"a": [1, None, 3]}


def test_a_reset_goes_with_the_next_request(session: Session, sessions: FakeSessions) -> None:
    session.reset()
    list(session.batch("SELECT 1 AS a"))
    session.reset(keep_transaction=True)
    list(session.batch("SELECT 1 AS a"))
    assert sessions.opened[-1].resets == [False, True]


def test_a_refused_login_is_told(up: Listening) -> None:
    place = Place("localhost", up.port, encrypt=False)
    with pytest.raises(LoginFailed, match="Login failed for user 'sa'") as caught:
        connect(place, Login("sa", "wrong"))
    assert caught.value.number == 18456
    with pytest.raises(LoginFailed, match="is not reached"):
        connect(Place("localhost", 1, encrypt=False), ADMIN)
