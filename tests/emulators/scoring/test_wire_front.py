"""The HTTP front: any chunking, pipelines, limits, rude and slow clients; garbage harms nobody."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulators.kernel import frames
from emulators.kernel.frames import Frame
from emulators.kernel.workers import PoolStopped, WorkerPool
from emulators.scoring.wire.front import Connection, Front, Limits


class EchoPool:
    """A pool whose worker answers with what it was sent, one loop turn later."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self.seen, self._last = loop, list[tuple[bytes, bytes]](), 0
        self.stopped = False
        self.cancelled: list[int] = []

    def submit(self, head: bytes, body: bytes, answer: Any) -> int:
        if self.stopped:
            raise PoolStopped("stopping")
        self.seen.append((head, body))
        self._last += 1
        if body == b"never":
            return self._last
        frame = None if body == b"crash" else Frame(frames.RESPONSE, 1, 200, b"X-A: b\r\n", body)
        self._loop.call_soon(answer, frame)
        return self._last

    def cancel(self, id_: int) -> None:
        self.cancelled.append(id_)


class Wire(asyncio.Transport):
    """What a connection writes, without a socket."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.closed, self.paused = b"", False, False

    def write(self, data: Any) -> None:
        assert not self.closed, "written after closing"
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


async def conversation(pieces: list[bytes], limits: Limits | None = None) -> tuple[Wire, EchoPool]:
    """Feed one connection and wait until it has nothing left to say."""
    pool = EchoPool(asyncio.get_running_loop())
    front = Front(cast(WorkerPool, pool), limits)
    wire, connection = Wire(), Connection(front)
    connection.connection_made(wire)
    for piece in pieces:
        if wire.closed:
            break
        connection.data_received(piece)
    for _ in range(300):
        await asyncio.sleep(0)
    front.close()
    return wire, pool


def talk(*pieces: bytes, limits: Limits | None = None) -> tuple[Wire, EchoPool]:
    return asyncio.run(conversation(list(pieces), limits))


def post(body: bytes, extra: bytes = b"") -> bytes:
    return b"POST /score HTTP/1.1\r\nhost: h\r\n%bcontent-length: %d\r\n\r\n%b" % (
        extra,
        len(body),
        body,
    )


def chunked(body: bytes) -> bytes:
    pieces = b"".join(b"%x\r\n%b\r\n" % (1, body[i : i + 1]) for i in range(len(body)))
    return b"POST /c HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n"


def bodies(wire: Wire) -> list[bytes]:
    """The bodies of the answers, each 200."""
    found, rest = [], wire.written
    while rest:
        head, _, rest = rest.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n"), head
        assert b"X-A: b" in head
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        found.append(rest[:length])
        rest = rest[length:]
    return found


@given(
    st.lists(st.tuples(st.binary(max_size=40), st.booleans()), min_size=1, max_size=5), st.data()
)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_chunking_gives_the_same_answers(
    requests: list[tuple[bytes, bool]], data: st.DataObject
) -> None:
    """Pipelined, in pieces of any size: answered in order, bodies whole."""
    sent = [body for body, _ in requests if body not in (b"crash", b"never")]
    stream = b"".join(
        chunked(body) if cut else post(body)
        for body, cut in requests
        if body not in (b"crash", b"never")
    )
    pieces = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        pieces.append(stream[:size])
        stream = stream[size:]
    wire, _ = talk(*pieces)
    assert bodies(wire) == sent


@given(st.binary(max_size=200), st.lists(st.integers(1, 60), max_size=6))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_garbage_is_answered_or_waited_for(garbage: bytes, cuts: list[int]) -> None:
    pieces, rest = [], garbage
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    wire, _ = talk(*[piece for piece in [*pieces, rest] if piece])
    assert wire.written == b"" or wire.written.startswith(b"HTTP/1.1 ")


@given(st.integers(0, 60), st.integers(0, 255))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_one_wrong_byte_is_answered_or_waited_for(at: int, byte: int) -> None:
    stream = bytearray(post(b"body of the request"))
    stream[at % len(stream)] = byte
    wire, _ = talk(bytes(stream))
    assert wire.written == b"" or wire.written.startswith(b"HTTP/1.1 ")


def test_the_worker_sees_method_target_and_headers() -> None:
    _, pool = talk(post(b"x", b"X-Mine:  a b \r\n"))
    head, body = pool.seen[0]
    assert head == b"POST /score\nhost: h\nX-Mine: a b \ncontent-length: 1" or head.split(b"\n")[
        2
    ].strip() == (b"X-Mine: a b")
    assert body == b"x"


@pytest.mark.parametrize(
    ("stream", "status"),
    [
        (b"NONSENSE\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n", b"400"),
        (
            b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
            b"400",
        ),
        (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\n" + b"h: %s\r\n" % (b"v" * 70000) + b"\r\n", b"431"),
        (post(b"x" * 101), b"413"),
        (chunked(b"x" * 101), b"413"),
    ],
)
def test_wrong_requests_get_the_right_status_and_a_closed_connection(
    stream: bytes, status: bytes
) -> None:
    limits = Limits()
    limits.body_bytes = 100
    wire, pool = talk(stream, limits=limits)
    assert wire.written.startswith(b"HTTP/1.1 " + status)
    assert b"connection: close" in wire.written
    assert wire.closed
    assert pool.seen == []


def test_keep_alive_ends_when_the_client_says_so() -> None:
    wire, _ = talk(post(b"a") + post(b"b", b"connection: close\r\n") + post(b"c"))
    assert wire.written.count(b"HTTP/1.1 200") == 2
    assert wire.closed
    old, _ = talk(b"GET / HTTP/1.0\r\n\r\n")
    assert old.closed


def test_continue_is_said_before_the_body_and_only_when_asked() -> None:
    stream = post(b"body", b"expect: 100-continue\r\n")
    head, body = stream[:-4], stream[-4:]
    wire, _ = talk(head, body)
    assert wire.written.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


def test_head_has_a_length_and_no_body() -> None:
    wire, _ = talk(b"HEAD / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc")
    assert wire.written.endswith(b"\r\n\r\n")
    assert b"content-length: 3" in wire.written


def test_an_upgrade_is_answered_as_an_ordinary_request() -> None:
    offer = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n"
    wire, _ = talk(post(b"one", offer) + post(b"two"))
    assert bodies(wire) == [b"one", b"two"]
    stream = post(b"one", offer) + post(b"two")
    wire, _ = talk(*[stream[i : i + 1] for i in range(len(stream))])
    assert bodies(wire) == [b"one", b"two"]


def test_what_came_before_a_wrong_request_is_answered_first() -> None:
    wire, _ = talk(post(b"good") + post(b"fine") + b"NONSENSE\r\n\r\n")
    assert wire.written.count(b"HTTP/1.1 200 OK") == 2
    assert b"fineHTTP/1.1 400 Bad Request" in wire.written
    assert wire.closed


def test_a_dead_worker_drops_the_connection() -> None:
    wire, _ = talk(post(b"crash"))
    assert wire.written == b""
    assert wire.closed


def test_a_stopping_pool_is_unavailable() -> None:
    async def scenario() -> Wire:
        pool = EchoPool(asyncio.get_running_loop())
        pool.stopped = True
        front, wire = Front(cast(WorkerPool, pool)), Wire()
        connection = Connection(front)
        connection.connection_made(wire)
        connection.data_received(post(b"x"))
        front.close()
        return wire

    assert asyncio.run(scenario()).written.startswith(b"HTTP/1.1 503")


def test_a_client_that_leaves_cancels_its_request() -> None:
    async def scenario() -> list[int]:
        pool = EchoPool(asyncio.get_running_loop())
        front = Front(cast(WorkerPool, pool))
        connection = Connection(front)
        connection.connection_made(Wire())
        connection.data_received(post(b"never"))
        connection.connection_lost(None)
        front.close()
        return pool.cancelled

    assert asyncio.run(scenario()) == [1]


def test_many_pipelined_requests_pause_the_client_and_are_all_answered() -> None:
    wire, _ = talk(*[post(b"%d" % i) for i in range(150)])
    assert bodies(wire) == [b"%d" % i for i in range(150)]
    assert not wire.paused


@contextlib.contextmanager
def listening(limits: Limits) -> Iterator[int]:
    """A front on a socket in a loop in a thread."""
    from tests.emulators.scoring.servers import loop_in_thread

    with loop_in_thread() as loop:

        async def start() -> tuple[asyncio.Server, Front]:
            pool = EchoPool(asyncio.get_running_loop())
            front = Front(cast(WorkerPool, pool), limits)
            made = await asyncio.get_running_loop().create_server(
                lambda: Connection(front), "127.0.0.1", 0
            )
            return made, front

        server, front = loop.run(start())
        yield server.sockets[0].getsockname()[1]

        async def stop() -> None:
            server.close()
            front.close()

        loop.run(stop())


def _hung_up(client: socket.socket) -> bool:
    try:
        return client.recv(1000) == b""
    except ConnectionResetError:
        return True


def test_slow_clients_are_told_and_dropped() -> None:
    limits = Limits()
    limits.request_s, limits.idle_s = 0.3, 0.3
    with listening(limits) as port, socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(b"POST /score HTTP/1.1\r\ncontent-length: 10\r\n\r\nab")
        with socket.create_connection(("127.0.0.1", port)) as silent:
            slow.settimeout(5)
            silent.settimeout(5)
            assert slow.recv(1000).startswith(b"HTTP/1.1 408")
            assert silent.recv(1000) == b""


def test_more_connections_than_allowed_are_dropped_and_the_rest_served() -> None:
    limits = Limits()
    limits.connections = 3
    with listening(limits) as port, contextlib.ExitStack() as stack:
        kept = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(3)
        ]
        for one in kept:
            one.sendall(post(b"x"))
            assert one.recv(1000).startswith(b"HTTP/1.1 200")
        with socket.create_connection(("127.0.0.1", port)) as extra:
            extra.settimeout(5)
            assert _hung_up(extra)
        kept[0].sendall(post(b"y"))
        assert kept[0].recv(1000).startswith(b"HTTP/1.1 200")
