"""The factory of a test: from a folder or from dicts, its stubs, and its runs."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from emulators.datafactory.engine.activities.base import Executor
from emulators.datafactory.engine.activities.outgoing import replaced
from emulators.datafactory.engine.definitions import Activity, Pipeline, pipeline_of
from emulators.datafactory.engine.loading.checking import check
from emulators.datafactory.engine.loading.folder import Item, choose, read
from emulators.datafactory.engine.loading.values import global_parameters
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
from emulators.datafactory.testing.errors import (
    InvalidFactory,
    KitError,
    NotStubbed,
    RanAway,
    UnknownName,
)
from emulators.datafactory.testing.results import RunResult, activities_of
from emulators.datafactory.testing.stubs import (
    WEB,
    Reply,
    Stub,
    Web,
    reaction,
    refusing,
)
from emulators.kernel.context import Context, assemble
from emulators.kernel.errors import ServiceError
from emulators.kernel.settings import Settings
from emulators.kernel.store_memory import MemoryStore
from emulators.kernel.virtual import EPOCH, VirtualTime

OWNER = "/subscriptions/test/resourcegroups/test/providers/microsoft.datafactory/factories/test"
MANUAL = {"id": "test", "name": "Manual", "invokedByType": "Manual"}
ACTIVITIES_MOST = 50_000
"""Activities that one run may start; a loop that never ends is told, not waited for."""


@cache
def _context() -> tuple[Context, Any]:
    """A context on a folder that goes with the process; every run gets a store of its own."""
    folder = tempfile.TemporaryDirectory(prefix="rehearsal-testing-")
    path = Path(folder.name)
    settings = Settings(state=path, cache_dir=path / "cache")
    with VirtualTime() as time:
        return assemble(settings, path, MemoryStore(), time.clock), folder


@dataclass(slots=True)
class _Key:
    """What a stub is for."""

    name: str | None
    type: str | None
    pipeline: str | None

    def is_for(self, activity: Activity, pipeline: str) -> bool:
        if self.pipeline is not None and self.pipeline != pipeline.lower():
            return False
        if self.name is not None:
            return self.name == activity.name.lower()
        return self.type == activity.kind


class TestFactory:
    """A factory whose pipelines run in virtual time, with stubs for what leaves it.

    Control activities, variables, expressions, policies and timeouts are the emulator's own. What
    would leave the factory must be stubbed: an activity with `stub`, the web with `http`.
    """

    __test__ = False  # the name is for people, pytest need not collect it

    def __init__(
        self,
        pipelines: Mapping[str, Mapping[str, Any]],
        *,
        global_parameters: Mapping[str, Any] | None = None,
        others: Sequence[Item] = (),
        name: str = "test",
        now: datetime = EPOCH,
    ) -> None:
        """A factory of dicts.

        Args:
            pipelines: by name, what their files hold: `{"properties": {...}}` or only that.
            global_parameters: by name, values, or `{"type", "value"}`.
            others: datasets, linked services and so on, as `loading.folder` reads them.
            now: when the first run begins.

        Raises:
            InvalidFactory: Azure would not publish it.
        """
        self._items = [
            *others,
            *(
                Item("pipelines", key, _properties(key, value), f"pipeline/{key}.json")
                for key, value in pipelines.items()
            ),
        ]
        self._globals = {key: _typed(v) for key, v in (global_parameters or {}).items()}
        self._name, self._now = name, now
        self._stubs: list[tuple[_Key, Stub]] = []
        self._web = Web()
        self._pipelines = self._checked()

    @classmethod
    def from_folder(
        cls,
        folder: str | Path,
        *,
        factory: str | None = None,
        global_parameters_file: str | Path | None = None,
        global_parameters: Mapping[str, Any] | None = None,
        now: datetime = EPOCH,
    ) -> TestFactory:
        """A factory as it lies in git: `pipeline/`, `dataset/`, `linkedService/`, `factory/`.

        Args:
            factory: which file of `factory/`, when there are several.
            global_parameters: values that go over those of the files.

        Raises:
            InvalidFactory: the folder cannot be read, or Azure would not publish it.
        """
        try:
            found = read(Path(folder))
            chosen, body = choose(found, factory)
            file = None if global_parameters_file is None else Path(global_parameters_file)
            values = _global_parameters(body, file)
        except ValueError as why:
            said = str(why).replace("with --factory", "with factory=")
            raise InvalidFactory(said) from None
        if found.problems:
            raise InvalidFactory("\n".join(map(str, found.problems)))
        for key, value in (global_parameters or {}).items():
            values[key] = {**values.get(key, {}), **_typed(value)}
        rest = [item for item in found.items if item.kind != "pipelines"]
        pipelines = {i.name: i.properties for i in found.items if i.kind == "pipelines"}
        return cls(pipelines, global_parameters=values, others=rest, name=chosen or "test", now=now)

    def _checked(self) -> dict[str, Pipeline]:
        problems = check(self._items, frozenset(self._globals))
        if problems:
            raise InvalidFactory("\n".join(map(str, problems)))
        pipelines = [item for item in self._items if item.kind == "pipelines"]
        return {item.name.lower(): pipeline_of(item.name, item.properties) for item in pipelines}

    # Stubs

    def stub(
        self,
        name: str | None = None,
        *,
        type: str | None = None,
        output: Reply | None = None,
        sequence: Sequence[Reply] | None = None,
        seconds: float = 0.0,
        **where: str,
    ) -> Stub:
        """Let something stand in for an activity, by its name or its type, in all its passes.

        Args:
            output: what it leaves: a map, a `Failure`, or a function of `Asked`.
            sequence: one such answer after the other; the last is repeated.
            seconds: of virtual time that it takes.
            where: `pipeline="name"` to mean the activity of one pipeline only.

        Raises:
            UnknownName: no pipeline has such an activity.
            TypeError: neither name nor type, both of output and sequence, or another word.
        """
        if (name is None) == (type is None):
            raise TypeError("stub: give the activity's name, or its type")
        if output is not None and sequence is not None:
            raise TypeError("stub: give an output or a sequence, not both")
        if set(where) - {"pipeline"}:
            raise TypeError(f"stub: unknown word {sorted(set(where) - {'pipeline'})[0]!r}")
        if sequence is not None and not sequence:
            raise TypeError("stub: the sequence has no answer")
        self._know(name, type, where.get("pipeline"))
        pipeline = where["pipeline"].lower() if "pipeline" in where else None
        replies = list(sequence) if sequence is not None else [{} if output is None else output]
        made = Stub(replies, seconds)
        key = _Key(name and name.lower(), type and type.lower(), pipeline)
        self._stubs.insert(0, (key, made))
        return made

    def http(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        status: int = 200,
        **more: Any,
    ) -> None:
        """Let the web answer; Web activities then run for real, up to the wire.

        Called again for the same method and URL it adds the next answer; the last is repeated.

        Args:
            url: whole; `*` stands for anything.
            more: `text` instead of JSON, `headers`, and `seconds` until the answer comes.

        Raises:
            TypeError: another word.
        """
        strange = set(more) - {"text", "headers", "seconds"}
        if strange:
            raise TypeError(f"http: unknown word {sorted(strange)[0]!r}")
        body = more.get("text", json)
        answer = reaction(status, body, more.get("headers") or {}, more.get("seconds", 0.0))
        self._web.add(method.upper(), url, answer)

    def _know(self, name: str | None, type: str | None, pipeline: str | None) -> None:
        within = list(self._pipelines.values())
        if pipeline is not None:
            within = [self._pipeline(pipeline)]
        every = [activity for each in within for activity in each.every_activity()]
        if name is not None and all(a.name.lower() != name.lower() for a in every):
            raise UnknownName("activity", name, (a.name for a in every))
        if type is not None and all(a.kind != type.lower() for a in every):
            raise UnknownName("activity of type", type, (a.type for a in every))

    def _pipeline(self, name: str) -> Pipeline:
        found = self._pipelines.get(name.lower())
        if found is None:
            raise UnknownName("pipeline", name, (p.name for p in self._pipelines.values()))
        return found

    # Runs

    def run(
        self,
        pipeline: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        trigger: Mapping[str, Any] | None = None,
        cancel_after_s: float | None = None,
    ) -> RunResult:
        """Run a pipeline to its end, and the pipelines that it starts to theirs.

        Args:
            trigger: what `trigger()` shows: startTime, scheduledTime, outputs, ...
            cancel_after_s: cancel it, recursively, after so many seconds of virtual time.

        Raises:
            UnknownName: there is no such pipeline.
            ValueError: a parameter is missing or does not fit its type.
            NotStubbed: an activity or a request was to leave the factory.
            RanAway: it started more activities than any sensible test.
            KitError: it is called from a coroutine.
        """
        if asyncio._get_running_loop() is not None:
            raise KitError("`run` is synchronous: call it from a test without `async`")
        name = self._pipeline(pipeline).name
        known = set(self._pipeline(pipeline).parameters)
        for each in parameters or {}:
            if each.lower() not in {one.lower() for one in known}:
                raise UnknownName(f"parameter of '{name}'", each, known)
        for _, made in self._stubs:
            made.asked = 0
        for route in self._web.routes:
            route.asked = 0
        world = _World(self, replace(self._web, requests=[]))
        with VirtualTime(self._now) as time, replaced(world.web):
            ctx = replace(_context()[0], store=MemoryStore(), clock=time.clock)
            self._publish(ctx)
            work = world.run(ctx, name, parameters or {}, trigger or {}, cancel_after_s)
            run, others, rows = time.run(work)
        if world.wrong is not None:
            raise world.wrong
        return _result(run, others, rows, world.web)

    def _publish(self, ctx: Context) -> None:
        now = ctx.clock.now()
        properties = {"globalParameters": self._globals}
        factory = Factory(OWNER, "factory", self._name, "eastus", {}, None, properties, now, "e")
        ctx.store.put(FACTORIES, factory)
        for item in self._items:
            kept = Resource(
                OWNER, item.kind, item.name.lower(), item.name, item.properties, "e", now
            )
            ctx.store.put(RESOURCES, kept)

    def stub_for(self, activity: Activity, pipeline: str) -> Stub | None:
        """The stub of an activity: the last one given, names before types."""
        held = [pair for pair in self._stubs if pair[0].is_for(activity, pipeline)]
        named = [pair for pair in held if pair[0].name is not None]
        chosen = (named or held)[:1]
        return chosen[0][1] if chosen else None


class _World:
    """One run of a test and what belongs to it."""

    def __init__(self, factory: TestFactory, web: Web) -> None:
        self._factory = factory
        self.web = replace(web, complain=self.miss)
        self.wrong: KitError | None = None  # the first thing the test must be told
        self._told = asyncio.Event()
        self._started = 0

    def miss(self, words: str) -> None:
        """Something was to leave the factory: the run ends here."""
        self._tell(NotStubbed(f"{words[0].upper()}{words[1:]}."))

    def _tell(self, wrong: KitError) -> None:
        self.wrong = self.wrong or wrong
        self._told.set()

    def executor_of(self, activity: Activity, pipeline: str) -> Executor | None:
        """A stub, the runner's own, the real thing when the web is stubbed, or a refusal."""
        self._started += 1
        if self._started > ACTIVITIES_MOST:
            words = f"'{pipeline}' started more than {ACTIVITIES_MOST:,} activities: does a loop"
            self._tell(RanAway(f"{words} end? The last was '{activity.name}'."))
        stub = self._factory.stub_for(activity, pipeline)
        if stub is not None:
            return stub
        found = default_executor(activity)
        if found is None or (activity.kind in WEB and self.web.routes):
            return found
        return refusing(activity, pipeline, self.miss)

    async def run(
        self,
        ctx: Context,
        name: str,
        parameters: Mapping[str, Any],
        trigger: Mapping[str, Any],
        cancel_after_s: float | None,
    ) -> tuple[PipelineRun, list[PipelineRun], dict[str, list[ActivityRun]]]:
        async with manager.started(ctx, self.executor_of):
            try:
                made = await manager.create_run(
                    ctx, OWNER, name, parameters, invoked_by=MANUAL, trigger=trigger
                )
            except ServiceError as why:
                raise ValueError(why.message) from None
            watch = asyncio.ensure_future(self._watch(ctx, made.id, cancel_after_s))
            run = await manager.wait_for(ctx, made.id, OWNER)
            while left := list(manager.runs_of(ctx).live):  # children that nobody waits for
                await asyncio.gather(*(manager.wait_for(ctx, each, OWNER) for each in left))
            watch.cancel()
        others = sorted(ctx.store.scan(RUNS, OWNER), key=lambda each: each.queued)
        rows = {each.id: manager.activity_runs(ctx, each.id) for each in others}
        return run, others, rows

    async def _watch(self, ctx: Context, run_id: str, cancel_after_s: float | None) -> None:
        """Cancel everything when the test has gone wrong, or the run when its time is up."""
        with suppress(TimeoutError):
            async with asyncio.timeout(cancel_after_s):
                await self._told.wait()
        if self.wrong is None:
            if run_id in manager.runs_of(ctx).live:
                await manager.cancel(ctx, OWNER, run_id, True)
            await self._told.wait()
        await manager.end_all(ctx, OWNER)


