"""Windows of time: opened in order, run once each, retried, held back by what they depend on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from emulators.datafactory.engine.triggers import firing, kinds, records
from emulators.datafactory.engine.triggers.firing import FINAL, Occasion
from emulators.datafactory.engine.triggers.kinds import Trigger, Tumbling
from emulators.datafactory.engine.triggers.times import written
from emulators.datafactory.engine.triggers.windows import Dependency, Grid
from emulators.datafactory.store import (
    OPEN_WINDOWS,
    RESOURCES,
    TRIGGER_RUNS,
    TRIGGER_STATES,
    WINDOWS,
    TriggerRun,
    TriggerState,
    Window,
)
from emulators.kernel.context import Context

AHEAD = 100
"""Windows that wait for others while later ones are looked at."""
WAITS_AT_MOST = timedelta(days=7)
"""So long a window waits for what it depends on.
Source: tumbling-window-trigger-dependency (a dependency times out after seven days)."""
WAITING = "WaitingOnDependency"


def kind_of(trigger: Trigger) -> Tumbling:
    """The trigger's windows."""
    assert isinstance(trigger.kind, Tumbling)
    return trigger.kind


def key_of(moment: datetime) -> str:
    """A window's key: sorts by time."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def runs_of(ctx: Context, state: TriggerState) -> list[TriggerRun]:
    """The runs of the windows that have not ended, oldest window first."""
    found = []
    for window in ctx.store.scan(OPEN_WINDOWS, state.factory, state.key):
        run = ctx.store.get(TRIGGER_RUNS, state.factory, window.run)
        if run is not None:
            found.append(run)
    return found


def changed(ctx: Context, run: TriggerRun, **members: Any) -> TriggerRun | None:
    """Record a change of a window's run, with the window's own; None where it has ended."""
    with ctx.store.transaction():
        made = firing.changed(ctx, run, **members)
        if made is not None:
            _mark(ctx, made)
    return made


def _mark(ctx: Context, run: TriggerRun) -> None:
    window = ctx.store.get(WINDOWS, run.factory, run.trigger, run.window)
    if window is not None and window.run == run.id:  # not of a trigger that had the name before
        _keep(ctx, replace(window, status=run.status))


def _keep(ctx: Context, window: Window) -> None:
    ctx.store.put(WINDOWS, window)
    if window.status in FINAL:
        ctx.store.delete(OPEN_WINDOWS, window.factory, window.trigger, window.key)
    else:
        ctx.store.put(OPEN_WINDOWS, window)


def proceed(ctx: Context, state: TriggerState, name: str, trigger: Trigger) -> list[TriggerRun]:
    """Open the windows that are due, and let those run that may; the ones that run from now on."""
    kind, now = kind_of(trigger), ctx.clock.now()
    with ctx.store.transaction():
        current = ctx.store.get(TRIGGER_STATES, state.factory, state.key)
        if current is None or current.runtime_state != records.STARTED:
            return []
        there = runs_of(ctx, current)
        running = sum(run.status == "Inprogress" for run in there)
        waiting = [run for run in there if run.status == "Waiting"]
        begun = []
        for run in waiting:
            if now - run.timestamp > WAITS_AT_MOST:
                changed(ctx, run, status="Failed", message="A dependency was not met in 7 days.")
            elif running < kind.at_once and (made := _promoted(ctx, run, kind)) is not None:
                begun.append(made)
                running += 1
        number = _next_number(kind.grid, current)
        room = AHEAD - len(waiting)
        while running < kind.at_once and room > 0 and _is_due(kind, number, now):
            made = _opened(ctx, current, name, trigger, number)
            if made.status == "Inprogress":
                begun.append(made)
                running += 1
            else:
                room -= 1
            number += 1
        cursor = key_of(kind.grid.edge(number))
        if cursor != current.cursor:
            ctx.store.put(TRIGGER_STATES, replace(current, cursor=cursor))
    return begun


def _next_number(grid: Grid, state: TriggerState) -> int:
    if not state.cursor:
        return 0
    return grid.number_at(datetime.fromisoformat(state.cursor))


def _is_due(kind: Tumbling, number: int, now: datetime) -> bool:
    return kind.grid.is_there(number) and kind.grid.edge(number + 1) + kind.delay <= now


def _opened(
    ctx: Context, state: TriggerState, name: str, trigger: Trigger, number: int
) -> TriggerRun:
    """A window's run, recorded: it runs, or waits for what it depends on."""
    kind = kind_of(trigger)
    start, end = kind.grid.edge(number), kind.grid.edge(number + 1)
    shown = {"windowStartTime": written(start), "windowEndTime": written(end)}
    occasion = Occasion(name, kind.type, end + kind.delay, shown, shown, key_of(start))
    run = firing.new_run(ctx, state, occasion, trigger.starts)
    unmet = statuses(ctx, state.factory, state.key, kind, (start, end))
    met = all(status == "Succeeded" for status in unmet.values())
    run = replace(run, status="Inprogress" if met else "Waiting", dependencies=unmet)
    ctx.store.put(TRIGGER_RUNS, run)
    _keep(ctx, Window(state.factory, state.key, run.window, run.id, run.status))
    return run


