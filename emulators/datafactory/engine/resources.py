"""Children of a factory: kept as they were sent, found by any case of their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from emulators.datafactory.engine.references import Finds, Reference, references_of
from emulators.datafactory.errors import (
    ChildMissing,
    EtagMismatch,
    InvalidName,
    InvalidPayload,
    InvalidReference,
    Referenced,
)
from emulators.datafactory.store import RESOURCES, Factory, Resource
from emulators.kernel.context import Context

KINDS: Mapping[str, str] = {
    "pipelines": "pipelines",
    "datasets": "datasets",
    "linkedservices": "linkedservices",
    "dataflows": "dataflows",
    "triggers": "triggers",
    "integrationruntimes": "integrationruntimes",
    "credentials": "credentials",
    "managedvirtualnetworks": "managedVirtualNetworks",
    "managedprivateendpoints": "managedPrivateEndpoints",
}
"""Kind of a child (lower case, as the store has it) -> the last word of its `type`."""

_PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?\Z")
_LOOSE = re.compile(r"[A-Za-z0-9_][^<>*#.%&:\\+?/]*\Z")
DEEPEST = 120
LONGEST = {"pipelines": 140, "datasets": 260, "linkedservices": 140, "triggers": 260}


@dataclass(frozen=True, slots=True)
class Child:
    """Where a child is: its factory, its kind and its name as the caller wrote it."""

    factory: Factory
    kind: str  # lower case
    name: str

    @property
    def key(self) -> str:
        return self.name.lower()


class Published:
    """The children of one factory, by kind and name; what `engine.activities.base` describes."""

    def __init__(self, ctx: Context, factory_id: str) -> None:
        self._ctx, self._factory = ctx, factory_id

    def find(self, kind: str, name: str) -> Mapping[str, Any] | None:
        """The properties of a child, or None."""
        found = self._ctx.store.get(RESOURCES, self._factory, kind.lower(), str(name).lower())
        return None if found is None else found.properties


def every(ctx: Context, factory_id: str, kind: str) -> list[Resource]:
    """All children of a kind, by name."""
    return list(ctx.store.scan(RESOURCES, factory_id, kind.lower()))


def find(ctx: Context, at: Child) -> Resource | None:
    """A child, or None."""
    return ctx.store.get(RESOURCES, at.factory.id, at.kind, at.key)


def get(ctx: Context, at: Child) -> Resource:
    """A child.

    Raises:
        ChildMissing: there is none of that name.
    """
    found = find(ctx, at)
    if found is None:
        raise ChildMissing(at.kind, at.name, at.factory.name)
    return found


def check_name(kind: str, name: str) -> None:
    """Let pass the names that a child may have.

    Raises:
        InvalidName: this is not one.

    Source: learn.microsoft.com/azure/data-factory/naming-rules
    """
    longest = LONGEST.get(kind, 260)
    if kind == "managedprivateendpoints":
        network, _, name = name.partition("/")
        check_name("managedvirtualnetworks", network)
    if not 1 <= len(name) <= longest:
        raise InvalidName(name, f"it must have 1 to {longest} characters.")
    if kind in ("integrationruntimes", "managedvirtualnetworks", "managedprivateendpoints"):
        if not _PLAIN.match(name):
            raise InvalidName(name, "only letters, digits and hyphens, and none at the ends.")
    elif not _LOOSE.match(name) or not name.isprintable():
        raise InvalidName(
            name,
            "it must begin with a letter, a digit or _ and have none of . + ? / < > * % & : \\ #.",
        )


def check_etag(given: str | None, etag: str | None, name: str) -> None:
    """Hold `If-Match` against the present state; `etag` is None where there is nothing yet.

    Raises:
        EtagMismatch: it names another.
    """
    if not given:
        return
    wanted = {bare(one) for one in given.split(",")}
    if etag is None or not ("*" in wanted or bare(etag) in wanted):
        raise EtagMismatch(name)


def bare(etag: str) -> str:
    """An entity tag without its quotes and the mark of a weak one."""
    return etag.strip().removeprefix("W/").strip('"')


def new_etag(ctx: Context) -> str:
    """An entity tag in the form that the service's have."""
    return ctx.ids.guid()


def put(
    ctx: Context, at: Child, properties: dict[str, Any], if_match: str | None = None
) -> tuple[Resource, bool]:
    """Publish a child; it, and whether it is new. The rules of its kind were checked before.

    Raises:
        InvalidName: no child may be named so.
        EtagMismatch: `if_match` does not hold.
        InvalidReference: it names something that is not published.
    """
    check_name(at.kind, at.name)
    check_references(ctx, at, properties)
    with ctx.store.transaction():
        was = find(ctx, at)
        check_etag(if_match, None if was is None else was.etag, at.name)
        made = Resource(
            at.factory.id,
            at.kind,
            at.key,
            at.name if was is None else was.name,
            properties,
            new_etag(ctx),
            ctx.clock.now(),
        )
        ctx.store.put(RESOURCES, made)
    return made, was is None


def check_references(ctx: Context, at: Child, properties: Mapping[str, Any]) -> None:
    """Hold what a child names against what is published.

    Raises:
        InvalidReference: one is missing.
    """
    published = Published(ctx, at.factory.id)
    for one in references_of(properties):
        itself = one.kind == at.kind and one.name.lower() == at.key
        if not itself and not is_there(published, one):
            raise InvalidReference(one.name, at.name)


BUILT_IN = {
    ("integrationruntimes", "autoresolveintegrationruntime"),
    ("managedvirtualnetworks", "default"),
}
"""Children that every factory has without anybody making them."""


def is_there(published: Finds, one: Reference) -> bool:
    """Whether what a reference names can be used; notebooks, pools and the like are elsewhere."""
    if (one.kind, one.name.lower()) in BUILT_IN:
        return True
    if one.kind not in KINDS:
        return True
    return published.find(one.kind, one.name) is not None


def referrers(ctx: Context, at: Child) -> Iterator[Resource]:
    """The children that name this one."""
    for one in ctx.store.scan(RESOURCES, at.factory.id):
        if (one.kind, one.key) == (at.kind, at.key):
            continue
        if any(
            ref.kind == at.kind and ref.name.lower() == at.key
            for ref in references_of(one.properties)
        ):
            yield one


def delete(ctx: Context, at: Child) -> bool:
    """Remove a child; False where there is none.

    Raises:
        Referenced: another child names it.
    """
    found = find(ctx, at)
    if found is None:
        return False
    by = next(referrers(ctx, at), None)
    if by is not None:
        raise Referenced(found.name, by.name)
    return ctx.store.delete(RESOURCES, at.factory.id, at.kind, at.key)


def properties_in(body: Mapping[str, Any], *, typed: bool) -> dict[str, Any]:
    """The `properties` of a child's body.

    Raises:
        InvalidPayload: they are missing, no object, without the `type` they need, or too deep.
    """
    found = body.get("properties")
    if depth_over(found, DEEPEST):
        raise InvalidPayload(
            f"The request content was invalid: it is nested more than {DEEPEST} deep.",
            target="properties",
        )
    if not isinstance(found, dict):
        raise InvalidPayload(
            "The request content was invalid: 'properties' must be an object.", target="properties"
        )
    if typed and not isinstance(found.get("type"), str):
        raise InvalidPayload(
            "The request content was invalid: 'properties.type' is missing.",
            target="properties.type",
        )
    return found


def depth_over(value: Any, limit: int) -> bool:
    """Whether JSON is nested deeper than a limit."""
    level = [value]
    for _ in range(limit):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True
