"""The server by raw bytes: the traps that clients set, and what garbage does not do."""

from __future__ import annotations

import os
import random
import socket
import ssl
import struct
import time
from collections.abc import Iterator

import pytest

from emulators.warehouse.engine.answers import Column
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError
from emulators.warehouse.wire import login7, packets, prelogin, tokens
from emulators.warehouse.wire.rows import encoded
from emulators.warehouse.wire.server import Limits
from tests.emulators.warehouse.fake import FakeSessions
from tests.emulators.warehouse.listening import Listening, authority, listening
from tests.emulators.warehouse.rawclient import HEADERS, Raw, login_bytes
from tests.emulators.warehouse.test_wire_codec import batch_of, dones

ATTENTION_DONE = tokens.done(tokens.DONE, tokens.ATTENTION)
SOAK_S = float(os.environ.get("REHEARSAL_SOAK_SECONDS", "3600"))


@pytest.fixture(scope="module")
def sessions() -> FakeSessions:
    return FakeSessions()


@pytest.fixture(scope="module")
def up(sessions: FakeSessions) -> Iterator[Listening]:
    limits = Limits(connections=20, login_s=3.0, message_bytes=1 << 20)
    with listening(sessions, limits) as running:
        yield running
    assert running.bugs == []


@pytest.fixture
def raw(up: Listening) -> Iterator[Raw]:
    with Raw(up.port) as client:
        yield client


def closed(client: Raw) -> bool:
    try:
        client.message()
        return not client.socket.recv(1)
    except (EOFError, ConnectionError):
        return True


def test_the_welcome_is_in_order(raw: Raw) -> None:
    said = raw.login(features={login7.UTF8: b"\x01", 0x01: b""})
    places = [said.index(mark) for mark in (
        b"\xe3" + struct.pack("<H", 3 + 2 * 8) + b"\x01", "context".encode("utf-16-le"),
        b"\x07\x05\x09\x04\xd0\x00\x34", "us_english".encode("utf-16-le"),
        b"\xad", "4096".encode("utf-16-le"), b"\xae\x0a\x01\x00\x00\x00\x01\xff",
    )]  # fmt: skip
    assert places == sorted(places)
    assert said.endswith(tokens.done(tokens.DONE, 0))


def test_no_features_are_acknowledged_unasked(raw: Raw) -> None:
    assert b"\xae" + bytes((login7.UTF8,)) not in raw.login()


@pytest.mark.parametrize(("asked", "agreed"), [(0, 4096), (8000, 8000), (100, 512), (65535, 32767)])
def test_the_packet_size_is_agreed(raw: Raw, asked: int, agreed: int) -> None:
    assert str(agreed).encode("utf-16-le") in raw.login(packet_size=asked)
    raw.batch("SELECT repeat('x', 100000) AS a")
    sizes, last = [], 0
    while not last:
        _, last, body = raw.packet()
        sizes.append(len(body) + 8)
        last &= 1
    assert max(sizes) == agreed


def test_a_wrong_password_is_told_and_ends_it(raw: Raw) -> None:
    said = raw.login(password="wrong")
    assert struct.pack("<iBB", 18456, 1, 14) in said
    assert said.endswith(tokens.done(tokens.DONE, tokens.FAILED))
    assert closed(raw)


def test_an_entra_token_logs_in(raw: Raw, sessions: FakeSessions) -> None:
    token = "good".encode("utf-16-le")
    feature = b"\x03" + struct.pack("<I", len(token)) + token
    said = raw.login(user="", password="", features={login7.FEDAUTH: feature})
    assert b"\xae\x02\x00\x00\x00\x00\xff" in said
    assert sessions.logins[-1].token == "good"


def test_adal_is_told_where_tokens_are(raw: Raw, sessions: FakeSessions) -> None:
    raw.prelogin()
    raw.send(packets.LOGIN7, login_bytes(features={login7.FEDAUTH: b"\x05\x01"}))
    said = raw.message()
    assert said[0] == tokens.FEDAUTH_INFO
    assert "https://login.microsoftonline.com/".encode("utf-16-le") in said
    token = "good".encode("utf-16-le")
    inner = struct.pack("<I", len(token)) + token
    raw.send(packets.FEDAUTH, struct.pack("<I", len(inner)) + inner)
    assert raw.message().endswith(tokens.done(tokens.DONE, 0))


def test_windows_sign_in_is_refused(raw: Raw) -> None:
    raw.prelogin()
    login = bytearray(login_bytes())
    login[25] |= 0x80
    raw.send(packets.LOGIN7, bytes(login))
    assert struct.pack("<i", 18452) in raw.message()


