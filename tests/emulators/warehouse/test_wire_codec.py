"""The codec: any cutting of the bytes gives the same messages, whatever they say."""

from __future__ import annotations

import struct
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.warehouse.engine.answers import (
    Answer,
    Column,
    Failed,
    Finished,
    Message,
    OutputValue,
    ResultSet,
    ReturnStatus,
    TransactionChanged,
)
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError
from emulators.warehouse.wire import few, login7, packets, prelogin, rpc, tokens
from emulators.warehouse.wire.answering import AnswerWriter, Style
from emulators.warehouse.wire.bulk import BulkReader
from emulators.warehouse.wire.few import CHUNK
from emulators.warehouse.wire.packets import BadStream, PacketReader, PacketWriter, Reader
from emulators.warehouse.wire.requests import Assembler, batch_text, transaction_request
from emulators.warehouse.wire.rows import encoded, value_of
from emulators.warehouse.wire.types_read import UnsupportedType, described
from emulators.warehouse.wire.types_write import type_info

HEADERS = struct.pack("<IIHQI", 22, 18, 2, 0, 1)


def day(year: int, month: int, number: int) -> datetime:
    return datetime.combine(date(year, month, number), time())


instants = st.datetimes()
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
latin = st.text(st.characters(codec="cp1252"), max_size=40)

