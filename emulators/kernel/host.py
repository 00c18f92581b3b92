"""Start emulators behind one front door in this process, and stop them without losing anything."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from emulators.kernel import registry
from emulators.kernel.app import App
from emulators.kernel.asgi_transport import ASGITransport
from emulators.kernel.client_env import client_environment
from emulators.kernel.context import Context, open_context
from emulators.kernel.door import Emulated, FrontDoor, Ports, router
from emulators.kernel.settings import Settings, client_environment_of_process
from emulators.kernel.tls import Authority, open_authority
from emulators.kernel.upstream import Upstream

FLUSH_EVERY_S = 0.5
LEFT_OUT_OF_CHILDREN = ("REHEARSAL_", "PYTHON", "VIRTUAL_ENV", "AZURE_", "MLFLOW_")
METADATA_HOST = "169.254.169.254"
"""The one host that Azure serves over plain http: the instance metadata service."""


class AlreadyRunning(RuntimeError):
    """Another process serves this state folder."""


@dataclass(frozen=True, slots=True)
class Running:
    """A host that is up."""

    ctx: Context
    app: App
    ports: Ports


def run_file(state: Path) -> Path:
    """Where a host says that it is up: `{"pid", "proxy", "explicit", "started"}`."""
    return state / "run" / "host.json"


@asynccontextmanager
async def serve(settings: Settings, names: Sequence[str] = ()) -> AsyncIterator[Running]:
    """Bring the emulators up (all, or those named), yield, and take them down.

    Raises:
        AlreadyRunning: the state folder is in use.
        PortTaken: a port is in use.
        LookupError: no emulator of such a name.
    """
    async with AsyncExitStack() as stack:
        ctx = open_context(settings)
        stack.enter_context(_only_one(ctx.state))
        stack.callback(ctx.ledger.close)
        specs = [registry.load(name) for name in names or registry.known()]
        app = App(specs, ctx)
        ctx.peers.attach(lambda: ASGITransport(app))
        started: dict[str, object] = {"ready": False, "services": [s.name for s in specs]}
        app.ready = lambda: started
        environ = client_environment_of_process()
        authority = open_authority(ctx.state / "tls")
        authority.write_bundles(environ)
        door = FrontDoor(
            authority,
            router(_emulated(app), off=settings.offline),
            Upstream.from_environment(environ),
            note=ctx.ledger.record,
        )
        opened = await door.start(
            app,
            host=settings.host,
            proxy_port=settings.proxy_port,
            explicit_port=settings.explicit_port,
        )
        stack.push_async_callback(opened.stop)
        app.environment = lambda inherited: client_environment(
            ctx, opened.ports, authority, inherited
        )
        ctx.peers.environment = lambda: _child_environment(ctx, app, opened.ports)
        for spec in specs:
            if spec.lifespan is not None:
                await stack.enter_async_context(spec.lifespan(ctx))
        flusher = asyncio.ensure_future(_flush(ctx))
        stack.callback(flusher.cancel)
        started["ready"] = True
        _say_up(ctx, opened.ports)
        stack.callback(run_file(ctx.state).unlink, missing_ok=True)
        yield Running(ctx, app, opened.ports)


def _authority(state: Path) -> Authority:
    """The folder's authority, and bundles that keep what the user's own environment trusts."""
    authority = open_authority(state / "tls")
    authority.write_bundles(client_environment_of_process())
    return authority


def _child_environment(ctx: Context, app: App, ports: Ports) -> dict[str, str]:
    """This process's environment, with the user's code led home by a managed identity.

    The service principal's secret stays out: in Azure, too, a job has an identity, not a secret.
    """
    own = {
        name: value
        for name, value in client_environment_of_process().items()
        if not name.startswith(LEFT_OUT_OF_CHILDREN)
    }
    led = app.environment(own)
    for name in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_STORAGE_CONNECTION_STRING"):
        led.pop(name, None)
    return {
        **own,
        **led,
        "IDENTITY_ENDPOINT": f"https://localhost:{ports.explicit}/msi/token",
        "IDENTITY_HEADER": ctx.secrets.token("msi"),
    }


def _emulated(app: App) -> Callable[[str], Emulated | None]:
    def emulated(host: str) -> Emulated | None:
        return Emulated(plain=host == METADATA_HOST) if app.services_of(host) else None

    return emulated


@asynccontextmanager
async def until_signalled() -> AsyncIterator[asyncio.Event]:
    """An event that SIGINT or SIGTERM sets, so that whatever waits on it can clean up."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _flush(ctx: Context) -> None:
    while True:
        await asyncio.sleep(FLUSH_EVERY_S)
        ctx.ledger.flush()


def _say_up(ctx: Context, ports: Ports) -> None:
    file = run_file(ctx.state)
    partial = file.with_suffix(".partial")
    partial.write_text(
        json.dumps(
            {
                "pid": os.getpid(),
                "proxy": ports.proxy,
                "explicit": ports.explicit,
                "started": ctx.clock.now().isoformat(),
            }
        )
    )
    partial.replace(file)


class _only_one:
    """A lock on the state folder that the system lifts when its holder dies."""

    def __init__(self, state: Path) -> None:
        self._path = state / "run" / "lock"
        self._file: IO[Any] | None = None

    def __enter__(self) -> None:
        self._file = self._path.open("w")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise AlreadyRunning(
                f"{self._path.parent.parent} is served by another process: `rehearse status`"
                " shows it, `rehearse down` stops it, `--state DIR` starts one beside it."
            ) from None

    def __exit__(self, *_: object) -> None:
        assert self._file is not None
        with suppress(OSError):
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self._file.close()