def test_tls_within_packets_is_1_2(up: Listening) -> None:
    with Raw(up.port) as client:
        assert client.prelogin(1).encryption == 1
        tls, _, _ = client.handshake(str(authority().ca_file), ssl.TLSVersion.TLSv1_3)
        assert tls.version() == "TLSv1.2"


def test_a_login_right_behind_the_handshake_is_read(up: Listening) -> None:
    """FreeTDS sends its encrypted login without waiting; only the login is encrypted then."""
    with Raw(up.port) as client:
        assert client.prelogin(0).encryption == 0
        context = ssl.create_default_context(cafile=str(authority().ca_file))
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(theirs, ours, server_hostname="localhost")
        held = b""
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                pass
            client.socket.sendall(held + packets.packed(packets.PRELOGIN, ours.read()))
            theirs.write(client.packet()[2])
        assert not ours.read()
        tls.write(packets.packed(packets.LOGIN7, login_bytes()))
        client.socket.sendall(ours.read())
        assert client.message().endswith(tokens.done(tokens.DONE, 0))
        assert b"\xd1\x04\x01\x00\x00\x00" in client.ask("SELECT 1 AS a")


def test_strict_speaks_tls_first(up: Listening) -> None:
    context = ssl.create_default_context(cafile=str(authority().ca_file))
    context.set_alpn_protocols(["tds/8.0"])
    plain = socket.create_connection(("127.0.0.1", up.port), timeout=10)
    with context.wrap_socket(plain, server_hostname="localhost") as tls:
        assert tls.selected_alpn_protocol() == "tds/8.0"
        assert tls.version() == "TLSv1.3"
        client = Raw.__new__(Raw)
        client.socket = tls
        assert client.prelogin(2).encryption == 1
        client.send(packets.LOGIN7, login_bytes(version=login7.TDS_8))
        assert client.message().endswith(tokens.done(tokens.DONE, 0))


def test_an_attention_is_acknowledged_once(raw: Raw) -> None:
    raw.login()
    raw.batch("WAIT")
    assert raw.packet()[2][0] == tokens.COLUMNS  # the rows so far are not kept back
    began = time.monotonic()
    raw.send(packets.ATTENTION, b"")
    assert raw.message().endswith(tokens.done(tokens.DONE, tokens.FAILED))
    assert raw.message() == ATTENTION_DONE  # a message of its own: tedious waits for it
    assert time.monotonic() - began < 5
    assert ATTENTION_DONE not in raw.ask("SELECT 1 AS a")


def test_an_attention_to_nothing_is_acknowledged(raw: Raw) -> None:
    raw.login()
    raw.send(packets.ATTENTION, b"")
    assert raw.message() == ATTENTION_DONE
    raw.batch("SELECT 1 AS a")
    raw.send(packets.ATTENTION, b"")  # while it runs, or behind it
    raw.message()
    assert raw.message() == ATTENTION_DONE
    assert b"\xd1" in raw.ask("SELECT 2 AS a")


def test_a_reset_comes_first(raw: Raw, sessions: FakeSessions) -> None:
    raw.login()
    raw.batch("SELECT 1 AS a", status=packets.RESET)
    assert raw.message().startswith(b"\xe3\x03\x00\x12\x00\x00\x81")
    raw.batch("SELECT 1 AS a", status=packets.RESET_KEEP_TRANSACTION)
    raw.message()
    assert sessions.opened[-1].resets == [False, True]


def test_transaction_requests(raw: Raw, sessions: FakeSessions) -> None:
    raw.login()
    raw.send(packets.TRANSACTION, HEADERS + struct.pack("<HBB", 5, 2, 0))
    assert raw.message().startswith(b"\xe3\x0b\x00\x08\x08")
    raw.send(packets.TRANSACTION, HEADERS + struct.pack("<HBBBB", 8, 0, 1, 2, 0))
    said = raw.message()
    assert said.startswith(b"\xe3\x0b\x00\x0a\x00\x08")
    assert b"\xe3\x0b\x00\x08\x08" in said
    raw.send(packets.TRANSACTION, HEADERS + struct.pack("<H", 0))
    assert "distributed transactions".encode("utf-16-le") in raw.message()
    assert sessions.opened[-1].transactions == ["begin", "rollback", "begin"]


