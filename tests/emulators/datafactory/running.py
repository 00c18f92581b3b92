"""Shared by the tests of runs: a factory of dicts, stubs by name, virtual time; no server."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from emulators.datafactory.engine.activities.base import Call, Done, Executor
from emulators.datafactory.engine.definitions import Activity
from emulators.datafactory.engine.runs import manager
from emulators.datafactory.engine.runs.host import default_executor
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
from emulators.kernel.store import Store
from emulators.kernel.store_memory import MemoryStore
from emulators.kernel.virtual import VirtualTime
from tests.support import make_context

FACTORY = "/subscriptions/s/resourcegroups/g/providers/microsoft.datafactory/factories/f"
MANUAL = {"id": "m", "name": "Manual", "invokedByType": "Manual"}
Stub = Callable[[Call], Awaitable[Done]]


@cache
def _context() -> Context:
    return make_context(Path(tempfile.mkdtemp(prefix="rehearsal-runs-")))


@dataclass
class Desk:
    """A factory whose pipelines are run in virtual time."""

    time: VirtualTime
    ctx: Context
    stubs: dict[str, Stub] = field(default_factory=dict)

    def publish(self, name: str, *activities: Mapping[str, Any], **properties: Any) -> None:
        """Store a pipeline, unchecked."""
        held = {"activities": list(activities), **properties}
        now = self.ctx.clock.now()
        self.ctx.store.put(
            RESOURCES, Resource(FACTORY, "pipelines", name.lower(), name, held, "e", now)
        )

    def executor_of(self, activity: Activity, pipeline: str) -> Executor | None:
        """The stub of that name, or what is run otherwise."""
        return self.stubs.get(activity.name) or default_executor(activity, pipeline)

    async def create(self, name: str = "p", **options: Any) -> PipelineRun:
        """Begin a run."""
        parameters = options.pop("parameters", {})
        return await manager.create_run(
            self.ctx, FACTORY, name, parameters, invoked_by=MANUAL, **options
        )

    def run(self, name: str = "p", **options: Any) -> PipelineRun:
        """Begin a run and return it when it has ended."""

        async def whole() -> PipelineRun:
            async with manager.started(self.ctx, self.executor_of):
                made = await self.create(name, **options)
                return await manager.wait_for(self.ctx, made.id, FACTORY)

        return self.time.run(whole())

    def rows(self, run: PipelineRun) -> list[ActivityRun]:
        """Its activity runs, in the order of their starts."""
        return manager.activity_runs(self.ctx, run.id)

    def statuses(self, run: PipelineRun) -> dict[str, str]:
        """The last status of each activity."""
        return {row.name: row.status for row in self.rows(run)}

    def row(self, run: PipelineRun, name: str) -> ActivityRun:
        """The last row of an activity."""
        return next(row for row in reversed(self.rows(run)) if row.name == name)

    def stored(self, run: PipelineRun) -> PipelineRun:
        """The run as it is stored now."""
        found = self.ctx.store.get(RUNS, FACTORY, run.id)
        assert found is not None
        return found


@contextmanager
def desk(store: Store | None = None, **properties: Any) -> Iterator[Desk]:
    """A desk with an empty factory; `properties` are the factory's."""
    with VirtualTime() as time:
        ctx = replace(_context(), store=store or MemoryStore(), clock=time.clock)
        now = time.clock.now()
        ctx.store.put(
            FACTORIES, Factory(FACTORY, "factory", "f", "eastus", {}, None, properties, now, "e")
        )
        yield Desk(time, ctx)


def after(name: str, *conditions: str) -> dict[str, Any]:
    """One entry of `dependsOn`."""
    return {"activity": name, "dependencyConditions": list(conditions or ("Succeeded",))}


def activity(name: str, kind: str, *depends: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """An activity with its `typeProperties`."""
    return {"name": name, "type": kind, "dependsOn": list(depends), "typeProperties": properties}


def wait(name: str, seconds: int, *depends: dict[str, Any]) -> dict[str, Any]:
    """A Wait."""
    return activity(name, "Wait", *depends, waitTimeInSeconds=seconds)


def fails(name: str, *depends: dict[str, Any], message: str = "boom") -> dict[str, Any]:
    """A Fail."""
    return activity(name, "Fail", *depends, message=message, errorCode="500")


def sets(name: str, variable: str, value: Any, *depends: dict[str, Any]) -> dict[str, Any]:
    """A SetVariable."""
    return activity(name, "SetVariable", *depends, variableName=variable, value=value)
