"""A jobs engine without processes: what would run a command is a function of the test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

from emulators.kernel.context import Context
from emulators.machinelearning.engine import assets
from emulators.machinelearning.engine.jobs import pipelines, plans, records
from emulators.machinelearning.engine.jobs.data import Fetcher
from emulators.machinelearning.engine.jobs.machine import Machine, Verdict, Work, failed
from emulators.machinelearning.engine.jobs.specs import CommandSpec
from emulators.machinelearning.engine.runtime.runtimes import Runtimes
from emulators.machinelearning.store.jobs import COMPLETED, Job
from emulators.machinelearning.store.workspaces import (
    WORKSPACE_GUIDS,
    WORKSPACES,
    Workspace,
    WorkspaceGuid,
)
from tests.support import make_context

INPUTS = 8
Act = Callable[[Work], Awaitable[Verdict]]


async def completes(work: Work) -> Verdict:
    """A command that leaves one output and completes."""
    made = {"out": {"type": "uri_folder", "uri": f"azureml://datastores/d/paths/{work.job.name}/"}}
    records.change(work.ctx, work.job, outputs=made)
    return Verdict(COMPLETED)


async def fails(work: Work) -> Verdict:
    """A command that fails."""
    return failed(f"{work.job.step} fails")


@dataclass
class Bench:
    """A workspace and a machine whose commands are acts by step name."""

    ctx: Context
    ws: Workspace
    acts: dict[str, Act] = field(default_factory=dict)
    log: list[tuple[str, str]] = field(default_factory=list)  # ("start" | "end", step)

    def machine(self) -> Machine:
        """A new machine; call it inside the event loop that is to run it."""
        none = cast(Runtimes, None)
        return Machine(self.ctx, none, Fetcher(self.ctx), asyncio.Semaphore(2), self._command)

    async def _command(self, work: Work, spec: CommandSpec) -> Verdict:
        del spec
        step = work.job.step or work.job.name
        self.log.append(("start", step))
        try:
            return await self.acts.get(step, completes)(work)
        finally:
            self.log.append(("end", step))

    def add(self, name: str, kind: str = "Command", **fields: Any) -> Job:
        """A stored job that nothing works on yet."""
        job = Job(self.ws.guid, name, 0, kind, {}, "exp", self.ctx.clock.now(), "me", **fields)
        return records.add(self.ctx, self.ws, job)

    def get(self, name: str) -> Job:
        """The job as it is stored now."""
        return records.get(self.ctx, self.ws.guid, name)

    def pipeline(
        self, machine: Machine, name: str, sources: dict[str, set[str]], **more: Any
    ) -> Work:
        """Begin a pipeline of steps that each read the outputs of some others."""
        nodes = {
            step: {
                "type": "command",
                "componentId": f"{self.ws.arm_id}/components/step/versions/1",
                "inputs": {
                    f"in{n}": {
                        "job_input_type": "literal",
                        "value": f"${{{{parent.jobs.{source}.outputs.out}}}}",
                    }
                    for n, source in enumerate(sorted(wanted))
                },
            }
            for step, wanted in sources.items()
        }
        plan = plans.plan(self.ctx, self.ws, {"jobs": nodes, "settings": more})
        job = self.add(name, "Pipeline")
        return machine.begin(self.ws, job, partial(pipelines.run, wanted=plan))

    def statuses(self, parent: str) -> dict[str, str]:
        """Status of each child by its step."""
        found = records.children(self.ctx, self.ws.guid, parent)
        return {str(child.step): child.status for child in found}


def make_bench(ctx: Context, guid: str) -> Bench:
    """A workspace of its own on a shared context, with the one component that steps use."""
    now = ctx.clock.now()
    sub = ctx.secrets.subscription_id
    key = f"{sub}/g/{guid}".lower()
    ws = Workspace(key, guid, sub, "g", guid, "eastus", "account", {}, now, now, "me")
    ctx.store.put(WORKSPACES, ws)
    ctx.store.put(WORKSPACE_GUIDS, WorkspaceGuid(guid, key))
    spec = {
        "type": "command",
        "command": "true",
        "environment": "azureml:e:1",
        "inputs": {f"in{n}": {"type": "uri_folder", "optional": True} for n in range(INPUTS)},
        "outputs": {"out": {"type": "uri_folder"}},
    }
    assets.create_version(ctx, ws, assets.Draft("components", "step", {"componentSpec": spec}, "1"))
    return Bench(ctx, ws)


@contextmanager
def bench_context(folder: Path) -> Iterator[Context]:
    """A context without MLflow."""
    ctx = make_context(folder, mlflow=False)
    try:
        yield ctx
    finally:
        ctx.ledger.close()
