"""The containers: ForEach, Until, IfCondition, Switch. What they chose survives a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from emulators.datafactory.engine.activities.base import ActivityFailed, Done
from emulators.datafactory.engine.definitions import seconds_of
from emulators.datafactory.engine.expressions import evaluate
from emulators.datafactory.engine.runs.attempts import TIMED_OUT_CODE, Attempt, is_true
from emulators.datafactory.engine.runs.runner import Verdict, run_scope
from emulators.datafactory.engine.runs.values import as_text, type_name
from emulators.datafactory.engine.runs.waiting import OutOfTime, bounded, stopped

BATCH_DEFAULT, BATCH_MOST = 20, 50
ITEMS_MOST = 100_000
UNTIL_DEFAULT = "7.00:00:00"
UNTIL_MOST_S = 90 * 24 * 3600
QUICK_PASSES = 100
"""So many passes of an Until may follow each other that take next to no time; then there is a
pause after each, since Azure's own pace keeps a loop that never waits from running away."""
QUICK_S, PACE_S = 0.1, 1.0


def array(value: Any, field: str, name: str) -> list[Any]:
    """A value that must be an array.

    Raises:
        ActivityFailed: it is none.
    """
    if not isinstance(value, list | tuple):
        raise ActivityFailed(
            "InvalidTemplate",
            f"The function 'length' expects its parameter to be an array or a string: '{field}' of"
            f" '{name}' is of type '{type_name(value)}', not an array.",
        )
    return list(value)


def boolean(value: Any, field: str, name: str) -> bool:
    """A value that must be true or false.

    Raises:
        ActivityFailed: it is neither.
    """
    if not isinstance(value, bool):
        raise ActivityFailed(
            "InvalidTemplate",
            f"The expression of '{field}' of '{name}' must be a boolean, it is of type"
            f" '{type_name(value)}'.",
        )
    return value


def inner_failure(verdict: Verdict) -> ActivityFailed:
    """How a container fails for what is inside it."""
    name, message = verdict.failures[0]
    return ActivityFailed(
        "ActionFailed",
        "Activity failed because an inner activity failed; Inner activity name:"
        f" {name}, Error: {message}",
    )


def _noted(attempt: Attempt) -> Mapping[str, Any]:
    return attempt.frame.live.notes.get(attempt.note_path, {})


def _value(attempt: Attempt, name: str) -> Any:
    return evaluate(attempt.activity.properties.get(name), attempt.frame.scope)


def _forget(attempt: Attempt) -> None:
    attempt.frame.live.notes.pop(attempt.note_path, None)


async def _branch(attempt: Attempt, label: str, shown: Mapping[str, Any]) -> Done:
    frame = attempt.frame.inner(attempt.activity.name)
    verdict = await run_scope(frame, attempt.activity.branch(label))
    if verdict.failures:
        raise inner_failure(verdict)
    return Done(output={}, input=shown)


async def if_condition(attempt: Attempt) -> Done:
    """IfCondition: the branch for true or the one for false."""
    chosen = _noted(attempt).get("holds")
    if chosen is None:
        value = _value(attempt, "expression")
        chosen = boolean(value, "expression", attempt.activity.name)
        attempt.frame.live.note(attempt.note_path, {"holds": chosen})
    label = "ifTrue" if chosen else "ifFalse"
    return await _branch(attempt, label, {"expression": chosen})


async def switch(attempt: Attempt) -> Done:
    """Switch: the case whose value is the expression's as text, or the default.

    Its expression is `on`; pages of documentation also call it `expression`.
    """
    chosen = _noted(attempt).get("on")
    if chosen is None:
        name = "on" if attempt.activity.properties.get("on") is not None else "expression"
        value = _value(attempt, name)
        if isinstance(value, list | tuple | dict) or value is None:
            raise ActivityFailed(
                "InvalidTemplate",
                f"The expression of 'on' of '{attempt.activity.name}' must be a text, it is of"
                f" type '{type_name(value)}'.",
            )
        chosen = as_text(value)
        attempt.frame.live.note(attempt.note_path, {"on": chosen})
    labels = {branch.label for branch in attempt.activity.branches}
    label = f"case {chosen}" if f"case {chosen}" in labels else "default"
    return await _branch(attempt, label, {"on": chosen})


