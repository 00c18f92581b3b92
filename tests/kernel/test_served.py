"""How an answer reaches the transport: small ones whole, heads never kept waiting."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from emulators.kernel.served import _JOINED_BYTES, _Joined


class Wire:
    """A transport that remembers what was written to it."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def joined(steps: Any) -> list[bytes]:
    """What reaches the wire when `steps(transport)` is awaited."""

    async def run() -> list[bytes]:
        wire = Wire()
        await steps(_Joined(cast(asyncio.Transport, wire), asyncio.get_running_loop()), wire)
        await asyncio.sleep(0)
        return wire.written

    return asyncio.run(run())


def test_a_small_answer_is_one_write() -> None:
    async def steps(transport: _Joined, wire: Wire) -> None:
        transport.write(b"head")
        transport.write(b"body")
        transport.write(b"more")

    assert joined(steps) == [b"headbody", b"more"]


def test_a_head_goes_before_a_body_that_is_late() -> None:
    async def steps(transport: _Joined, wire: Wire) -> None:
        transport.write(b"head")
        await asyncio.sleep(0)
        assert wire.written == [b"head"]
        transport.write(b"body")

    assert joined(steps) == [b"head", b"body"]


def test_a_large_body_is_not_copied() -> None:
    body = b"x" * (_JOINED_BYTES + 1)

    async def steps(transport: _Joined, wire: Wire) -> None:
        transport.write(b"head")
        transport.write(body)

    written = joined(steps)
    assert written == [b"head", body]
    assert written[1] is body


def test_what_was_written_is_sent_before_the_close() -> None:
    async def steps(transport: _Joined, wire: Wire) -> None:
        transport.write(b"head")
        transport.close()
        assert transport.is_closing()

    assert joined(steps) == [b"head"]


def test_nothing_is_written_to_what_was_cut() -> None:
    async def steps(transport: _Joined, wire: Wire) -> None:
        transport.write(b"head")
        wire.closed = True

    assert joined(steps) == []
