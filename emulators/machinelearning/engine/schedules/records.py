"""Schedules as records: made, changed, found, removed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulators.kernel.context import Context
from emulators.machinelearning.engine.schedules import actions, triggers
from emulators.machinelearning.errors import ResourceMissing, UserError, ValidationError
from emulators.machinelearning.store.schedules import FIRINGS, SCHEDULES, Firing, Schedule
from emulators.machinelearning.store.workspaces import Workspace

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,199}\Z")
VIEWS = {"enabledonly": (True,), "disabledonly": (False,), "all": (True, False)}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A schedule as a request states it."""

    properties: Mapping[str, Any]
    by: str


def get(ctx: Context, ws: Workspace, name: str) -> Schedule:
    """The schedule.

    Raises:
        ResourceMissing: there is none.
    """
    found = ctx.store.get(SCHEDULES, ws.guid, name.lower())
    if found is None:
        raise ResourceMissing(
            f"The Resource 'Microsoft.MachineLearningServices/workspaces/{ws.name}/schedules/"
            f"{name[:255]}' under resource group '{ws.group}' was not found."
        )
    return found


def every(ctx: Context, ws: Workspace, view: str | None = None) -> list[Schedule]:
    """A workspace's schedules by name; those that are enabled, unless `view` says otherwise.

    Raises:
        ValidationError: no such view.
    """
    shown = VIEWS.get((view or "EnabledOnly").lower())
    if shown is None:
        raise ValidationError(f"The listViewType '{view}' is not known.", target="listViewType")
    return [one for one in ctx.store.scan(SCHEDULES, ws.guid) if one.enabled in shown]


def put(ctx: Context, ws: Workspace, name: str, wanted: Wanted) -> tuple[Schedule, bool]:
    """Make or change a schedule; whether it was made.

    Raises:
        ValidationError, AssetNotFound: it cannot be as it is stated.
        Unsupported: its action or trigger is not emulated.
    """
    if not NAME.match(name):
        raise ValidationError(
            f"The schedule name '{name[:100]}' is invalid: use letters, digits, '-' and '_',"
            " beginning with a letter or digit, at most 200.",
            target="name",
        )
    given = wanted.properties
    for field in ("displayName", "description"):
        if not isinstance(given.get(field), str | None):
            raise ValidationError(f"The field '{field}' must be text.", target=field)
    enabled = given.get("isEnabled")
    if not isinstance(enabled, bool | None):
        raise ValidationError("isEnabled must be true or false.", target="isEnabled")
    now = ctx.clock.now()
    old = ctx.store.get(SCHEDULES, ws.guid, name.lower())
    created = old.created if old is not None else now
    found = triggers.read(given.get("trigger"), created)
    if old is None and found.end is not None and found.end <= now:
        raise ValidationError("The endTime of the trigger is in the past.", target="endTime")
    actions.check(ctx, ws, given.get("action"))
    kept = {
        k: v
        for k, v in given.items()
        if v is not None and k not in ("isEnabled", "provisioningState")
    }
    made = Schedule(
        workspace=ws.guid,
        key=name.lower(),
        name=old.name if old is not None else name,
        properties=kept,
        enabled=enabled is not False,
        created=created,
        modified=now,
        created_by=old.created_by if old is not None else wanted.by,
        modified_by=wanted.by,
    )
    ctx.store.put(SCHEDULES, made)
    return made, old is None


def delete(ctx: Context, schedule: Schedule) -> None:
    """Remove a schedule that is disabled; the jobs it made stay.

    Raises:
        UserError: it is enabled.
    """
    if schedule.enabled:
        raise UserError(
            f"The schedule '{schedule.name}' is enabled. Disable it before it is deleted."
        )
    forget(ctx, schedule)


def forget(ctx: Context, schedule: Schedule) -> None:
    """Remove a schedule and what is known of its firings."""
    with ctx.store.transaction():
        for firing in list(firings(ctx, schedule)):
            ctx.store.delete(FIRINGS, *FIRINGS.key_of(firing))
        ctx.store.delete(SCHEDULES, schedule.workspace, schedule.key)


def firings(ctx: Context, schedule: Schedule) -> list[Firing]:
    """The newest firings that are kept, oldest first."""
    return list(ctx.store.scan(FIRINGS, schedule.workspace, schedule.key))
