"""One client: logs in, asks, is answered. The loop reads and sends; a thread of its own works."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from emulators.warehouse.engine.answers import Session
from emulators.warehouse.wire import packets, tokens
from emulators.warehouse.wire.answering import AnswerWriter, Bytes, Style
from emulators.warehouse.wire.packets import BadStream, PacketWriter
from emulators.warehouse.wire.requests import Assembler, Request
from emulators.warehouse.wire.serving import Serving
from emulators.warehouse.wire.tls import Channel

_T = TypeVar("_T")

GATHER = 1 << 17
MOMENT_S = 0.05
"""After which what there is of an answer is sent, little as it may be."""
WAITING = 64
READ = 1 << 17
BAD_STREAM = 4002, "The incoming tabular data stream (TDS) protocol stream is incorrect."


class Gone(Exception):
    """The client closed the connection."""


@dataclass(frozen=True, slots=True)
class Streams:
    """The two ways of a connection, and what lies between them and packets."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    channel: Channel

    async def flush(self) -> None:
        """Send what the channel holds; wait while the client does not take it."""
        data = self.channel.outgoing()
        if data:
            self.writer.write(data)
            await self.writer.drain()

    async def packet(self) -> packets.Packet:
        """The next packet.

        Raises:
            Gone: there is none.
            BadStream: it is no packet.
        """
        while True:
            packet = self.channel.next()
            await self.flush()
            if packet is not None:
                return packet
            data = await self.reader.read(READ)
            if not data:
                raise Gone
            self.channel.feed(data)


class Gathered:
    """Parts of an answer, made in the worker and taken by the loop."""

    def __init__(self, parts: Iterator[Bytes], called_off: Callable[[], bool]) -> None:
        self._parts, self._called_off = parts, called_off
        self._held: list[Bytes] = []
        self.ended = False

    def more(self) -> None:
        """Make as much as is worth sending, or the rest."""
        size = 0
        for part in self._parts:
            self._held.append(part)
            size += len(part)
            if size >= GATHER or self._called_off():
                return
        self.ended = True

    def take(self) -> list[Bytes]:
        """What there is so far, and is not taken yet."""
        held = self._held[:]
        del self._held[: len(held)]
        return held


async def _done_or_a_moment(making: asyncio.Future[None]) -> None:
    """Wait for the end of it, or for a moment; as `asyncio.wait` does, at a quarter of the cost."""
    loop = asyncio.get_running_loop()
    woken: asyncio.Future[None] = loop.create_future()

    def wake(_: object = None) -> None:
        if not woken.done():
            woken.set_result(None)

    making.add_done_callback(wake)
    timer = loop.call_later(MOMENT_S, wake)
    try:
        await woken
    finally:
        timer.cancel()
        making.remove_done_callback(wake)


@dataclass(frozen=True, slots=True)
class Terms:
    """What was agreed with a client, and what it may do."""

    style: Style
    packet_size: int
    most: int  # bytes of one message that are taken
    number: int = 0  # what packets call the connection


class Connection:
    """Serves a client that has logged in, until it goes."""

    def __init__(
        self, streams: Streams, session: Session, worker: ThreadPoolExecutor, terms: Terms
    ) -> None:
        self._streams, self._session, self._worker = streams, session, worker
        self._style = style = terms.style
        self._packets = PacketWriter(terms.packet_size, spid=terms.number & 0xFFFF)
        self._assembler = Assembler(terms.most)
        self._inbox: asyncio.Queue[Request | BaseException] = asyncio.Queue(WAITING)
        self._serving = Serving(session, style)
        self._running = False
        self._asked = 0  # attentions that came in and are not acknowledged
        self._early = 0  # those acknowledged before their turn came

    async def serve(self) -> None:
        """Answer requests, one after another.

        Raises:
            BadStream: the client sends what is not TDS; it was told.
        """
        receiving = asyncio.create_task(self._receive())
        try:
            while True:
                request = await self._inbox.get()
                if isinstance(request, Gone):
                    return
                if isinstance(request, BaseException):
                    raise request
                await self._one(request)
        except BadStream:
            number, text = BAD_STREAM
            with suppress(ConnectionError):
                await self._send([AnswerWriter(self._style).refused(number, text)], end=True)
            raise
        finally:
            receiving.cancel()
            with suppress(asyncio.CancelledError):
                await receiving

    async def _receive(self) -> None:
        """Read all the time, so that an attention is seen while a query runs."""
        channel, assembler = self._streams.channel, self._assembler
        try:
            while True:
                while (packet := channel.next()) is not None:
                    request = assembler.add(packet)
                    if request is not None:
                        await self._received(request)
                piece = assembler.piece()
                if piece is not None:
                    await self._received(piece)
                data = await self._streams.reader.read(READ)
                if not data:
                    raise Gone
                channel.feed(data)
        except (Gone, BadStream, ConnectionError) as end:
            self._interrupt()
            await self._inbox.put(end if isinstance(end, BadStream) else Gone())

    async def _received(self, request: Request) -> None:
        if request.kind == packets.ATTENTION:
            self._asked += 1
            self._interrupt()
        await self._inbox.put(request)

    def _interrupt(self) -> None:
        if self._running:
            self._session.cancel()

    async def _one(self, request: Request) -> None:
        if request.kind == packets.ATTENTION:
            if self._early:
                self._early -= 1
            else:
                self._asked -= 1
                await self._in_thread(self._serving.forget_bulk)
                await self._acknowledge()
            return
        answer = self._serving.answer(request)
        if answer is not None:
            await self._answer(answer)

    async def _answer(self, parts: Iterator[Bytes]) -> None:
        """Send an answer while the next part of it is made; an attention cuts it short."""
        self._running = True
        try:
            if self._asked:  # it was called off before it began
                await self._cut(parts)
                return
            gathered = Gathered(parts, lambda: self._asked > 0)
            making = self._in_thread(gathered.more)
            try:
                while True:
                    await _done_or_a_moment(making)
                    done = making.done()
                    if done:
                        making.result()
                    if self._asked:
                        await making
                        await self._cut(parts)
                        return
                    ended, data = gathered.ended, gathered.take()
                    if done and ended:
                        if data or self._serving.answers:
                            await self._send(data, end=True)
                        return
                    if done:
                        making = self._in_thread(gathered.more)
                    await self._send(data, end=False, flush=not done)
            except BaseException:
                self._session.cancel()
                with suppress(Exception):
                    await making
                raise
        finally:
            self._running = False

    async def _cut(self, parts: Iterator[Bytes]) -> None:
        """End the answer by the acknowledgement; it is the only one for this attention."""
        close: Callable[[], None] | None = getattr(parts, "close", None)
        if close is not None:
            await self._in_thread(close)
        self._asked -= 1
        self._early += 1
        # The answer is a message of its own, and so is the acknowledgement: tedious waits for the
        # next message, and Microsoft's ODBC takes an acknowledgement alone for an empty result.
        await self._send([tokens.done(tokens.DONE, tokens.FAILED)], end=True)
        await self._acknowledge()

    async def _acknowledge(self) -> None:
        await self._send([tokens.done(tokens.DONE, tokens.ATTENTION)], end=True)

    async def _send(self, data: list[Bytes], *, end: bool, flush: bool = False) -> None:
        channel = self._streams.channel
        for part in data:
            channel.send(self._packets.write(part))
        if end:
            channel.send(self._packets.end())
        elif flush:
            channel.send(self._packets.flush())
        await self._streams.flush()

    def _in_thread(self, work: Callable[..., _T], *given: object) -> asyncio.Future[_T]:
        return asyncio.get_running_loop().run_in_executor(self._worker, work, *given)
