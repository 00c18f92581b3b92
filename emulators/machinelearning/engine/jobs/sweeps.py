"""A sweep: trials drawn from a search space, some stopped early, the best one's outputs kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from emulators.machinelearning.engine.jobs import commands, records, tracking
from emulators.machinelearning.engine.jobs.machine import Verdict, Work, failed
from emulators.machinelearning.engine.jobs.sampling import Point, as_text, points
from emulators.machinelearning.engine.jobs.specs import CommandSpec, Input, SweepSpec
from emulators.machinelearning.engine.jobs.termination import to_stop
from emulators.machinelearning.store.jobs import CANCELED, COMPLETED, RUNNING, Job

JUDGE_EVERY_S = 1.0


@dataclass
class _Trials:
    """Trials under way, and the verdicts on those that are over."""

    running: dict[str, Work] = field(default_factory=dict)
    over: dict[str, Job] = field(default_factory=dict)
    begun: list[Work] = field(default_factory=list)
    histories: dict[str, list[float]] = field(default_factory=dict)  # of those that are over

    @property
    def count(self) -> int:
        return len(self.begun)


async def run(work: Work, spec: SweepSpec) -> Verdict:
    """Run a sweep and say how it came out; its outputs are the best trial's.

    Raises:
        ServiceError, TrackingFailed: it could not be run.
    """
    ctx = work.ctx
    draws = points(spec.space, spec.algorithm, spec.rule, spec.seed)
    await tracking.begin(ctx, work.ws, work.job)
    records.change(ctx, work.job, status=RUNNING)
    trials = _Trials()
    limit = asyncio.timeout(spec.timeout_s)
    try:
        async with limit:
            await _all_trials(work, spec, trials, draws)
    except TimeoutError:
        if not limit.expired():
            raise
        text = f"The sweep was canceled at its time limit of {spec.timeout_s:g} s."
        work.say(text)
        return Verdict(CANCELED, {"code": "UserError", "message": text})
    finally:
        await _ended(trials)
    return await _conclusion(work, spec, trials)


async def _ended(trials: _Trials) -> None:
    """Cancel what still runs, and wait until every trial's record shows its end."""
    for trial in trials.running.values():
        trial.cancel()
    if trials.begun:
        await asyncio.wait([trial.task for trial in trials.begun])


async def _all_trials(work: Work, spec: SweepSpec, trials: _Trials, draws: Iterator[Point]) -> None:
    exhausted = False
    while True:
        work.check()
        while not exhausted and _room(trials, spec):
            point = next(draws, None)
            exhausted = point is None
            if point is not None:
                _start(work, spec, trials, point)
        if not trials.running:
            return
        await asyncio.wait(
            [trial.decided for trial in trials.running.values()],
            timeout=JUDGE_EVERY_S if spec.policy else None,
            return_when=asyncio.FIRST_COMPLETED,
        )
        _collect(work, trials)
        await _judge(work, spec, trials)


def _room(trials: _Trials, spec: SweepSpec) -> bool:
    return len(trials.running) < spec.max_concurrent and trials.count < spec.max_trials


def _start(work: Work, spec: SweepSpec, trials: _Trials, point: Point) -> None:
    ctx, parent = work.ctx, work.job
    name = f"{parent.name}_{trials.count}"
    text = {key: as_text(value) for key, value in point.items()}
    trial = trial_command(spec.trial, text)
    properties: dict[str, Any] = {
        "jobType": "Command",
        "displayName": name,
        "experimentName": parent.experiment,
        "command": spec.trial.command,
        "environmentId": spec.trial.environment,
        "codeId": spec.trial.code,
        "tags": {"hyperparameters": json.dumps(point)},
        "properties": {},
    }
    draft = Job(
        workspace=parent.workspace,
        name=name,
        number=0,
        kind="Command",
        properties=properties,
        experiment=parent.experiment,
        created=ctx.clock.now(),
        created_by=parent.created_by,
        parent=parent.name,
        root=parent.root,
    )
    made = records.add(ctx, work.ws, draft)
    command = work.machine.command
    begun = work.machine.begin(work.ws, made, lambda own: command(own, trial))
    trials.running[name] = begun
    trials.begun.append(begun)
    parameters = ", ".join(f"{key}={value}" for key, value in text.items())
    work.say(f"{name} started: {parameters}")


