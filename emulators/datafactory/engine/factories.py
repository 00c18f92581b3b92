"""Factories, and the Synapse workspaces that hold pipelines: made, found, changed, removed."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from emulators.datafactory.engine import resources
from emulators.datafactory.errors import (
    FactoryMissing,
    GroupMissing,
    InvalidName,
    InvalidPayload,
    NameInUse,
)
from emulators.datafactory.store import (
    ACTIVITY_RUNS,
    FACTORIES,
    OPEN_WINDOWS,
    RESOURCES,
    RUN_NOTES,
    RUNS,
    RUNS_UNDER_WAY,
    SEEN_EVENTS,
    TRIGGER_RUNS,
    TRIGGER_STATES,
    WINDOWS,
    Factory,
)
from emulators.kernel.context import Context
from emulators.kernel.store import Table

ARM = "https://management.azure.com"
TYPES: Mapping[str, str] = {
    "factory": "Microsoft.DataFactory/factories",
    "synapse": "Microsoft.Synapse/workspaces",
}
_NAMES = {
    "factory": re.compile(r"[A-Za-z0-9](?:-?[A-Za-z0-9])+\Z"),
    "synapse": re.compile(r"[a-z0-9](?:-?[a-z0-9])*\Z"),
}
_RULES = {
    "factory": "it must have 3 to 63 letters, digits and single hyphens between them.",
    "synapse": "it must have 1 to 50 lower-case letters, digits and single hyphens between them.",
}
LENGTHS = {"factory": (3, 63), "synapse": (1, 50)}
PARAMETER_TYPES = frozenset({"object", "string", "int", "float", "bool", "array"})


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a factory is: its kind and the words of its id, as a caller wrote them."""

    kind: str
    subscription: str
    group: str
    name: str

    @property
    def arm_id(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
            f"/providers/{TYPES[self.kind]}/{self.name}"
        )


def get(ctx: Context, at: Scope) -> Factory:
    """The factory at a scope.

    Raises:
        FactoryMissing: there is none.
    """
    found = ctx.store.get(FACTORIES, at.arm_id.lower())
    if found is None:
        raise FactoryMissing(TYPES[at.kind], at.name, at.group)
    return found


def by_id(ctx: Context, factory_id: str) -> Factory | None:
    """A factory by the id that runs and resources carry."""
    return ctx.store.get(FACTORIES, factory_id.lower())


def by_name(ctx: Context, kind: str, name: str) -> Factory | None:
    """A factory by its name alone, which is its own in all of Azure."""
    for one in ctx.store.scan(FACTORIES):
        if one.kind == kind and one.name.lower() == name.lower():
            return one
    return None


def every(ctx: Context, kind: str, subscription: str, group: str | None = None) -> list[Factory]:
    """The factories of a subscription or of one of its groups."""
    under = f"/subscriptions/{subscription}/"
    if group is not None:
        under += f"resourceGroups/{group}/"
    found = ctx.store.scan(FACTORIES)
    return [one for one in found if one.kind == kind and one.id.startswith(under.lower())]


async def put(ctx: Context, at: Scope, body: Mapping[str, Any], if_match: str | None) -> Factory:
    """Make a factory, or replace what is said of one.

    Raises:
        InvalidName, NameInUse: no factory may be named so.
        GroupMissing: its group is not there.
        EtagMismatch: `if_match` does not hold.
        InvalidPayload: a member is not what it must be.
    """
    check_name(at)
    properties = checked(body)
    was = ctx.store.get(FACTORIES, at.arm_id.lower())
    resources.check_etag(if_match, None if was is None else was.etag, at.name)
    if was is None:
        await check_group(ctx, at)
        taken = by_name(ctx, at.kind, at.name)
        if taken is not None:
            raise NameInUse(at.name)
    kept = was.identity if was else None
    made = Factory(
        id=at.arm_id.lower(),
        kind=at.kind,
        name=was.name if was else at.name,
        location=str(body.get("location") or (was.location if was else ctx.settings.region)),
        tags=dict(body.get("tags") or {}),
        identity=_identity(ctx, body["identity"], was) if body.get("identity") else kept,
        properties=properties,
        created=was.created if was else ctx.clock.now(),
        etag=resources.new_etag(ctx),
        arm_id=was.arm_id if was else at.arm_id,
    )
    ctx.store.put(FACTORIES, made)
    return made


