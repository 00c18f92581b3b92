"""Vaults, and secrets as template deployments put them, over Azure Resource Manager."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from starlette.requests import Request

from emulators.kernel.azure_http import iso, page, system_data
from emulators.kernel.context import Context
from emulators.kernel.errors import NotFound
from emulators.kernel.http import (
    Operation,
    Reply,
    context_of,
    json_object,
    links_of,
    principal_of,
    read_json,
)
from emulators.keyvault.engine import secrets, vaults
from emulators.keyvault.engine.secrets import Found
from emulators.keyvault.engine.vaults import Place
from emulators.keyvault.errors import GroupMissing
from emulators.keyvault.store import Vault

TYPE = "Microsoft.KeyVault/vaults"
SUBSCRIPTION = "/subscriptions/{subscription}"
PROVIDER = "providers/Microsoft.KeyVault"
GROUP = f"{SUBSCRIPTION}/resourceGroups/{{group}}/{PROVIDER}/vaults"
VAULT = f"{GROUP}/{{vault}}"
HSMS_OF_GROUP = f"{SUBSCRIPTION}/resourceGroups/{{group}}/{PROVIDER}/managedHSMs"
SECRET = f"{VAULT}/secrets/{{secret}}"
DELETED = f"{SUBSCRIPTION}/{PROVIDER}/locations/{{location}}/deletedVaults/{{vault}}"


def encode(request: Request, vault: Vault) -> dict[str, Any]:
    """The vault as ARM shows it."""
    return {
        "id": vault.id,
        "name": vault.name,
        "type": TYPE,
        "location": vault.location,
        "tags": vault.tags,
        "systemData": system_data(vault.created, vault.modified, vault.by)
        | {"lastModifiedBy": vault.modified_by},
        "properties": {
            **vault.properties,
            "vaultUri": links_of(request).to(f"{vault.key}.vault.azure.net", "/"),
            "provisioningState": "Succeeded",
        },
    }


def _deleted(request: Request, vault: Vault) -> dict[str, Any]:
    assert vault.deleted is not None
    assert vault.purges is not None
    where = f"/subscriptions/{vault.subscription}/{PROVIDER}/locations/{vault.location}"
    return {
        "id": f"{where}/deletedVaults/{vault.name}",
        "name": vault.name,
        "type": "Microsoft.KeyVault/deletedVaults",
        "properties": {
            "vaultId": vault.id,
            "location": vault.location,
            "tags": vault.tags,
            "deletionDate": iso(vault.deleted),
            "scheduledPurgeDate": iso(vault.purges),
            "purgeProtectionEnabled": bool(vault.properties.get("enablePurgeProtection")),
        },
    }


def _found(request: Request) -> Vault:
    at = request.path_params
    return vaults.get(context_of(request), at["subscription"], at["group"], at["vault"])


async def _check_group(ctx: Context, subscription: str, group: str) -> None:
    """Ask the resource manager whether the group exists; one that is not up says nothing."""
    async with ctx.peers.client() as http:
        where = (
            f"/subscriptions/{quote(subscription, safe='')}/resourcegroups/{quote(group, safe='')}"
        )
        url = f"https://management.azure.com{where}"
        answer = await http.get(url, params={"api-version": "2021-04-01"})
    if answer.status_code == 404 and b'"ResourceGroupNotFound"' in answer.content:
        raise GroupMissing(f"Resource group '{group}' could not be found.")


async def put(request: Request) -> Reply:
    ctx, at = context_of(request), request.path_params
    await _check_group(ctx, at["subscription"], at["group"])
    version = request.query_params.get("api-version", "")
    by = principal_of(request).object_id
    place = Place(at["subscription"], at["group"], at["vault"], by, version)
    made, new = vaults.put(ctx, place, await read_json(request))
    return Reply(201 if new else 200, encode(request, made))


async def patch(request: Request) -> Reply:
    ctx, body = context_of(request), await read_json(request)
    changed = vaults.change(ctx, _found(request), body, principal_of(request).object_id)
    return Reply(200, encode(request, changed))


async def get(request: Request) -> Reply:
    return Reply(200, encode(request, _found(request)))


async def head(request: Request) -> Reply:
    at = request.path_params
    found = vaults.find(context_of(request), at["subscription"], at["group"], at["vault"])
    return Reply(204 if found else 404)


async def delete(request: Request) -> Reply:
    try:
        found = _found(request)
    except NotFound:
        return Reply(204)
    vaults.delete(context_of(request), found)
    return Reply(200)


async def list_by_group(request: Request) -> Reply:
    at = request.path_params
    found = vaults.listed(context_of(request), at["subscription"], at["group"])
    return page(encode(request, vault) for vault in found)


async def list_by_subscription(request: Request) -> Reply:
    found = vaults.listed(context_of(request), request.path_params["subscription"])
    return page(encode(request, vault) for vault in found)


async def set_policies(request: Request) -> Reply:
    vault, kind = _found(request), request.path_params["kind"]
    given = json_object((await read_json(request)).get("properties"), "properties")
    by = principal_of(request).object_id
    policies = vaults.set_policies(context_of(request), vault, kind, given, by)
    body = {
        "id": f"{vault.id}/accessPolicies/",
        "name": kind,
        "type": f"{TYPE}/accessPolicies",
        "location": vault.location,
        "properties": {"accessPolicies": policies},
    }
    return Reply(200, body)


async def list_deleted(request: Request) -> Reply:
    subscription = request.path_params["subscription"]
    found = vaults.listed(context_of(request), subscription, deleted=True)
    return page(_deleted(request, vault) for vault in found)


def _found_deleted(request: Request) -> Vault:
    at = request.path_params
    return vaults.find_deleted(context_of(request), at["subscription"], at["location"], at["vault"])


async def get_deleted(request: Request) -> Reply:
    return Reply(200, _deleted(request, _found_deleted(request)))


async def purge(request: Request) -> Reply:
    vaults.purge(context_of(request), _found_deleted(request))
    return Reply(200)


async def no_modules(request: Request) -> Reply:
    """Managed HSMs: none can be made here, so there is none."""
    return page([])


async def check_name(request: Request) -> Reply:
    name = str((await read_json(request)).get("name", ""))
    why = vaults.taken(context_of(request), name)
    body: dict[str, Any] = {"nameAvailable": why is None}
    if why is not None:
        body |= {"reason": why[0], "message": why[1]}
    return Reply(200, body)


def _secret(request: Request, vault: Vault, found: Found) -> dict[str, Any]:
    """A secret as ARM shows it: its value is never there."""
    one, name = found.version, found.secret.name
    url = links_of(request).to(f"{vault.key}.vault.azure.net", f"/secrets/{name}")
    times = {
        "exp": one.expires,
        "nbf": one.not_before,
        "created": one.created,
        "updated": one.updated,
    }
    properties: dict[str, Any] = {
        "attributes": {"enabled": one.enabled}
        | {key: value for key, value in times.items() if value is not None},
        "secretUri": url,
        "secretUriWithVersion": f"{url}/{one.version}",
    }
    if one.content_type is not None:
        properties["contentType"] = one.content_type
    return {
        "id": f"{vault.id}/secrets/{name}",
        "name": name,
        "type": f"{TYPE}/secrets",
        "location": vault.location,
        "tags": one.tags or {},
        "properties": properties,
    }


async def put_secret(request: Request) -> Reply:
    ctx, vault, body = context_of(request), _found(request), await read_json(request)
    given = json_object(body.get("properties"), "properties")
    wanted = secrets.wanted_of({**given, "tags": body.get("tags")})
    found = secrets.put(ctx, vault, request.path_params["secret"], given.get("value"), wanted)
    return Reply(201 if found.version.order == 1 else 200, _secret(request, vault, found))


async def patch_secret(request: Request) -> Reply:
    ctx, vault, body = context_of(request), _found(request), await read_json(request)
    given = json_object(body.get("properties"), "properties")
    wanted = secrets.wanted_of({**given, "tags": body.get("tags")})
    name = request.path_params["secret"]
    if given.get("value") is None:
        found = secrets.change(ctx, vault, name, "", wanted)
    else:
        secrets.find(ctx, vault, name)
        found = secrets.put(ctx, vault, name, given["value"], wanted)
    return Reply(200, _secret(request, vault, found))


async def get_secret(request: Request) -> Reply:
    vault = _found(request)
    found = secrets.find(context_of(request), vault, request.path_params["secret"])
    return Reply(200, _secret(request, vault, found))


async def list_secrets(request: Request) -> Reply:
    vault = _found(request)
    found = secrets.listed(context_of(request), vault)
    return page(_secret(request, vault, one) for one in found)


OPERATIONS = [
    Operation("Vaults_CreateOrUpdate", "PUT", VAULT, put),
    Operation("Vaults_Get", "GET", VAULT, get),
    Operation("Vaults_CheckExistence", "HEAD", VAULT, head),
    Operation("Vaults_Update", "PATCH", VAULT, patch),
    Operation("Vaults_Delete", "DELETE", VAULT, delete),
    Operation("Vaults_ListByResourceGroup", "GET", GROUP, list_by_group),
    Operation(
        "Vaults_ListBySubscription",
        "GET",
        f"{SUBSCRIPTION}/{PROVIDER}/vaults",
        list_by_subscription,
    ),
    Operation("Vaults_UpdateAccessPolicy", "PUT", f"{VAULT}/accessPolicies/{{kind}}", set_policies),
    Operation("Vaults_GetDeleted", "GET", DELETED, get_deleted),
    Operation("Vaults_PurgeDeleted", "POST", f"{DELETED}/purge", purge),
    Operation(
        "Vaults_ListDeleted", "GET", f"{SUBSCRIPTION}/{PROVIDER}/deletedVaults", list_deleted
    ),
    Operation(
        "Vaults_CheckNameAvailability",
        "POST",
        f"{SUBSCRIPTION}/{PROVIDER}/checkNameAvailability",
        check_name,
    ),
    Operation("ManagedHsms_ListByResourceGroup", "GET", HSMS_OF_GROUP, no_modules),
    Operation(
        "ManagedHsms_ListBySubscription",
        "GET",
        f"{SUBSCRIPTION}/{PROVIDER}/managedHSMs",
        no_modules,
    ),
    Operation(
        "ManagedHsms_ListDeleted",
        "GET",
        f"{SUBSCRIPTION}/{PROVIDER}/deletedManagedHSMs",
        no_modules,
    ),
    Operation("Secrets_CreateOrUpdate", "PUT", SECRET, put_secret),
    Operation("Secrets_Update", "PATCH", SECRET, patch_secret),
    Operation("Secrets_Get", "GET", SECRET, get_secret),
    Operation("Secrets_List", "GET", f"{VAULT}/secrets", list_secrets),
]
