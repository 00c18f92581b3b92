"""Triggers as resources: published, started, stopped, deleted; the state that goes with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from emulators.datafactory.engine import resources
from emulators.datafactory.engine.resources import Child
from emulators.datafactory.engine.triggers import kinds
from emulators.datafactory.engine.triggers.kinds import Trigger, Tumbling
from emulators.datafactory.errors import InvalidTrigger, TriggerEnabled
from emulators.datafactory.store import (
    FACTORIES,
    OPEN_WINDOWS,
    RESOURCES,
    SEEN_EVENTS,
    TRIGGER_STATES,
    WINDOWS,
    Resource,
    TriggerState,
)
from emulators.kernel.context import Context

STARTED, STOPPED = "Started", "Stopped"


def state_of(ctx: Context, factory: str, key: str) -> TriggerState:
    """How far a trigger has come; a new one is stopped."""
    found = ctx.store.get(TRIGGER_STATES, factory, key)
    return found or TriggerState(factory, key, STOPPED)


def put(
    ctx: Context, at: Child, properties: Mapping[str, Any], if_match: str | None = None
) -> Resource:
    """Publish a trigger. One of a kind that is not emulated is kept, and refused when started.

    Raises:
        TriggerEnabled: it is started.
        InvalidTrigger: it breaks a rule of its kind.
        InvalidName, InvalidReference, EtagMismatch: as for every child.
    """
    resources.check_name("triggers", at.name)
    given = {name: value for name, value in properties.items() if name != "runtimeState"}
    with ctx.store.transaction():
        if state_of(ctx, at.factory.id, at.key).runtime_state == STARTED:
            raise TriggerEnabled(at.name)
        if str(given.get("type", "")).lower() not in kinds.REFUSED:
            read = kinds.read(at.name, given, ctx.clock.now())
            if isinstance(read.kind, Tumbling):
                _check_windows(ctx, at, read.kind)
                _check_cycle(ctx, at, read.kind)
        return resources.put(ctx, at, given, if_match)[0]


def _check_windows(ctx: Context, at: Child, wanted: Tumbling) -> None:
    """Windows that were opened keep their place.

    Source: how-to-create-tumbling-window-trigger (frequency and interval cannot be edited).
    """
    if next(iter(ctx.store.scan(WINDOWS, at.factory.id, at.key)), None) is None:
        return
    found = resources.find(ctx, at)
    was = kinds.read(at.name, found.properties, ctx.clock.now()).kind if found else None
    if isinstance(was, Tumbling) and replace(was.grid, end=None) != replace(wanted.grid, end=None):
        raise InvalidTrigger(
            at.name,
            "frequency, interval and startTime of a tumbling window trigger that has run cannot be"
            " changed; delete it and create it anew",
            "frequency",
        )


def _check_cycle(ctx: Context, at: Child, wanted: Tumbling) -> None:
    seen, left = set[str](), [each.trigger.lower() for each in wanted.dependencies if each.trigger]
    while left:
        key = left.pop()
        if key == at.key:
            raise InvalidTrigger(at.name, "it depends on itself through others", "dependsOn")
        if key in seen:
            continue
        seen.add(key)
        found = ctx.store.get(RESOURCES, at.factory.id, "triggers", key)
        if found is None:
            continue
        word = str(found.properties.get("type", "")).lower()
        if word != "tumblingwindowtrigger":
            raise InvalidTrigger(
                at.name, f"'{found.name}', which it depends on, has no windows", "dependsOn"
            )
        kind = kinds.read(found.name, found.properties, ctx.clock.now()).kind
        assert isinstance(kind, Tumbling)
        left += [each.trigger.lower() for each in kind.dependencies if each.trigger]


def delete(ctx: Context, at: Child) -> bool:
    """Remove a stopped trigger; its runs stay to be seen. False where there is none.

    Raises:
        TriggerEnabled: it is started.
        Referenced: another trigger depends on it.
    """
    with ctx.store.transaction():
        if state_of(ctx, at.factory.id, at.key).runtime_state == STARTED:
            raise TriggerEnabled(at.name)
        gone = resources.delete(ctx, at)
        forget(ctx, at.factory.id, at.key)
    return gone


def forget(ctx: Context, factory: str, key: str) -> None:
    """Drop the state of a trigger: one of its name begins anew."""
    ctx.store.delete(TRIGGER_STATES, factory, key)
    for window in list(ctx.store.scan(WINDOWS, factory, key)):
        ctx.store.delete(WINDOWS, factory, key, window.key)
        ctx.store.delete(OPEN_WINDOWS, factory, key, window.key)
    for seen in list(ctx.store.scan(SEEN_EVENTS, factory, key)):
        ctx.store.delete(SEEN_EVENTS, factory, key, seen.day, seen.id)


def definition(ctx: Context, state: TriggerState) -> tuple[str, Trigger] | None:
    """The name and the definition of a trigger as published; None where it is gone.

    Raises:
        InvalidTrigger, Unsupported: it cannot be fired.
    """
    found = ctx.store.get(RESOURCES, state.factory, "triggers", state.key)
    if found is None or ctx.store.get(FACTORIES, state.factory) is None:
        return None
    begun = state.started or ctx.clock.now()
    return found.name, kinds.read(found.name, found.properties, begun)


def set_state(ctx: Context, at: Child, **members: Any) -> TriggerState:
    """Change the state of a trigger."""
    with ctx.store.transaction():
        made = replace(state_of(ctx, at.factory.id, at.key), **members)
        ctx.store.put(TRIGGER_STATES, made)
    return made
