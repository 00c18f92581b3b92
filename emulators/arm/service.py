"""The resource manager as a service: whatever no other emulator claims on its host."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from emulators.kernel.actions import of_arm
from emulators.kernel.context import Context
from emulators.kernel.http import Operation, ServiceSpec


def operations() -> list[Operation]:
    from emulators.arm.wire import deployments, generic, groups, metadata, providers, subscriptions
    from emulators.kernel.catalogue import refusals

    return [
        *metadata.OPERATIONS,
        *subscriptions.OPERATIONS,
        *groups.OPERATIONS,
        *providers.OPERATIONS,
        *deployments.OPERATIONS,
        *generic.OPERATIONS,
        *refusals("emulators.arm"),
    ]


@asynccontextmanager
async def lifespan(ctx: Context) -> AsyncIterator[None]:
    from emulators.arm.engine import groups, roles
    from emulators.arm.engine.deployments import hosting
    from emulators.arm.wire import deletions

    groups.seed(ctx)
    roles.seed(ctx)
    deletions.end_interrupted(ctx)
    async with hosting.started(ctx):
        yield


SPEC = ServiceSpec(
    name="arm",
    hosts=("management.azure.com",),
    operations=operations,
    audiences=(
        "https://management.azure.com",
        "https://management.core.windows.net",
        "797f4846-ba00-4fd7-ba43-dac1f8f63013",
    ),
    newest_api="2026-06-01",
    asks=of_arm,
    lifespan=lifespan,
    fallback=True,
)
