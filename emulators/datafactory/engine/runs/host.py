"""The runs of one state folder: those under way, those that wait for their turn, their ends."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from emulators.datafactory.engine.activities.base import Executor
from emulators.datafactory.engine.definitions import (
    CONTROL,
    Activity,
    BadDefinition,
    Pipeline,
    pipeline_of,
)
from emulators.datafactory.engine.resources import Published
from emulators.datafactory.engine.runs.attempts import Attempt
from emulators.datafactory.engine.runs.live import Child, Live, first_variables, stamp
from emulators.datafactory.engine.runs.recorder import Recorder
from emulators.datafactory.engine.runs.recovery import inherited
from emulators.datafactory.engine.runs.runner import call_of, run_scope
from emulators.datafactory.engine.runs.values import global_parameters_of, parameters_of
from emulators.datafactory.engine.runs.waiting import stopped
from emulators.datafactory.errors import InvalidParameters, QueueFull, RunEnded, RunMissing
from emulators.datafactory.store import (
    ACTIVITY_RUNS,
    FACTORIES,
    RUN_FINAL,
    RUN_NOTES,
    RUNS,
    RUNS_UNDER_WAY,
    ActivityRun,
    PipelineRun,
    RunUnderWay,
)
from emulators.kernel.context import Context

LOG = logging.getLogger("rehearsal.datafactory")

QUEUE_MOST = 100
"""Runs that may wait for a pipeline whose concurrency is used up.
Source: the limits of Data Factory, "maximum queued runs per pipeline"."""
PARSED_KEPT = 256

ExecutorOf = Callable[[Activity, str], Executor | None]
"""What runs an activity of the pipeline of that name; None for the runner's own."""


@dataclass(slots=True)
class _Line:
    """The runs of one pipeline that are running or wait for their turn."""

    running: int = 0
    waiting: deque[Live] = field(default_factory=deque)


def default_executor(activity: Activity, pipeline: str = "") -> Executor | None:
    """What runs an activity of this type; None for the runner's own."""
    if activity.kind in CONTROL:
        return None
    from emulators.datafactory.engine.activities.catalogue import EXECUTORS

    found: Executor = EXECUTORS.get(activity.kind, _unknown_type)
    return found


async def _unknown_type(call: Any) -> Any:
    from emulators.datafactory.engine.activities.base import ActivityFailed

    raise ActivityFailed(
        "UnknownActivityType", f"There is no activity type '{call.activity.type}'."
    )