def trial_command(command: CommandSpec, point: dict[str, str]) -> CommandSpec:
    """The command of one trial: drawn values also stand for the inputs of their names."""
    drawn = {name: Input("literal", value) for name, value in point.items()}
    # Only the sweep's own outputs carry a name: trials would overwrite each other's asset.
    outputs = {n: replace(o, asset_name=None) for n, o in command.outputs.items()}
    return replace(command, inputs={**command.inputs, **drawn}, outputs=outputs, point=dict(point))


def _collect(work: Work, trials: _Trials) -> None:
    for name, trial in list(trials.running.items()):
        if not trial.decided.done():
            continue
        del trials.running[name]
        job = trial.decided.result()
        trials.over[name] = job
        seconds = (work.ctx.clock.now() - job.created).total_seconds()
        work.say(f"{name} {job.status} after {seconds:.1f} s")


async def _judge(work: Work, spec: SweepSpec, trials: _Trials) -> None:
    """Cancel the running trials that the policy ends."""
    if spec.policy is None or not trials.running:
        return
    await _read_histories(work, spec, trials)
    names = list(trials.running)
    values = await asyncio.gather(
        *(tracking.history(work.ctx, work.ws, name, spec.metric) for name in names)
    )
    histories = {**trials.histories, **dict(zip(names, values, strict=True))}
    for name in to_stop(spec.policy, histories, names, maximize=spec.maximize):
        trial = trials.running[name]
        if not trial.decided.done():
            records.annotate(work.ctx, trial.job, {"azureml.earlyTerminated": spec.policy.kind})
            trial.cancel()


async def _read_histories(work: Work, spec: SweepSpec, trials: _Trials) -> None:
    """The metric's values of trials that are over; they do not change, so once is enough."""
    for name in trials.over.keys() - trials.histories.keys():
        trials.histories[name] = await tracking.history(work.ctx, work.ws, name, spec.metric)


async def _best(work: Work, spec: SweepSpec, trials: _Trials) -> tuple[Job, float] | str:
    """The best completed trial and its score; a sentence when there is none."""
    completed = [job for job in trials.over.values() if job.status == COMPLETED]
    if not completed:
        reasons = [job.error["message"] for job in trials.over.values() if job.error]
        last = reasons[-1] if reasons else "no trial was run"
        return f"None of {len(trials.over)} trials completed. {last}"
    await _read_histories(work, spec, trials)
    choose = max if spec.maximize else min
    scored = [
        (choose(values), job) for job in completed if (values := trials.histories.get(job.name))
    ]
    if not scored:
        return f"No completed trial logged the primary metric '{spec.metric}' to MLflow."
    score, best = choose(scored, key=lambda one: one[0])
    return best, score


async def _conclusion(work: Work, spec: SweepSpec, trials: _Trials) -> Verdict:
    """The sweep with its best trial's outputs as its own."""
    ctx, ws, job = work.ctx, work.ws, work.job
    best = await _best(work, spec, trials)
    if isinstance(best, str):
        work.say(f"[rehearsal] {best}")
        return failed(best)
    trial, score = best
    await tracking.tag(ctx, ws, job.name, "best_child_run_id", trial.name)
    for name, output in trial.outputs.items():
        commands.expose(ctx, ws, job, name, output)
        await commands.register(
            ctx, ws, job, commands.Result(name, spec.trial.outputs[name], output["uri"])
        )
    work.say(f"Best trial: {trial.name}, {spec.metric} = {score:.6g}")
    added = {"best_child_run_id": trial.name, "score": repr(score)}
    records.annotate(ctx, job, added)
    records.change(ctx, job, outputs=trial.outputs)
    return Verdict(COMPLETED)