def _result(
    run: PipelineRun,
    others: Sequence[PipelineRun],
    rows: Mapping[str, Sequence[ActivityRun]],
    web: Web,
) -> RunResult:
    children = [each for each in others if each.invoked_by.get("pipelineRunId") == run.id]
    begun = run.start or run.queued
    return RunResult(
        status=run.status,
        message=run.message,
        pipeline=run.pipeline,
        parameters=run.parameters,
        variables=run.variables,
        return_value=run.return_value,
        activities=activities_of(run, rows[run.id]),
        children=[_result(child, others, rows, web) for child in children],
        requests=web.requests,
        seconds=((run.end or begun) - begun).total_seconds(),
        run=run,
        rows=rows[run.id],
    )


def _properties(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise InvalidFactory(f"The pipeline '{name}' must be an object, not {given!r}.")
    inner = given.get("properties")
    return dict(inner) if isinstance(inner, Mapping) and "activities" not in given else dict(given)


def _typed(value: Any) -> dict[str, Any]:
    """A global parameter as `{"type", "value"}`."""
    if isinstance(value, Mapping) and "value" in value and "type" in value:
        return dict(value)
    kinds: list[tuple[type, str]] = [
        (bool, "Bool"), (int, "Int"), (float, "Float"), (str, "String"), (list, "Array"),
    ]  # fmt: skip
    kind = next((name for each, name in kinds if isinstance(value, each)), "Object")
    return {"type": kind, "value": value}


def _global_parameters(body: Mapping[str, Any], file: Path | None) -> dict[str, Any]:
    return global_parameters(body, file, {})
