"""At start-up: the workspace that settings name is there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from emulators.kernel.context import Context
from emulators.machinelearning.engine import provisioning


@asynccontextmanager
async def started(ctx: Context) -> AsyncIterator[None]:
    """Seed the workspace unless it is there; nothing to undo."""
    await provisioning.seed(ctx)
    yield
