"""Resource groups of the one subscription."""

from __future__ import annotations

import re
from dataclasses import replace

from emulators.arm.engine import locations, tags
from emulators.arm.errors import (
    GroupLocationChanged,
    GroupNotFound,
    InvalidGroupName,
    InvalidSubscriptionId,
    LocationRequired,
    SubscriptionNotFound,
)
from emulators.arm.store import GROUPS, SEEDS, Group, Seed
from emulators.kernel.context import Context

_NAME = re.compile(r"^[\w\-.()]{0,89}[\w\-()]$")
_GUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
SEEDED = "resource-group"


def check_subscription(ctx: Context, subscription: str) -> str:
    """The subscription's id as it is written here.

    Raises:
        InvalidSubscriptionId: not a GUID.
        SubscriptionNotFound: some other subscription.
    """
    lower = subscription.lower()
    if lower == ctx.secrets.subscription_id:
        return lower
    if not _GUID.match(lower):
        raise InvalidSubscriptionId(subscription)
    raise SubscriptionNotFound(subscription)


def seed(ctx: Context) -> None:
    """Make the settings' resource group, once in the life of a state folder."""
    if ctx.store.get(SEEDS, SEEDED) is not None:
        return
    with ctx.store.transaction():
        if ctx.store.insert(SEEDS, Seed(SEEDED)):
            _insert(ctx, ctx.settings.resource_group, ctx.settings.region, {}, None)


def all_groups(ctx: Context) -> list[Group]:
    """Every group, by name."""
    seed(ctx)
    return list(ctx.store.scan(GROUPS))


def find(ctx: Context, name: str) -> Group | None:
    """A group by its name in any case, or None."""
    seed(ctx)
    return ctx.store.get(GROUPS, name.lower()) if name.isprintable() else None


def get(ctx: Context, name: str) -> Group:
    """A group by its name in any case.

    Raises:
        GroupNotFound: there is none.
    """
    found = find(ctx, name)
    if found is None:
        raise GroupNotFound(name)
    return found


def put(
    ctx: Context,
    name: str,
    location: object,
    given_tags: object,
    managed_by: str | None = None,
) -> tuple[Group, bool]:
    """Create a group or replace its tags; the second value says whether it is new.

    Raises:
        InvalidGroupName, LocationRequired, LocationUnknown, InvalidTags: as written.
        GroupLocationChanged: it exists in another region.
    """
    if not _NAME.match(name):
        raise InvalidGroupName(name)
    if not isinstance(location, str) or not location:
        raise LocationRequired
    region, wanted = locations.normal(location), tags.checked(given_tags)
    with ctx.store.transaction():
        found = find(ctx, name)
        if found is None:
            return _insert(ctx, name, region, wanted, managed_by), True
        if found.location != region:
            raise GroupLocationChanged(region, found.location)
        changed = replace(found, tags=wanted, managed_by=managed_by, modified=ctx.clock.now())
        ctx.store.put(GROUPS, changed)
        return changed, False


def change(ctx: Context, name: str, given_tags: object) -> Group:
    """Replace a group's tags.

    Raises:
        GroupNotFound: there is none.
        InvalidTags: as written.
    """
    with ctx.store.transaction():
        found = get(ctx, name)
        changed = replace(found, tags=tags.checked(given_tags), modified=ctx.clock.now())
        ctx.store.put(GROUPS, changed)
        return changed


def _insert(
    ctx: Context, name: str, region: str, given: dict[str, str], managed_by: str | None
) -> Group:
    now = ctx.clock.now()
    made = Group(name.lower(), name, region, given, now, now, managed_by)
    ctx.store.put(GROUPS, made)
    return made
