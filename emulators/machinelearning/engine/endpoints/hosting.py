"""Deployments as processes: brought up, replaced without a gap, found again after a stop."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emulators.kernel.azure_http import finish
from emulators.kernel.context import Context
from emulators.kernel.errors import ServiceError, Unsupported
from emulators.kernel.workers import WorkerFailed, WorkerPool
from emulators.machinelearning.engine import workspaces
from emulators.machinelearning.engine.collection.keeper import Collector, keeper_of
from emulators.machinelearning.engine.endpoints import contents, records
from emulators.machinelearning.engine.endpoints.access import Gate
from emulators.machinelearning.engine.endpoints.scratch import Scratch
from emulators.machinelearning.engine.jobs.manager import jobs_of
from emulators.machinelearning.engine.runtime.problems import EnvironmentRefused
from emulators.machinelearning.store.endpoints import DEPLOYMENTS, Deployment, Endpoint
from emulators.machinelearning.store.workspaces import Workspace

log = logging.getLogger("rehearsal.endpoints")

Key = tuple[str, str, str]
BOOT_TIMEOUT_S = 300.0
GONE_GRACE_S = 1.0
REASON_CHARS = 2000
TRASH = ".removed"
QUEUE_FACTOR = 2
"""In flight at most twice what the instances take; more is 429."""


@dataclass
class Live:
    """A generation of a deployment that serves."""

    deployment: Deployment
    pool: WorkerPool
    shown: Path  # short path into the model
    timeout_s: float
    limit: int  # requests in flight before 429
    collector: Collector | None = None
    pending: int = 0

    async def stop(self, grace_s: float) -> None:
        """End its processes, after what they are working on."""
        await self.pool.stop(grace_s)
        if self.collector is not None:
            self.collector.close()
        shutil.rmtree(self.shown, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Route:
    """Where an endpoint's requests go."""

    endpoint: Endpoint
    gate: Gate
    shares: list[tuple[str, int]]  # deployment key, per cent; those above 0
    mirror: tuple[str, int] | None
    deployments: frozenset[str]  # keys