class Runs:
    """Everything that runs in one process; see `manager` for what others may ask of it."""

    def __init__(self, ctx: Context, executor_of: ExecutorOf = default_executor) -> None:
        self.ctx = ctx
        self.recorder = Recorder(ctx.store)
        self.leaving = False
        self.live: dict[str, Live] = {}
        self._lines: dict[tuple[str, str], _Line] = {}
        self._executor_of = executor_of
        self._number = 0
        self._parsed: dict[tuple[str, bytes], Pipeline] = {}
        self._telling: set[asyncio.Future[None]] = set()

    def executor_of(self, activity: Activity, pipeline: str) -> Executor | None:
        return self._executor_of(activity, pipeline)

    # Making runs

    def parsed(self, name: str, definition: Mapping[str, Any]) -> Pipeline:
        """A definition read; the same one is read once.

        Raises:
            BadDefinition: it has not the shape of a pipeline.
        """
        key = (name, orjson.dumps(definition, default=str))
        found = self._parsed.get(key)
        if found is None:
            found = pipeline_of(name, definition)
            if len(self._parsed) >= PARSED_KEPT:
                self._parsed.clear()
            self._parsed[key] = found
        return found

    async def create(self, record: PipelineRun, given: Mapping[str, Any]) -> PipelineRun:
        """Record a run with the parameters given, and start it or let it wait.

        Raises:
            InvalidParameters, QueueFull: it is refused, and nothing is recorded.
        """
        try:
            pipeline = self.parsed(record.pipeline, record.definition)
        except BadDefinition as wrong:
            raise InvalidParameters(str(wrong), target=wrong.place) from None
        record = replace(
            record, parameters=parameters_of(pipeline.parameters, given, record.pipeline)
        )
        live = self._live(record, pipeline)
        self._number += 1
        live.number = self._number
        line = self._line(live)
        must_wait = self._full(line, pipeline) or bool(line.waiting)
        if must_wait and len(line.waiting) >= QUEUE_MOST:
            raise QueueFull(record.pipeline, QUEUE_MOST)
        under_way = RunUnderWay(record.factory, record.id, record.pipeline.lower(), live.number)
        self.recorder.put(RUNS, record, record.factory, record.id)
        self.recorder.put(RUNS_UNDER_WAY, under_way, record.factory, record.id)
        self.live[record.id] = live
        if must_wait:
            line.waiting.append(live)
        else:
            self._start(live, line)
        await self.recorder.committed()
        return live.record

    def _live(self, record: PipelineRun, pipeline: Pipeline) -> Live:
        """A run with nothing done yet."""
        factory = self.ctx.store.get(FACTORIES, record.factory)
        properties = {} if factory is None else factory.properties
        live = Live(
            host=self,
            record=record,
            pipeline=pipeline,
            published=Published(self.ctx, record.factory),
            variables=first_variables(pipeline),
            rows={},
            notes={},
            pipeline_values=_pipeline_values(record, factory.name if factory else ""),
            global_parameters=global_parameters_of(properties),
        )
        live.done = asyncio.get_running_loop().create_future()
        if record.reference is not None:
            reference = self.ctx.store.get(RUNS, record.factory, record.reference)
            if reference is not None:
                kept = inherited(self.ctx, reference, pipeline, record.restart_at)
                live.inherited = kept.rows
                known = {n: v for n, v in kept.variables.items() if n in live.variables}
                live.variables.update(known)
        return live

    async def start_child(self, live: Live, asked: Child) -> PipelineRun:
        """Start a pipeline from a run, or find the one that was started before a restart."""
        from emulators.datafactory.engine.runs.manager import new_run

        live.children.add(asked.id)
        factory = live.record.factory
        found = self.find(factory, asked.id)
        if found is not None:
            return found
        self._refuse_circle(live.record, asked.pipeline)
        record = new_run(self.ctx, factory, asked.pipeline, asked.invoked_by)
        record = replace(record, id=asked.id, group=asked.id)
        return await self.create(record, asked.parameters)

    def _refuse_circle(self, run: PipelineRun | None, pipeline: str) -> None:
        """Let pass a pipeline that none of the runs above it is of; publishing knows the rest."""
        while run is not None:
            if run.pipeline.lower() == pipeline.lower():
                raise InvalidParameters(
                    f"The pipeline '{pipeline}' cannot be executed within itself.", target=pipeline
                )
            above = run.invoked_by.get("pipelineRunId")
            run = self.find(run.factory, str(above)) if above else None

    # The queue

    def _line(self, live: Live) -> _Line:
        key = (live.record.factory, live.record.pipeline.lower())
        return self._lines.setdefault(key, _Line())

    def _full(self, line: _Line, pipeline: Pipeline) -> bool:
        return pipeline.concurrency is not None and line.running >= pipeline.concurrency

    def _start(self, live: Live, line: _Line) -> None:
        line.running += 1
        if live.record.start is None:
            now = self.ctx.clock.now()
            live.record = replace(live.record, status="InProgress", start=now, updated=now)
            self.recorder.put(RUNS, live.record, live.record.factory, live.record.id)
        live.task = asyncio.ensure_future(self._drive(live))

    def _next(self, line: _Line) -> None:
        while line.waiting and not self._full(line, line.waiting[0].pipeline):
            self._start(line.waiting.popleft(), line)

    # Running

    async def _drive(self, live: Live) -> None:
        """Run a run to its end, whatever that is."""
        status, message = "Succeeded", ""
        try:
            verdict = await run_scope(live.frame(), live.pipeline.activities)
            if verdict.failures:
                status, message = "Failed", verdict.message
        except asyncio.CancelledError:
            if self.leaving:
                raise
            status = "Cancelled"
        except Exception as error:
            LOG.error("run %s broke", live.record.id, exc_info=error)
            status, message = "Failed", f"{type(error).__name__}: {error}"
        self._end(live, status, message)
        line = self._line(live)
        line.running -= 1
        self._next(line)

    def _end(self, live: Live, status: str, message: str) -> None:
        """Record an end, with everything that only a run under way needs gone."""
        now = self.ctx.clock.now()
        self._sweep(live)
        live.record = replace(
            live.record,
            status=status,
            message=message,
            end=now,
            updated=now,
            variables=dict(live.variables),
        )
        run = live.record
        self.recorder.put(RUNS, run, run.factory, run.id)
        self.recorder.delete(RUNS_UNDER_WAY, run.factory, run.id)
        for path in live.noted:
            self.recorder.delete(RUN_NOTES, run.id, path)
        self.ctx.ledger.record("pipeline run", run=run.id, pipeline=run.pipeline, status=status)
        telling = asyncio.ensure_future(self._tell(live))
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)

    async def _tell(self, live: Live) -> None:
        """Tell who waits, once the end is durable."""
        assert live.done is not None
        try:
            await self.recorder.committed()
        finally:
            self.live.pop(live.record.id, None)
            if not live.done.done():
                live.done.set_result(live.record)

    def _sweep(self, live: Live) -> None:
        """Rows that a restart found under way and nothing has taken up: cancelled."""
        for rows in live.rows.values():
            for row in rows:
                if row.end is None:
                    live.save(replace(row, status="Cancelled", end=self.ctx.clock.now()))

    def demote(self, run: PipelineRun) -> None:
        """Mark a run as no longer the latest of its group."""
        live = self.live.get(run.id)
        changed = replace(run if live is None else live.record, is_latest=False)
        if live is not None:
            live.record = changed
        self.recorder.put(RUNS, changed, run.factory, run.id)

    # Asking

    def find(self, factory: str, run_id: str) -> PipelineRun | None:
        """A run as it is now."""
        live = self.live.get(run_id)
        if live is not None and live.record.factory == factory:
            return live.record
        return self.ctx.store.get(RUNS, factory, run_id)

    async def ended(self, factory: str, run_id: str) -> PipelineRun:
        """A run when it has ended.

        Raises:
            RunMissing: there is none.
        """
        live = self.live.get(run_id)
        if live is not None and live.done is not None:
            return await asyncio.shield(live.done)
        found = self.ctx.store.get(RUNS, factory, run_id)
        if found is None:
            raise RunMissing(run_id, factory.rsplit("/", 1)[-1])
        return found

    async def cancel(self, factory: str, run_id: str, recursive: bool) -> None:
        """Ask a run to end as Cancelled.

        Raises:
            RunMissing, RunEnded: there is none, or it has ended.
        """
        live, found = self.live.get(run_id), self.find(factory, run_id)
        if found is None:
            raise RunMissing(run_id, factory.rsplit("/", 1)[-1])
        if live is None or found.end is not None:
            raise RunEnded(f"The pipeline run {run_id} has ended and cannot be cancelled.")
        children = [self.live[child] for child in live.children if child in self.live]
        if live.task is None:
            self._line(live).waiting.remove(live)
            self._end(live, "Cancelled", "")
        elif not live.cancelling:
            live.cancelling = True
            now = self.ctx.clock.now()
            live.record = replace(live.record, status="Canceling", updated=now)
            self.recorder.put(RUNS, live.record, factory, run_id)
            live.task.cancel()
        if recursive:
            for child in children:
                if child.record.end is None:
                    await self.cancel(factory, child.record.id, True)
        await self.recorder.committed()

    # Across restarts

    async def resume(self) -> None:
        """Take up every run that has not ended, in the order in which they were made."""
        under_way = sorted(self.ctx.store.scan(RUNS_UNDER_WAY), key=lambda each: each.number)
        for each in under_way:
            self._number = max(self._number, each.number)
            record = self.ctx.store.get(RUNS, each.factory, each.id)
            if record is None or record.status in RUN_FINAL:
                self.recorder.delete(RUNS_UNDER_WAY, each.factory, each.id)
                continue
            try:
                live = self._restored(record, each.number)
            except Exception as why:  # of one run only: the others go on
                self._give_up(record, why)
                continue
            self.live[record.id] = live
            line = self._line(live)
            if record.status == "Canceling":
                line.running += 1
                live.cancelling = True
                live.task = asyncio.ensure_future(self._wind_up(live))
            elif record.start is None:
                line.waiting.append(live)
            else:
                self._start(live, line)
        for line in list(self._lines.values()):
            self._next(line)

    def _give_up(self, record: PipelineRun, why: Exception) -> None:
        LOG.error("run %s cannot go on", record.id, exc_info=why)
        message = f"The run cannot go on after the service was stopped: {why}"
        now = self.ctx.clock.now()
        ended = replace(record, status="Failed", message=message, end=now, updated=now)
        self.recorder.put(RUNS, ended, record.factory, record.id)
        self.recorder.delete(RUNS_UNDER_WAY, record.factory, record.id)

    def _restored(self, record: PipelineRun, number: int) -> Live:
        live = self._live(record, self.parsed(record.pipeline, record.definition))
        live.number = number
        for row in sorted(self.ctx.store.scan(ACTIVITY_RUNS, record.id), key=_order):
            live.rows.setdefault(row.path.rsplit("#", 1)[0], []).append(row)
            live.sequence = max(live.sequence, row.sequence)
            if row.child_run is not None:
                live.children.add(row.child_run)
        for note in self.ctx.store.scan(RUN_NOTES, record.id):
            live.noted.add(note.path)
            kind, _, name = note.path.partition(":")
            if kind == "variable" and name in live.variables:
                live.variables[name] = note.facts.get("value")
            elif note.path == "return":
                values = dict(note.facts.get("value") or {})
                live.record = replace(live.record, return_value=values)
            else:
                live.notes[note.path] = dict(note.facts)
        return live

    async def _wind_up(self, live: Live) -> None:
        """Finish a cancellation: what had left a note by which to find it is cancelled there."""
        frame = live.frame()
        by_name = {each.name: each for each in live.pipeline.every_activity()}
        for rows in live.rows.values():
            for row in rows:
                activity = by_name.get(row.name)
                if row.end is not None or activity is None or row.path not in live.notes:
                    continue
                executor = self.executor_of(activity, live.record.pipeline)
                if executor is not None:
                    attempt = Attempt(frame, activity, row.path.rsplit("#", 1)[0], row)
                    work: Any = executor(call_of(attempt))
                    task = asyncio.ensure_future(work)
                    for _ in range(3):  # so that it is where a cancellation is noticed
                        await asyncio.sleep(0)
                    await stopped(task)
        self._end(live, "Cancelled", "")
        line = self._line(live)
        line.running -= 1
        self._next(line)

    async def leave(self) -> None:
        """Stop without an end: what is under way goes on after the restart."""
        self.leaving = True
        tasks = [live.task for live in self.live.values() if live.task is not None]
        await stopped(*tasks)
        self.recorder.flush()
        for live in self.live.values():
            if live.done is not None and not live.done.done():
                live.done.cancel()


def _order(row: ActivityRun) -> tuple[int, int]:
    return row.attempt, row.sequence


def _pipeline_values(run: PipelineRun, factory: str) -> dict[str, Any]:
    """The members of pipeline() beside the parameters.

    Source: learn.microsoft.com/azure/data-factory/control-flow-system-variables
    """
    by, trigger = run.invoked_by, run.trigger
    kind = by.get("invokedByType", "Manual")
    return {
        "DataFactory": factory,
        "Pipeline": run.pipeline,
        "RunId": run.id,
        "TriggerType": kind,
        "TriggerId": by.get("id"),
        "TriggerName": by.get("name"),
        "TriggerTime": trigger.get("startTime") or stamp(run.queued),
        "GroupId": run.group,
        "TriggeredByPipelineName": by.get("pipelineName"),
        "TriggeredByPipelineRunId": by.get("pipelineRunId"),
    }
