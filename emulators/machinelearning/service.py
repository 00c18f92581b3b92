"""What the machinelearning emulator answers for: ARM, the region's data planes, the gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module

from starlette.types import ASGIApp

from emulators.kernel.access import Asked
from emulators.kernel.context import Context
from emulators.kernel.http import Operation, ServiceSpec

PACKAGE = "emulators.machinelearning"
TOPICS: tuple[str, ...] = (
    "workspaces",
    "resources",
    "assets",
    "registries",
    "jobs",
    "history",
    "endpoints",
    "batch",
    "schedules",
)
"""Modules of `wire/` whose OPERATIONS are served."""

STARTED: tuple[str, ...] = (
    "engine.seeding",
    "engine.jobs.manager",
    "engine.collection.keeper",
    "wire.collection",
    "engine.endpoints.hosting",
    "engine.endpoints.console",
    "engine.batch.submission",
    "engine.schedules.watch",
)
"""Modules whose `started(ctx)` context runs while the service is up, in this order."""


def operations() -> list[Operation]:
    """Every route, with what is known and refused."""
    from emulators.kernel.catalogue import refusals

    served = [import_module(f"{PACKAGE}.wire.{topic}").OPERATIONS for topic in TOPICS]
    return [*(operation for part in served for operation in part), *refusals(PACKAGE)]


@asynccontextmanager
async def lifespan(ctx: Context) -> AsyncIterator[None]:
    """Seed the workspace and bring back what was running."""
    async with AsyncExitStack() as stack:
        for name in STARTED:
            started = import_module(f"{PACKAGE}.{name}").started
            await stack.enter_async_context(started(ctx))
        yield


def _asks(method: str, path: str, operation: str) -> Asked | None:
    from emulators.machinelearning.engine.permissions import asked

    return asked(method, path, operation)


SPEC = ServiceSpec(
    name="machinelearning",
    hosts=("management.azure.com", "*.api.azureml.ms"),
    operations=operations,
    dialect="arm",
    audiences=(
        "https://management.azure.com",
        "https://management.core.windows.net",
        "https://ml.azure.com",
    ),
    newest_api="2026-11-01",
    asks=_asks,
    lifespan=lifespan,
)


def _gateway(ctx: Context) -> ASGIApp:
    from emulators.machinelearning.wire.inference import Gateway

    return Gateway(ctx)


INFERENCE = ServiceSpec(name="inference", hosts=("*.inference.ml.azure.com",), app=_gateway)
