"""A pipeline: steps started as soon as what they read is there; nested pipelines alike."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from emulators.kernel.context import Context
from emulators.kernel.errors import ServiceError, Unsupported
from emulators.machinelearning.engine import assets
from emulators.machinelearning.engine.jobs import commands, folders, records, sweeps, tracking
from emulators.machinelearning.engine.jobs.binding import Bound, bind_inputs, bind_outputs
from emulators.machinelearning.engine.jobs.commands import Machine
from emulators.machinelearning.engine.jobs.dag import waits_for
from emulators.machinelearning.engine.jobs.placeholders import Binding, binding, bindings_in
from emulators.machinelearning.engine.jobs.specs import (
    README,
    CommandSpec,
    Input,
    Output,
    read_input,
    read_output,
    read_sweep,
    refuse_distribution,
    seconds,
    snaked,
    snaked_keys_kept,
    text_of,
)
from emulators.machinelearning.errors import InvalidJob
from emulators.machinelearning.store.assets import JOB_OUTPUTS, JobOutput
from emulators.machinelearning.store.jobs import COMPLETED, RUNNING, Job
from emulators.machinelearning.store.workspaces import Workspace

SERVED = ("command", "sweep", "pipeline")
MAX_DEPTH = 5
TITLE = {"command": "Command", "sweep": "Sweep", "pipeline": "Pipeline"}


@dataclass(frozen=True, slots=True)
class Step:
    """One node: what it runs and what it was given."""

    name: str
    kind: str  # one of SERVED
    node: dict[str, Any]  # keys in snake case
    component: dict[str, Any]  # the componentSpec; for a sweep, its trial's
    reads: list[Binding]
    nested: Plan | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A pipeline, checked: everything it names exists and its steps have an order."""

    steps: dict[str, Step]
    waits: dict[str, set[str]]
    inputs: dict[str, Input | None]
    outputs: dict[str, Output]
    continue_on_failure: bool


@dataclass
class _Progress:
    """Steps under way and steps that ended."""

    running: dict[asyncio.Task[Job], str] = field(default_factory=dict)
    ended: dict[str, Job] = field(default_factory=dict)
    waiting: dict[str, Step] = field(default_factory=dict)

    def failed(self) -> list[str]:
        return [name for name, job in self.ended.items() if job.status != COMPLETED]


def plan(ctx: Context, ws: Workspace, properties: Mapping[str, Any], depth: int = 0) -> Plan:
    """Check a pipeline's properties and put its steps in order.

    Raises:
        InvalidJob: a binding, an input or an order that cannot be.
        AssetNotFound: a component that does not exist.
        Unsupported: a kind of step that is not emulated.
    """
    if depth > MAX_DEPTH:
        raise InvalidJob(f"Pipelines are nested more than {MAX_DEPTH} deep.")
    nodes = snaked_keys_kept(properties.get("jobs"))
    if not nodes:
        raise InvalidJob("A pipeline job needs at least one step.")
    steps = {name: _step(ctx, ws, name, node, depth) for name, node in nodes.items()}
    settings = snaked(properties.get("settings"))
    return Plan(
        steps=steps,
        waits=waits_for({name: step.reads for name, step in steps.items()}),
        inputs={n: read_input(n, g) for n, g in snaked_keys_kept(properties.get("inputs")).items()},
        outputs={
            n: read_output(n, g) for n, g in snaked_keys_kept(properties.get("outputs")).items()
        },
        continue_on_failure=bool(settings.get("continue_on_step_failure", True)),
    )


