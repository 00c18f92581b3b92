"""Whether a deployment could begin: every expression evaluated as far as it can be beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from emulators.arm.engine.deployments import requests
from emulators.arm.engine.deployments.lookups import Lookups, books_of
from emulators.arm.engine.deployments.requests import Asked
from emulators.arm.engine.deployments.surroundings import around
from emulators.arm.engine.templates import outputs
from emulators.arm.engine.templates.evaluate import resolve
from emulators.arm.engine.templates.frames import Frame, Place, Wanted
from emulators.arm.engine.templates.order import ordered
from emulators.arm.engine.templates.planning import (
    DEPLOYMENTS,
    GROUPS,
    Plan,
    Planned,
    body_of,
    inner_scope,
    nested,
    plan_within,
)
from emulators.arm.engine.templates.values import look_up
from emulators.arm.errors import ExpressionInvalid, InvalidTemplate
from emulators.kernel.context import Context

DEEPEST = 8


async def check(ctx: Context, asked: Asked, depth: int = 0) -> Plan:
    """The plan of a deployment all of whose parts hold.

    Raises:
        InvalidTemplate: one does not, here or in a template within it.
    """
    plan = requests.planned(ctx, asked)
    await check_plan(ctx, plan, asked.link, depth)
    return plan


async def check_plan(ctx: Context, plan: Plan, link: dict[str, Any] | None, depth: int = 0) -> None:
    """Evaluate a plan's resources and outputs, but for what only a deployment can know.

    Raises:
        InvalidTemplate: an expression that cannot be evaluated.
    """
    outputs.declared(plan.template)
    for one in plan.resources.values():
        if not one.wanted:
            continue
        try:
            await _check_one(ctx, plan, one, link, depth)
        except RecursionError:
            raise InvalidTemplate("The expressions are nested too deeply.") from None
        except ExpressionInvalid as wrong:
            raise InvalidTemplate(
                f"Unable to process template language expressions for resource '{one.id}'."
                f" '{wrong.message}'"
            ) from None


async def _check_one(
    ctx: Context, plan: Plan, one: Planned, link: dict[str, Any] | None, depth: int
) -> None:
    frame = replace(one.frame, runtime=Lookups(books_of(plan.resources), plan.place))
    properties = nested(one)
    if properties is None:
        try:
            body_of(one, frame)
        except Wanted:
            return
        return
    requests.check_mode(look_up(properties, "mode"))
    template = look_up(properties, "template")
    if template is None or depth >= DEEPEST or _made_first(plan, one.place):
        return  # a linked template is read when its turn comes, and so is a group that will be
    if not inner_scope(properties):
        around(ctx, one.place, {})
        inside = ordered(plan_within(template, plan, one.frame, one.place))
        await check_plan(ctx, inside, link, depth + 1)
        return
    given = _known(look_up(properties, "parameters") or {}, frame)
    if given is not None:
        await check(ctx, Asked(one.place, one.name, template, link, given), depth + 1)


def _known(parameters: Mapping[str, Any], frame: Frame) -> dict[str, Any] | None:
    """The parameters of a nested deployment; None when they are known only later."""
    try:
        found = resolve(dict(parameters), frame)
    except Wanted:
        return None
    return found if isinstance(found, dict) else None


def _made_first(plan: Plan, place: Place) -> bool:
    """Whether the place of a nested deployment is itself made by the template."""
    return any(
        one.type.lower() == GROUPS and one.name.lower() == place.group.lower()
        for one in plan.resources.values()
    )


__all__ = ["DEPLOYMENTS", "check", "check_plan"]
