"""A vault's secrets over its own host: decode, call the engine, encode."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from starlette.requests import Request

from emulators.kernel.errors import Unsupported
from emulators.kernel.http import Operation, Reply, context_of, links_of, read_json
from emulators.keyvault.engine import access, secrets
from emulators.keyvault.engine.secrets import Found
from emulators.keyvault.errors import BadParameter
from emulators.keyvault.store import Vault
from emulators.keyvault.wire.door import At, guarded

HOST = "*.vault.azure.net"
TRACKED = "emulators/keyvault/README.md, Not emulated"


def _url(request: Request, vault: Vault, path: str) -> str:
    return links_of(request).to(f"{vault.key}.vault.azure.net", path)


def _item(request: Request, vault: Vault, found: Found, version: bool) -> dict[str, Any]:
    """What is shown of a version: everything but its value."""
    one = found.version
    tail = f"/{one.version}" if version else ""
    attributes = {
        "enabled": one.enabled,
        "nbf": one.not_before,
        "exp": one.expires,
        "created": one.created,
        "updated": one.updated,
        "recoveryLevel": secrets.recovery_level(vault),
        "recoverableDays": secrets.retention(vault),
    }
    body: dict[str, Any] = {
        "id": _url(request, vault, f"/secrets/{found.secret.name}{tail}"),
        "attributes": {name: value for name, value in attributes.items() if value is not None},
    }
    if one.content_type is not None:
        body["contentType"] = one.content_type
    if one.tags is not None:
        body["tags"] = one.tags
    if found.secret.deleted is not None:
        body = {
            "recoveryId": _url(request, vault, f"/deletedsecrets/{found.secret.name}"),
            "deletedDate": secrets.stamp(found.secret.deleted),
            "scheduledPurgeDate": secrets.stamp(found.secret.purges),
            **body,
        }
    return body


def _bundle(request: Request, at: At, found: Found, value: str | None = None) -> Reply:
    body = _item(request, at.vault, found, True)
    return Reply(200, body if value is None else {"value": value, **body})


async def put(request: Request, at: At) -> Reply:
    body = await read_json(request)
    wanted, value = secrets.wanted_of(body), body.get("value")
    found = secrets.put(context_of(request), at.vault, request.path_params["name"], value, wanted)
    return _bundle(request, at, found, str(value))


async def get(request: Request, at: At) -> Reply:
    if "outContentType" in request.query_params:
        raise Unsupported("reading a certificate's secret in another form", tracked=TRACKED)
    ctx, where = context_of(request), request.path_params
    found = secrets.find(ctx, at.vault, where["name"], where.get("version", ""))
    return _bundle(request, at, found, secrets.value_of(ctx, found))


async def patch(request: Request, at: At) -> Reply:
    where, wanted = request.path_params, secrets.wanted_of(await read_json(request))
    version = where.get("version", "")
    found = secrets.change(context_of(request), at.vault, where["name"], version, wanted)
    return _bundle(request, at, found)


async def delete(request: Request, at: At) -> Reply:
    found = secrets.delete(context_of(request), at.vault, request.path_params["name"])
    return _bundle(request, at, found)


def _page(request: Request, at: At, found: list[tuple[str, dict[str, Any]]]) -> Reply:
    """One page of `found` (a mark that orders it, and its JSON) after the caller's mark."""
    query = request.query_params
    asked = query.get("maxresults", str(secrets.PAGE))
    if not asked.isdecimal() or not 1 <= int(asked) <= secrets.PAGE:
        raise BadParameter(f"The parameter maxresults is invalid: 1 to {secrets.PAGE}.")
    after = query.get("$skiptoken", "")
    rest = [(mark, one) for mark, one in found if mark > after]
    page, more = rest[: int(asked)], len(rest) > int(asked)
    link = None
    if more:
        path = request.scope["azure_path"]
        tail = (
            f"?api-version={quote(query['api-version'])}&$skiptoken={quote(page[-1][0])}"
            f"&maxresults={asked}"
        )
        link = _url(request, at.vault, f"{path}{tail}")
    return Reply(200, {"value": [one for _, one in page], "nextLink": link})


async def list_all(request: Request, at: At) -> Reply:
    found = secrets.listed(context_of(request), at.vault)
    return _page(request, at, [(f.secret.key, _item(request, at.vault, f, False)) for f in found])


async def list_versions(request: Request, at: At) -> Reply:
    found = secrets.versions(context_of(request), at.vault, request.path_params["name"])
    return _page(
        request,
        at,
        [(f"{f.version.order:09}", _item(request, at.vault, f, True)) for f in found],
    )


async def list_deleted(request: Request, at: At) -> Reply:
    found = secrets.listed(context_of(request), at.vault, deleted=True)
    return _page(request, at, [(f.secret.key, _item(request, at.vault, f, False)) for f in found])


async def get_deleted(request: Request, at: At) -> Reply:
    found = secrets.find_deleted(context_of(request), at.vault, request.path_params["name"])
    return _bundle(request, at, found)


async def recover(request: Request, at: At) -> Reply:
    found = secrets.recover(context_of(request), at.vault, request.path_params["name"])
    return _bundle(request, at, found)


async def purge(request: Request, at: At) -> Reply:
    secrets.purge(context_of(request), at.vault, request.path_params["name"])
    return Reply(204)


async def backup(request: Request, at: At) -> Reply:
    blob = secrets.backup(context_of(request), at.vault, request.path_params["name"])
    return Reply(200, {"value": blob})


async def restore(request: Request, at: At) -> Reply:
    body = await read_json(request)
    found = secrets.restore(context_of(request), at.vault, body.get("value"))
    return _bundle(request, at, found)


def _operation(name: str, method: str, path: str, right: access.Right, answer: Any) -> Operation:
    return Operation(
        name, method, path, guarded(right, answer), HOST, api_version=False, authenticate=False
    )


SECRET, DELETED = "/secrets/{name}", "/deletedsecrets/{name}"
OPERATIONS = [
    _operation("SetSecret", "PUT", SECRET, access.SET, put),
    _operation("GetSecret_Latest", "GET", SECRET, access.GET, get),
    _operation("GetSecret", "GET", f"{SECRET}/{{version}}", access.GET, get),
    _operation("UpdateSecret_Latest", "PATCH", SECRET, access.UPDATE, patch),
    _operation("UpdateSecret", "PATCH", f"{SECRET}/{{version}}", access.UPDATE, patch),
    _operation("DeleteSecret", "DELETE", SECRET, access.DELETE, delete),
    _operation("GetSecrets", "GET", "/secrets", access.LIST, list_all),
    _operation("GetSecretVersions", "GET", f"{SECRET}/versions", access.LIST, list_versions),
    _operation("GetDeletedSecrets", "GET", "/deletedsecrets", access.LIST, list_deleted),
    _operation("GetDeletedSecret", "GET", DELETED, access.SEE, get_deleted),
    _operation("RecoverDeletedSecret", "POST", f"{DELETED}/recover", access.RECOVER, recover),
    _operation("PurgeDeletedSecret", "DELETE", DELETED, access.PURGE, purge),
    _operation("BackupSecret", "POST", f"{SECRET}/backup", access.BACKUP, backup),
    _operation("RestoreSecret", "POST", "/secrets/restore", access.RESTORE, restore),
]
