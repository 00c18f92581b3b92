"""Who is asking, by what right, and whether it is enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from emulators.kernel.context import Context
from emulators.kernel.errors import Unauthorized
from emulators.storage import errors
from emulators.storage.engine import accounts, sas
from emulators.storage.engine.signing import (
    Signable,
    is_signature,
    is_timely,
    signed_by,
    texts,
)
from emulators.storage.store import CONTAINERS, Account

CHALLENGES_SINCE = "2019-12-12"
"""Service version from which a caller without a credential is told where to get one."""


@dataclass(frozen=True, slots=True)
class Need:
    """What an operation asks of its caller.

    `level` is what an account signature's resource type must be: s, c or o. Any one of `letters`
    is enough. `public`: readable by anyone where the container is public at that level.
    """

    level: str
    letters: str
    public: str = ""  # "blob": readable where blobs are; "container": where the list is, too
    signature: bool = True  # whether a SAS can do it at all
    service_signature: bool = True  # whether a SAS of a container or blob can


@dataclass(frozen=True, slots=True)
class Caller:
    """A request's identity: the account's key, a token's bearer, a signature's, or nobody."""

    how: str  # key, bearer, sas or anonymous
    object_id: str = ""
    tenant_id: str = ""
    grant: sas.Grant | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)

    def may(self, letter: str) -> bool:
        """Whether the permission is among what the caller has."""
        if self.grant is not None:
            return letter in self.grant.permissions
        return self.how != "anonymous"


def authenticate(
    ctx: Context, request: Signable, account: Account, container: str, blob: str
) -> Caller:
    """Find out who is asking.

    Raises:
        ServiceError: a credential is given that does not hold.
    """
    scheme, _, value = request.header("authorization").partition(" ")
    if scheme.lower() in ("sharedkey", "sharedkeylite"):
        return _by_key(ctx, request, account, scheme.lower(), value.strip())
    if scheme.lower() == "bearer":
        return _by_token(ctx, account, value.strip())
    if scheme:
        raise errors.InvalidAuthorizationHeader
    if "sig" in request.values:
        grant = sas.verify(ctx, request, account.name, container, blob)
        if not account.shared_key and grant.kind != "delegation":
            raise errors.KeyAccessNotPermitted
        return Caller("sas", grant=grant, overrides=grant.overrides)
    return Caller("anonymous")


def _failed(detail: str) -> errors.AuthenticationFailed:
    return errors.AuthenticationFailed(detail={"AuthenticationErrorDetail": detail})


def _by_key(ctx: Context, request: Signable, account: Account, scheme: str, value: str) -> Caller:
    named, _, signature = value.partition(":")
    if named.partition(".")[0] != account.name:
        raise _failed("The account being accessed does not match the account in the signature")
    if not account.shared_key:
        raise errors.KeyAccessNotPermitted
    if not is_timely(request, ctx.clock.wall()):
        given = request.header("x-ms-date") or request.header("date")
        raise _failed(
            f"Request date header not specified, or too old or too new: '{given}', now"
            f" {ctx.clock.wall():%a, %d %b %Y %H:%M:%S} GMT"
        )
    keys = list(accounts.keys(ctx, account.name).values())
    candidates = list(texts(request, named, lite=scheme == "sharedkeylite"))
    if not is_signature(signature) or not signed_by(keys, iter(candidates), signature):
        raise _failed(
            f"The MAC signature found in the HTTP request '{signature}' is not the same as any"
            f" computed signature. Server used following string to sign: '{candidates[0]}'."
        )
    return Caller("key")


def audiences(account: str) -> tuple[str, ...]:
    """The resources whose tokens the account takes."""
    return (
        "https://storage.azure.com",
        f"https://{account}.blob.core.windows.net",
        f"https://{account}.dfs.core.windows.net",
        "e406a681-f3d4-42a8-90b6-c2b029497af1",  # Azure Storage's application id
    )


def _by_token(ctx: Context, account: Account, token: str) -> Caller:
    try:
        principal = ctx.tokens.verify(token, audiences(account.name))
    except Unauthorized as refused:
        if refused.code == "InvalidAuthenticationTokenAudience":
            detail = "Audience validation failed. Audience did not match."
        elif refused.code == "ExpiredAuthenticationToken":
            detail = "Lifetime validation failed. The token is expired."
        elif refused.code == "InvalidAuthenticationTokenTenant":
            detail = "Issuer validation failed. Issuer did not match."
        else:
            detail = "Signature validation failed."
        raise errors.InvalidAuthenticationInfo(
            detail={"AuthenticationErrorDetail": detail}, headers=challenge(ctx)
        ) from None
    return Caller("bearer", principal.object_id, principal.tenant_id)


def challenge(ctx: Context) -> dict[str, str]:
    """The header that says where a token is to be had."""
    uri = f"https://login.microsoftonline.com/{ctx.secrets.tenant_id}/oauth2/authorize"
    return {
        "WWW-Authenticate": f"Bearer authorization_uri={uri} resource_id=https://storage.azure.com"
    }


def authorize(
    ctx: Context, caller: Caller, need: Need, account: Account, container: str, version: str
) -> None:
    """Check that the caller may do what it asks.

    Raises:
        ServiceError: it may not.
    """
    if caller.how in ("key", "bearer"):
        return
    if caller.grant is not None:
        _authorize_grant(caller.grant, need)
        return
    if need.public and _is_public(ctx, account, container, need.public):
        return
    if version >= CHALLENGES_SINCE:
        raise errors.NoAuthenticationInformation(headers=challenge(ctx))
    raise errors.ResourceNotFound


def _is_public(ctx: Context, account: Account, container: str, level: str) -> bool:
    found = ctx.store.get(CONTAINERS, account.name, container)
    if found is None or not account.public_access:
        return False
    return found.public == "container" or (found.public == "blob" and level == "blob")


def _authorize_grant(grant: sas.Grant, need: Need) -> None:
    if not need.signature:
        raise errors.AuthorizationFailure
    if grant.kind == "account":
        if need.level not in grant.types:
            raise errors.ResourceTypeMismatch
    elif need.level == "s" or not need.service_signature or _is_narrower(grant, need):
        raise errors.AuthorizationFailure
    if need.letters and not set(need.letters) & set(grant.permissions):
        raise errors.PermissionMismatch


def _is_narrower(grant: sas.Grant, need: Need) -> bool:
    """Whether the signature is for blobs and the operation is the container's."""
    return need.level == "c" and grant.scope not in ("c", "d")
