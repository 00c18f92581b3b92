"""A TDS server on a thread of its own, for clients that block."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from emulators.kernel.tls import Authority, open_authority
from emulators.warehouse.engine.answers import Sessions
from emulators.warehouse.wire.server import About, Limits, TdsServer
from emulators.warehouse.wire.tls import in_band_context, strict_context


@cache
def authority() -> Authority:
    """One authority for the session of tests."""
    return open_authority(Path(mkdtemp(prefix="tds-ca-")))


def leaf_file() -> Path:
    """The server's own certificate, for clients that pin it."""
    return authority().folder / "leaf.pem"


@cache
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's contexts: within packets, and strict."""
    ca = authority()
    ca.write_bundles({})
    pem = ca.issue("localhost", "127.0.0.1")
    leaf_file().write_bytes(pem[: pem.index(b"-----BEGIN PRIVATE") or None])
    return in_band_context(pem, ca.folder), strict_context(pem, ca.folder)


@dataclass
class Listening:
    """A server that listens."""

    port: int
    server: TdsServer
    bugs: list[Exception] = field(default_factory=list)
    notes: list[dict[str, object]] = field(default_factory=list)


@contextmanager
def listening(sessions: Sessions, limits: Limits | None = None) -> Iterator[Listening]:
    """Serve `sessions` for the length of a block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    bugs: list[Exception] = []
    notes: list[dict[str, object]] = []
    about = About(note=lambda kind, **f: notes.append({"kind": kind, **f}), bug=bugs.append)
    server = TdsServer(sessions, *contexts(), about=about, limits=limits)
    started: Future[int] = asyncio.run_coroutine_threadsafe(server.start(), loop)
    try:
        yield Listening(started.result(10), server, bugs, notes)
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
