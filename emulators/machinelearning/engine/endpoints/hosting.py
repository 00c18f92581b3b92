"""Deployments as processes: brought up, replaced without a gap, found again after a stop."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulators.kernel.azure_http import finish
from emulators.kernel.context import Context
from emulators.kernel.errors import ServiceError
from emulators.kernel.workers import WorkerFailed, WorkerPool
from emulators.machinelearning.engine import workspaces
from emulators.machinelearning.engine.endpoints import contents, records
from emulators.machinelearning.engine.endpoints.access import Gate
from emulators.machinelearning.engine.jobs.manager import jobs_of
from emulators.machinelearning.engine.jobs.specs import snaked
from emulators.machinelearning.engine.runtime.problems import EnvironmentRefused
from emulators.machinelearning.store.endpoints import DEPLOYMENTS, Deployment, Endpoint
from emulators.machinelearning.store.workspaces import Workspace

log = logging.getLogger("rehearsal.endpoints")

Key = tuple[str, str, str]
BOOT_TIMEOUT_S = 300.0
QUEUE_FACTOR = 2
"""In flight at most twice what the instances take; more is 429."""


@dataclass
class Live:
    """A deployment that serves."""

    deployment: Deployment
    pool: WorkerPool
    scratch: Path | None
    timeout_s: float
    limit: int  # requests in flight before 429
    pending: int = 0

    async def stop(self, grace_s: float = 5.0) -> None:
        """End its processes, after what they are working on."""
        await self.pool.stop(grace_s)
        if self.scratch is not None:
            shutil.rmtree(self.scratch, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Route:
    """Where an endpoint's requests go."""

    endpoint: Endpoint
    gate: Gate
    shares: list[tuple[str, int]]  # deployment key, per cent; those above 0
    mirror: tuple[str, int] | None


