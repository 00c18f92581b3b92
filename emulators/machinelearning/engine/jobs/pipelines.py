"""A pipeline: steps started as soon as what they read is there; nested pipelines alike."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from emulators.kernel.context import Context
from emulators.machinelearning.engine.batch import parallel
from emulators.machinelearning.engine.jobs import (
    commands,
    folders,
    records,
    reuse,
    sweeps,
    tracking,
)
from emulators.machinelearning.engine.jobs.binding import Bound, bind_inputs, bind_outputs
from emulators.machinelearning.engine.jobs.machine import Verdict, Work, failed
from emulators.machinelearning.engine.jobs.parallels import Parallel
from emulators.machinelearning.engine.jobs.placeholders import binding
from emulators.machinelearning.engine.jobs.plans import Plan, Step
from emulators.machinelearning.engine.jobs.sharing import shared_memory
from emulators.machinelearning.engine.jobs.specs import CommandSpec, read_sweep
from emulators.machinelearning.engine.jobs.spelling import (
    seconds,
    snaked,
    snaked_keys_kept,
    text_of,
)
from emulators.machinelearning.errors import InvalidJob
from emulators.machinelearning.store.jobs import COMPLETED, RUNNING, Job
from emulators.machinelearning.store.workspaces import Workspace

TITLE = {"command": "Command", "sweep": "Sweep", "pipeline": "Pipeline", "parallel": "Command"}


@dataclass
class _Progress:
    """Steps not begun, steps under way, and the verdicts on those that are over."""

    waiting: dict[str, Step]
    running: dict[str, Work] = field(default_factory=dict)
    over: dict[str, Job] = field(default_factory=dict)
    begun: list[Work] = field(default_factory=list)

    def failed(self) -> list[str]:
        return [name for name, job in self.over.items() if job.status != COMPLETED]


async def run(work: Work, wanted: Plan) -> Verdict:
    """Run a pipeline and say how it came out.

    Raises:
        ServiceError, TrackingFailed: it could not be run.
    """
    await tracking.begin(work.ctx, work.ws, work.job)
    records.change(work.ctx, work.job, status=RUNNING)
    progress = _Progress(waiting=dict(wanted.steps))
    try:
        await _all_steps(work, wanted, progress)
    finally:
        await _ended(work, progress)
    return _conclusion(work, wanted, progress)


async def _all_steps(work: Work, wanted: Plan, progress: _Progress) -> None:
    while True:
        work.check()
        _start_ready(work, wanted, progress)
        if not progress.running:
            return
        await asyncio.wait(
            [step.decided for step in progress.running.values()],
            return_when=asyncio.FIRST_COMPLETED,
        )
        _collect(work, progress)
        if progress.failed() and not wanted.continue_on_failure:
            return


async def _ended(work: Work, progress: _Progress) -> None:
    """Cancel what still runs, and wait until every step's record shows its end."""
    for step in progress.running.values():
        step.cancel()
    if progress.begun:
        await asyncio.wait([step.task for step in progress.begun])
    _collect(work, progress)


def _start_ready(work: Work, wanted: Plan, progress: _Progress) -> None:
    """Start every step all of whose sources have completed."""
    done = {name for name, job in progress.over.items() if job.status == COMPLETED}
    for name, step in list(progress.waiting.items()):
        if wanted.waits[name] <= done:
            del progress.waiting[name]
            bound = Bound(wanted.inputs, wanted.outputs, progress.over, wanted.datastore)
            child = _child(work.ctx, work.ws, work.job, step)
            begun = work.machine.begin(
                work.ws, child, partial(_run_step, wanted=wanted, step=step, bound=bound)
            )
            progress.running[name] = begun
            progress.begun.append(begun)
            _say(work, f"Step {name} started as {child.name}")


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


