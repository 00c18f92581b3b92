"""What storage answers for: the Blob and DFS hosts of every account, and the accounts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from starlette.types import ASGIApp

from emulators.kernel.actions import of_arm
from emulators.kernel.context import Context
from emulators.kernel.http import Operation, ServiceSpec

BLOB = "*.blob.core.windows.net"
DFS = "*.dfs.core.windows.net"


def _app(ctx: Context) -> ASGIApp:
    from emulators.storage.wire.app import StorageApp

    return StorageApp(ctx)


def _blob_operations() -> list[Operation]:
    """The Blob operations as documentation names them; the app dispatches by itself."""
    from emulators.storage.wire.app import described

    return described("blob")


def _dfs_operations() -> list[Operation]:
    from emulators.storage.wire.app import described

    return described("dfs")


def _management() -> list[Operation]:
    from emulators.kernel.catalogue import refusals
    from emulators.storage.wire import event_subscriptions, management

    return [
        *management.OPERATIONS,
        *event_subscriptions.OPERATIONS,
        *refusals("emulators.storage", "management.azure.com"),
    ]


@asynccontextmanager
async def _lifespan(ctx: Context) -> AsyncGenerator[None]:
    from emulators.storage.engine import accounts, events
    from emulators.storage.engine.vault import close_vault, vault_of

    accounts.seed(ctx)
    vault = vault_of(ctx)
    work = [asyncio.create_task(_clean(ctx)), asyncio.create_task(events.deliver(vault))]
    try:
        yield
    finally:
        for one in work:
            one.cancel()
        for one in work:
            with suppress(asyncio.CancelledError):
                await one
        close_vault(ctx)


async def _clean(ctx: Context) -> None:
    """Remove the blobs of deleted containers, a few at a time."""
    from emulators.storage.engine import containers
    from emulators.storage.engine.vault import vault_of

    vault = vault_of(ctx)
    while True:
        for container in containers.doomed(vault):
            for _ in containers.purge(vault, container):
                await asyncio.sleep(0)
        await ctx.clock.sleep(30)


SPEC = ServiceSpec(
    name="storage",
    hosts=(BLOB,),
    operations=_blob_operations,
    dialect="storage",
    lifespan=_lifespan,
    app=_app,
)

DATA_LAKE = ServiceSpec(
    name="storage-dfs",
    hosts=(DFS,),
    operations=_dfs_operations,
    dialect="arm",
    app=_app,
)

MANAGEMENT = ServiceSpec(
    name="storage-management",
    hosts=("management.azure.com",),
    operations=_management,
    audiences=("https://management.azure.com", "https://management.core.windows.net"),
    newest_api="2025-06-01",
    asks=of_arm,
)
