"""Entra ID as a service: the hosts it answers for and its operations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from emulators.kernel.context import Context
from emulators.kernel.http import Operation, ServiceSpec


def operations() -> list[Operation]:
    from emulators.identity.wire import discovery, managed, token
    from emulators.kernel.catalogue import refusals

    refused = refusals("emulators.identity")
    return [*token.OPERATIONS, *discovery.OPERATIONS, *managed.OPERATIONS, *refused]


@asynccontextmanager
async def lifespan(ctx: Context) -> AsyncIterator[None]:
    from emulators.identity.engine import applications, managed

    applications.seed(ctx)
    managed.seed(ctx)
    yield


SPEC = ServiceSpec(
    name="identity",
    hosts=(
        "login.microsoftonline.com",
        "login.windows.net",
        "login.microsoft.com",
        "sts.windows.net",
        "169.254.169.254",
    ),
    operations=operations,
    dialect="entra",
    lifespan=lifespan,
)
