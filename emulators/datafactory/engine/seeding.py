"""At start-up: the factory that settings name is there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from emulators.datafactory.engine import factories
from emulators.kernel.context import Context


@asynccontextmanager
async def started(ctx: Context) -> AsyncIterator[None]:
    """Seed the factory unless this folder has had it; nothing to undo."""
    await factories.seed(ctx)
    yield
