"""A deployment as it runs: its resources in order, then its outputs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from emulators.arm.engine.deployments import records, requests
from emulators.arm.engine.deployments.lookups import Lookups, books_of
from emulators.arm.engine.deployments.provider import Provider, ProviderFailed
from emulators.arm.engine.deployments.requests import Asked
from emulators.arm.engine.deployments.surroundings import around
from emulators.arm.engine.templates import outputs
from emulators.arm.engine.templates.evaluate import resolve
from emulators.arm.engine.templates.frames import Frame
from emulators.arm.engine.templates.order import ordered
from emulators.arm.engine.templates.planning import (
    Plan,
    Planned,
    body_of,
    inner_scope,
    nested,
    plan_within,
)
from emulators.arm.engine.templates.values import look_up, without_nulls
from emulators.arm.errors import ExpressionInvalid
from emulators.arm.store import DEPLOYMENT_OPERATIONS, Deployment, DeploymentOperation
from emulators.kernel.context import Context
from emulators.kernel.errors import ServiceError, Unsupported

log = logging.getLogger("rehearsal.deployments")
AT_ONCE = 16  # resources of one template
DEEPEST = 8  # deployments within deployments
SEE = "Please see https://aka.ms/arm-deployment-operations for usage details."
FAILED = f"At least one resource deployment operation failed. Please list deployment operations for details. {SEE}"  # noqa: E501


@dataclass(frozen=True, slots=True)
class Work:
    """A deployment, its plan, who wants it, and the one that it is a part of."""

    deployment: Deployment
    plan: Plan
    provider: Provider
    above: Work | None = None

    @property
    def depth(self) -> int:
        """How many deployments it is within."""
        return 0 if self.above is None else self.above.depth + 1


def made(ctx: Context, asked: Asked, plan: Plan, by: str, correlation: str = "") -> Deployment:
    """The record of a deployment that is about to begin."""
    dependencies = [
        {**_dependency(one), "dependsOn": [_dependency(plan.resources[k]) for k in one.depends]}
        for one in plan.resources.values()
        if one.depends and one.wanted
    ]
    types: dict[str, dict[str, dict[str, Any]]] = {}
    for one in plan.resources.values():
        namespace, _, kind = one.type.partition("/")
        where = look_up(one.body, "location")
        region = resolve(where, one.frame) if isinstance(where, str) and one.wanted else None
        listed = types.setdefault(namespace, {}).setdefault(
            kind, {"resourceType": kind, "locations": []}
        )
        if region not in listed["locations"]:
            listed["locations"].append(region)
    now = ctx.clock.now()
    return Deployment(
        scope=asked.place.path.lower(),
        key=asked.name.lower(),
        id=records.id_of(plan.place, asked.name),
        name=asked.name,
        location=asked.location,
        tags=asked.tags,
        mode="Incremental",
        state="Accepted",
        operation=ctx.ids.guid(),
        correlation=correlation or ctx.ids.guid(),
        started=now,
        ended=None,
        by=by,
        template=asked.template,
        hash=records.hash_of(asked.template),
        link=asked.link,
        parameters=plan.shown_parameters(),
        outputs=None,
        resources=[],
        dependencies=dependencies,
        providers=[
            {"namespace": namespace, "resourceTypes": list(kinds.values())}
            for namespace, kinds in types.items()
        ],
        error=None,
    )


def _dependency(one: Planned) -> dict[str, str]:
    return {"id": one.id, "resourceType": one.type, "resourceName": one.name}


async def run(ctx: Context, work: Work) -> Deployment:
    """Deploy everything, and say in the record how it went."""
    deployment = records.change(ctx, work.deployment, state="Running")
    runner = _Run(ctx, replace(work, deployment=deployment))
    try:
        error = await runner.resources()
        found = None
        if error is None:
            found, error = await runner.outputs()
        return records.change(
            ctx,
            deployment,
            state="Failed" if error else "Succeeded",
            ended=ctx.clock.now(),
            outputs=found,
            error=error,
            resources=runner.deployed,
        )
    except asyncio.CancelledError:
        runner.cancelled()
        raise
    except Exception as wrong:  # our own mistake must not leave a deployment running for ever
        log.exception("deployment %s", deployment.id)
        error = {"code": "InternalServerError", "message": f"{type(wrong).__name__}: {wrong}"}
        return records.change(ctx, deployment, state="Failed", ended=ctx.clock.now(), error=error)


class _Run:
    """One deployment's resources, each waiting for what it depends on."""

    def __init__(self, ctx: Context, work: Work) -> None:
        self._ctx, self._work, self._plan = ctx, work, work.plan
        self._tasks: dict[str, asyncio.Task[bool]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._errors: list[dict[str, Any]] = []
        self._waits: dict[str, set[str]] = {}
        self.deployed: list[str] = []

    async def resources(self) -> dict[str, Any] | None:
        """Deploy the resources; the error, if any failed."""
        wanted = [one for one in self._plan.resources.values() if one.wanted]
        self._waits = {one.key: set(one.depends) for one in wanted}
        try:
            for one in wanted:
                task = asyncio.create_task(self._one(one), name=f"deploy {one.id}")
                self._tasks[one.key] = task
            if self._tasks:
                await asyncio.wait(self._tasks.values())
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if not self._errors:
            return None
        if len(self._errors) == 1 and self._errors[0]["code"] == "InvalidTemplate":
            return self._errors[0]
        return {
            "code": "DeploymentFailed",
            "target": self._work.deployment.id,
            "message": FAILED,
            "details": self._errors,
        }

    async def _one(self, one: Planned) -> bool:
        """Deploy a resource after those it depends on; False when it or one of them failed."""
        for key in one.depends:
            if not await asyncio.shield(self._tasks[key]):
                return False
        async with self._slots:
            step = self._begin(one)
            try:
                word = await self._deploy(one)
            except _NotRun:
                self._ctx.store.delete(DEPLOYMENT_OPERATIONS, step.scope, step.deployment, step.id)
                return False
            except asyncio.CancelledError:
                self._end(step, "Canceled", "", None)
                raise
            except Exception as wrong:
                status, error = _said(wrong, one)
                self._end(step, "Failed", status, error)
                self._errors.append(error)
                return False
            self._end(step, "Succeeded", word, None)
            self.deployed.append(one.id)
            return True

    async def _deploy(self, one: Planned) -> str:
        lookups = Lookups(self._books(), self._plan.place)
        frame = replace(one.frame, runtime=lookups)
        properties = nested(one)

        async def until_made(key: str) -> None:
            await self._until_made(one, key)

        if properties is not None:
            return await self._nested(one, frame, lookups, properties)
        body = await lookups.settled(
            lambda: body_of(one, frame), self._work.provider, until_made
        )  # fmt: skip
        return await self._work.provider.put(one.id, one.version, without_nulls(body))

    def _books(self) -> list[Any]:
        plans, work = [], self._work
        while True:
            plans.append(work.plan.resources)
            if (
                work.above is None
                or work.plan.frame.parameters is not work.above.plan.frame.parameters
            ):
                return books_of(*plans)
            work = work.above

    async def _until_made(self, one: Planned, key: str) -> None:
        """Wait for a resource of this template that an expression turned out to need."""
        task = self._tasks.get(key)
        if task is None or key == one.key:
            return
        if _leads_to(self._waits, key, one.key):
            raise ExpressionInvalid(f"Circular dependency detected on resource: '{one.id}'.")
        self._waits[one.key].add(key)
        if not await asyncio.shield(task):
            raise _NotRun

    async def _nested(
        self, one: Planned, frame: Frame, lookups: Lookups, properties: Mapping[str, Any]
    ) -> str:
        """A deployment within this one."""
        if self._work.depth >= DEEPEST:
            raise ExpressionInvalid(f"Deployments are nested more than '{DEEPEST}' deep.")

        async def until_made(key: str) -> None:
            await self._until_made(one, key)

        inner = inner_scope(properties)
        outside = {k: v for k, v in properties.items() if k.lower() != "template"}
        settled = await lookups.settled(
            lambda: resolve(outside, frame), self._work.provider, until_made
        )
        template = look_up(properties, "template")
        whole = settled if template is None else {**settled, "template": template}
        asked = await requests.read(
            self._ctx,
            one.place,
            one.name,
            whole,
            self._work.deployment.link,
            by=self._work.deployment.by,
        )
        location = look_up(one.body, "location")
        if location is not None:
            asked = replace(asked, location=str(resolve(location, frame)))
        if inner:
            plan = requests.planned(self._ctx, asked)
        else:
            around(self._ctx, one.place, {})  # the place must exist
            plan = ordered(plan_within(asked.template, self._plan, one.frame, one.place))
        deployment = made(
            self._ctx, asked, plan, self._work.deployment.by, self._work.deployment.correlation
        )
        records.begin(self._ctx, deployment)
        ended = await run(self._ctx, Work(deployment, plan, self._work.provider, self._work))
        if ended.state != "Succeeded":
            error = ended.error or {"code": "DeploymentFailed", "message": FAILED}
            raise ProviderFailed("Conflict", {**error, "target": ended.id})
        return "OK"

    async def outputs(self) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """The template's outputs, or the error of one that cannot be had."""
        declared = outputs.declared(self._plan.template)
        lookups = Lookups(self._books(), self._plan.place)
        frame = replace(self._plan.frame, runtime=lookups)
        step = self._begin(None) if declared else None
        try:
            found = await lookups.settled(
                lambda: outputs.evaluated(declared, frame), self._work.provider, _nothing
            )
        except (ServiceError, ProviderFailed, RecursionError) as wrong:
            error = {
                "code": "DeploymentOutputEvaluationFailed",
                "message": (
                    f"Unable to evaluate template outputs: '{', '.join(declared)}'. Please see"
                    " error details and deployment operations. Please see"
                    " https://aka.ms/arm-common-errors for usage details."
                ),
                "details": [_said(wrong, None)[1]],
            }
            if step is not None:
                self._end(step, "Failed", "BadRequest", error)
            return None, error
        if step is not None:
            self._end(step, "Succeeded", "OK", None)
        return found, None

    def cancelled(self) -> None:
        """Say that the deployment was stopped by who began it."""
        records.change(
            self._ctx,
            self._work.deployment,
            state="Canceled",
            ended=self._ctx.clock.now(),
            error={
                "code": "DeploymentCanceled",
                "message": "The deployment was canceled. What it had deployed by then is there.",
            },
            resources=self.deployed,
        )

    def _begin(self, one: Planned | None) -> DeploymentOperation:
        deployment = self._work.deployment
        step = DeploymentOperation(
            scope=deployment.scope,
            deployment=deployment.key,
            id=self._ctx.ids.hex(16).upper(),
            kind="Create" if one is not None else "EvaluateDeploymentOutput",
            state="Running",
            started=self._ctx.clock.now(),
            ended=None,
            resource=one.id if one is not None else "",
            type=one.type if one is not None else "",
            name=one.name if one is not None else "",
            status="",
            message=None,
        )
        self._ctx.store.put(DEPLOYMENT_OPERATIONS, step)
        return step

    def _end(
        self, step: DeploymentOperation, state: str, status: str, error: dict[str, Any] | None
    ) -> None:
        ended = replace(
            step,
            state=state,
            ended=self._ctx.clock.now(),
            status=status,
            message={"error": error} if error else None,
        )
        self._ctx.store.put(DEPLOYMENT_OPERATIONS, ended)


class _NotRun(Exception):
    """A resource that an expression needs was not made, so this one is not tried."""


async def _nothing(key: str) -> None:
    """Outputs wait for nothing: everything is made."""


def _leads_to(waits: Mapping[str, set[str]], start: str, goal: str) -> bool:
    seen, left = set[str](), [start]
    while left:
        key = left.pop()
        if key == goal:
            return True
        if key not in seen:
            seen.add(key)
            left += waits.get(key, ())
    return False


def _said(wrong: Exception, one: Planned | None) -> tuple[str, dict[str, Any]]:
    """The status and the error that an exception means in a deployment."""
    if isinstance(wrong, ProviderFailed):
        return wrong.status, wrong.error
    if isinstance(wrong, RecursionError):
        wrong = ExpressionInvalid("The expressions are nested too deeply.")
    if isinstance(wrong, ExpressionInvalid) and one is not None:
        message = (
            f"Unable to process template language expressions for resource '{one.id}'."
            f" '{wrong.message}'"
        )
        return "BadRequest", {"code": wrong.code, "message": message}
    if isinstance(wrong, ServiceError):
        status = "NotImplemented" if isinstance(wrong, Unsupported) else "BadRequest"
        error: dict[str, Any] = {"code": wrong.code, "message": wrong.message}
        return status, error | ({"details": wrong.details} if wrong.details else {})
    log.error("deployment of %s", one.id if one else "outputs", exc_info=wrong)
    return "InternalServerError", {"code": "InternalServerError", "message": str(wrong)}
