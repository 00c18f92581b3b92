"""Managed identities: which one a caller means, and its tokens."""

from __future__ import annotations

from dataclasses import dataclass

from emulators.identity.engine import resources, tenant
from emulators.identity.errors import IdentityNotFound, UnknownResource
from emulators.identity.store import MANAGED, ManagedIdentity
from emulators.kernel.context import Context

LIFETIME_S = 86_400  # a day, as the metadata service gives


@dataclass(frozen=True, slots=True)
class Issued:
    """A managed identity's token and its times, in seconds since 1970."""

    token: str
    client_id: str
    resource: str
    not_before: int
    expires_on: int


def system(ctx: Context) -> ManagedIdentity:
    """The identity of "this machine": what a caller gets who names none."""
    name = f"/subscriptions/{ctx.secrets.subscription_id}/resourcegroups/" + (
        f"{ctx.settings.resource_group}/providers/microsoft.compute/virtualmachines/rehearsal"
    )
    return ManagedIdentity(
        ctx.secrets.guid("managed_client_id"),
        ctx.secrets.guid("managed_object_id"),
        name.lower(),
    )


def assign(ctx: Context, client_id: str, principal_id: str, resource_id: str) -> ManagedIdentity:
    """Make a user-assigned identity known to the metadata endpoints."""
    made = ManagedIdentity(client_id.lower(), principal_id.lower(), resource_id.lower())
    ctx.store.put(MANAGED, made)
    return made


def find(
    ctx: Context, *, client_id: str = "", object_id: str = "", resource_id: str = ""
) -> ManagedIdentity:
    """The identity a caller means; the machine's own when nothing is named.

    Raises:
        IdentityNotFound: nothing here goes by that name.
    """
    wanted = client_id.lower() or object_id.lower() or resource_id.lower()
    own = system(ctx)
    if not wanted:
        return own
    for one in [own, *ctx.store.scan(MANAGED)]:
        if wanted in (one.client_id, one.principal_id, one.resource_id):
            return one
    raise IdentityNotFound


def issue(ctx: Context, identity: ManagedIdentity, resource: str) -> Issued:
    """A token of a managed identity; `resource` goes into `aud` as it was asked for.

    Raises:
        UnknownResource: no service goes by that name.
    """
    if not resources.is_known(resource):
        raise UnknownResource(resource, tenant.NAME)
    now = int(ctx.clock.now().timestamp())
    token = ctx.tokens.issue(
        resource,
        object_id=identity.principal_id,
        app_id=identity.client_id,
        claims={"xms_mirid": identity.resource_id, "appidacr": "2"},
        lifetime_s=LIFETIME_S,
    )
    return Issued(token, identity.client_id, resource, now, now + LIFETIME_S)
