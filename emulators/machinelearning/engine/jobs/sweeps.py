"""A sweep: trials drawn from a search space, some stopped early, the best one's outputs kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from emulators.kernel.errors import ServiceError
from emulators.machinelearning.engine.jobs import commands, folders, records, tracking
from emulators.machinelearning.engine.jobs.commands import Machine
from emulators.machinelearning.engine.jobs.sampling import Point, as_text, points
from emulators.machinelearning.engine.jobs.specs import CommandSpec, Input, SweepSpec
from emulators.machinelearning.engine.jobs.termination import to_stop
from emulators.machinelearning.store.assets import JOB_OUTPUTS, JobOutput
from emulators.machinelearning.store.jobs import CANCELED, COMPLETED, RUNNING, Job
from emulators.machinelearning.store.workspaces import Workspace

JUDGE_EVERY_S = 1.0


@dataclass
class _Trials:
    """Trials under way and those that have ended."""

    running: dict[asyncio.Task[Job], Job] = field(default_factory=dict)
    ended: list[Job] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.running) + len(self.ended)


async def run(machine: Machine, ws: Workspace, job: Job, spec: SweepSpec) -> Job:
    """Run a sweep to its end and return it as it ended."""
    ctx = machine.ctx
    try:
        draws = points(spec.space, spec.algorithm, spec.rule, spec.seed)
        await tracking.begin(ctx, ws, job)
        job = records.change(ctx, job, status=RUNNING)
        trials = await asyncio.wait_for(
            _all_trials(machine, ws, job, spec, draws), timeout=spec.timeout_s
        )
        best = await _best(machine, ws, job, spec, trials.ended)
    except TimeoutError:
        text = f"The sweep was canceled at its time limit of {spec.timeout_s:g} s."
        folders.of_job(ctx, job).write(folders.STD_LOG, text)
        error = {"code": "UserError", "message": text}
        job = records.change(ctx, job, status=CANCELED, error=error)
    except (ServiceError, tracking.TrackingFailed) as refused:
        job = commands.fail(ctx, job, getattr(refused, "message", None) or str(refused))
    else:
        job = _conclusion(machine, ws, job, spec, best)
    await commands.conclude(ctx, ws, job)
    return job


async def _all_trials(
    machine: Machine, ws: Workspace, job: Job, spec: SweepSpec, draws: Iterator[Point]
) -> _Trials:
    trials, exhausted = _Trials(), False
    try:
        while True:
            while not exhausted and _room(trials, spec):
                point = next(draws, None)
                exhausted = point is None
                if point is not None:
                    _start(machine, ws, job, spec, trials, point)
            if not trials.running:
                return trials
            await asyncio.wait(
                trials.running,
                timeout=JUDGE_EVERY_S if spec.policy else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            _collect(machine, trials)
            await _judge(machine, ws, spec, trials)
    finally:
        for task in trials.running:
            task.cancel()
        await asyncio.gather(*trials.running, return_exceptions=True)


def _room(trials: _Trials, spec: SweepSpec) -> bool:
    return len(trials.running) < spec.max_concurrent and trials.count < spec.max_trials


def _start(
    machine: Machine, ws: Workspace, job: Job, spec: SweepSpec, trials: _Trials, point: Point
) -> None:
    ctx, name = machine.ctx, f"{job.name}_{trials.count}"
    text = {key: as_text(value) for key, value in point.items()}
    trial = trial_command(spec.trial, text)
    properties: dict[str, Any] = {
        "jobType": "Command",
        "displayName": name,
        "experimentName": job.experiment,
        "command": spec.trial.command,
        "environmentId": spec.trial.environment,
        "codeId": spec.trial.code,
        "tags": {"hyperparameters": json.dumps(point)},
        "properties": {},
    }
    made = records.add(
        ctx,
        ws,
        replace(
            job,
            name=name,
            kind="Command",
            properties=properties,
            created=ctx.clock.now(),
            status="NotStarted",
            started=None,
            parent=job.name,
            root=job.root,
            step=None,
            added={},
            outputs={},
        ),
    )
    work = commands.driven(machine, ws, made, commands.run(machine, ws, made, trial))
    trials.running[asyncio.create_task(work, name=f"trial {name}")] = made
    parameters = ", ".join(f"{key}={value}" for key, value in text.items())
    folders.of_job(ctx, job).write(folders.STD_LOG, f"{name} started: {parameters}")


def trial_command(command: CommandSpec, point: dict[str, str]) -> CommandSpec:
    """The command of one trial: drawn values also stand for the inputs of their names."""
    drawn = {name: Input("literal", value) for name, value in point.items()}
    # Only the sweep's own outputs carry a name: trials would overwrite each other's asset.
    outputs = {n: replace(o, asset_name=None) for n, o in command.outputs.items()}
    return replace(command, inputs={**command.inputs, **drawn}, outputs=outputs, point=dict(point))


def _collect(machine: Machine, trials: _Trials) -> None:
    for task in [task for task in trials.running if task.done()]:
        made = trials.running.pop(task)
        now = records.get(machine.ctx, made.workspace, made.name)
        trials.ended.append(now)
        seconds = (now.ended - now.created).total_seconds() if now.ended else 0.0
        parent = records.get(machine.ctx, made.workspace, made.parent or "")
        folders.of_job(machine.ctx, parent).write(
            folders.STD_LOG, f"{now.name} {now.status} after {seconds:.1f} s"
        )


async def _judge(machine: Machine, ws: Workspace, spec: SweepSpec, trials: _Trials) -> None:
    if spec.policy is None or not trials.running:
        return
    names = [t.name for t in [*trials.running.values(), *trials.ended]]
    values = await asyncio.gather(
        *(tracking.history(machine.ctx, ws, name, spec.metric) for name in names)
    )
    histories = dict(zip(names, values, strict=True))
    running = [t.name for t in trials.running.values()]
    stopped = to_stop(spec.policy, histories, running, maximize=spec.maximize)
    for task, trial in trials.running.items():
        if trial.name in stopped:
            records.annotate(machine.ctx, trial, {"azureml.earlyTerminated": spec.policy.kind})
            task.cancel()


async def _best(
    machine: Machine, ws: Workspace, job: Job, spec: SweepSpec, ended: list[Job]
) -> tuple[Job, float] | str:
    """The best completed trial and its score; a sentence when there is none."""
    completed = [trial for trial in ended if trial.status == COMPLETED]
    if not completed:
        last = next((t.error["message"] for t in ended if t.error), "no trial was run")
        return f"None of {len(ended)} trials completed. {last}"
    choose = max if spec.maximize else min
    scored = []
    for trial in completed:
        values = await tracking.history(machine.ctx, ws, trial.name, spec.metric)
        if values:
            scored.append((choose(values), trial))
    if not scored:
        return f"No completed trial logged the primary metric '{spec.metric}' to MLflow."
    score, best = choose(scored, key=lambda one: one[0])
    await tracking.tag(machine.ctx, ws, job.name, "best_child_run_id", best.name)
    return best, score


def _conclusion(
    machine: Machine, ws: Workspace, job: Job, spec: SweepSpec, best: tuple[Job, float] | str
) -> Job:
    """The sweep with its best trial's outputs as its own."""
    ctx = machine.ctx
    if isinstance(best, str):
        return commands.fail(ctx, job, best)
    trial, score = best
    for name, output in trial.outputs.items():
        made = JobOutput(ws.guid, job.name, name, output["uri"], output["type"])
        ctx.store.put(JOB_OUTPUTS, made)
        commands.register(
            ctx, ws, job, commands.Result(name, spec.trial.outputs[name], output["uri"])
        )
    text = f"Best trial: {trial.name}, {spec.metric} = {score:.6g}"
    folders.of_job(ctx, job).write(folders.STD_LOG, text)
    added = {"best_child_run_id": trial.name, "score": repr(score)}
    job = records.annotate(ctx, job, added)
    return records.change(ctx, job, status=COMPLETED, outputs=trial.outputs)
