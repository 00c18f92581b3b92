"""What every route shares: the factory or workspace meant, its times, tags and conditions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request

from emulators.datafactory.engine import factories, resources
from emulators.datafactory.engine.resources import Child
from emulators.datafactory.errors import FactoryMissing
from emulators.datafactory.store import Factory
from emulators.kernel.access import Asked
from emulators.kernel.azure_http import page
from emulators.kernel.errors import Unsupported
from emulators.kernel.http import Reply, context_of, links_of, principal_of

ARM_HOST = "management.azure.com"
DEV_HOST = "*.dev.azuresynapse.net"
PROVIDER = "providers/Microsoft.DataFactory"
SUBSCRIPTION = "/subscriptions/{sub}"
GROUP = SUBSCRIPTION + "/resourceGroups/{rg}"
FACTORIES = f"{GROUP}/{PROVIDER}/factories"
FACTORY = FACTORIES + "/{factory}"
TRACKED = "emulators/datafactory/README.md"
PAGE = 100


def factory_of(request: Request) -> Factory:
    """The factory in the path, or the workspace whose host was asked.

    Raises:
        FactoryMissing: it is not there.
    """
    ctx, at = context_of(request), request.path_params
    if "factory" in at:
        scope = factories.Scope("factory", at["sub"], at["rg"], at["factory"])
        return factories.get(ctx, scope)
    name = str(request.scope["azure_host"]).partition(".")[0]
    found = factories.by_name(ctx, "synapse", name)
    if found is None:
        raise FactoryMissing(factories.TYPES["synapse"], name, "(any)")
    # Assumed: the roles of Synapse's own that decide in Azure are the resource manager's here.
    verb = {"GET": "read", "DELETE": "delete"}.get(request.method, "write")
    if request.url.path.lower().rpartition("/")[2].startswith("query"):
        verb = "read"
    asked = Asked(f"{factories.TYPES['synapse']}/artifacts/{verb}", found.arm_id)
    ctx.access.check(principal_of(request), asked)
    return found


def child_of(request: Request, kind: str, name: str = "name") -> Child:
    """The child that the path names, of its factory or workspace."""
    return Child(factory_of(request), kind, request.path_params[name])


def honoured(request: Request, *known: str) -> dict[str, str]:
    """The query parameters by lower-case name, without `api-version`.

    Raises:
        Unsupported: one that this operation does not act on, so that nothing is ignored.
    """
    given = {k.lower(): v for k, v in request.query_params.items() if k.lower() != "api-version"}
    unknown = sorted(set(given) - {name.lower() for name in known})
    if unknown:
        raise Unsupported(
            f"the query parameter '{unknown[0]}' of {request.method} {request.url.path}",
            tracked=TRACKED,
        )
    return given


def unchanged(request: Request, etag: str) -> bool:
    """Whether `If-None-Match` names the present state, which is then not sent again."""
    given = request.headers.get("if-none-match", "")
    return any(
        resources.bare(one) in ("*", resources.bare(etag)) for one in given.split(",") if one
    )


def paged(request: Request, shown: list[dict[str, Any]]) -> Reply:
    """One page of a list, with the link to the next."""
    token = request.query_params.get("$skiptoken", "0")
    start = int(token) if token.isascii() and token.isdigit() and len(token) < 10 else 0
    link = None
    if start + PAGE < len(shown):
        query = {k: v for k, v in request.query_params.items() if k != "$skiptoken"}
        query["$skiptoken"] = str(start + PAGE)
        host, path = request.scope["azure_host"], request.scope["azure_path"]
        link = links_of(request).to(host, f"{path}?{urlencode(query, quote_via=quote)}")
    return page(shown[start : start + PAGE], link)


def instant(moment: datetime | None) -> str | None:
    """A time as the service writes it: seven digits of a second's fraction."""
    if moment is None:
        return None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def milliseconds(start: datetime | None, end: datetime | None) -> int | None:
    """How long something took; None while it runs."""
    if start is None or end is None:
        return None
    return round((end - start).total_seconds() * 1000)