class Hosting:
    """All deployments of one host. Made once, by `started`."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._sockets = Path(tempfile.mkdtemp(prefix="rehearsal-"))
        self._live: dict[Key, Live] = {}
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._routes: dict[str, Route] = {}
        self.held: set[asyncio.Task[Any]] = set()

    def route(self, name: str) -> Route | None:
        """How the endpoint of that host name is reached; None when there is none."""
        found = self._routes.get(name)
        if found is None:
            endpoint = records.by_host(self._ctx, name)
            if endpoint is None:
                return None
            shares = [(n.lower(), s) for n, s in endpoint.traffic.items() if s]
            mirrored = [(n.lower(), s) for n, s in endpoint.mirror_traffic.items() if s]
            gate = Gate(self._ctx, endpoint)
            found = Route(endpoint, gate, shares, mirrored[0] if mirrored else None)
            self._routes[name] = found
        return found

    def changed(self, endpoint: Endpoint) -> None:
        """Forget how an endpoint is reached, after its traffic or keys changed."""
        self._routes.pop(endpoint.key, None)

    async def live(self, route: Route, deployment: str) -> Live | None:
        """The serving deployment; waits for one that is on its way up, None when it is not."""
        key = (route.endpoint.workspace, route.endpoint.key, deployment)
        found = self._live.get(key)
        task = self._tasks.get(key)
        if found is None and task is not None:
            await asyncio.wait([task], timeout=BOOT_TIMEOUT_S)
            found = self._live.get(key)
        return found

    def bring_up(self, ws: Workspace, deployment: Deployment) -> None:
        """Start a deployment's current generation; the one that serves goes on until then."""
        key = (deployment.workspace, deployment.endpoint, deployment.key)
        before = self._tasks.get(key)
        if before is not None:
            before.cancel()
        task = asyncio.create_task(self._bring_up(ws, deployment, before), name=f"deploy {key}")
        self._tasks[key] = task

        def forget(done: asyncio.Task[None]) -> None:
            if self._tasks.get(key) is done:
                del self._tasks[key]

        task.add_done_callback(forget)

    async def _bring_up(
        self, ws: Workspace, deployment: Deployment, before: asyncio.Task[None] | None
    ) -> None:
        ctx = self._ctx
        if before is not None:
            await asyncio.gather(before, return_exceptions=True)
        try:
            made = await self._started(ws, deployment)
        except (ServiceError, EnvironmentRefused, WorkerFailed) as refused:
            self._failed(deployment, getattr(refused, "message", None) or str(refused))
        except Exception as bug:
            log.exception("deployment %s", deployment.name)
            self._failed(deployment, f"Rehearsal failed on this deployment: {bug!r}")
        else:
            await self._replaced(deployment, made)
        ctx.ledger.record(
            "deployment", endpoint=deployment.endpoint, deployment=deployment.name, state="ended"
        )

    async def _started(self, ws: Workspace, deployment: Deployment) -> Live:
        ctx, log_file = self._ctx, log_of(self._ctx, deployment)
        log_file.parent.mkdir(parents=True, exist_ok=True)

        def say(line: str) -> None:
            with log_file.open("a", encoding="utf-8") as file:
                file.write(f"[rehearsal] {line}\n")

        runtimes = jobs_of(ctx).machine.runtimes
        content = await contents.prepare(ctx, ws, deployment, runtimes, say)
        pool = WorkerPool(
            content.command,
            env=content.env,
            cwd=content.cwd,
            count=content.workers,
            log=log_file,
            sockets=self._sockets,
        )
        await pool.start(BOOT_TIMEOUT_S)
        settings = snaked(deployment.properties.get("requestSettings"))
        at_once = int(settings.get("max_concurrent_requests_per_instance") or 1)
        return Live(
            deployment,
            pool,
            content.scratch,
            contents.timeout_ms(deployment.properties) / 1000,
            QUEUE_FACTOR * at_once * deployment.capacity,
        )

    def _failed(self, deployment: Deployment, message: str) -> None:
        error = {"code": "ResourceOperationFailure", "message": message}
        with log_of(self._ctx, deployment).open("a", encoding="utf-8") as file:
            file.write(f"[rehearsal] {message}\n")
        now = records.change(self._ctx, deployment, state="Failed", error=error)
        if now is not None:
            finish(self._ctx, now.operation, error)

    async def _replaced(self, deployment: Deployment, made: Live) -> None:
        """Put a new generation in the place of the old, which ends its requests first."""
        key = (deployment.workspace, deployment.endpoint, deployment.key)
        now = records.change(
            self._ctx, deployment, state="Succeeded", serving=deployment.generation, error=None
        )
        if now is None:  # deleted meanwhile
            await made.stop(0)
            return
        old, self._live[key] = self._live.get(key), made
        finish(self._ctx, now.operation)
        if old is not None:
            await old.stop(old.timeout_s)
        self._sweep(now)

    def _sweep(self, deployment: Deployment) -> None:
        """Remove the files of generations that serve no more."""
        kept = str(deployment.generation)
        root = contents.folder_of(self._ctx, deployment, deployment.generation).parent
        for folder in root.iterdir():
            if folder.is_dir() and folder.name != kept:
                shutil.rmtree(folder, ignore_errors=True)

    async def take_down(self, deployment: Deployment) -> None:
        """End a deployment's processes and remove its files."""
        key = (deployment.workspace, deployment.endpoint, deployment.key)
        task = self._tasks.get(key)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        live = self._live.pop(key, None)
        if live is not None:
            await live.stop(1.0)
        root = contents.folder_of(self._ctx, deployment, deployment.generation).parent
        await asyncio.to_thread(shutil.rmtree, root, ignore_errors=True)

    def recover(self) -> None:
        """Serve again what served, and finish what was being deployed, after a stop."""
        for deployment in list(self._ctx.store.scan(DEPLOYMENTS)):
            ws = workspaces.by_guid(self._ctx, deployment.workspace)
            if ws is None or (deployment.state == "Failed" and not deployment.serving):
                continue
            self.bring_up(ws, deployment)

    async def close(self) -> None:
        """End all processes; the records stay, so that the next start serves again."""
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await asyncio.gather(*(live.stop(1.0) for live in self._live.values()))
        shutil.rmtree(self._sockets, ignore_errors=True)


def log_of(ctx: Context, deployment: Deployment) -> Path:
    """The log that a deployment's worker processes write."""
    at = (deployment.workspace, deployment.endpoint, deployment.key)
    return ctx.state.joinpath("endpoints", *at, "log.txt")


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
