"""What a caller asks of a trigger: start, stop, subscribe, rerun and cancel its runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulators.datafactory.engine import resources
from emulators.datafactory.engine.querying import Page, Subject, ask
from emulators.datafactory.engine.resources import Child
from emulators.datafactory.engine.runs import manager
from emulators.datafactory.engine.triggers import events, kinds, records, tumbling
from emulators.datafactory.engine.triggers.firing import FINAL
from emulators.datafactory.engine.triggers.kinds import BlobEvents, Trigger, Tumbling
from emulators.datafactory.engine.triggers.watch import watch_of
from emulators.datafactory.errors import (
    ChildMissing,
    RunEnded,
    RunMissing,
    TriggerNotStarted,
    TriggerRunState,
)
from emulators.datafactory.store import TRIGGER_RUNS, Factory, TriggerRun, TriggerState
from emulators.kernel.context import Context

SUBJECT = Subject(
    operands={
        "TriggerName": lambda run: run.name,
        "TriggerType": lambda run: run.type,
        "TriggerRunTimestamp": lambda run: run.timestamp,
        "Status": lambda run: run.status,
        "RunGroupId": lambda run: run.id,
        "LatestOnly": lambda run: True,
    },
    orders=frozenset({"TriggerName", "TriggerRunTimestamp", "Status"}),
    updated=lambda run: run.timestamp,
    key=lambda run: run.id,
    default_order=("TriggerRunTimestamp", True),
)


def read(ctx: Context, at: Child) -> Trigger:
    """A published trigger.

    Raises:
        ChildMissing: there is none.
        Unsupported: of a kind that is not emulated.
    """
    found = resources.get(ctx, at)
    return kinds.read(found.name, found.properties, ctx.clock.now())


async def start(ctx: Context, at: Child) -> None:
    """Let a trigger fire from now on; one that is started stays so.

    Raises:
        ChildMissing: there is none.
        Unsupported: of a kind that is not emulated.
        SubscriptionFailed: its account delivers no events.
    """
    trigger = read(ctx, at)
    if records.state_of(ctx, at.factory.id, at.key).runtime_state == records.STARTED:
        return
    members: dict[str, Any] = {"runtime_state": records.STARTED, "started": ctx.clock.now()}
    if not isinstance(trigger.kind, Tumbling):  # windows go on where they were
        members["cursor"] = ""
    if isinstance(trigger.kind, BlobEvents):
        # Started first: an event that is delivered at once has somebody who waits for it.
        records.set_state(ctx, at, **members)
        try:
            await events.subscribe(ctx, at, trigger.kind)
        except BaseException:
            records.set_state(ctx, at, runtime_state=records.STOPPED)
            raise
    state = records.set_state(ctx, at, **members)
    _tell(ctx, state)


async def stop(ctx: Context, at: Child) -> None:
    """Let a trigger fire no more; what runs goes on.

    Raises:
        ChildMissing: there is none.
        SubscriptionFailed: its account goes on delivering events.
    """
    resources.get(ctx, at)
    if records.state_of(ctx, at.factory.id, at.key).runtime_state != records.STARTED:
        return
    trigger = read(ctx, at)
    if isinstance(trigger.kind, BlobEvents):
        await events.unsubscribe(ctx, at, trigger.kind)
    _tell(ctx, records.set_state(ctx, at, runtime_state=records.STOPPED))


def _tell(ctx: Context, state: TriggerState) -> None:
    watch = watch_of(ctx)
    if watch is not None:
        watch.changed(state)
        watch.wake()


async def subscribe(ctx: Context, at: Child) -> TriggerState:
    """Subscribe a trigger of events without starting it.

    Raises:
        InvalidTrigger: it is no trigger of events.
    """
    await events.subscribe(ctx, at, events.kind_of(at.name, read(ctx, at)))
    return records.state_of(ctx, at.factory.id, at.key)


async def unsubscribe(ctx: Context, at: Child) -> TriggerState:
    """End the subscription of a trigger of events.

    Raises:
        InvalidTrigger: it is no trigger of events.
    """
    await events.unsubscribe(ctx, at, events.kind_of(at.name, read(ctx, at)))
    return records.state_of(ctx, at.factory.id, at.key)


def runs(ctx: Context, factory: Factory, body: Mapping[str, Any]) -> Page:
    """The firings of a factory's triggers that a query asks for.

    Raises:
        InvalidQuery: something in it is not known.
    """
    return ask(SUBJECT, body, ctx.store.scan(TRIGGER_RUNS, factory.id))


def run_of(ctx: Context, at: Child, run_id: str) -> TriggerRun:
    """A firing of a trigger.

    Raises:
        ChildMissing: the trigger has none of that id.
    """
    found = ctx.store.get(TRIGGER_RUNS, at.factory.id, run_id.lower())
    if found is None or found.trigger != at.key:
        raise ChildMissing("triggerruns", run_id, at.factory.name)
    return found


def rerun(ctx: Context, at: Child, run_id: str) -> None:
    """Run a window anew that has ended, by the present definition.

    Raises:
        TriggerRunState: it has not ended, or it is no window.
        TriggerNotStarted: nothing of a stopped trigger runs.
    """
    run, trigger = run_of(ctx, at, run_id), read(ctx, at)
    if not run.window or not isinstance(trigger.kind, Tumbling):
        raise TriggerRunState(
            f"The trigger run '{run_id}' is of no window: only runs of tumbling window triggers"
            " are rerun. Rerun its pipeline run instead.",
            target=run_id,
        )
    if run.status not in FINAL:
        raise TriggerRunState(f"The trigger run '{run_id}' has not ended.", target=run_id)
    if records.state_of(ctx, at.factory.id, at.key).runtime_state != records.STARTED:
        raise TriggerNotStarted(at.name)
    tumbling.rerun(ctx, run, trigger)
    if (watch := watch_of(ctx)) is not None:
        watch.wake()


async def cancel(ctx: Context, at: Child, run_id: str) -> None:
    """End a window that waits or runs, with its pipeline's run.

    Raises:
        TriggerRunState: it has ended.
    """
    run = run_of(ctx, at, run_id)
    made = tumbling.changed(ctx, run, status="Cancelled", message="Cancelled by its user.")
    if made is None:
        raise TriggerRunState(f"The trigger run '{run_id}' has ended.", target=run_id)
    if (watch := watch_of(ctx)) is not None:
        watch.abandon(run)
    for plan in run.planned:
        try:
            await manager.cancel(ctx, at.factory.id, str(plan["run"]), False)
        except (RunMissing, RunEnded):
            continue
