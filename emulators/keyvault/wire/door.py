"""What every call of a vault's host passes: the vault, the token, the version, the right."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

from emulators.kernel.errors import Unauthorized, Unsupported
from emulators.kernel.http import Handler, Operation, Reply, call_of, context_of
from emulators.kernel.tokens import Principal
from emulators.keyvault.engine import access, vaults
from emulators.keyvault.engine.access import Right
from emulators.keyvault.errors import BadParameter, NoToken
from emulators.keyvault.store import Vault

RESOURCE = "https://vault.azure.net"
AUDIENCES = (RESOURCE, "cfa8b339-82a2-471a-a3c9-0fc0be7a4093")
VERSION = re.compile(r"7\.\d(-preview(\.\d)?)?|20\d\d-\d\d-\d\d(-preview)?")
NEWEST = "2026-05-15"


@dataclass(frozen=True, slots=True)
class At:
    """The vault that is asked, by whom."""

    vault: Vault
    principal: Principal


Answer = Callable[[Request, At], Awaitable[Reply]]


def guarded(right: Right, answer: Answer) -> Handler:
    """A handler that answers only whom the vault lets do `right`."""

    async def handle(request: Request) -> Reply:
        ctx = context_of(request)
        vault = vaults.named(ctx, str(request.scope["azure_host"]).partition(".")[0])
        principal = _caller(request)
        _check_version(request)
        name = request.path_params.get("name", "")
        access.check(ctx, vault, principal, right, name)
        return await answer(request, At(vault, principal))

    return handle


def refused(operation: Operation) -> Operation:
    """An operation that is not emulated; that is told to callers of the tenant only."""

    async def handle(request: Request) -> Reply | Response:
        _caller(request)
        return await operation.handler(request)

    handle.__qualname__ = getattr(operation.handler, "__qualname__", "")  # still a refusal
    return replace(operation, handler=handle)


def _caller(request: Request) -> Principal:
    """Who is calling.

    Raises:
        NoToken: nobody that the vault's tenant knows; how to get a token is in the header.
    """
    ctx, call = context_of(request), call_of(request)
    login = call.links.login(f"/{ctx.secrets.tenant_id}")
    challenge = {"WWW-Authenticate": f'Bearer authorization="{login}", resource="{RESOURCE}"'}
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NoToken("AKV10000: Request is missing a Bearer or PoP token.", headers=challenge)
    try:
        call.principal = ctx.tokens.verify(token.strip(), AUDIENCES)
    except Unauthorized as refused:
        raise NoToken(f"AKV10022: {refused.message}", headers=challenge) from None
    return call.principal


def _check_version(request: Request) -> None:
    given = request.query_params.get("api-version")
    if not given:
        raise BadParameter("api-version must be specified")
    if not VERSION.fullmatch(given):
        raise BadParameter(f"Incoming request does not have a supported api-version: {given}")
    ctx = context_of(request)
    if given[:2] == "20" and given[:10] > NEWEST:
        if ctx.settings.newer_api == "refuse":
            raise Unsupported(f"api-version {given} of Key Vault; the newest known is {NEWEST}")
        call_of(request).served_as = NEWEST
        ctx.ledger.record("served-as", service="keyvault", asked=given, served=NEWEST)