def test_server_cursors_are_refused_by_name(raw: Raw) -> None:
    raw.login()
    raw.send(packets.RPC, HEADERS + struct.pack("<HHH", 0xFFFF, 2, 0))
    said = raw.message()
    assert "sp_cursoropen".encode("utf-16-le") in said
    assert said.endswith(tokens.done(tokens.DONE_PROC, tokens.FAILED))
    assert b"\xd1" in raw.ask("SELECT 1 AS a")


def test_a_table_valued_parameter_is_refused_by_name(raw: Raw) -> None:
    raw.login()
    raw.send(packets.RPC, HEADERS + struct.pack("<HHH", 0xFFFF, 10, 0) + b"\x00\x00\xf3\x00")
    assert "table-valued".encode("utf-16-le") in raw.message()
    assert b"\xd1" in raw.ask("SELECT 1 AS a")


COLUMNS = (Column("a", SqlType("int")), Column("b", SqlType("nvarchar", MAX)))


def load(count: int) -> bytes:
    rows = [(n, f"{n}" * (n % 7)) for n in range(count)]
    batch = batch_of([c.type for c in COLUMNS], rows)
    body = b"".join(map(bytes, encoded(COLUMNS, batch)))
    return tokens.columns(COLUMNS) + body + tokens.done(tokens.DONE, 0)


def test_bulk_rows_are_taken_in_pieces(raw: Raw, sessions: FakeSessions) -> None:
    raw.login()
    session = sessions.opened[-1]
    assert dones(raw.ask("INSERT BULK t (a int, b nvarchar(max))")) == [(0xFD, 0, 0)]
    raw.send(packets.BULK, load(50_000))
    assert dones(raw.message()) == [(0xFD, 0x10, 50_000)]
    assert session.loads[-1].rows == 50_000
    assert len(session.loads[-1].batches) > 3
    raw.ask("INSERT BULK t (a int, b nvarchar(max))")
    raw.send(packets.BULK, tokens.done(tokens.DONE, 0))  # an empty last one
    assert dones(raw.message()) == [(0xFD, 0x10, 0)]


def test_a_bulk_load_that_fails_is_told_at_its_end(raw: Raw, sessions: FakeSessions) -> None:
    raw.login()
    session = sessions.opened[-1]
    session.fail_load_after = 10
    raw.ask("INSERT BULK t (a int)")
    raw.send(packets.BULK, load(50_000))
    assert struct.pack("<i", 2627) in raw.message()
    assert session.loads[-1].abandoned
    raw.ask("INSERT BULK t (a int)")
    raw.send(packets.BULK, b"\x00garbage")
    assert struct.pack("<i", 4804) in raw.message()
    raw.send(packets.BULK, load(3))
    assert struct.pack("<i", 4819) in raw.message()
    assert b"\xd1" in raw.ask("SELECT 1 AS a")


def test_a_bulk_load_that_is_called_off_is_forgotten(raw: Raw, sessions: FakeSessions) -> None:
    raw.login()
    raw.ask("INSERT BULK t (a int)")
    raw.send(packets.BULK, load(10), status=packets.IGNORE)
    raw.send(packets.ATTENTION, b"")
    assert raw.message() == ATTENTION_DONE
    assert sessions.opened[-1].loads[-1].abandoned


def test_our_own_mistake_is_no_end_of_the_connection(up: Listening, raw: Raw) -> None:
    raw.login()
    assert "Rehearsal failed, not your statement".encode("utf-16-le") in raw.ask("BUG")
    assert isinstance(up.bugs.pop(), ZeroDivisionError)
    assert b"\xd1" in raw.ask("SELECT 1 AS a")


def test_a_client_that_goes_leaves_nothing(up: Listening, sessions: FakeSessions) -> None:
    with Raw(up.port) as client:
        client.login()
        client.batch("WAIT")
        client.packet()
    session = sessions.opened[-1]
    until = time.monotonic() + 10
    while not session.closed and time.monotonic() < until:
        time.sleep(0.01)
    assert session.closed
    assert session.cancelled.is_set()


def test_who_does_not_log_in_is_sent_away(up: Listening) -> None:
    with Raw(up.port) as client:
        began = time.monotonic()
        assert closed(client)
        assert 2 < time.monotonic() - began < 10


def test_too_many_are_sent_away(up: Listening) -> None:
    clients = []
    try:
        for _ in range(20):
            client = Raw(up.port)
            clients.append(client)
            client.login()
        with Raw(up.port) as more:
            assert closed(more)
    finally:
        for client in clients:
            client.socket.close()
    until = time.monotonic() + 10
    while up.server.connections and time.monotonic() < until:
        time.sleep(0.01)
    assert not up.server.connections


