"""Storage accounts over Azure Resource Manager."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from emulators.kernel.azure_http import iso
from emulators.kernel.context import Context
from emulators.kernel.errors import BadRequest, Conflict, NotFound, Unsupported
from emulators.kernel.http import (
    Operation,
    Reply,
    context_of,
    json_object,
    links_of,
    principal_of,
    read_json,
)
from emulators.storage.engine import accounts
from emulators.storage.engine.vault import vault_of
from emulators.storage.store import Account

PROVIDER = "/providers/Microsoft.Storage"
SUBSCRIPTION = "/subscriptions/{subscription}"
GROUP = f"{SUBSCRIPTION}/resourceGroups/{{group}}"
ACCOUNTS = f"{GROUP}{PROVIDER}/storageAccounts"
ACCOUNT = f"{ACCOUNTS}/{{account}}"
TRACKED = "emulators/storage/README.md, Not emulated"


class InvalidAccountName(BadRequest):
    """The account's name is outside the rules."""

    code = "AccountNameInvalid"


class InvalidValue(BadRequest):
    """A property that the account cannot have."""

    code = "InvalidValuesForRequestParameters"


class AccountTaken(Conflict):
    """Somebody else has the name."""

    code = "StorageAccountAlreadyTaken"


class GroupMissing(NotFound):
    """The resource group is not there."""

    code = "ResourceGroupNotFound"


class UnknownKey(BadRequest):
    """Neither key1 nor key2."""

    code = "InvalidKeyName"


def id_of(account: Account) -> str:
    """The account's ARM id."""
    return (
        f"/subscriptions/{account.subscription}/resourceGroups/{account.group}{PROVIDER}"
        f"/storageAccounts/{account.name}"
    )


def encode(request: Request, account: Account) -> dict[str, Any]:
    """The account as ARM shows it."""
    links = links_of(request)
    host = f"{account.name}.{{}}.core.windows.net"
    made = iso(account.created)
    return {
        "id": id_of(account),
        "name": account.name,
        "type": "Microsoft.Storage/storageAccounts",
        "location": account.location,
        "kind": account.kind,
        "sku": {"name": account.sku, "tier": account.sku.partition("_")[0]},
        "tags": account.tags,
        "properties": {
            "accessTier": "Hot",
            "minimumTlsVersion": "TLS1_2",
            "supportsHttpsTrafficOnly": True,
            **account.properties,
            "allowBlobPublicAccess": account.public_access,
            "allowSharedKeyAccess": account.shared_key,
            "isHnsEnabled": False,
            "primaryEndpoints": {
                kind: links.to(host.format(kind), "/") for kind in ("blob", "dfs")
            },
            "primaryLocation": account.location,
            "statusOfPrimary": "available",
            "creationTime": made,
            "provisioningState": "Succeeded",
            "keyCreationTime": {"key1": made, "key2": made},
            "encryption": {
                "services": {"blob": {"keyType": "Account", "enabled": True}},
                "keySource": "Microsoft.Storage",
            },
            "networkAcls": {
                "bypass": "AzureServices",
                "virtualNetworkRules": [],
                "ipRules": [],
                "defaultAction": "Allow",
            },
            "privateEndpointConnections": [],
        },
    }


def found_account(request: Request) -> Account:
    """The account that the path names.

    Raises:
        NotFound: it is not there.
    """
    at = request.path_params
    found = accounts.find(context_of(request), at["account"].lower())
    if found is None or not accounts.same_place(found, at["subscription"], at["group"]):
        raise NotFound(
            f"The Resource 'Microsoft.Storage/storageAccounts/{at['account']}' under resource"
            f" group '{at['group']}' was not found. For more details please go to"
            " https://aka.ms/ARMResourceNotFoundFix"
        )
    return found


def _flag(properties: dict[str, Any], name: str, default: bool) -> bool:
    value = properties.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise InvalidValue(f"Values for request parameters are invalid: {name}.", target=name)
    return value


def _word(body: dict[str, Any], name: str, default: str) -> str:
    value = body.get(name, default)
    if not isinstance(value, str) or not value:
        raise InvalidValue(f"Values for request parameters are invalid: {name}.", target=name)
    return value


def _decoded(request: Request, body: dict[str, Any], old: Account | None) -> Account:
    """The account a PUT or PATCH asks for; what is absent is as it was, or Azure's default."""
    at, ctx = request.path_params, context_of(request)
    given = json_object(body.get("properties"), "properties")
    if given.get("isHnsEnabled") is True:
        raise Unsupported("accounts with a hierarchical namespace", tracked=TRACKED)
    served = {"allowBlobPublicAccess", "allowSharedKeyAccess", "isHnsEnabled"}
    kept = {**(old.properties if old else {}), **given}
    sku = json_object(body.get("sku"), "sku")
    tags = body.get("tags", old.tags if old else {})
    return Account(
        name=old.name if old else at["account"],
        subscription=old.subscription if old else at["subscription"],
        group=old.group if old else at["group"],
        location=old.location if old else _word(body, "location", ctx.settings.region),
        kind=_word(body, "kind", old.kind if old else "StorageV2"),
        sku=_word(sku, "name", old.sku if old else "Standard_LRS"),
        created=old.created if old else ctx.clock.now(),
        public_access=_flag(given, "allowBlobPublicAccess", old.public_access if old else False),
        shared_key=_flag(given, "allowSharedKeyAccess", old.shared_key if old else True),
        tags={str(k): str(v) for k, v in json_object(tags, "tags").items()},
        properties={name: value for name, value in kept.items() if name not in served},
        service=old.service if old else "",
    )


