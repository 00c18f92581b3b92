"""Resources that are records: create, read, change, delete, list."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from emulators.arm.engine import groups, locations, roles, tags
from emulators.arm.engine.deployments import records as deployments
from emulators.arm.engine.ids import ResourceId
from emulators.arm.engine.kinds import KINDS, Kind
from emulators.arm.errors import (
    GroupRequired,
    LocationRequired,
    NamespaceNotFound,
    ResourceLocationChanged,
    ResourceNotFound,
)
from emulators.arm.store import GROUPS, RESOURCES, Group, Resource
from emulators.kernel.context import Context
from emulators.kernel.errors import BadRequest, Unsupported

EXTRAS = ("kind", "sku", "identity", "zones", "plan", "managedBy", "extendedLocation")
_OURS = re.compile(r"^microsoft\.", re.IGNORECASE)
TRACKED = "emulators/arm/README.md"


class InvalidProperties(BadRequest):
    """`properties` that is not an object."""

    code = "InvalidRequestContent"


def kind_of(ctx: Context, target: ResourceId) -> Kind:
    """The kind of a resource that may be a record, in a subscription that is here.

    Raises:
        Unsupported: a kind of Microsoft's that would have to do something.
        NamespaceNotFound: nobody's.
    """
    if target.scope.subscription:
        groups.check_subscription(ctx, target.scope.subscription)
    kind = KINDS.get(target.type.lower())
    if kind is None or target.scope.resource or not target.scope.subscription:
        if not _OURS.match(target.namespace):
            raise NamespaceNotFound(target.namespace)
        raise Unsupported(
            f"resources of the type {target.type} at '{target.scope.path or '/'}'", tracked=TRACKED
        )
    return kind


def find(ctx: Context, target: ResourceId) -> Resource | None:
    """A record by its id in any case, or None.

    Raises:
        GroupNotFound: its group is not there.
    """
    kind_of(ctx, target)
    if target.scope.group:
        groups.get(ctx, target.scope.group)
    return ctx.store.get(RESOURCES, target.path.lower())


def get(ctx: Context, target: ResourceId) -> Resource:
    """A record by its id in any case.

    Raises:
        ResourceNotFound, GroupNotFound: there is none.
    """
    found = find(ctx, target)
    if found is None:
        named = "/".join((target.type, *target.names))
        raise ResourceNotFound(named, target.scope.group)
    return found


def put(
    ctx: Context, target: ResourceId, body: Mapping[str, Any], by: str
) -> tuple[Resource, bool]:
    """Create or replace a record; the second value says whether it is new.

    Raises:
        LocationRequired, LocationUnknown, InvalidTags, InvalidProperties: as written.
        ResourceLocationChanged: it exists in another region.
    """
    kind = kind_of(ctx, target)
    if not target.scope.group:
        raise GroupRequired(kind.type)
    group, location = groups.get(ctx, target.scope.group), _location(body)
    with ctx.store.transaction():
        found = ctx.store.get(RESOURCES, target.path.lower())
        if found is None:
            made = _made(ctx, kind, target.name, group, by)
        elif found.location in (None, location):
            made = found
        else:
            raise ResourceLocationChanged(found.id, location, found.location or "")
        stored = replace(
            made,
            location=location,
            tags=tags.checked(body.get("tags")),
            properties=kind.fill(ctx, made.name, location, _properties(body), made.properties),
            extra=_extra(kind, body),
            modified=ctx.clock.now(),
            modified_by=by,
        )
        ctx.store.put(RESOURCES, stored)
        return stored, found is None


def _made(ctx: Context, kind: Kind, name: str, group: Group, by: str) -> Resource:
    """A new record, before what the request says about it."""
    scope = f"/subscriptions/{ctx.secrets.subscription_id}/resourceGroups/{group.name}"
    path, now = f"{scope}/providers/{kind.type}/{name}", ctx.clock.now()
    return Resource(
        key=path.lower(),
        id=path,
        name=name,
        type=kind.type,
        group=group.key,
        location=None,
        tags={},
        properties={},
        extra={},
        created=now,
        modified=now,
        by=by,
    )


def _extra(kind: Kind, body: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: body[name] for name in EXTRAS if body.get(name) is not None}
    return {"sku": dict(kind.sku), **given} if kind.sku else given


def change(ctx: Context, target: ResourceId, body: Mapping[str, Any], by: str) -> Resource:
    """Change tags, properties and the like of a record; what is not named stays.

    Raises:
        ResourceNotFound: there is none.
    """
    kind = kind_of(ctx, target)
    with ctx.store.transaction():
        found = get(ctx, target)
        asked = {**found.properties, **_properties(body)}
        extra = {**found.extra, **{name: body[name] for name in EXTRAS if name in body}}
        changed = replace(
            found,
            tags=tags.checked(body["tags"]) if "tags" in body else found.tags,
            properties=kind.fill(ctx, found.name, found.location or "", asked, found.properties),
            extra=extra,
            modified=ctx.clock.now(),
            modified_by=by,
        )
        ctx.store.put(RESOURCES, changed)
        return changed


def remove(ctx: Context, target: ResourceId) -> bool:
    """Delete a record; False when there was none.

    Raises:
        GroupNotFound: its group is not there.
    """
    with ctx.store.transaction():
        found = find(ctx, target)
        if found is None:
            return False
        roles.remove_below(ctx, found.key)
        return ctx.store.delete(RESOURCES, found.key)


def of_kind(ctx: Context, target: ResourceId) -> list[Resource]:
    """The records of a collection's kind, in its group or in the subscription.

    Raises:
        GroupNotFound: its group is not there.
    """
    kind = kind_of(ctx, target)
    if target.scope.group:
        groups.get(ctx, target.scope.group)
    return [r for r in everything(ctx, target.scope.group) if r.type == kind.type]


def everything(ctx: Context, group: str = "") -> list[Resource]:
    """Every record, or every record of a group, by id."""
    key = group.lower()
    return [r for r in ctx.store.scan(RESOURCES) if not key or r.group == key]


def remove_group(ctx: Context, name: str) -> bool:
    """Drop a group, the records in it and the roles and deployments below it; False without one."""
    key = name.lower()
    with ctx.store.transaction():
        for resource in list(everything(ctx, key)):
            ctx.store.delete(RESOURCES, resource.key)
        scope = f"/subscriptions/{ctx.secrets.subscription_id}/resourcegroups/{key}"
        roles.remove_below(ctx, scope)
        deployments.remove_scope(ctx, scope)
        return ctx.store.delete(GROUPS, key)


def _location(body: Mapping[str, Any]) -> str:
    given = body.get("location")
    if not isinstance(given, str) or not given:
        raise LocationRequired
    return locations.GLOBAL if given.lower() == locations.GLOBAL else locations.normal(given)


def _properties(body: Mapping[str, Any]) -> dict[str, Any]:
    given = body.get("properties")
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise InvalidProperties("The request content was invalid: 'properties' must be an object.")
    return given