class Hosting:
    """All deployments of one host. Made once, by `started`."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.keeper = keeper_of(ctx)
        self._scratch = Scratch(ctx.state)
        self._scratch.sweep()
        self._sockets = self._scratch.new()
        self._live: dict[Key, Live] = {}
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._returning: dict[Key, asyncio.Event] = {}  # served before the last stop
        self._routes: dict[str, Route] = {}
        self._held: set[asyncio.Task[None]] = set()

    def route(self, name: str) -> Route | None:
        """How the endpoint of that host name is reached; None when there is none."""
        found = self._routes.get(name)
        if found is None:
            endpoint = records.by_host(self._ctx, name)
            if endpoint is None:
                return None
            shares = [(n.lower(), s) for n, s in endpoint.traffic.items() if s]
            mirrored = [(n.lower(), s) for n, s in endpoint.mirror_traffic.items() if s]
            found = Route(
                endpoint,
                Gate(self._ctx, endpoint),
                shares,
                mirrored[0] if mirrored else None,
                frozenset(d.key for d in records.deployments(self._ctx, endpoint)),
            )
            self._routes[name] = found
        return found

    def changed(self, endpoint: Endpoint) -> None:
        """Forget how an endpoint is reached, after its traffic, keys or deployments changed."""
        self._routes.pop(endpoint.key, None)

    def live(self, route: Route, deployment: str) -> Live | None:
        """The serving generation of a deployment; None when none serves yet."""
        return self._live.get((route.endpoint.workspace, route.endpoint.key, deployment))

    async def returned(self, route: Route, deployment: str) -> Live | None:
        """The same, after waiting for one that served before this host was stopped."""
        key = (route.endpoint.workspace, route.endpoint.key, deployment)
        awaited = self._returning.get(key)
        if awaited is not None and key not in self._live:
            await awaited.wait()
        return self._live.get(key)

    def bring_up(self, ws: Workspace, deployment: Deployment) -> None:
        """Start a deployment's newest generation; the one that serves goes on until then."""
        self._routes.pop(deployment.endpoint, None)
        if deployment.generation == 1:  # left by one of that name
            self._remove_files(deployment)
        self._begin(deployment, self._deploy(ws, deployment))

    def _begin(self, deployment: Deployment, work: Coroutine[Any, Any, None]) -> None:
        key = _key(deployment)
        before = self._tasks.get(key)

        async def after() -> None:
            if before is not None:
                await asyncio.wait([before])
            await work

        task = asyncio.create_task(after(), name=f"deploy {'/'.join(key)}")
        self._tasks[key] = task

        def forget(done: asyncio.Task[None]) -> None:
            work.close()
            if self._tasks.get(key) is done:
                del self._tasks[key]

        task.add_done_callback(forget)

    async def _deploy(self, ws: Workspace, deployment: Deployment) -> None:
        """Bring the newest generation up and put it in the place of the one that serves."""
        made = await self._started(ws, deployment)
        if made is None:
            return
        with self._ctx.store.transaction():
            now = records.change(
                self._ctx,
                deployment,
                state="Succeeded",
                serving=deployment.generation,
                served=deployment.properties,
                served_capacity=deployment.capacity,
            )
            if now is not None:
                finish(self._ctx, now.operation)
        if now is None:  # deleted meanwhile
            self._retire(made, 0)
            return
        self._place(made)
        self._sweep_generations(now)

    async def _resume(self, ws: Workspace, deployment: Deployment) -> None:
        """After a stop: serve what served, then go on with what was being done."""
        key, arrived = _key(deployment), self._returning[_key(deployment)]
        try:
            if deployment.serving and deployment.serving != deployment.generation:
                made = await self._started(ws, _as_served(deployment), quiet=True)
                if made is not None:
                    self._place(made)
                    arrived.set()
            if deployment.state != "Failed" or deployment.serving == deployment.generation:
                await self._deploy(ws, deployment)
        finally:
            arrived.set()
            self._returning.pop(key, None)

    async def _started(
        self, ws: Workspace, deployment: Deployment, *, quiet: bool = False
    ) -> Live | None:
        """Its processes, ready; None, and Failed with the reason unless `quiet`, when not."""
        shown = self._scratch.new()
        try:
            made = await self._booted(ws, deployment, shown)
            self._note(deployment, "ready")
            return made
        except WorkerFailed as failed:
            why = _shortened(str(failed))
            error = ("ResourceNotReady", f"User container has crashed or terminated: {why}")
        except EnvironmentRefused as refused:
            error = ("ImageBuildFailure", str(refused))
        except ServiceError as refused:
            error = (refused.code, refused.message)
            if isinstance(refused, Unsupported):
                self._ctx.ledger.record("refusal", what=refused.what, operation="deployment")
        except asyncio.CancelledError:
            shutil.rmtree(shown, ignore_errors=True)
            raise
        except Exception as bug:
            log.exception("deployment %s", deployment.name)
            error = ("RehearsalInternalError", f"Rehearsal failed on this deployment: {bug!r}")
        shutil.rmtree(shown, ignore_errors=True)
        self._say(deployment, error[1])
        self._note(deployment, "failed")
        if not quiet:
            self._failed(deployment, {"code": error[0], "message": error[1]})
        return None

    async def _booted(self, ws: Workspace, deployment: Deployment, shown: Path) -> Live:
        collector = await self.keeper.open(ws, deployment)
        try:
            made = await self._with_pool(ws, deployment, shown)
        except BaseException:
            if collector is not None:
                collector.close()
            raise
        made.collector = collector
        return made

    async def _with_pool(self, ws: Workspace, deployment: Deployment, shown: Path) -> Live:
        ctx = self._ctx
        log_file = contents.log_of(ctx, deployment)
        log_file.parent.mkdir(parents=True, exist_ok=True)
        runtimes = jobs_of(ctx).machine.runtimes
        content = await contents.prepare(
            ctx, ws, deployment, runtimes, lambda line: self._say(deployment, line), shown
        )
        pool = WorkerPool(
            content.command,
            env=content.env,
            cwd=content.cwd,
            count=content.workers,
            log=log_file,
            sockets=self._sockets,
        )
        pool.kill_after_s = content.kill_after_s
        await pool.start(BOOT_TIMEOUT_S)
        at_once = contents.concurrency(deployment.properties) * deployment.capacity
        timeout_s = contents.timeout_ms(deployment.properties) / 1000
        return Live(deployment, pool, shown, timeout_s, QUEUE_FACTOR * at_once)

    def _say(self, deployment: Deployment, line: str) -> None:
        file = contents.log_of(self._ctx, deployment)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as written:
            written.write(f"[rehearsal] {line}\n")

    def _note(self, deployment: Deployment, state: str) -> None:
        self._ctx.ledger.record(
            "deployment",
            endpoint=deployment.endpoint,
            deployment=deployment.name,
            generation=deployment.generation,
            state=state,
        )

    def _failed(self, deployment: Deployment, error: dict[str, str]) -> None:
        with self._ctx.store.transaction():
            now = records.change(self._ctx, deployment, state="Failed")
            if now is not None:
                finish(self._ctx, now.operation, error)

    def _place(self, made: Live) -> None:
        """Let a generation serve from now on; the one before ends its requests first."""
        key = _key(made.deployment)
        old, self._live[key] = self._live.get(key), made
        if old is not None:
            self._retire(old, old.timeout_s)

    def _retire(self, live: Live, grace_s: float) -> None:
        self._hold(live.stop(grace_s))

    def _hold(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._held.add(task)
        task.add_done_callback(self._held.discard)

    def _sweep_generations(self, deployment: Deployment) -> None:
        """Remove the files of generations that serve no more."""
        for folder in contents.folder_of(self._ctx, deployment).iterdir():
            if folder.is_dir() and folder.name != str(deployment.generation):
                self._discard(folder)

    def take_down(self, deployment: Deployment) -> None:
        """End a deployment's processes and remove its files; its name is free at once."""
        key = _key(deployment)
        task, live = self._tasks.get(key), self._live.pop(key, None)
        if task is not None:
            task.cancel()
        if live is not None:
            self._retire(live, GONE_GRACE_S)
        self._remove_files(deployment)

    def _remove_files(self, deployment: Deployment) -> None:
        self._discard(contents.folder_of(self._ctx, deployment))

    def _discard(self, folder: Path) -> None:
        """Move a folder out of the way at once, then remove it."""
        if not folder.exists():
            return
        trash = self._ctx.state / "endpoints" / TRASH
        trash.mkdir(parents=True, exist_ok=True)
        gone = folder.replace(trash / self._ctx.ids.hex(16))
        self._hold(asyncio.to_thread(shutil.rmtree, gone, ignore_errors=True))

    def recover(self) -> None:
        """Serve again what served, and finish what was being deployed, after a stop."""
        known: set[Path] = set()
        for deployment in list(self._ctx.store.scan(DEPLOYMENTS)):
            known.add(contents.folder_of(self._ctx, deployment))
            ws = workspaces.by_guid(self._ctx, deployment.workspace)
            if ws is None or (deployment.state == "Failed" and not deployment.serving):
                continue
            self._returning[_key(deployment)] = asyncio.Event()
            self._begin(deployment, self._resume(ws, deployment))
        root = self._ctx.state / "endpoints"
        shutil.rmtree(root / TRASH, ignore_errors=True)
        for folder in list(root.glob("*/*/*")):
            if folder not in known:
                self._discard(folder)

    async def close(self) -> None:
        """End all processes; the records stay, so that the next start serves again."""
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for live in self._live.values():
            self._retire(live, GONE_GRACE_S)
        await asyncio.gather(*self._held, return_exceptions=True)
        self._scratch.sweep()


def _shortened(why: str) -> str:
    """How it ended, and the last that it said."""
    if len(why) <= REASON_CHARS:
        return why
    return f"{why[:100]}\n[…]\n{why[100 - REASON_CHARS :]}"


def _key(deployment: Deployment) -> Key:
    return (deployment.workspace, deployment.endpoint, deployment.key)


def _as_served(deployment: Deployment) -> Deployment:
    """A deployment as it was when its serving generation was made."""
    return replace(
        deployment,
        generation=deployment.serving,
        properties=deployment.served,
        capacity=deployment.served_capacity,
    )


_HOSTS: dict[int, Hosting] = {}


def hosting_of(ctx: Context) -> Hosting:
    """The deployments that serve this context."""
    return _HOSTS[id(ctx)]


@asynccontextmanager
async def started(ctx: Context) -> AsyncIterator[Hosting]:
    """Host deployments while the service is up; bring back those that were."""
    hosting = _HOSTS[id(ctx)] = Hosting(ctx)
    try:
        hosting.recover()
        yield hosting
    finally:
        await hosting.close()
        del _HOSTS[id(ctx)]