async def _run_step(work: Work, *, wanted: Plan, step: Step, bound: Bound) -> Verdict:
    if step.nested is not None:
        inputs, _ = bind_inputs(step.name, step.component, step.node, bound)
        outputs = bind_outputs(step.component, step.node, bound)
        inner = replace(
            step.nested,
            inputs={**step.nested.inputs, **inputs},
            outputs={**step.nested.outputs, **outputs},
            datastore=bound.datastore,
            continue_on_failure=wanted.continue_on_failure,
            force_rerun=wanted.force_rerun,
        )
        return await run(work, inner)
    if step.parallel is not None:
        return await parallel.run(work, _of_parallel(step, step.parallel, bound), step.parallel)
    command = _command(step, bound)
    key = None
    if work.ctx.settings.reuse and reuse.deterministic(step.component):
        key = await reuse.digest(work, command, step.node)
        made = None if wanted.force_rerun else await reuse.find(work, key)
        if made is not None:
            return await reuse.take(work, made, command)
    verdict = await _run_command(work, step, command)
    if key is not None and verdict.status == COMPLETED:
        reuse.remember(work, key)
    return verdict


async def _run_command(work: Work, step: Step, command: CommandSpec) -> Verdict:
    if step.kind == "sweep":
        return await sweeps.run(work, read_sweep(step.node, command))
    return await work.machine.command(work, command)


def _variables(step: Step) -> dict[str, str]:
    own = snaked(step.component).get("environment_variables")
    asked = {
        **snaked_keys_kept(own),
        **snaked_keys_kept(step.node.get("environment_variables")),
    }
    return {name: text_of(value) for name, value in asked.items()}


def _of_parallel(step: Step, asked: Parallel, bound: Bound) -> CommandSpec:
    """What a parallel step has in common with a command."""
    inputs, optional = bind_inputs(step.name, step.component, step.node, bound)
    return CommandSpec(
        command="",
        environment=asked.environment,
        code=asked.code,
        inputs=inputs,
        optional=optional,
        outputs=bind_outputs(step.component, step.node, bound),
        variables=_variables(step),
    )


def _command(step: Step, bound: Bound) -> CommandSpec:
    component, node = step.component, step.node
    swept = frozenset(snaked_keys_kept(node.get("search_space")))
    inputs, optional = bind_inputs(step.name, component, node, bound, swept)
    own = snaked(component)
    limits = snaked(node.get("limits"))
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
        variables=_variables(step),
        timeout_s=seconds(timeout),
        shared_memory=shared_memory(node.get("resources")) or shared_memory(own.get("resources")),
    )


def _collect(work: Work, progress: _Progress) -> None:
    for name, step in list(progress.running.items()):
        if not step.decided.done():
            continue
        del progress.running[name]
        job = step.decided.result()
        progress.over[name] = job
        seconds_taken = (work.ctx.clock.now() - job.created).total_seconds()
        _say(work, f"Step {name} {job.status} after {seconds_taken:.1f} s")


def _say(work: Work, text: str) -> None:
    stamp = work.ctx.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    work.say(f"[{stamp}] {text}", folders.EXECUTION_LOG)


def _conclusion(work: Work, wanted: Plan, progress: _Progress) -> Verdict:
    """The pipeline's outputs are those of the steps bound to them."""
    ctx, ws, job = work.ctx, work.ws, work.job
    outputs = {}
    for name, step in wanted.steps.items():
        over = progress.over.get(name)
        for output, given in snaked_keys_kept(step.node.get("outputs")).items():
            to = binding(given.get("value") if isinstance(given, Mapping) else given)
            if to is not None and over is not None and output in over.outputs:
                outputs[to.name] = over.outputs[output]
    for name, made in outputs.items():
        commands.expose(ctx, ws, job, name, made)
    records.change(ctx, job, outputs=outputs)
    names = progress.failed()
    if not names:
        return Verdict(COMPLETED)
    first = progress.over[names[0]]
    why = (first.error or {}).get("message", f"it was {first.status.lower()}")
    text = f"Step '{names[0]}' ({first.name}) did not complete: {why}"
    _say(work, text)
    return failed(text)
