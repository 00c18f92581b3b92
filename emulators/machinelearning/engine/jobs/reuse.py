"""Steps that need not run again: the same component, code, environment and inputs made it before.

Source: learn.microsoft.com/azure/machine-learning/how-to-debug-pipeline-reuse.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from emulators.kernel.context import Context
from emulators.kernel.errors import ServiceError
from emulators.machinelearning.engine import assets, places, storage_access
from emulators.machinelearning.engine.jobs import commands, records, tracking
from emulators.machinelearning.engine.jobs.machine import Verdict, Work
from emulators.machinelearning.engine.jobs.specs import CommandSpec, Input
from emulators.machinelearning.store.jobs import COMPLETED, JOBS, REUSE, Job, Reuse
from emulators.machinelearning.store.workspaces import Workspace

SWEEP_WORDS = ("search_space", "sampling_algorithm", "objective", "limits", "early_termination")
"""What tells two sweeps over the same trial apart."""


def deterministic(component: Mapping[str, Any]) -> bool:
    """Whether a component says that the same inputs give the same outputs; without a word, yes."""
    value = component.get("is_deterministic")
    return value is None or str(value).lower() == "true"


async def digest(work: Work, spec: CommandSpec, node: Mapping[str, Any]) -> str:
    """A hash of all that determines what a step makes.

    Data counts by where it lies, not by its bytes: versions of assets are immutable, and an
    output lies where its own step put it.

    Raises:
        ServiceError: a reference that cannot be followed.
    """
    ctx, ws = work.ctx, work.ws
    content = {
        "command": spec.command,
        "code": _code(ctx, ws, spec.code),
        "environment": spec.environment,
        "inputs": {name: await _identity(ctx, ws, given) for name, given in spec.inputs.items()},
        "optional": sorted(spec.optional),
        "outputs": {name: asdict(output) for name, output in spec.outputs.items()},
        "variables": spec.variables,
        "sweep": {word: node[word] for word in SWEEP_WORDS if word in node},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _code(ctx: Context, ws: Workspace, reference: str | None) -> str | None:
    if reference is None:
        return None
    found = assets.resolve_id(ctx, ws, reference, "codes")
    return str((found.properties.get("properties") or {}).get("hash_sha256") or reference)


async def _identity(ctx: Context, ws: Workspace, given: Input) -> list[str]:
    value = given.value if given.literal else await places.canonical(ctx, ws, given.value)
    return [given.kind, value.rstrip("/"), given.mode]


def remember(work: Work, made_by: str) -> None:
    """Note that this job made what the digest stands for; the newest counts."""
    work.ctx.store.put(REUSE, Reuse(work.ws.guid, made_by, work.job.name))


async def find(work: Work, wanted: str) -> Job | None:
    """The completed job that made the same and whose outputs are still there."""
    ctx, ws = work.ctx, work.ws
    known = ctx.store.get(REUSE, ws.guid, wanted)
    job = ctx.store.get(JOBS, ws.guid, known.job) if known is not None else None
    if job is None or job.status != COMPLETED:
        return None
    try:
        for made in job.outputs.values():
            where = await places.resolve(ctx, ws, str(made["uri"]))
            if not await storage_access.exists(ctx, where):
                return None
    except ServiceError:
        return None
    return job


async def take(work: Work, made: Job, spec: CommandSpec) -> Verdict:
    """Let a step have made what another job made."""
    ctx, ws = work.ctx, work.ws
    added = {
        "azureml.isreused": "true",
        "azureml.reusedrunid": made.name,
        "azureml.reusedpipelinerunid": made.root,
    }
    job = records.annotate(ctx, work.job, added)
    await tracking.begin(ctx, ws, job)
    work.say(f"[rehearsal] Nothing ran: {made.name} made the same from the same inputs.")
    records.change(ctx, job, outputs=made.outputs)
    for name, output in made.outputs.items():
        commands.expose(ctx, ws, job, name, output)
        uri = str(output["uri"])
        await commands.register(ctx, ws, job, commands.Result(name, spec.outputs[name], uri))
    return Verdict(COMPLETED)
