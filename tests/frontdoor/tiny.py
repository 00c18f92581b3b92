"""A front door over a tiny ASGI app: in a thread, or as a process (`python tiny.py STATE`)."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulators.kernel.connections import Limits
from emulators.kernel.door import FrontDoor, OpenDoor, Ports, router
from emulators.kernel.tls import Authority, open_authority
from emulators.kernel.upstream import Upstream
from emulators.kernel.verdicts import Emulated

EMULATED = ("management.azure.com", "login.microsoftonline.com", ".blob.core.windows.net")
CHUNK = bytes(64 * 1024)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Say back what came; `/zeros/N` sends N bytes, `/hang` never answers, `/cut` cuts."""
    digest, size = hashlib.sha256(), 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        part = message.get("body", b"")
        size += len(part)
        digest.update(part)
        more = message.get("more_body", False)
    if scope["path"] == "/hang":
        await asyncio.sleep(3600)
    if scope["path"] == "/cut":
        scope["state"]["cut"]()
        return
    if scope["path"].startswith("/zeros/"):
        await _zeros(int(scope["path"].rpartition("/")[2]), send)
        return
    headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
    said = {
        "method": scope["method"],
        "path": scope["path"],
        "query": scope["query_string"].decode("latin-1"),
        "scheme": scope["scheme"],
        "door": scope["state"]["door"],
        "size": size,
        "sha256": digest.hexdigest(),
        "headers": headers,
    }
    body = json.dumps(said).encode()
    start = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": start})
    await send({"type": "http.response.body", "body": body})


async def _zeros(left: int, send: Callable[[Any], Awaitable[None]]) -> None:
    length = [(b"content-length", b"%d" % left)]
    await send({"type": "http.response.start", "status": 200, "headers": length})
    while left:
        part = CHUNK[:left]
        left -= len(part)
        await send({"type": "http.response.body", "body": part, "more_body": left > 0})


def emulated(host: str) -> Emulated | None:
    """The hosts that the tiny app answers for."""
    if host == "169.254.169.254":
        return Emulated(plain=True)
    return Emulated() if host.endswith(EMULATED) else None


@dataclass
class Door:
    """A door that is open in another thread."""

    loop: asyncio.AbstractEventLoop
    opened: OpenDoor
    authority: Authority
    notes: list[tuple[str, dict[str, object]]]

    @property
    def ports(self) -> Ports:
        return self.opened.ports

    @property
    def proxy(self) -> str:
        return f"http://127.0.0.1:{self.ports.proxy}"

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the door's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)


@contextmanager
def open_door(
    state: Path,
    *,
    uvloop: bool = True,
    off: bool = False,
    upstream: Upstream | None = None,
    limits: Limits | None = None,
    app: Any = echo,
) -> Iterator[Door]:
    """Open a door in a thread of its own, on free ports."""
    loop = _new_loop(uvloop)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    authority = open_authority(state / "tls")
    authority.write_bundles({})
    notes: list[tuple[str, dict[str, object]]] = []
    door = FrontDoor(
        authority,
        router(emulated, off=off),
        upstream or Upstream(),
        limits or Limits(),
        note=lambda kind, **fields: notes.append((kind, fields)),
    )

    async def start() -> OpenDoor:
        return await door.start(app)

    opened = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    try:
        yield Door(loop, opened, authority, notes)
    finally:
        asyncio.run_coroutine_threadsafe(opened.stop(0.5), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def _new_loop(fast: bool) -> asyncio.AbstractEventLoop:
    if not fast:
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()


def main(state: str) -> None:
    """Serve until standard input ends; print the ports."""
    with open_door(Path(state)) as door:
        print(
            json.dumps({"proxy": door.ports.proxy, "ca": str(door.authority.ca_file)}), flush=True
        )
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
