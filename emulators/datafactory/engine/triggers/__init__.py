"""Triggers: what they mean in time, what a firing starts, and who watches clock and events."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from emulators.kernel.context import Context


def started(ctx: Context) -> AbstractAsyncContextManager[object]:
    """Fire triggers while the service is up."""
    from emulators.datafactory.engine.triggers.watch import started as begin

    return begin(ctx)
