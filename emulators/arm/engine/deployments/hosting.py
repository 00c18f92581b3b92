"""The deployments that run on this host: begun, cancelled, ended with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from emulators.arm.engine.deployments import records, running
from emulators.arm.engine.deployments.provider import Provider
from emulators.arm.engine.deployments.requests import Asked
from emulators.arm.engine.templates.frames import Place
from emulators.arm.engine.templates.planning import Plan
from emulators.arm.errors import DeploymentNotCancellable
from emulators.arm.store import Deployment
from emulators.kernel.context import Context
from emulators.kernel.tokens import Principal


class Deployer:
    """Keeps the tasks of running deployments, by the GUID of their status."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, asked: Asked, plan: Plan, by: Principal) -> Deployment:
        """Begin a deployment.

        Raises:
            DeploymentActive: one of that name still runs.
        """
        made = running.made(self._ctx, asked, plan, by.object_id)
        records.begin(self._ctx, made)
        task = asyncio.create_task(self._run(made, plan, by), name=f"deployment {made.name}")
        self._tasks[made.operation] = task
        task.add_done_callback(lambda _: self._tasks.pop(made.operation, None))
        return made

    async def _run(self, made: Deployment, plan: Plan, by: Principal) -> None:
        async with self._ctx.peers.client() as http:
            provider = Provider(self._ctx, http, by.object_id, by.app_id)
            await running.run(self._ctx, running.Work(made, plan, provider))

    async def cancel(self, place: Place, name: str) -> None:
        """Stop a deployment; what it has asked providers for goes on.

        Raises:
            DeploymentNotFound: there is none.
            DeploymentNotCancellable: it has ended.
        """
        found = records.get(self._ctx, place, name)
        task = self._tasks.get(found.operation)
        if found.state not in records.ACTIVE or task is None:
            raise DeploymentNotCancellable(found.name, found.state)
        task.cancel()
        await asyncio.wait([task])

    async def settled(self) -> None:
        """Wait until nothing runs any more."""
        while self._tasks:
            await asyncio.wait(self._tasks.values())

    async def close(self) -> None:
        """End what runs; the records say that it was interrupted."""
        records.end_interrupted(self._ctx)
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


_HOSTS: dict[int, Deployer] = {}


def deployer_of(ctx: Context) -> Deployer:
    """The deployer that serves this context."""
    if id(ctx) not in _HOSTS:
        _HOSTS[id(ctx)] = Deployer(ctx)
    return _HOSTS[id(ctx)]


@asynccontextmanager
async def started(ctx: Context) -> AsyncIterator[Deployer]:
    """Make the deployer of a host, say what a stop cut short, and end everything at the end."""
    records.end_interrupted(ctx)
    deployer = deployer_of(ctx)
    try:
        yield deployer
    finally:
        await deployer.close()
        del _HOSTS[id(ctx)]
