"""Shared by tests: a context on a temporary folder, and clients into the app without sockets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from emulators.kernel.app import App
from emulators.kernel.asgi_transport import ASGITransport
from emulators.kernel.clock import Clock, ManualClock
from emulators.kernel.context import Context, assemble
from emulators.kernel.http import ServiceSpec
from emulators.kernel.settings import Settings
from emulators.kernel.store import Store
from emulators.kernel.store_memory import MemoryStore


def make_context(
    folder: Path, *, clock: Clock | None = None, store: Store | None = None, **settings: Any
) -> Context:
    """A context on `folder`, with a virtual clock and a memory store unless told otherwise."""
    chosen = Settings(**{"state": folder, "cache_dir": folder / "cache", **settings})
    return assemble(chosen, folder, store or MemoryStore(), clock or ManualClock())


def make_app(ctx: Context, specs: Sequence[ServiceSpec]) -> App:
    """The one app over some services, with peers attached to it in process."""
    app = App(specs, ctx)
    ctx.peers.attach(lambda: ASGITransport(app))
    return app


def client_of(app: App, *, token: str | None = None, **options: Any) -> httpx.AsyncClient:
    """A client that reaches every emulated host of `app`, with a bearer token if given."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(transport=ASGITransport(app), headers=headers, **options)