async def _check_group(ctx: Context, subscription: str, group: str) -> None:
    """Ask the resource manager whether the group exists; one that is not up says nothing."""
    async with ctx.peers.client() as http:
        url = f"https://management.azure.com/subscriptions/{subscription}/resourcegroups/{group}"
        answer = await http.get(url, params={"api-version": "2021-04-01"})
    if answer.status_code == 404 and b'"ResourceGroupNotFound"' in answer.content:
        raise GroupMissing(f"Resource group '{group}' could not be found.")


async def put(request: Request) -> Reply:
    ctx, at = context_of(request), request.path_params
    old = accounts.find(ctx, at["account"])
    if old is not None and not accounts.same_place(old, at["subscription"], at["group"]):
        raise AccountTaken(f"The storage account named {at['account']} is already taken.")
    if not accounts.is_name(at["account"]):
        raise InvalidAccountName(
            f"{at['account']} is not a valid storage account name. Storage account name must be"
            " between 3 and 24 characters in length and use numbers and lower-case letters only."
        )
    await _check_group(ctx, at["subscription"], at["group"])
    made = _decoded(request, await read_json(request), old)
    accounts.put(vault_of(ctx), made)
    return Reply(200, encode(request, made))


async def patch(request: Request) -> Reply:
    changed = _decoded(request, await read_json(request), found_account(request))
    accounts.put(vault_of(context_of(request)), changed)
    return Reply(200, encode(request, changed))


async def get(request: Request) -> Reply:
    return Reply(200, encode(request, found_account(request)))


async def delete(request: Request) -> Reply:
    try:
        found = found_account(request)
    except NotFound:
        return Reply(204)
    accounts.delete(vault_of(context_of(request)), found)
    return Reply(200)


async def list_by_group(request: Request) -> Reply:
    at = request.path_params
    found = accounts.listed(context_of(request), at["subscription"], at["group"])
    return Reply(200, {"value": [encode(request, account) for account in found]})


async def list_all(request: Request) -> Reply:
    found = accounts.listed(context_of(request), request.path_params["subscription"])
    return Reply(200, {"value": [encode(request, account) for account in found]})


def _keys(request: Request, account: Account) -> Reply:
    made = iso(account.created)
    found = [
        {"keyName": name, "value": key, "permissions": "FULL", "creationTime": made}
        for name, key in accounts.keys(context_of(request), account.name).items()
    ]
    return Reply(200, {"keys": found})


async def list_keys(request: Request) -> Reply:
    principal_of(request)
    return _keys(request, found_account(request))


async def regenerate_key(request: Request) -> Reply:
    name = (await read_json(request)).get("keyName")
    found = found_account(request)
    if name not in accounts.KEYS:
        raise UnknownKey(f"The key name '{name}' is invalid: key1 and key2 exist.")
    accounts.regenerate(context_of(request), found.name, name)
    return _keys(request, found)


async def revoke_delegation_keys(request: Request) -> Reply:
    accounts.revoke_delegation(context_of(request), found_account(request).name)
    return Reply(200)


async def check_name(request: Request) -> Reply:
    body = await read_json(request)
    name = _word(body, "name", "")
    if not accounts.is_name(name):
        return Reply(
            200,
            {
                "nameAvailable": False,
                "reason": "AccountNameInvalid",
                "message": f"{name} is not a valid storage account name.",
            },
        )
    if accounts.find(context_of(request), name) is not None:
        return Reply(
            200,
            {
                "nameAvailable": False,
                "reason": "AlreadyExists",
                "message": f"The storage account named {name} is already taken.",
            },
        )
    return Reply(200, {"nameAvailable": True})


OPERATIONS = [
    Operation("StorageAccounts_Create", "PUT", ACCOUNT, put),
    Operation("StorageAccounts_Update", "PATCH", ACCOUNT, patch),
    Operation("StorageAccounts_GetProperties", "GET", ACCOUNT, get),
    Operation("StorageAccounts_Delete", "DELETE", ACCOUNT, delete),
    Operation("StorageAccounts_ListByResourceGroup", "GET", ACCOUNTS, list_by_group),
    Operation("StorageAccounts_List", "GET", f"{SUBSCRIPTION}{PROVIDER}/storageAccounts", list_all),
    Operation("StorageAccounts_ListKeys", "POST", f"{ACCOUNT}/listKeys", list_keys),
    Operation("StorageAccounts_RegenerateKey", "POST", f"{ACCOUNT}/regenerateKey", regenerate_key),
    Operation(
        "StorageAccounts_RevokeUserDelegationKeys",
        "POST",
        f"{ACCOUNT}/revokeUserDelegationKeys",
        revoke_delegation_keys,
    ),
    Operation(
        "StorageAccounts_CheckNameAvailability",
        "POST",
        f"{SUBSCRIPTION}{PROVIDER}/checkNameAvailability",
        check_name,
    ),
]
