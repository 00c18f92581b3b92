"""The one tenant there is, and the names it goes by."""

from __future__ import annotations

import re

from emulators.identity.errors import NotATenant, TenantNotGiven, UnknownTenant
from emulators.kernel.context import Context

NAME = "Rehearsal"
DOMAIN = "rehearsal.onmicrosoft.com"
SHARED = {"common", "organizations", "consumers"}
_GUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
_DOMAIN = re.compile(r"^(?=.{1,253}$)([a-z0-9_]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$")


def is_ours(ctx: Context, tenant: str) -> bool:
    """Say whether `tenant` names this state folder's tenant, by id or by domain."""
    return tenant.lower() in (ctx.secrets.tenant_id, DOMAIN)


def check(ctx: Context, tenant: str) -> None:
    """Let only this folder's tenant pass.

    Raises:
        TenantNotGiven: `common`, `organizations` or `consumers`.
        NotATenant: neither a GUID nor a domain.
        UnknownTenant: some other tenant.
    """
    if is_ours(ctx, tenant):
        return
    lower = tenant.lower()
    if lower in SHARED:
        raise TenantNotGiven
    if not _GUID.match(lower) and not _DOMAIN.match(lower):
        raise NotATenant(tenant)
    raise UnknownTenant(tenant)
