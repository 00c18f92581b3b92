"""Managed identities: which one a caller means, and its tokens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from emulators.identity.engine import resources, tenant
from emulators.identity.errors import IdentityNotFound, UnknownResource
from emulators.kernel.context import Context

LIFETIME_S = 86_400  # a day, as the metadata service gives
SECRET = "msi"
"""Name of the secret that IDENTITY_HEADER and MSI_SECRET carry."""


@dataclass(frozen=True, slots=True)
class ManagedIdentity:
    """An identity that the metadata endpoints hand out tokens of; all in lower case."""

    client_id: str
    principal_id: str
    resource_id: str  # ARM id


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


def seed(ctx: Context) -> None:
    """Make what other processes read from the state folder: the endpoint's secret, the ids."""
    ctx.secrets.token(SECRET)
    system(ctx)


def choose(own: ManagedIdentity, others: Iterable[ManagedIdentity], wanted: str) -> ManagedIdentity:
    """The identity whose client id, object id or resource id is `wanted`, in any case.

    Raises:
        IdentityNotFound: nothing here goes by that name.
    """
    lower = wanted.lower()
    for one in [own, *others]:
        if lower in (one.client_id, one.principal_id, one.resource_id):
            return one
    raise IdentityNotFound


def issue(ctx: Context, identity: ManagedIdentity, resource: str) -> Issued:
    """A token of a managed identity; `resource` goes into `aud` as it was asked for.

    Raises:
        UnknownResource: no service goes by that name.
    """
    if not resources.is_known(resource):
        raise UnknownResource(resource, tenant.NAME)
    now = int(ctx.clock.wall().timestamp())
    token = ctx.tokens.issue(
        resource,
        object_id=identity.principal_id,
        app_id=identity.client_id,
        claims={"xms_mirid": identity.resource_id, "appidacr": "2"},
        lifetime_s=LIFETIME_S,
    )
    return Issued(token, identity.client_id, resource, now, now + LIFETIME_S)
