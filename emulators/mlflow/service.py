"""SPEC of the MLflow emulator: paths on the region's host, and the server behind them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from emulators.kernel.access import Asked
from emulators.kernel.context import Context
from emulators.kernel.http import Operation, ServiceSpec

AUDIENCES = (
    "https://management.azure.com",
    "https://management.core.windows.net",
    "https://ml.azure.com",
)


def operations() -> list[Operation]:
    from emulators.kernel import catalogue
    from emulators.mlflow.wire import artifacts, history, models, tracking

    return [
        *artifacts.OPERATIONS,
        *history.OPERATIONS,
        *models.OPERATIONS,
        *tracking.OPERATIONS,
        *catalogue.refusals("emulators.mlflow"),
    ]


@asynccontextmanager
async def lifespan(ctx: Context) -> AsyncGenerator[None]:
    """Start the server in the background; nothing waits for it but the calls that need it."""
    from emulators.mlflow.engine.process import forget, server_of
    from emulators.mlflow.wire.tracking import close_clients

    server = server_of(ctx)
    if ctx.settings.mlflow:
        server.start()
    try:
        yield
    finally:
        await close_clients(server)
        await server.stop()
        forget(ctx)


def _asks(method: str, path: str, operation: str) -> Asked | None:
    from emulators.mlflow.engine.permissions import asked

    return asked(method, path, operation)


SPEC = ServiceSpec(
    name="mlflow",
    hosts=("*.api.azureml.ms",),
    operations=operations,
    dialect="mlflow",
    audiences=AUDIENCES,
    asks=_asks,
    lifespan=lifespan,
)