def _step(ctx: Context, ws: Workspace, name: str, given: Any, depth: int) -> Step:
    folders.check_name(name)
    node = snaked(given)
    kind = str(node.get("type", "command")).lower()
    if kind not in SERVED:
        raise Unsupported(f"pipeline steps of type '{kind}' (step '{name}')", tracked=README)
    refuse_distribution(node)
    trial = snaked(node.get("trial")) if kind == "sweep" else node
    reference = trial.get("component_id") or node.get("component_id")
    if not isinstance(reference, str):
        raise InvalidJob(f"Step '{name}' names no component.")
    version = assets.resolve_id(ctx, ws, reference, "components")
    spec: dict[str, Any] = version.properties.get("componentSpec") or {}
    found = str(spec.get("type", kind)).lower().removesuffix("_component")
    if found not in ("command", "pipeline"):
        raise Unsupported(f"components of type '{found}' (step '{name}')", tracked=README)
    nested = plan(ctx, ws, spec, depth + 1) if found == "pipeline" else None
    reads = [
        bound
        for value in snaked_keys_kept(node.get("inputs")).values()
        for bound in bindings_in(value.get("value") if isinstance(value, Mapping) else value)
    ]
    return Step(name, "pipeline" if nested else kind, node, spec, reads, nested)


async def run(machine: Machine, ws: Workspace, job: Job, wanted: Plan) -> Job:
    """Run a pipeline to its end and return it as it ended."""
    ctx = machine.ctx
    try:
        await tracking.begin(ctx, ws, job)
        job = records.change(ctx, job, status=RUNNING)
        progress = await _all_steps(machine, ws, job, wanted)
        job = _conclusion(ctx, ws, job, wanted, progress)
    except (ServiceError, tracking.TrackingFailed) as refused:
        job = commands.fail(ctx, job, getattr(refused, "message", None) or str(refused))
    await commands.conclude(ctx, ws, job)
    return job


async def _all_steps(machine: Machine, ws: Workspace, job: Job, wanted: Plan) -> _Progress:
    progress = _Progress(waiting=dict(wanted.steps))
    try:
        while True:
            if wanted.continue_on_failure or not progress.failed():
                _start_ready(machine, ws, job, wanted, progress)
            if not progress.running:
                return progress
            await asyncio.wait(progress.running, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in progress.running if task.done()]:
                _collect(machine, job, progress, task)
            if progress.failed() and not wanted.continue_on_failure:
                return progress
    finally:
        for task in progress.running:
            task.cancel()
        await asyncio.gather(*progress.running, return_exceptions=True)
        for task in list(progress.running):
            if task.done():
                _collect(machine, job, progress, task)


def _start_ready(
    machine: Machine, ws: Workspace, job: Job, wanted: Plan, progress: _Progress
) -> None:
    """Start every step all of whose sources have completed."""
    done = {name for name, child in progress.ended.items() if child.status == COMPLETED}
    for name, step in list(progress.waiting.items()):
        if wanted.waits[name] <= done:
            del progress.waiting[name]
            bound = Bound(wanted.inputs, wanted.outputs, progress.ended)
            child = _child(machine.ctx, ws, job, step)
            work = _work(machine, ws, child, step, bound)
            task = asyncio.create_task(
                commands.driven(machine, ws, child, work), name=f"step {name}"
            )
            progress.running[task] = name
            _say(machine.ctx, job, f"Step {name} started as {child.name}")


def _child(ctx: Context, ws: Workspace, job: Job, step: Step) -> Job:
    properties: dict[str, Any] = {
        "jobType": TITLE[step.kind],
        "displayName": step.node.get("display_name") or step.name,
        "experimentName": job.experiment,
        "tags": snaked_keys_kept(step.node.get("tags")),
        "properties": {"azureml.moduleName": step.name, "azureml.rootpipelinerunid": job.root},
        "command": step.component.get("command"),
        "codeId": _plain_id(step.component.get("code")),
        "environmentId": _plain_id(step.component.get("environment")),
    }
    child = Job(
        workspace=ws.guid,
        name=ctx.ids.guid(),
        number=0,
        kind=TITLE[step.kind],
        properties=properties,
        experiment=job.experiment,
        created=ctx.clock.now(),
        created_by=job.created_by,
        parent=job.name,
        root=job.root,
        step=step.name,
    )
    return records.add(ctx, ws, child)


