"""What Key Vault answers for: every vault's host, and the vaults as resources."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from emulators.kernel.actions import of_arm
from emulators.kernel.context import Context
from emulators.kernel.http import Operation, ServiceSpec

HOST = "*.vault.azure.net"
ARM = "management.azure.com"


def operations() -> list[Operation]:
    """The operations of a vault's own host."""
    from emulators.kernel.catalogue import refusals
    from emulators.keyvault.wire import door, secrets

    return [*secrets.OPERATIONS, *map(door.refused, refusals("emulators.keyvault", HOST))]


def _management() -> list[Operation]:
    from emulators.kernel.catalogue import refusals
    from emulators.keyvault.wire import vaults

    return [*vaults.OPERATIONS, *refusals("emulators.keyvault", ARM)]


@asynccontextmanager
async def _lifespan(ctx: Context) -> AsyncIterator[None]:
    from emulators.keyvault.engine import vaults

    vaults.seed(ctx)
    yield


SPEC = ServiceSpec(
    name="keyvault",
    hosts=(HOST,),
    operations=operations,
    dialect="keyvault",
    lifespan=_lifespan,
)

MANAGEMENT = ServiceSpec(
    name="keyvault-management",
    hosts=(ARM,),
    operations=_management,
    audiences=("https://management.azure.com", "https://management.core.windows.net"),
    newest_api="2026-05-15",
    asks=of_arm,
)
