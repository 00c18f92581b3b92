"""The client-credentials grant: who asks, with what proof, for which resource."""

from __future__ import annotations

from dataclasses import dataclass

from emulators.identity.engine import applications, assertions, resources, tenant
from emulators.identity.engine.resources import Resource
from emulators.identity.errors import (
    ExpiredSecret,
    MissingParameter,
    NoCredential,
    UnknownResource,
    UnsupportedGrant,
    WrongAssertionType,
    WrongSecret,
)
from emulators.identity.store import APPLICATIONS, PASSWORDS, Application
from emulators.kernel.context import Context
from emulators.kernel.ids import same_secret
from emulators.kernel.tokens import LIFETIME_S

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token request, whichever endpoint it came by. Empty text is absent."""

    grant_type: str
    client_id: str
    client_secret: str = ""
    assertion: str = ""
    assertion_type: str = ""
    scope: str = ""  # v2 endpoint
    resource: str = ""  # v1 endpoint
    version: int = 2


@dataclass(frozen=True, slots=True)
class Granted:
    """A token and what the answer says about it."""

    token: str
    audience: str
    lifetime_s: int


def client_credentials(ctx: Context, asked: TokenRequest, realms: frozenset[str]) -> Granted:
    """Issue a token to an application that proves itself.

    `realms` are the audiences by which a certificate assertion may name this endpoint.

    Raises:
        EntraError: with the AADSTS number of what is wrong.
    """
    if not asked.grant_type:
        raise MissingParameter("grant_type")
    if asked.grant_type != "client_credentials":
        raise UnsupportedGrant(asked.grant_type)
    if not asked.client_id:
        raise MissingParameter("client_id")
    resource = _resource(asked)
    app = applications.find(ctx, asked.client_id)
    _prove(ctx, app, asked, realms)
    return issue(ctx, app, resource)


def _resource(asked: TokenRequest) -> Resource:
    if asked.version == 2:
        if not asked.scope:
            raise MissingParameter("scope")
        return resources.of_scope(asked.scope)
    if not asked.resource:
        raise MissingParameter("resource")
    return Resource(asked.resource)


def _prove(ctx: Context, app: Application, asked: TokenRequest, realms: frozenset[str]) -> None:
    if asked.assertion:
        if not asked.assertion_type:
            raise MissingParameter("client_assertion_type")
        if asked.assertion_type != JWT_BEARER:
            raise WrongAssertionType(asked.assertion_type)
        assertions.verify(ctx, app, asked.assertion, realms)
    elif asked.client_secret:
        _check_secret(ctx, app, asked.client_secret)
    else:
        raise NoCredential


def _check_secret(ctx: Context, app: Application, secret: str) -> None:
    given = applications.digest(secret)
    for password in ctx.store.scan(PASSWORDS, app.app_id):
        if same_secret(given, password.digest):
            if password.ends <= ctx.clock.wall():
                raise ExpiredSecret(app.app_id)
            return
    raise WrongSecret(app.app_id)


def issue(ctx: Context, app: Application, resource: Resource) -> Granted:
    """A token of `app` for `resource`.

    Microsoft's services take version 1 tokens whichever endpoint issued them; an application
    of the tenant decides for itself.

    Raises:
        UnknownResource: nothing goes by that name.

    Source: learn.microsoft.com/entra/identity-platform/access-tokens
    """
    audience, claims = resource.audience, _claims(app)
    if not resources.is_known(audience):
        target = _application(ctx, audience)
        if target is None:
            raise UnknownResource(audience, tenant.NAME)
        if target.token_version == 2:
            audience = target.app_id
            claims |= {"ver": "2.0", "iss": ctx.tokens.issuer(2), "azp": app.app_id, "azpacr": "1"}
            claims |= {"appid": None, "appidacr": None}  # version 1's names of the same
    token = ctx.tokens.issue(audience, object_id=app.principal_id, app_id=app.app_id, claims=claims)
    return Granted(token, audience, LIFETIME_S)


def _claims(app: Application) -> dict[str, object]:
    claims: dict[str, object] = {"app_displayname": app.name}
    if app.roles:
        claims["roles"] = app.roles
    return claims


def _application(ctx: Context, resource: str) -> Application | None:
    """The application that a resource name means: its id, `api://` id, or identifier URI."""
    name = resource.removesuffix("/")
    if not name.isprintable():
        return None
    found = ctx.store.get(APPLICATIONS, name.lower().removeprefix("api://"))
    if found is not None:
        return found
    return next((app for app in ctx.store.scan(APPLICATIONS) if name in app.uris), None)