def checked(body: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of a factory's body.

    Raises:
        InvalidPayload: a member is not what it must be.
    """
    properties = body.get("properties") or {}
    if not isinstance(properties, dict):
        raise InvalidPayload("'properties' must be an object.", target="properties")
    _check_head(body)
    check_global_parameters(properties.get("globalParameters") or {})
    computed = ("provisioningState", "createTime", "version")
    return {name: value for name, value in properties.items() if name not in computed}


def _check_head(body: Mapping[str, Any]) -> None:
    """Let pass what stands beside the properties."""
    if not isinstance(body.get("location"), str | None):
        raise InvalidPayload("'location' must be a text.", target="location")
    if not _maps(body.get("tags"), str):
        raise InvalidPayload("'tags' must be an object of texts.", target="tags")
    identity = body.get("identity")
    if not isinstance(identity, dict | None) or not isinstance(
        (identity or {}).get("type"), str | None
    ):
        raise InvalidPayload("'identity' must be an object with a 'type'.", target="identity")
    if not _maps((identity or {}).get("userAssignedIdentities"), dict):
        raise InvalidPayload(
            "'userAssignedIdentities' must have an object for each id.", target="identity"
        )


def _maps(given: Any, kind: type) -> bool:
    """Whether it is missing, or an object whose values are of this type or null."""
    if given is None:
        return True
    return isinstance(given, dict) and all(isinstance(one, kind | None) for one in given.values())


def check_global_parameters(given: Any) -> None:
    """Let pass a map of `{"type", "value"}`.

    Raises:
        InvalidPayload: it is something else.
    """
    if not isinstance(given, dict):
        raise InvalidPayload("'globalParameters' must be an object.", target="globalParameters")
    for name, one in given.items():
        kind = one.get("type") if isinstance(one, dict) else None
        if not isinstance(kind, str) or kind.lower() not in PARAMETER_TYPES or "value" not in one:
            raise InvalidPayload(
                f"The global parameter '{name}' needs a value and a type that is one of Array,"
                " Bool, Float, Int, Object, String.",
                target=f"globalParameters.{name}",
            )


def change(ctx: Context, was: Factory, body: Mapping[str, Any]) -> Factory:
    """Change tags, identity or properties; what is not said stays.

    Raises:
        InvalidPayload: a member is not what it must be.
    """
    given = checked(body)
    made = replace(
        was,
        tags=dict(body["tags"] or {}) if "tags" in body else was.tags,
        identity=_identity(ctx, body["identity"], was) if "identity" in body else was.identity,
        properties={**was.properties, **given},
        etag=resources.new_etag(ctx),
    )
    ctx.store.put(FACTORIES, made)
    return made


def set_global_parameters(ctx: Context, was: Factory, given: dict[str, Any] | None) -> Factory:
    """Replace all global parameters; None removes them.

    Raises:
        InvalidPayload: they are not a map of `{"type", "value"}`.
    """
    check_global_parameters(given or {})
    kept = {name: value for name, value in was.properties.items() if name != "globalParameters"}
    if given is not None:
        kept["globalParameters"] = given
    made = replace(was, properties=kept, etag=resources.new_etag(ctx))
    ctx.store.put(FACTORIES, made)
    return made


def delete(ctx: Context, was: Factory) -> None:
    """Remove a factory with everything it has; its runs must have been ended before."""
    with ctx.store.transaction():
        for run in list(ctx.store.scan(RUNS, was.id)):
            for table in OF_A_RUN:
                _empty(ctx, table, run.id)
        for table in OF_A_FACTORY:
            _empty(ctx, table, was.id)
        ctx.store.delete(FACTORIES, was.id)


OF_A_RUN: tuple[Table[Any], ...] = (ACTIVITY_RUNS, RUN_NOTES)
OF_A_FACTORY: tuple[Table[Any], ...] = (
    RESOURCES,
    RUNS,
    RUNS_UNDER_WAY,
    TRIGGER_STATES,
    TRIGGER_RUNS,
    WINDOWS,
    OPEN_WINDOWS,
    SEEN_EVENTS,
)
"""Tables whose records begin with the factory's id and go with it."""


def _empty(ctx: Context, table: Table[Any], owner: str) -> None:
    for record in list(ctx.store.scan(table, owner)):
        ctx.store.delete(table, *(getattr(record, field) for field in table.key))


def live_runs(ctx: Context, factory_id: str) -> Iterator[str]:
    """Ids of the runs that have not ended."""
    for run in ctx.store.scan(RUNS, factory_id):
        if run.end is None:
            yield run.id


def check_name(at: Scope) -> None:
    """Let pass the names that a factory or workspace may have.

    Raises:
        InvalidName: this is not one.
    """
    least, most = LENGTHS[at.kind]
    if not least <= len(at.name) <= most or not _NAMES[at.kind].match(at.name):
        raise InvalidName(at.name, _RULES[at.kind])


async def check_group(ctx: Context, at: Scope) -> None:
    """Ask the resource manager for the group.

    Raises:
        GroupMissing: it is not there.
    """
    group, subscription = quote(at.group, safe=""), quote(at.subscription, safe="")
    url = f"{ARM}/subscriptions/{subscription}/resourceGroups/{group}"
    async with ctx.peers.client() as http:
        answer = await http.get(url, params={"api-version": "2021-04-01"})
    if answer.status_code != 200:
        raise GroupMissing(at.group)


def _identity(ctx: Context, given: Any, was: Factory | None) -> dict[str, Any] | None:
    """The identity with the ids that Azure would give it."""
    if not given or not given.get("type"):
        return None
    kept = (was.identity if was else None) or {}
    made: dict[str, Any] = {"type": given["type"]}
    if "systemassigned" in str(given["type"]).lower().replace(" ", ""):
        made["principalId"] = kept.get("principalId") or ctx.ids.guid()
        made["tenantId"] = ctx.secrets.tenant_id
    if given.get("userAssignedIdentities"):
        made["userAssignedIdentities"] = given["userAssignedIdentities"]
    return made


Put = Callable[[Context, Scope, Mapping[str, Any], str | None], Awaitable[Factory]]


async def seed(ctx: Context, kind: str = "factory", make: Put = put) -> None:
    """Make the factory (or workspace) that the settings name, once in a folder's life."""
    settings, mark = ctx.settings, f"datafactory/seeded-{kind}"
    if mark in ctx.secrets.values:
        return
    at = Scope(kind, ctx.secrets.subscription_id, settings.resource_group, settings.data_factory)
    if not await _ensure_group(ctx, at):
        return  # without a resource manager there is no group for it to be in
    if by_name(ctx, kind, at.name) is None:
        properties = {"location": settings.region, "identity": {"type": "SystemAssigned"}}
        await make(ctx, at, {**properties, "properties": {}}, None)
    ctx.secrets.put(mark, at.name)


async def _ensure_group(ctx: Context, at: Scope) -> bool:
    try:
        await check_group(ctx, at)
        return True
    except GroupMissing:
        url = f"{ARM}/subscriptions/{at.subscription}/resourceGroups/{at.group}"
        async with ctx.peers.client() as http:
            body = {"location": ctx.settings.region}
            answer = await http.put(url, params={"api-version": "2021-04-01"}, json=body)
        return answer.is_success