def _plain_id(reference: Any) -> str | None:
    return reference.removeprefix("azureml:") if isinstance(reference, str) else None


async def _work(machine: Machine, ws: Workspace, child: Job, step: Step, bound: Bound) -> Job:
    try:
        if step.nested is not None:
            inputs, _ = bind_inputs(step.name, step.component, step.node, bound)
            outputs = bind_outputs(step.component, step.node, bound)
            inner = replace(
                step.nested,
                inputs={**step.nested.inputs, **inputs},
                outputs={**step.nested.outputs, **outputs},
            )
            return await run(machine, ws, child, inner)
        command = _command(step, bound)
        if step.kind == "sweep":
            return await sweeps.run(machine, ws, child, read_sweep(step.node, command))
        return await commands.run(machine, ws, child, command)
    except ServiceError as refused:
        ended = commands.fail(machine.ctx, child, refused.message)
        await commands.conclude(machine.ctx, ws, ended)
        return ended


def _command(step: Step, bound: Bound) -> CommandSpec:
    component, node = step.component, step.node
    swept = frozenset(snaked_keys_kept(node.get("search_space")))
    inputs, optional = bind_inputs(step.name, component, node, bound, swept)
    own = snaked(component)
    limits = snaked(node.get("limits"))
    variables = {
        **snaked_keys_kept(own.get("environment_variables")),
        **snaked_keys_kept(node.get("environment_variables")),
    }
    command = own.get("command")
    if not isinstance(command, str):
        raise InvalidJob(f"The component of step '{step.name}' has no command.")
    timeout = limits.get("trial_timeout") if step.kind == "sweep" else limits.get("timeout")
    return CommandSpec(
        command=command,
        environment=node.get("environment") or own.get("environment"),
        code=node.get("code") or own.get("code"),
        inputs=inputs,
        optional=optional,
        outputs=bind_outputs(component, node, bound),
        variables={k: text_of(v) for k, v in variables.items()},
        timeout_s=seconds(timeout),
    )


def _collect(machine: Machine, job: Job, progress: _Progress, task: asyncio.Task[Job]) -> None:
    name = progress.running.pop(task)
    children = records.children(machine.ctx, job.workspace, job.name)
    child = next(found for found in children if found.step == name)
    progress.ended[name] = child
    seconds_taken = (child.ended - child.created).total_seconds() if child.ended else 0.0
    _say(machine.ctx, job, f"Step {name} {child.status} after {seconds_taken:.1f} s")


def _say(ctx: Context, job: Job, text: str) -> None:
    stamp = ctx.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    folders.of_job(ctx, job).write(folders.EXECUTION_LOG, f"[{stamp}] {text}")


def _conclusion(ctx: Context, ws: Workspace, job: Job, wanted: Plan, progress: _Progress) -> Job:
    """The pipeline as it ends: its outputs are those of the steps bound to them."""
    outputs = {}
    for name, step in wanted.steps.items():
        ended = progress.ended.get(name)
        for output, given in snaked_keys_kept(step.node.get("outputs")).items():
            to = binding(given.get("value") if isinstance(given, Mapping) else given)
            if to is not None and ended is not None and output in ended.outputs:
                outputs[to.name] = ended.outputs[output]
    for name, made in outputs.items():
        ctx.store.put(JOB_OUTPUTS, JobOutput(ws.guid, job.name, name, made["uri"], made["type"]))
    job = records.change(ctx, job, outputs=outputs)
    failed = progress.failed()
    if not failed:
        return records.change(ctx, job, status=COMPLETED)
    first = progress.ended[failed[0]]
    why = (first.error or {}).get("message", f"it was {first.status.lower()}")
    text = f"Step '{failed[0]}' ({first.name}) did not complete: {why}"
    _say(ctx, job, text)
    error = {"code": "UserError", "message": text}
    return records.change(ctx, job, status="Failed", error=error)
