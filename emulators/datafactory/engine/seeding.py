"""At start-up: the factory and the Synapse workspace that settings name are there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from emulators.datafactory.engine import factories, workspaces
from emulators.kernel.context import Context


@asynccontextmanager
async def started(ctx: Context) -> AsyncIterator[None]:
    """Seed the factory unless this folder has had it; nothing to undo."""
    await factories.seed(ctx)
    await workspaces.seed(ctx)
    yield
