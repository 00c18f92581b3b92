"""Whether a deployment could begin: every expression evaluated as far as it can be beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
Resources = dict[str, Planned]


async def check(ctx: Context, asked: Asked, depth: int = 0) -> Plan:
    """The plan of a deployment all of whose parts hold.

    Raises:
        InvalidTemplate: one does not, here or in a template within it.
    """
    plan = requests.planned(ctx, asked)
    await check_plan(ctx, plan, asked.link, depth)
    return plan


async def check_plan(
    ctx: Context,
    plan: Plan,
    link: dict[str, Any] | None,
    depth: int = 0,
    around_it: Sequence[Resources] = (),
) -> None:
    """Evaluate a plan's resources and outputs, but for what only a deployment can know.

    `around_it` are the resources of the templates whose expressions this one shares.

    Raises:
        InvalidTemplate: an expression that cannot be evaluated.
    """
    lookups = Lookups(books_of(plan.resources, *around_it), plan.place)
    for one in plan.resources.values():
        if one.wanted:
            with _said(f"Unable to process template language expressions for resource '{one.id}'."):
                await _check_one(ctx, plan, one, lookups, (link, depth, around_it))
    frame = replace(plan.frame, runtime=lookups)
    for name, output in outputs.declared(plan.template).items():
        with _said(f"The template output '{name}' is not valid."), suppress(Wanted):
            outputs.evaluated({name: output}, frame)


@contextmanager
def _said(where: str) -> Iterator[None]:
    """Say of an expression that cannot be evaluated where it is."""
    try:
        yield
    except RecursionError:
        raise InvalidTemplate(f"{where} 'The expressions are nested too deeply.'") from None
    except ExpressionInvalid as wrong:
        raise InvalidTemplate(f"{where} '{wrong.message}'") from None


async def _check_one(
    ctx: Context,
    plan: Plan,
    one: Planned,
    lookups: Lookups,
    within: tuple[dict[str, Any] | None, int, Sequence[Resources]],
) -> None:
    frame, properties = replace(one.frame, runtime=lookups), nested(one)
    if properties is None:
        with suppress(Wanted):
            body_of(one, frame)
        return
    requests.check_mode(look_up(properties, "mode"))
    template = look_up(properties, "template")
    link, depth, around_it = within
    if template is None or depth >= DEEPEST or _made_first(plan, one.place):
        return  # a linked template is read when its turn comes, and so is a group that will be
    if not inner_scope(properties):
        around(ctx, one.place, {})
        inside = ordered(plan_within(template, plan, one.frame, one.place))
        await check_plan(ctx, inside, link, depth + 1, [plan.resources, *around_it])
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