def test_a_message_without_end_is_refused(raw: Raw) -> None:
    raw.login()
    packet = packets.HEADER.pack(packets.BATCH, 0, 4096, 0, 1, 0) + bytes(4088)
    try:
        for _ in range(300):
            raw.socket.sendall(packet)
        said = raw.message()
    except ConnectionError:
        return
    assert struct.pack("<i", 4002) in said


def mutated(chance: random.Random, data: bytes) -> bytes:
    """A few bytes changed, cut out or put in."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(4):
            case 0:
                changed[at : at + 1] = bytes((chance.randrange(256),))
            case 1:
                del changed[at : at + chance.randint(1, 9)]
            case 2:
                changed[at:at] = chance.randbytes(chance.randint(1, 9))
            case _:
                changed[at : at + 4] = chance.choice((b"\xff" * 4, bytes(4), b"\xff\xff\xff\x7f"))
    return bytes(changed)


def said_by_clients() -> list[tuple[bool, list[bytes]]]:
    """Valid messages of each kind, as packets; and whether they are sent after a login."""
    call = struct.pack("<HHH", 0xFFFF, 10, 0) + b"\x00\x00\xe7\xff\xff\x09\x04\xd0\x00\x34"
    text = "SELECT 1 AS a".encode("utf-16-le")
    call += struct.pack("<QI", len(text), len(text)) + text + bytes(4)
    options = {prelogin.VERSION: bytes(6), prelogin.ENCRYPTION: b"\x02"}
    hello = packets.packed(packets.PRELOGIN, prelogin.serialise(options))
    login = packets.packed(packets.LOGIN7, login_bytes(features={login7.UTF8: b"\x01"}))
    batch = packets.packed(packets.BATCH, HEADERS + text)
    bulk = packets.packed(packets.BATCH, HEADERS + "INSERT BULK t (a int)".encode("utf-16-le"))
    return [
        (False, [hello, login]),
        (True, [batch]),
        (True, [packets.packed(packets.RPC, HEADERS + call)]),
        (True, [packets.packed(packets.TRANSACTION, HEADERS + struct.pack("<HBB", 5, 2, 0))]),
        (True, [bulk, packets.packed(packets.BULK, load(3))]),
        (True, [packets.packed(packets.ATTENTION, b""), batch]),
        (True, [packets.packed(packets.FEDAUTH, b"\x08\0\0\0\x04\0\0\0a\0b\0")]),
        (False, [b"\x16\x03\x01\x00\x20" + bytes(32)]),
    ]


def fuzz(up: Listening, chance: random.Random) -> None:
    """One connection that says something wrong and goes."""
    after, messages = chance.choice(said_by_clients())
    with Raw(up.port) as client:
        client.socket.settimeout(0.02)
        try:
            if after:
                client.socket.settimeout(5)
                client.login()
                client.socket.settimeout(0.02)
            for message in messages:
                wrong = mutated(chance, message) if chance.random() < 0.8 else message
                for at in range(0, len(wrong), step := chance.choice((1, 7, 1000))):
                    client.socket.sendall(wrong[at : at + step])
            client.socket.recv(4096)
        except (OSError, EOFError):
            pass


def still_serves(up: Listening) -> None:
    with Raw(up.port) as client:
        client.login()
        assert b"\xd1" in client.ask("SELECT 1 AS a")


def test_garbage_ends_its_own_connection_only(up: Listening) -> None:
    chance = random.Random(7)
    with Raw(up.port) as bystander:
        bystander.login()
        for _ in range(150):
            fuzz(up, chance)
        assert b"\xd1" in bystander.ask("SELECT 1 AS a")
    still_serves(up)
    up.bugs.clear()


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_an_hour_of_garbage(sessions: FakeSessions) -> None:
    import psutil

    chance = random.Random()
    me = psutil.Process()
    bugs: list[Exception] = []
    with listening(sessions, Limits(connections=64, login_s=2.0, message_bytes=1 << 20)) as up:
        began, rounds, before = time.monotonic(), 0, 0
        while time.monotonic() - began < SOAK_S:
            fuzz(up, chance)
            rounds += 1
            if rounds % 500 == 0:
                still_serves(up)
                sessions.opened.clear()
                sessions.logins.clear()
                bugs += [b for b in up.bugs if not isinstance(b, SqlError)]
                up.bugs.clear()
                before = before or me.memory_info().rss
        assert not bugs
        assert me.memory_info().rss < 1.5 * before + (64 << 20)
        assert me.num_fds() < 400
        still_serves(up)