async def for_each(attempt: Attempt) -> Done:
    """ForEach: one pass for each item; all are run, whatever becomes of one."""
    activity, live = attempt.activity, attempt.frame.live
    items = _noted(attempt).get("items")
    if items is None:
        items = array(_value(attempt, "items"), "items", activity.name)
        if len(items) > ITEMS_MOST:
            raise ActivityFailed(
                "ForEachItemsLimitExceeded",
                f"'{activity.name}' has {len(items)} items; at most {ITEMS_MOST} are allowed.",
            )
        live.note(attempt.note_path, {"items": items})
    attempt.show({"itemsCount": len(items)})
    if is_true(evaluate(activity.properties.get("isSequential", False), attempt.frame.scope)):
        width = 1
    else:
        width = _batch_count(attempt)
    verdicts = await _passes(attempt, items, width)
    _forget(attempt)
    bad = next((verdict for verdict in verdicts if verdict.failures), None)
    if bad is not None:
        raise inner_failure(bad)
    return Done(output={}, input={"itemsCount": len(items)})


def _batch_count(attempt: Attempt) -> int:
    given = attempt.activity.properties.get("batchCount")
    if given is None:
        return BATCH_DEFAULT
    try:
        width = int(evaluate(given, attempt.frame.scope))
    except (TypeError, ValueError):
        width = 0
    if not 1 <= width <= BATCH_MOST:
        raise ActivityFailed(
            "InvalidBatchCount",
            f"batchCount of '{attempt.activity.name}' must be from 1 to {BATCH_MOST}.",
        )
    return width


async def _passes(attempt: Attempt, items: list[Any], width: int) -> list[Verdict]:
    """Every pass, at most `width` at a time, begun in the order of the items."""
    inner = attempt.activity.branch("activities")
    verdicts: list[Verdict] = [Verdict()] * len(items)
    left = iter(range(len(items)))

    async def worker() -> None:
        for at in left:
            label = f"{attempt.activity.name}[{at}]"
            frame = attempt.frame.inner(label, item=items[at], looping=True)
            verdicts[at] = await run_scope(frame, inner)

    if width == 1:
        await worker()
        return verdicts
    workers = [asyncio.ensure_future(worker()) for _ in range(min(width, len(items)))]
    try:
        if workers:
            await asyncio.gather(*workers)
    finally:
        await stopped(*workers)
    return verdicts


async def until(attempt: Attempt) -> Done:
    """Until: the body, then the test, until it holds or the time is up."""
    live = attempt.frame.live
    given = attempt.activity.properties.get("timeout", UNTIL_DEFAULT)
    try:
        timeout_s = min(seconds_of(evaluate(given, attempt.frame.scope)), UNTIL_MOST_S)
    except ValueError as why:
        raise ActivityFailed("InvalidTimeout", str(why)) from None
    try:
        await bounded(live.ctx.clock, _loop(attempt), timeout_s - attempt.passed_s())
    except OutOfTime:
        raise ActivityFailed(
            TIMED_OUT_CODE,
            f"'{attempt.activity.name}' was not done within its timeout '{given}'.",
        ) from None
    finally:
        if not live.host.leaving:
            _forget(attempt)
    return Done(output={}, input={})


async def _loop(attempt: Attempt) -> None:
    live, activity = attempt.frame.live, attempt.activity
    number = int(_noted(attempt).get("passes", 0))
    clock, quick = live.ctx.clock, 0
    while True:
        began = clock.monotonic()
        frame = attempt.frame.inner(f"{activity.name}[{number}]", looping=True)
        await run_scope(frame, activity.branch("activities"))
        value = evaluate(activity.properties.get("expression"), frame.scope)
        if boolean(value, "expression", activity.name):
            return
        number += 1
        live.note(attempt.note_path, {"passes": number})
        quick = quick + 1 if clock.monotonic() - began < QUICK_S else 0
        if quick >= QUICK_PASSES:
            await clock.sleep(PACE_S)
