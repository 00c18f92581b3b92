"""Publishing a child: what Azure would reject of its kind is rejected, then it is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from emulators.datafactory.engine import resources
from emulators.datafactory.engine.resources import Child, Published
from emulators.datafactory.errors import (
    ChildMissing,
    Exists,
    InvalidPayload,
    InvalidReference,
    InvalidTemplate,
    Referenced,
)
from emulators.datafactory.store import RESOURCES, Resource
from emulators.kernel.context import Context

if TYPE_CHECKING:
    from emulators.datafactory.engine.validation import Problem

MASK = "**********"
"""What stands for a secret when a resource is read."""


def publish(
    ctx: Context, at: Child, properties: dict[str, Any], if_match: str | None = None
) -> Resource:
    """Publish a child after its kind's rules.

    Raises:
        InvalidTemplate: a pipeline that Azure would reject.
        InvalidTrigger, TriggerEnabled: a trigger that breaks a rule, or is started.
        InvalidPayload: a dataset without the linked service that it needs.
        InvalidName, InvalidReference, EtagMismatch: as for every child.
    """
    resources.check_name(at.kind, at.name)
    if at.kind == "triggers":
        from emulators.datafactory.engine.triggers import records

        return records.put(ctx, at, properties, if_match)
    if at.kind == "pipelines":
        check_pipeline(ctx, at, properties)
    if at.kind == "datasets" and not isinstance(properties.get("linkedServiceName"), dict):
        raise InvalidPayload(
            f"The dataset '{at.name}' needs a linkedServiceName.",
            target="properties.linkedServiceName",
        )
    made, _ = resources.put(ctx, at, properties, if_match)
    return made


def check_pipeline(ctx: Context, at: Child, properties: Mapping[str, Any]) -> None:
    """Let pass what Azure would publish.

    Global parameters are not held against the factory's: a template that leaves them out is
    deployed before they are set.

    Raises:
        InvalidTemplate, InvalidReference: it would not.
    """
    from emulators.datafactory.engine.validation import validate

    pipeline = {"name": at.name, "properties": properties}
    problems = validate(pipeline, Published(ctx, at.factory.id))
    if not problems:
        return
    missing = [one for one in problems if one.missing]
    if len(missing) == len(problems):
        raise InvalidReference(missing[0].missing, f"{at.name}: {missing[0].place}")
    raise InvalidTemplate(at.name, details_of(problems))


def details_of(problems: Sequence[Problem]) -> list[dict[str, object]]:
    """Problems as the details of an error."""
    return [
        {"code": one.code, "message": str(one), "target": one.activity or one.place}
        for one in problems
    ]


_IN_TEXT = re.compile(
    r"\b(AccountKey|SharedAccessKey|SharedAccessSignature|Password|Pwd)\s*=\s*[^;\"]+",
    re.IGNORECASE,
)


def shown(one: Resource) -> dict[str, Any]:
    """A child's properties as a reader gets them: secrets are never given back."""
    masked = _masked(one.properties)
    if one.kind == "linkedservices":
        masked = _without_keys(masked)
    assert isinstance(masked, dict)
    return masked


def _masked(value: Any) -> Any:
    if isinstance(value, list):
        return [_masked(one) for one in value]
    if not isinstance(value, dict):
        return value
    if str(value.get("type", "")).lower() == "securestring" and isinstance(value.get("value"), str):
        return {**value, "value": MASK}
    return {name: _masked(one) for name, one in value.items()}


def _without_keys(value: Any) -> Any:
    """The keys and passwords in connection strings that were sent as plain text."""
    if isinstance(value, list):
        return [_without_keys(one) for one in value]
    if isinstance(value, dict):
        return {name: _without_keys(one) for name, one in value.items()}
    if isinstance(value, str) and not value.startswith("@"):
        return _IN_TEXT.sub(rf"\1={MASK}", value)
    return value


def rename(ctx: Context, at: Child, name: str) -> Resource:
    """Give a child of a workspace another name; what others name keeps its own.

    Raises:
        ChildMissing: it is not there.
        Exists: another has the name.
        Referenced: another child names it.
        InvalidName: no child may be named so.
    """
    resources.check_name(at.kind, name)
    was = resources.find(ctx, at)
    if was is None:
        raise ChildMissing(at.kind, at.name, at.factory.name)
    new = replace(at, name=name)
    if new.key != at.key and resources.find(ctx, new) is not None:
        raise Exists(name)
    by = next(resources.referrers(ctx, at), None)
    if by is not None:
        raise Referenced(was.name, by.name)
    made = replace(
        was, key=new.key, name=name, etag=resources.new_etag(ctx), changed=ctx.clock.now()
    )
    with ctx.store.transaction():
        ctx.store.delete(RESOURCES, at.factory.id, at.kind, at.key)
        ctx.store.put(RESOURCES, made)
    return made
