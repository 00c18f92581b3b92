"""Plays one case of the pipeline corpus: mocked HTTP, virtual time, the real runner."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from emulators.datafactory.engine.activities.outgoing import Answer, Ask, NoAnswer, replaced
from emulators.datafactory.engine.runs import manager
from emulators.datafactory.store import (
    FACTORIES,
    RESOURCES,
    RUNS,
    ActivityRun,
    Factory,
    PipelineRun,
    Resource,
)
from emulators.kernel.context import Context
from emulators.kernel.store_memory import MemoryStore
from emulators.kernel.virtual import VirtualTime
from tests.support import make_context

FACTORY = "/subscriptions/s/resourcegroups/g/providers/microsoft.datafactory/factories/f"
MANUAL = {"id": "", "name": "Manual", "invokedByType": "Manual"}
LAST_END_S = 400 * 24 * 3600


@dataclass(slots=True)
class Played:
    """What came of a case."""

    runs: list[PipelineRun] = field(default_factory=list)  # those that were asked for
    every_run: list[PipelineRun] = field(default_factory=list)
    rows: dict[str, list[ActivityRun]] = field(default_factory=dict)  # by run
    asked: list[Ask] = field(default_factory=list)
    began_s: float = 0.0
    started_at: dict[str, float] = field(default_factory=dict)  # seconds since the case began
    refused: str | None = None  # what publishing said


@dataclass(slots=True)
class FarSide:
    """The mocks of a case: answers in their order, and what was asked."""

    mocks: list[dict[str, Any]]
    asked: list[Ask] = field(default_factory=list)
    given: dict[int, int] = field(default_factory=dict)

    async def __call__(self, ctx: Context, ask: Ask) -> Answer:
        self.asked.append(ask)
        for at, mock in enumerate(self.mocks):
            if mock["method"].upper() != ask.method or mock["url"] != ask.url:
                continue
            number = self.given.get(at, 0)
            answers = mock["responses"]
            if number >= len(answers):
                if not mock.get("repeatLast"):
                    continue
                number = len(answers) - 1
            self.given[at] = number + 1
            return await _answer(ctx, answers[number])
        raise NoAnswer(f"no mock answers {ask.method} {ask.url}")


async def _answer(ctx: Context, said: Mapping[str, Any]) -> Answer:
    if said.get("delaySeconds"):
        await ctx.clock.sleep(float(said["delaySeconds"]))
    headers = [(name, str(value)) for name, value in (said.get("headers") or {}).items()]
    if "json" in said:
        headers.append(("Content-Type", "application/json"))
        return Answer(said["status"], tuple(headers), orjson.dumps(said["json"]))
    text = str(said.get("text") or said.get("body") or "")
    return Answer(said["status"], tuple(headers), text.encode())


@cache
def _first_context() -> Context:
    return make_context(Path(tempfile.mkdtemp(prefix="rehearsal-conformance-")))


def play(case: Mapping[str, Any]) -> Played:
    """Publish the case's pipelines and carry out its actions; all runs have ended afterwards."""
    with VirtualTime() as time:
        ctx = replace(_first_context(), store=MemoryStore(), clock=time.clock)
        far = FarSide(case.get("http") or [])
        refused = publish(ctx, case)
        if refused is not None:
            return Played(refused=refused)
        with replaced(far):
            played = time.run(_play(ctx, case))
        played.asked = far.asked
        return played


def publish(ctx: Context, case: Mapping[str, Any]) -> str | None:
    """Store the case's factory and pipelines; what publishing refuses, or None."""
    from emulators.datafactory.engine import publishing
    from emulators.datafactory.engine.resources import Child
    from emulators.kernel.errors import ServiceError

    properties = {"globalParameters": case.get("globalParameters") or {}}
    now = ctx.clock.now()
    factory = Factory(FACTORY, "factory", "f", "eastus", {}, None, properties, now, "e")
    ctx.store.put(FACTORIES, factory)
    for each in case["pipelines"]:  # so that they may name each other in any order
        bare = Resource(FACTORY, "pipelines", each["name"].lower(), each["name"], {}, "e", now)
        ctx.store.put(RESOURCES, bare)
    try:
        for each in case["pipelines"]:
            publishing.publish(ctx, Child(factory, "pipelines", each["name"]), each["properties"])
    except ServiceError as why:
        said = [why.message, why.target or "", *(str(detail) for detail in why.details)]
        return " ".join(said)
    return None


async def _play(ctx: Context, case: Mapping[str, Any]) -> Played:
    played = Played(began_s=ctx.clock.monotonic())
    actions = case.get("actions") or [{"at": 0, "do": "createRun"}]
    async with manager.started(ctx):
        for action in sorted(actions, key=lambda each: float(each.get("at", 0))):
            due = played.began_s + float(action.get("at", 0)) - ctx.clock.monotonic()
            await ctx.clock.sleep(max(0.0, due))
            await _act(ctx, case, action, played)
        for _ in range(1000):  # a child that nobody waits for may start others
            left = list(manager.runs_of(ctx).live.values())
            if not left:
                break
            ends = [manager.wait_for(ctx, live.record.id) for live in left]
            await asyncio.wait_for(asyncio.gather(*ends), LAST_END_S)
    played.every_run = sorted(ctx.store.scan(RUNS), key=lambda run: run.queued)
    by_id = {run.id: run for run in played.every_run}
    played.runs = [by_id[run.id] for run in played.runs]
    for run in played.every_run:
        played.rows[run.id] = manager.activity_runs(ctx, run.id)
    return played


async def _act(
    ctx: Context, case: Mapping[str, Any], action: Mapping[str, Any], played: Played
) -> None:
    if action["do"] == "createRun":
        run = case["run"]
        options: dict[str, Any] = {}
        if action.get("isRecovery") or action.get("referencePipelineRunId"):
            options["reference"] = _run_named(action["referencePipelineRunId"], played)
            if action.get("startFromFailure"):
                options["restart_at"] = ""
            elif action.get("startActivityName"):
                options["restart_at"] = action["startActivityName"]
        parameters = action.get("parameters", run.get("parameters") or {})
        name = action.get("pipeline", run["pipeline"])
        invoked_by = {**MANUAL, "id": ctx.ids.guid()}
        made = await manager.create_run(
            ctx, FACTORY, name, parameters, invoked_by=invoked_by, **options
        )
        played.runs.append(made)
    elif action["do"] == "cancel":
        named = next((action[key] for key in ("run", "runId", "pipelineRunId") if key in action), 0)
        run_id = _run_named(named, played)
        await manager.cancel(ctx, FACTORY, run_id, bool(action.get("isRecursive", False)))
    else:
        raise ValueError(f"unknown action {action['do']!r}")


def _run_named(text: str | int, played: Played) -> str:
    """The id of a run by its place: 0, or `$run[0]`."""
    if isinstance(text, int):
        return played.runs[text].id
    if text.startswith("$run["):
        return played.runs[int(text[5:-1])].id
    return text
