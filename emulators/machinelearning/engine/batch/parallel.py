"""A parallel step: its input's files through a script's run(), by the batch jobs' own workers."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path

from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine.batch.files import files_of
from emulators.machinelearning.engine.batch.scoring import JobFailed, Rules
from emulators.machinelearning.engine.batch.settings import Settings
from emulators.machinelearning.engine.batch.told import Told, progress
from emulators.machinelearning.engine.batch.workers import Task, Workers, carry_out
from emulators.machinelearning.engine.jobs import commands, containers, records
from emulators.machinelearning.engine.jobs.machine import Verdict, Work, failed
from emulators.machinelearning.engine.jobs.parallels import Parallel
from emulators.machinelearning.engine.jobs.placeholders import command_line
from emulators.machinelearning.engine.jobs.refusals import README
from emulators.machinelearning.engine.jobs.specs import CommandSpec
from emulators.machinelearning.engine.jobs.variables import of_job
from emulators.machinelearning.errors import InvalidJob
from emulators.machinelearning.store.jobs import COMPLETED, FINALIZING, PREPARING, RUNNING

NONE_PROCESSED = (
    "There is no succeeded mini batch item returned from run(). Please check 'response: run()' in"
    " https://aka.ms/batch-inference-documentation."
)


async def run(work: Work, command: CommandSpec, asked: Parallel) -> Verdict:
    """Run a parallel step and say how it came out; its outputs are stored and registered.

    Args:
        work: the step's job.
        command: its data, code, environment and variables; it has no command.
        asked: what it is to do.

    Raises:
        ServiceError, EnvironmentRefused, NotStarted, TrackingFailed: it could not be run.
    """
    ctx, job = work.ctx, work.job
    records.change(ctx, job, status=PREPARING)
    settings = Settings(
        mini_batch_size=asked.mini_batch_size,
        concurrency=asked.concurrency,
        instances=asked.instances,
        retries=asked.retries,
        timeout_s=asked.timeout_s,
        error_threshold=asked.error_threshold,
        append=asked.target is not None,
        level=asked.level,
    )
    told = Told(work, settings)
    ready = await commands.prepare(work, command)
    task = Task(
        await asyncio.to_thread(_files, command, asked, ready),
        settings,
        Rules(asked.retries, asked.error_threshold, asked.mini_batch_error_threshold),
        ready.placed[asked.target].local if asked.target is not None else None,
    )
    async with work.machine.slot(job):
        records.change(ctx, job, status=RUNNING)
        try:
            tally, _ = await carry_out(
                work, task, lambda shown: _workers(work, command, asked, ready), told
            )
            why = "" if tally.files_scored else NONE_PROCESSED
            first = tally.errors[:1]
        except JobFailed as gone:
            why, first = str(gone), []
    records.change(ctx, job, status=FINALIZING)
    await commands.finalize(work, ready.placed, named=not why)
    if why:
        told.conclude(f"The job failed: {why}")
        return failed("\n".join([why, *first]))
    told.conclude(f"The job is done: {progress(tally)}")
    return Verdict(COMPLETED)


def _files(command: CommandSpec, asked: Parallel, ready: commands.Ready) -> list[str]:
    given, where = command.inputs.get(asked.data), ready.values.inputs.get(asked.data)
    if given is None or given.literal or where is None:
        raise InvalidJob(f"The input '{asked.data}' of a parallel job is no data.")
    if given.kind == "mltable":
        raise Unsupported("parallel jobs over tables", tracked=README)
    if given.mode == "direct":
        raise Unsupported("parallel jobs over an input of mode direct", tracked=README)
    return files_of(Path(where), given.kind, nested=True)


def _workers(work: Work, command: CommandSpec, asked: Parallel, ready: commands.Ready) -> Workers:
    """What the step's processes are started with; values with spaces stay one argument each."""
    inputs = {n: None if v is None else shlex.quote(v) for n, v in ready.values.inputs.items()}
    outputs = {n: shlex.quote(v) for n, v in ready.values.outputs.items()}
    line = command_line(asked.arguments, inputs=inputs, outputs=outputs, search_space={})
    env = of_job(
        work.ctx,
        work.ws,
        work.job,
        ready.values,
        own=command.variables,
        experiment_id=ready.experiment_id,
    )
    return Workers(
        python=ready.python,
        words=("--script", asked.script, *(f"--argument={one}" for one in shlex.split(line))),
        env=env,
        asked=frozenset(command.variables),
        mounts=containers.mounts(work.folder, command, ready.values),
        imports=ready.code,
    )