def _promoted(ctx: Context, run: TriggerRun, kind: Tumbling) -> TriggerRun | None:
    start = datetime.fromisoformat(run.window)
    end = kind.grid.edge(kind.grid.number_at(start) + 1)
    now = statuses(ctx, run.factory, run.trigger, kind, (start, end))
    if all(status == "Succeeded" for status in now.values()):
        moment = written(ctx.clock.now())
        return changed(
            ctx,
            run,
            status="Inprogress",
            dependencies=now,
            facts={**run.facts, "startTime": moment},
        )
    if now != run.dependencies:
        changed(ctx, run, dependencies=now)
    return None


def statuses(
    ctx: Context, factory: str, key: str, kind: Tumbling, window: tuple[datetime, datetime]
) -> dict[str, str]:
    """What a window depends on: the trigger's name, and Succeeded or that it is waited for.

    Assumed: windows that never are, because they lie before the other trigger's start or behind
    its end, hold nothing back.
    """
    found = {}
    for each in kind.dependencies:
        other = key if each.trigger is None else each.trigger.lower()
        name, grid = _grid_of(ctx, factory, other)
        met = grid is not None and _is_met(ctx, (factory, other), grid, each.range_of(*window))
        label = name if name not in found else f"{name} ({_label(each)})"
        found[label] = "Succeeded" if met else WAITING
    return found


def _label(each: Dependency) -> str:
    return f"{each.offset}, {each.size}"


def _grid_of(ctx: Context, factory: str, key: str) -> tuple[str, Grid | None]:
    found = ctx.store.get(RESOURCES, factory, "triggers", key)
    if found is None:
        return key, None
    kind = kinds.read(found.name, found.properties, ctx.clock.now()).kind
    return found.name, kind.grid if isinstance(kind, Tumbling) else None


def _is_met(
    ctx: Context, trigger: tuple[str, str], grid: Grid, span: tuple[datetime, datetime]
) -> bool:
    numbers: Iterable[int] = grid.within(*span)
    for number in numbers:
        window = ctx.store.get(WINDOWS, *trigger, key_of(grid.edge(number)))
        if window is None or window.status != "Succeeded":
            return False
    return True


def next_due(kind: Tumbling, state: TriggerState) -> datetime | None:
    """When the next window is due; None when there is none any more."""
    number = _next_number(kind.grid, state)
    return kind.grid.edge(number + 1) + kind.delay if kind.grid.is_there(number) else None


def again(ctx: Context, run: TriggerRun, kind: Tumbling) -> TriggerRun | None:
    """The next attempt of a window that failed, recorded; None when there is none."""
    if run.attempt >= kind.retries:
        return None
    fresh = [{**plan, "run": ctx.ids.guid()} for plan in run.planned]
    at = ctx.clock.now() + kind.retry_after
    return changed(ctx, run, attempt=run.attempt + 1, planned=fresh, retry_at=at)


def rerun(ctx: Context, run: TriggerRun, trigger: Trigger) -> TriggerRun:
    """Let a window that has ended wait to be run anew, by the trigger's present definition."""
    fresh = replace(
        run,
        status="Waiting",
        message="",
        attempt=0,
        retry_at=None,
        timestamp=ctx.clock.now(),
        planned=firing.planned(ctx, trigger.starts),
    )
    with ctx.store.transaction():
        ctx.store.put(TRIGGER_RUNS, fresh)
        _mark(ctx, fresh)
    return fresh