VALUES: list[tuple[SqlType, st.SearchStrategy[Any]]] = [
    (SqlType("tinyint"), st.integers(0, 255)),
    (SqlType("smallint"), st.integers(-(2**15), 2**15 - 1)),
    (SqlType("int"), st.integers(-(2**31), 2**31 - 1)),
    (SqlType("bigint"), st.integers(-(2**63), 2**63 - 1)),
    (SqlType("bit"), st.booleans()),
    (SqlType("real"), st.floats(width=32, allow_nan=False)),
    (SqlType("float"), st.floats(allow_nan=False)),
    (SqlType("decimal", precision=38, scale=10), st.decimals(-(10**27), 10**27, places=10)),
    (SqlType("decimal", precision=5, scale=0), st.decimals(-99999, 99999, places=0)),
    (SqlType("money"), st.decimals(-(2**62) // 10**4, 2**62 // 10**4, places=4)),
    (SqlType("smallmoney"), st.decimals(-200_000, 200_000, places=4)),
    (SqlType("date"), st.dates()),
    (SqlType("time", scale=7), st.times()),
    (SqlType("time", scale=6), st.times()),
    (SqlType("datetime2", scale=7), instants),
    (SqlType("datetime2", scale=6), instants),
    (SqlType("datetime2", scale=0), instants.map(lambda t: t.replace(microsecond=0))),
    (SqlType("datetimeoffset", scale=7), instants.map(lambda t: t.replace(tzinfo=UTC))),
    (SqlType("smalldatetime"), st.datetimes(day(1900, 1, 1), day(2079, 6, 5)).map(
        lambda t: t.replace(second=0, microsecond=0))),
    (SqlType("uniqueidentifier"), st.uuids()),
    (SqlType("nvarchar", 200), texts),
    (SqlType("nvarchar", MAX), texts),
    (SqlType("varchar", 200), latin),
    (SqlType("varchar", MAX), latin),
    (SqlType("nchar", 100), texts),
    (SqlType("varbinary", 100), st.binary(max_size=100)),
    (SqlType("varbinary", MAX), st.binary(max_size=100)),
    (SqlType("varchar", 200, collation="Latin1_General_100_BIN2_UTF8"), texts),
]  # fmt: skip


def read_back(sql: SqlType, data: bytes, *, utf8: bool = True) -> Any:
    kind = described(Reader(type_info(sql, utf8=utf8)))
    value, end = kind.read(data, 0)
    assert end == len(data)
    return value


@pytest.mark.parametrize(("sql", "values"), VALUES, ids=[str(sql) for sql, _ in VALUES])
def test_a_value_comes_back(sql: SqlType, values: st.SearchStrategy[Any]) -> None:
    @given(st.none() | values)
    def check(value: Any) -> None:
        assert read_back(sql, value_of(sql, value, utf8=True)) == value

    check()


@given(instants.filter(lambda t: t.year >= 1753))
def test_datetime_is_rounded_to_a_300th_of_a_second(value: datetime) -> None:
    back = read_back(SqlType("datetime"), value_of(SqlType("datetime"), value))
    assert abs(back - value) <= timedelta(milliseconds=2.2)
    assert back.microsecond // 1000 % 10 in (0, 3, 7)


def test_what_varchar_cannot_say_is_a_question_mark() -> None:
    assert read_back(SqlType("varchar", 9), value_of(SqlType("varchar", 9), "aλ€𝄞")) == "a?€?"


def test_without_utf8_such_a_column_goes_as_nvarchar() -> None:
    sql = SqlType("varchar", 10, collation="Latin1_General_100_CI_AS_SC_UTF8")
    assert type_info(sql, utf8=False)[0] == 0xE7
    assert read_back(sql, value_of(sql, "λ"), utf8=False) == "λ"


@given(st.integers(0, 3 * CHUNK))
def test_large_values_go_in_small_chunks(size: int) -> None:
    value = b"x" * size
    data = value_of(SqlType("varbinary", MAX), value)
    at = 8
    while chunk := int.from_bytes(data[at : at + 4], "little"):
        assert chunk <= CHUNK
        at += 4 + chunk
    assert at + 4 == len(data)
    assert read_back(SqlType("varbinary", MAX), data) == value


columns_and_rows = st.lists(st.sampled_from(VALUES), min_size=1, max_size=6).flatmap(
    lambda chosen: st.tuples(
        st.just([sql for sql, _ in chosen]),
        st.lists(st.tuples(*(st.none() | values for _, values in chosen)), max_size=20),
    )
)


def batch_of(types: list[SqlType], rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    def plain(value: Any) -> Any:
        return str(value) if isinstance(value, UUID) else value

    arrays = [pa.array([plain(row[at]) for row in rows], sql.arrow) for at, sql in enumerate(types)]
    return pa.RecordBatch.from_arrays(arrays, [f"c{at}" for at in range(len(types))])


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(p % (len(data) + 1) for p in places), len(data)]
    return [data[a:b] for a, b in pairwise(bounds)]


@given(columns_and_rows, st.lists(st.integers(0, 10**6), max_size=8), st.integers(0, 30))
def test_rows_are_read_as_they_were_written(
    what: tuple[list[SqlType], list[tuple[Any, ...]]], places: list[int], skipped: int
) -> None:
    types, rows = what
    columns = [Column(f"c{at}", sql) for at, sql in enumerate(types)]
    batch = batch_of(types, rows)
    part = batch.slice(min(skipped, len(rows)))  # Arrow's offsets are not always 0
    data = tokens.columns(columns, utf8=True)
    data += b"".join(bytes(piece) for piece in encoded(columns, part, utf8=True))
    data += tokens.done(tokens.DONE, 0)
    reader = BulkReader(columns)
    pieces = cut(data, places)
    found = [b for p in pieces for b in reader.feed(p)] + list(reader.feed(b"", last=True))
    assert reader.done
    got = pa.Table.from_batches(found).to_pylist() if found else []
    assert got == part.to_pylist()


@given(columns_and_rows, st.booleans())
def test_a_few_rows_are_written_as_many_are(
    what: tuple[list[SqlType], list[tuple[Any, ...]]], utf8: bool
) -> None:
    types, rows = what
    columns = [Column(f"c{at}", sql) for at, sql in enumerate(types)]
    batch = batch_of(types, rows[: few.FEW])
    soon = b"".join(map(bytes, encoded(columns, batch, utf8=utf8)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(few, "FEW", -1)
        assert b"".join(map(bytes, encoded(columns, batch, utf8=utf8))) == soon


def test_rows_with_a_bit_for_each_null() -> None:
    columns = [Column(c, SqlType("int")) for c in "abcdefghi"]
    data = tokens.columns(columns)
    data += bytes((0xD2, 0b11111101, 0b1)) + b"\x04\x05\x00\x00\x00"
    data += tokens.done(tokens.DONE, 0)
    reader = BulkReader()
    (batch,) = reader.feed(data, last=True)
    assert batch.to_pylist()[0] == dict.fromkeys("acdefghi") | {"b": 5}


def test_a_load_may_end_by_the_old_short_done() -> None:
    columns = [Column("a", SqlType("int"))]
    data = tokens.columns(columns) + b"\xd1\x04\x05\x00\x00\x00" + b"\xfd" + bytes(8)
    (batch,) = BulkReader(columns).feed(data, last=True)
    assert batch.to_pylist() == [{"a": 5}]
    with pytest.raises(BadStream, match="cut"):
        list(BulkReader(columns).feed(data[:-4], last=True))


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_long_value_of_a_bulk_load_is_not_read_again_and_again(size: int) -> None:
    columns = [Column("a", SqlType("varbinary", MAX))]
    value = bytes(4 << 20)
    data = tokens.columns(columns)
    data += b"".join(map(bytes, encoded(columns, batch_of([columns[0].type], [(value,)]))))
    reader = BulkReader()
    step = max(len(data) // (1000 * size), 1)
    found = [b for at in range(0, len(data), step) for b in reader.feed(data[at : at + step])]
    found += reader.feed(tokens.done(tokens.DONE, 0), last=True)
    assert found[0].column(0)[0].as_py() == value


@given(st.binary(max_size=400), st.booleans())
def test_bulk_of_anything_is_read_or_refused(data: bytes, begun: bool) -> None:
    head = tokens.columns([Column("a", SqlType("int")), Column("b", SqlType("nvarchar", 9))])
    reader = BulkReader()
    try:
        list(reader.feed((head if begun else b"") + data, last=True))
    except (BadStream, UnsupportedType):
        return


@given(
    st.lists(st.tuples(st.sampled_from([1, 3, 14]), st.binary(max_size=3000)), max_size=5),
    st.sampled_from([512, 4096]),
    st.lists(st.integers(0, 10**6), max_size=9),
)
def test_any_cutting_gives_the_same_messages(
    messages: list[tuple[int, bytes]], size: int, places: list[int]
) -> None:
    stream = b"".join(packets.packed(kind, data, size) for kind, data in messages)
    reader, assembler = PacketReader(), Assembler(1 << 20)
    found = []
    for piece in cut(stream, places):
        reader.feed(piece)
        while (packet := reader.next()) is not None:
            request = assembler.add(packet)
            if request is not None:
                found.append((request.kind, request.data))
    assert found == messages
    assert reader.rest() == b""


@given(st.lists(st.binary(max_size=3000), max_size=6), st.lists(st.booleans(), max_size=6))
def test_a_message_written_in_parts_is_one_message(parts: list[bytes], flushes: list[bool]) -> None:
    writer = PacketWriter(512, packets.BATCH)
    stream = b""
    for part, flush in zip(parts, [*flushes, *[False] * len(parts)], strict=False):
        stream += writer.write(part) + (writer.flush() if flush else b"")
    reader, assembler = PacketReader(), Assembler(1 << 20)
    reader.feed(stream + writer.end())
    found = []
    while (packet := reader.next()) is not None:
        assert len(packet.body) <= 504
        found.append(assembler.add(packet))
    assert [r.data for r in found if r] == [b"".join(parts)]


@given(st.binary(max_size=300))
def test_packets_of_anything_are_read_or_refused(data: bytes) -> None:
    reader = PacketReader()
    reader.feed(data)
    try:
        while reader.next():
            pass
    except BadStream:
        pass


@pytest.mark.parametrize(
    "parse", [prelogin.parse, login7.parse, batch_text, transaction_request, login7.fedauth_token,
              lambda data: list(rpc.parse(data)), lambda data: list(rpc.parse(HEADERS + data)),
              lambda data: login7.Login7(0, 0, features={2: data}).fedauth,
              lambda data: described(Reader(data)).sql],
)  # fmt: skip
def test_messages_of_anything_are_read_or_refused(parse: Any) -> None:
    @given(st.binary(max_size=300))
    def check(data: bytes) -> None:
        with suppress(BadStream, UnsupportedType):
            parse(data)

    check()


def test_prelogin_says_fedauth_only_to_who_asks() -> None:
    plain = prelogin.Prelogin({prelogin.ENCRYPTION: b"\x00"})
    assert prelogin.FEDAUTH_REQUIRED not in prelogin.parse(prelogin.answer(plain)).options
    asked = prelogin.Prelogin({prelogin.ENCRYPTION: b"\x01", prelogin.FEDAUTH_REQUIRED: b"\x01"})
    answered = prelogin.parse(prelogin.answer(asked))
    assert answered.options[prelogin.FEDAUTH_REQUIRED] == b"\x01"


@pytest.mark.parametrize(("asked", "agreed"), [(0, 0), (1, 1), (2, 2), (3, 1)])
def test_encryption_is_agreed(asked: int, agreed: int) -> None:
    client = prelogin.Prelogin({prelogin.ENCRYPTION: bytes((asked,))})
    answered = prelogin.parse(prelogin.answer(client))
    assert answered.encryption == agreed
    assert prelogin.parse(prelogin.answer(client, strict=True)).encryption == 1


@given(texts)
def test_a_password_is_unscrambled(password: str) -> None:
    assert login7.unscrambled(login7.scrambled(password)) == password


def written(answers: list[Answer], **how: Any) -> bytes:
    return b"".join(bytes(p) for p in AnswerWriter(Style("s"), **how).written(answers))


def dones(data: bytes) -> list[tuple[int, int, int]]:
    """Every DONE at the end of what is only DONEs and statuses."""
    found, at = [], 0
    while at < len(data):
        if data[at] in (0xFD, 0xFE, 0xFF):
            token, status, _, rows = struct.unpack_from("<BHHQ", data, at)
            found.append((token, status, rows))
            at += 13
        elif data[at] == 0x79:
            at += 5
        elif data[at] == 0xAC:
            raise AssertionError("not here")
        else:
            at += 3 + int.from_bytes(data[at + 1 : at + 3], "little")
    return found


def test_only_the_last_done_ends_a_batch() -> None:
    assert dones(written([Finished(3, 0xC3), Finished(), Finished(0)])) == [
        (0xFD, 0x11, 3), (0xFD, 0x01, 0), (0xFD, 0x10, 0),
    ]  # fmt: skip
    assert dones(written([])) == [(0xFD, 0, 0)]


def test_a_failure_is_told_and_closed() -> None:
    assert dones(written([Finished(3), Failed(8134, "Divide by zero.")])) == [
        (0xFD, 0x11, 3), (0xFD, 0x02, 0),
    ]  # fmt: skip


def test_a_call_among_others_says_so() -> None:
    data = written([Finished(1), ReturnStatus(5)], call=True, last=False)
    assert dones(data) == [(0xFF, 0x11, 1), (0xFE, 0x81, 0)]
    assert b"\x79\x05\x00\x00\x00" in data
    assert dones(written([Finished(1)], call=True)) == [(0xFF, 0x11, 1), (0xFE, 0, 0)]


def test_a_failure_among_rows_closes_them() -> None:
    def batches() -> Any:
        yield batch_of([SqlType("int")], [(1,)])
        raise SqlError(8134, 16, 1, "Divide by zero error encountered.", 3)

    data = written([ResultSet((Column("a", SqlType("int")),), batches())])
    assert data.endswith(tokens.done(tokens.DONE, tokens.FAILED))
    assert "Divide by zero".encode("utf-16-le") in data


def test_output_values_follow_the_status() -> None:
    data = written([OutputValue(1, "@x", SqlType("int"), 9), ReturnStatus(2)], call=True)
    assert data.index(b"\x79\x02\x00\x00\x00") < data.index(b"\xac\x01\x00")


def test_a_value_that_does_not_fit_is_an_error_of_the_answer() -> None:
    data = written([OutputValue(0, "@x", SqlType("tinyint"), 999)], call=True)
    assert "Error converting".encode("utf-16-le") in data


def test_a_transaction_is_named_by_eight_bytes() -> None:
    data = written([TransactionChanged("begin", 7), TransactionChanged("commit", 7)])
    begun, ended = b"\xe3\x0b\x00\x08\x08" + bytes((7,)) + bytes(7), b"\xe3\x0b\x00\x09\x00\x08"
    assert data.startswith(begun)
    assert ended in data


def test_messages_are_cut_to_what_fits() -> None:
    data = tokens.message(Message(0, "x" * 10_000), "server")
    assert int.from_bytes(data[1:3], "little") == len(data) - 3


def test_batched_calls_are_parted() -> None:
    one = struct.pack("<HHH", 0xFFFF, 12, 0) + b"\x00\x00\x26\x04\x04\x01\x00\x00\x00"
    calls = list(rpc.parse(HEADERS + one + b"\xff" + one + b"\xff" + one))
    assert [(c.procedure, c.last, c.arguments[0].value) for c in calls] == [
        ("sp_execute", False, 1), ("sp_execute", False, 1), ("sp_execute", True, 1),
    ]  # fmt: skip


def test_ntext_parameters_are_read() -> None:
    text = "SELECT 1".encode("utf-16-le")
    data = b"\x00\x00\x63" + struct.pack("<I", len(text)) + b"\x09\x04\xd0\x00\x34"
    data += struct.pack("<I", len(text)) + text
    (call,) = rpc.parse(HEADERS + struct.pack("<HHH", 0xFFFF, 13, 0) + data)
    assert call.arguments[0].value == "SELECT 1"


def test_a_decimal_beyond_pythons_usual_digits() -> None:
    sql = SqlType("decimal", precision=38, scale=3)
    value = Decimal("12345678901234567890123456789012345.678")
    assert read_back(sql, value_of(sql, value)) == value
    assert read_back(sql, value_of(sql, -value)) == -value


def test_a_date_at_the_ends_of_the_calendar() -> None:
    for value in (date(1, 1, 1), date(9999, 12, 31)):
        assert read_back(SqlType("date"), value_of(SqlType("date"), value)) == value


@pytest.mark.parametrize("count", [1, 100])
def test_a_length_that_was_guessed_too_short_is_mended(count: int) -> None:
    """The first batch tells: clients end the connection over a value that is too long."""
    sql = SqlType("nvarchar", 5)
    column = Column("a", sql)
    fits, longer = batch_of([sql], [("12345",)] * count), batch_of([sql], [("1234𝄞",)] * count)
    for batches, kind in (([fits], sql), ([longer], SqlType("nvarchar", MAX))):
        data = written([ResultSet((column,), batches), Finished(count)])
        assert data.startswith(tokens.columns([Column("a", kind)]))
    later = written([ResultSet((column,), [fits, longer]), Finished(2 * count)])
    assert struct.pack("<i", 8152) in later
