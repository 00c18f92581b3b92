"""Entra ID as a service: the hosts it answers for and its operations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from emulators.kernel.context import Context
from emulators.kernel.http import Operation, ServiceSpec

HOSTS = (
    "login.microsoftonline.com",
    "login.windows.net",
    "login.microsoft.com",
    "sts.windows.net",
    "169.254.169.254",
)
GRAPH_HOST = "graph.microsoft.com"


def operations() -> list[Operation]:
    from emulators.identity.wire import discovery, issuers, managed, token
    from emulators.kernel.catalogue import refusals

    served = [*token.OPERATIONS, *discovery.OPERATIONS, *managed.OPERATIONS, *issuers.OPERATIONS]
    refused = refusals("emulators.identity", HOSTS[0])
    return [*served, *(replace(one, host=None) for one in refused)]  # at every alias


def graph_operations() -> list[Operation]:
    from emulators.identity.wire import graph, principals
    from emulators.kernel.catalogue import refusals

    refused = refusals("emulators.identity", GRAPH_HOST)
    return [*graph.OPERATIONS, *principals.OPERATIONS, *refused]


@asynccontextmanager
async def lifespan(ctx: Context) -> AsyncIterator[None]:
    from emulators.identity.engine import applications, managed

    applications.seed(ctx)
    managed.seed(ctx)
    yield


SPEC = ServiceSpec(
    name="identity",
    hosts=HOSTS,
    operations=operations,
    dialect="entra",
    lifespan=lifespan,
)

GRAPH = ServiceSpec(
    name="graph",
    hosts=(GRAPH_HOST,),
    operations=graph_operations,
    audiences=("https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000"),
)
