"""What Data Factory answers for: factories on ARM, and the pipelines of Synapse workspaces."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module

from emulators.kernel.access import Asked
from emulators.kernel.actions import of_arm
from emulators.kernel.context import Context
from emulators.kernel.http import Operation, ServiceSpec

PACKAGE = "emulators.datafactory"
SYNAPSE_PROVIDER = "/providers/Microsoft.Synapse/"
ARM_HOST, DEV_HOST = "management.azure.com", "*.dev.azuresynapse.net"
CALLBACK_HOST = "*.svc.datafactory.azure.com"
TOPICS: tuple[str, ...] = ("factories", "children", "networks", "runs", "triggers")
"""Modules of `wire/` whose OPERATIONS are served on ARM."""

WORKSPACE_TOPICS: tuple[str, ...] = ("children", "later", "runs", "triggers", "workspaces")
"""Modules of `wire/` whose WORKSPACE_OPERATIONS are served on a workspace's own host."""

STARTED: tuple[str, ...] = ("engine.seeding", "engine.runs.manager", "engine.triggers")
"""Modules whose `started(ctx)` context runs while the service is up, in this order."""


def operations() -> list[Operation]:
    """Every route of factories, with what is known and refused."""
    from emulators.kernel.catalogue import refusals

    served = [import_module(f"{PACKAGE}.wire.{topic}").OPERATIONS for topic in TOPICS]
    return [
        *(one for part in served for one in part),
        *(one for one in refusals(PACKAGE, ARM_HOST) if SYNAPSE_PROVIDER not in one.path),
    ]


def synapse_operations() -> list[Operation]:
    """Every route of Synapse workspaces on ARM, with what is known and refused."""
    from emulators.datafactory.wire import workspaces
    from emulators.kernel.catalogue import refusals

    refused = refusals(PACKAGE, ARM_HOST)
    return [*workspaces.OPERATIONS, *(one for one in refused if SYNAPSE_PROVIDER in one.path)]


def workspace_operations() -> list[Operation]:
    """Every route of a Synapse workspace's own host, with what is known and refused."""
    from emulators.kernel.catalogue import refusals

    names = [f"{PACKAGE}.wire.{topic}" for topic in WORKSPACE_TOPICS]
    served = [import_module(name).WORKSPACE_OPERATIONS for name in names]
    return [*(one for part in served for one in part), *refusals(PACKAGE, DEV_HOST)]


def callback_operations() -> list[Operation]:
    """Where WebHook activities are called back, and events come."""
    from emulators.datafactory.wire import callbacks, events

    return [*callbacks.OPERATIONS, *events.OPERATIONS]


def _asks(method: str, path: str, operation: str) -> Asked | None:
    from emulators.datafactory.engine.permissions import asked

    return asked(method, path, operation)


@asynccontextmanager
async def lifespan(ctx: Context) -> AsyncIterator[None]:
    """Seed the factory, bring back what was running, begin to fire triggers."""
    async with AsyncExitStack() as stack:
        for name in STARTED:
            started = import_module(f"{PACKAGE}.{name}").started
            await stack.enter_async_context(started(ctx))
        yield


SPEC = ServiceSpec(
    name="datafactory",
    hosts=(ARM_HOST,),
    operations=operations,
    audiences=("https://management.azure.com", "https://management.core.windows.net"),
    newest_api="2018-06-01",
    asks=_asks,
    lifespan=lifespan,
)

SYNAPSE = ServiceSpec(
    name="synapse-artifacts",
    hosts=(DEV_HOST,),
    operations=workspace_operations,
    audiences=("https://dev.azuresynapse.net",),
    newest_api="2020-12-01",
)

CALLBACKS = ServiceSpec(
    name="datafactory-callbacks",
    hosts=(CALLBACK_HOST,),
    operations=callback_operations,
)

SYNAPSE_WORKSPACES = ServiceSpec(
    name="synapse",
    hosts=(ARM_HOST,),
    operations=synapse_operations,
    audiences=("https://management.azure.com", "https://management.core.windows.net"),
    newest_api="2021-06-01",
    asks=of_arm,
)
