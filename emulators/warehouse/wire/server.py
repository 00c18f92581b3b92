"""The listener: takes connections, has each log in, and keeps one client from harming another."""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emulators.kernel.door import PortTaken
from emulators.warehouse.engine.answers import Session, Sessions
from emulators.warehouse.wire.packets import BadStream
from emulators.warehouse.wire.tls import Channel

if TYPE_CHECKING:
    from emulators.warehouse.wire.connection import Connection, Streams
    from emulators.warehouse.wire.entry import Entered

BUFFER = 1 << 20


def _prepare() -> None:
    """Import what the first client needs: Arrow and numpy take a third of a second."""
    from emulators.warehouse.wire import entry  # noqa: F401


def _silent(kind: str, **fields: object) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may take, and all together."""

    connections: int = 512
    login_s: float = 30.0
    message_bytes: int = 512 << 20


@dataclass(frozen=True, slots=True)
class About:
    """What the server says of itself, and whom it tells of what happens."""

    server: str = "rehearsal"
    authority: str = "https://login.microsoftonline.com/common"
    note: Callable[..., None] = _silent
    bug: Callable[[Exception], None] = field(default=lambda bug: None)


class TdsServer:
    """Serves TDS on one port."""

    def __init__(
        self, sessions: Sessions, within: ssl.SSLContext, strict: ssl.SSLContext,
        *, about: About | None = None, limits: Limits | None = None,
    ) -> None:  # fmt: skip
        self._sessions, self._within, self._strict = sessions, within, strict
        self._about, self._limits = about or About(), limits or Limits()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._number = 50  # the product's users begin at 51

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; return the port.

        Raises:
            PortTaken: somebody else does.
        """
        try:
            self._server = await asyncio.start_server(self._accepted, host, port, limit=BUFFER)
        except OSError as why:
            if why.errno != errno.EADDRINUSE:
                raise
            raise PortTaken(
                f"Port {port} is in use, and the warehouse listens on it: set REHEARSAL_TDS_PORT to"
                " another, or to 0 for a free one (`rehearse up --ports auto`)."
            ) from None
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Take no more connections and end those there are."""
        if self._server is not None:
            self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    @property
    def connections(self) -> int:
        return len(self._open)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._open) >= self._limits.connections:
            self._about.note("tds-refused", why="too many connections")
            writer.close()
            return
        self._open.add(task)
        self._number = self._number + 1 if self._number < 0x7FFF else 51
        try:
            await self._serve(reader, writer, self._number)
        except asyncio.CancelledError:
            writer.close()  # the server stops, and nobody waits for this task
        finally:
            self._open.discard(task)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        await asyncio.to_thread(_prepare)
        from emulators.warehouse.wire.connection import Gone, Streams
        from emulators.warehouse.wire.entry import Entry

        streams = Streams(reader, writer, Channel(self._within, self._strict))
        worker = ThreadPoolExecutor(1, f"tds-{number}")
        session: Session | None = None
        try:
            entry = Entry(streams, self._sessions, worker, self._about.server)
            async with asyncio.timeout(self._limits.login_s):
                entered = await entry.enter(self._about.authority)
            if entered is None:
                return
            session = entered.session
            await self._connection(streams, entered, worker, number).serve()
        except (Gone, TimeoutError, ConnectionError, ssl.SSLError):
            pass
        except BadStream as wrong:
            self._about.note("tds-refused", why=str(wrong))
        except asyncio.CancelledError:  # the server stops
            if session is not None:
                session.cancel()
        except Exception as bug:
            self._about.bug(bug)
        finally:
            await self._end(streams, session, worker)

    def _connection(
        self, streams: Streams, entered: Entered, worker: ThreadPoolExecutor, number: int
    ) -> Connection:
        from emulators.warehouse.wire.answering import Style
        from emulators.warehouse.wire.connection import Connection, Terms

        style = Style(self._about.server, utf8=entered.utf8, bug=self._about.bug)
        terms = Terms(style, entered.packet_size, self._limits.message_bytes, number)
        return Connection(streams, entered.session, worker, terms)

    async def _end(
        self, streams: Streams, session: Session | None, worker: ThreadPoolExecutor
    ) -> None:
        if session is not None:
            closing = asyncio.get_running_loop().run_in_executor(worker, session.close)
            try:
                await asyncio.shield(closing)
            except Exception as bug:
                self._about.bug(bug)
        worker.shutdown(wait=False)
        with suppress(Exception):
            await streams.flush()
        with suppress(Exception):
            streams.writer.close()
