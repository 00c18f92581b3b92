"""Who may call an endpoint: keys, endpoint tokens, Entra tokens."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from emulators.kernel.context import Context
from emulators.kernel.errors import Forbidden, Unauthorized
from emulators.kernel.ids import same_secret
from emulators.kernel.tokens import Principal
from emulators.machinelearning.engine import permissions, workspaces
from emulators.machinelearning.engine.endpoints import records
from emulators.machinelearning.store.endpoints import Endpoint

TOKEN_LIFETIME_S = 6 * 3600
REFRESH_AFTER_S = 3 * 3600
AAD_AUDIENCES = ("https://ml.azure.com",)


class BadCredential(Unauthorized):
    """No key or token, or one that does not open this endpoint.

    Source: the words of the real gateway, in public issues.
    """

    code = "Unauthorized"


class NotAllowed(Forbidden):
    """A token that holds, of somebody whose roles do not let them call the endpoint.

    Source: learn.microsoft.com/azure/machine-learning, status codes of online endpoints, 403.
    """

    code = "Forbidden"


@dataclass(frozen=True, slots=True)
class EndpointToken:
    """A short-lived credential of an endpoint with authMode AMLToken."""

    token: str
    expires: int  # epoch seconds
    refresh_after: int  # epoch seconds


def audience_of(endpoint: Endpoint) -> str:
    """The audience of the tokens that open one endpoint and no other."""
    made = int(endpoint.created.timestamp())  # a later endpoint of that name is another one
    return f"https://{endpoint.key}.inference.ml.azure.com/{endpoint.workspace}/{made}"


def issue(ctx: Context, endpoint: Endpoint) -> EndpointToken:
    """A token for an endpoint with authMode AMLToken."""
    now = int(ctx.clock.wall().timestamp())
    token = ctx.tokens.issue(audience_of(endpoint), lifetime_s=TOKEN_LIFETIME_S)
    return EndpointToken(token, now + TOKEN_LIFETIME_S, now + REFRESH_AFTER_S)


class Gate:
    """Checks the credentials of one endpoint; made anew when its keys change."""

    def __init__(self, ctx: Context, endpoint: Endpoint) -> None:
        self._ctx, self._endpoint = ctx, endpoint
        self._digests: list[str] = []
        self._verified: dict[str, Principal] = {}
        home = workspaces.by_guid(ctx, endpoint.workspace)
        scope = home.arm_id if home is not None else ""
        self._scoring = permissions.scoring(f"{scope}/onlineEndpoints/{endpoint.name}")
        if endpoint.auth_mode == "Key":
            own = records.keys(ctx, endpoint).values()
            self._digests = [_digest(key.encode("utf-8", "surrogateescape")) for key in own]

    def check(self, authorization: bytes) -> None:
        """Let a caller in who sent this header.

        Raises:
            BadCredential: it does not hold.
            NotAllowed: it holds, and its bearer has no role that lets it call the endpoint.
        """
        scheme, _, given = authorization.partition(b" ")
        given = given.strip()
        if scheme.lower() != b"bearer" or not given:
            raise BadCredential("key_auth_bad_header_forbidden.")
        digest = _digest(given)
        if self._endpoint.auth_mode == "Key":
            # Both are always compared, so that time does not tell which one was near.
            matches = [same_secret(digest, known) for known in self._digests]
            if not any(matches):
                raise BadCredential("key_auth_access_denied.")
            return
        self._check_token(given.decode("latin-1"), digest)

    def _check_token(self, token: str, digest: str) -> None:
        """Verify once, then trust the digest until the token's own end; roles count anew."""
        principal = self._verified.get(digest)
        if principal is None or principal.claims["exp"] <= self._ctx.clock.wall().timestamp():
            principal = self._verify(token, digest)
        if self._endpoint.auth_mode == "AADToken" and not self._ctx.access.may(
            principal, self._scoring
        ):
            raise NotAllowed(
                f"The object id '{principal.object_id}' does not have the permission"
                f" '{self._scoring.action}' on the endpoint."
            )

    def _verify(self, token: str, digest: str) -> Principal:
        allowed = (
            AAD_AUDIENCES
            if self._endpoint.auth_mode == "AADToken"
            else (audience_of(self._endpoint),)
        )
        try:
            principal = self._ctx.tokens.verify(token, allowed)
        except Unauthorized as refused:
            raise BadCredential(refused.message) from None
        if len(self._verified) > 1000:
            self._verified.clear()
        self._verified[digest] = principal
        return principal


def _digest(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()
