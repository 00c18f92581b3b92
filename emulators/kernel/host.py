"""Start emulators behind one front door in this process, and stop them without losing anything."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from emulators.kernel import registry
from emulators.kernel.app import App
from emulators.kernel.asgi_transport import ASGITransport
from emulators.kernel.client_env import client_environment
from emulators.kernel.context import Context, open_context
from emulators.kernel.door import Emulated, FrontDoor, OpenDoor, Ports, router
from emulators.kernel.folder import OnlyOne, UnusableState, open_folder, run_file
from emulators.kernel.settings import Settings, client_environment_of_process
from emulators.kernel.tls import open_authority
from emulators.kernel.upstream import Upstream

FLUSH_EVERY_S = 0.5
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LEFT_OUT_OF_CHILDREN = ("REHEARSAL_", "PYTHON", "VIRTUAL_ENV", "AZURE_", "MLFLOW_")
METADATA_HOST = "169.254.169.254"
"""The one host that Azure serves over plain http: the instance metadata service."""


@dataclass(frozen=True, slots=True)
class Running:
    """A host that is up."""

    ctx: Context
    app: App
    ports: Ports


@asynccontextmanager
async def serve(settings: Settings, names: Sequence[str] = ()) -> AsyncIterator[Running]:
    """Bring the emulators up (all, or those named), yield, and take them down.

    Raises:
        AlreadyRunning: the state folder is in use.
        UnusableState: it is damaged, of a newer version, or cannot be written.
        PortTaken: a port is in use.
        LookupError: no emulator of such a name.
    """
    async with AsyncExitStack() as stack:
        state = open_folder(settings.state)
        stack.enter_context(OnlyOne(state))
        ctx = open_context(settings)
        stack.callback(ctx.ledger.close)
        specs = [registry.load(name) for name in names or registry.known()]
        app = App(specs, ctx)
        ctx.peers.attach(lambda: ASGITransport(app))
        started: dict[str, object] = {"ready": False, "services": [s.name for s in specs]}
        app.ready = lambda: started
        opened = await _open_door(ctx, app)
        stack.push_async_callback(opened.stop, 0)
        ctx.peers.environment = lambda: _child_environment(ctx, app, opened.ports)
        ctx.peers.open_doors = opened.listen_in
        for spec in specs:
            if spec.lifespan is not None:
                await stack.enter_async_context(spec.lifespan(ctx))
        flusher = asyncio.ensure_future(_flush(ctx))
        stack.callback(flusher.cancel)
        # The other way round: no new requests, those in progress end, and only then the services.
        stack.push_async_callback(opened.stop)
        started["ready"] = True
        _say_up(ctx, opened.ports)
        stack.callback(run_file(ctx.state).unlink, missing_ok=True)
        yield Running(ctx, app, opened.ports)


async def _open_door(ctx: Context, app: App) -> OpenDoor:
    """Listen on both ports, under the folder's own authority."""
    settings, environ = ctx.settings, client_environment_of_process()
    try:
        authority = open_authority(ctx.state / "tls")
    except ValueError as damaged:
        raise UnusableState(str(damaged)) from damaged
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
    app.environment = lambda inherited: {
        **client_environment(ctx, opened.ports, authority, inherited),
        **ctx.announced.variables,
    }
    return opened


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
    secret = ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_STORAGE_CONNECTION_STRING")
    for name in (*secret, *ctx.announced.secret):
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
    """An event that a signal to end sets, so that whatever waits on it can clean up."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    # `nohup` has the hang-up ignored, and so it stays.
    numbers = [n for n in ENDING if signal.getsignal(n) is not signal.SIG_IGN]
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in numbers:
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
                **ctx.announced.ports,
                "started": ctx.clock.now().isoformat(),
            }
        )
    )
    partial.replace(file)
