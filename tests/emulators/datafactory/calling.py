"""Shared by the tests of activities: one attempt of one activity, without a runner."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emulators.datafactory.engine.activities.base import Call, Done
from emulators.datafactory.engine.activities.catalogue import EXECUTORS
from emulators.datafactory.engine.activities.outgoing import Answer, Ask, replaced
from emulators.datafactory.engine.definitions import pipeline_of
from emulators.datafactory.engine.expressions import Scope
from emulators.datafactory.store import FACTORIES, Factory, PipelineRun
from emulators.kernel.context import Context
from emulators.kernel.http import ServiceSpec
from tests.support import make_app, make_context

FACTORY = "/subscriptions/s/resourcegroups/g/providers/microsoft.datafactory/factories/f"
PRINCIPAL = "11111111-1111-4111-8111-111111111111"
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Resources:
    """What is published in the factory: kind -> name in lower case -> properties."""

    held: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)

    def find(self, kind: str, name: str) -> Mapping[str, Any] | None:
        return self.held.get((kind, name.lower()))

    def publish(self, kind: str, name: str, properties: Mapping[str, Any]) -> None:
        self.held[(kind, name.lower())] = properties


@dataclass
class Bench:
    """A context with a factory in it, and its published resources."""

    ctx: Context
    resources: Resources = field(default_factory=Resources)
    noted: dict[str, Any] = field(default_factory=dict)

    def call(self, activity: Mapping[str, Any], scope: Scope | None = None) -> Call:
        raw = {"name": "A", **activity}
        pipeline = pipeline_of("p", {"activities": [raw]})
        run = PipelineRun(FACTORY, "run", "p", "run", "InProgress", {}, {}, {}, {}, START)
        return Call(
            self.ctx,
            pipeline.activities[0],
            run,
            scope or Scope(now=self.ctx.clock.now),
            self.resources,
            "attempt",
            self.noted.update,
            dict(self.noted),
        )

    async def run(self, activity: Mapping[str, Any], scope: Scope | None = None) -> Done:
        call = self.call(activity, scope)
        return await EXECUTORS[call.activity.kind](call)

    def do(self, activity: Mapping[str, Any], scope: Scope | None = None) -> Done:
        """One attempt, in a loop of its own."""
        return asyncio.run(self.run(activity, scope))


def bench(folder: Path, specs: Sequence[ServiceSpec] = (), **settings: Any) -> Bench:
    """A bench on `folder`; peers are those of `specs`."""
    ctx = make_context(folder, **settings)
    make_app(ctx, specs)
    identity = {"type": "SystemAssigned", "principalId": PRINCIPAL}
    ctx.store.put(
        FACTORIES, Factory(FACTORY, "factory", "f", "eastus", {}, identity, {}, START, "e")
    )
    return Bench(ctx)


class FarSide:
    """Answers what activities send from a list, and remembers what that was."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers, self.asked = list(answers), list[Ask]()

    async def __call__(self, ctx: Context, ask: Ask) -> Answer:
        self.asked.append(ask)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def answered(far: Callable[[Context, Ask], Awaitable[Answer]], made: Callable[[], Done]) -> Done:
    """What an activity leaves when `far` is the other side."""
    with replaced(far):
        return made()
