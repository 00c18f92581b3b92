"""What a caller's roles must allow for each operation, where a token or its delegate asks.

Keys and signatures of the account's own need no role. Source: learn.microsoft.com, "Authorize
with Microsoft Entra ID" of the Blob service's reference, the table of permissions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from emulators.kernel.access import Asked
from emulators.kernel.context import Context
from emulators.kernel.tokens import Principal
from emulators.storage import errors
from emulators.storage.engine.access import Caller
from emulators.storage.store import Account

SERVICE = "Microsoft.Storage/storageAccounts/blobServices"
CONTAINERS = f"{SERVICE}/containers"
BLOBS = f"{CONTAINERS}/blobs"
READ, WRITE, DELETE = (f"{BLOBS}/{verb}" for verb in ("read", "write", "delete"))
OPEN = frozenset({"SubmitBatch", "GetAccountInformation"})
"""Each request in a batch is checked by itself."""

ACTIONS: dict[str, str] = {
    "GetBlobServiceProperties": f"{SERVICE}/read",
    "SetBlobServiceProperties": f"{SERVICE}/write",
    "GetUserDelegationKey": f"{SERVICE}/generateUserDelegationKey/action",
    "ListContainers": f"{CONTAINERS}/read",
    "CreateContainer": f"{CONTAINERS}/write",
    "DeleteContainer": f"{CONTAINERS}/delete",
    "GetContainerProperties": f"{CONTAINERS}/read",
    "GetContainerMetadata": f"{CONTAINERS}/read",
    "SetContainerMetadata": f"{CONTAINERS}/write",
    "LeaseContainer": f"{CONTAINERS}/write",
    "GetContainerACL": f"{CONTAINERS}/getAcl/action",
    "SetContainerACL": f"{CONTAINERS}/setAcl/action",
    "Service_ListFileSystems": f"{CONTAINERS}/read",
    "FileSystem_Create": f"{CONTAINERS}/write",
    "FileSystem_Delete": f"{CONTAINERS}/delete",
    "FileSystem_GetProperties": f"{CONTAINERS}/read",
    "FileSystem_SetProperties": f"{CONTAINERS}/write",
}
"""Actions on accounts and containers, which roles list among `actions`."""

DATA_ACTIONS: dict[str, str] = {
    "ListBlobs": READ,
    "GetBlob": READ,
    "GetBlobProperties": READ,
    "GetBlobMetadata": READ,
    "GetBlockList": READ,
    "PutBlob": WRITE,
    "PutBlock": WRITE,
    "PutBlockList": WRITE,
    "AppendBlock": WRITE,
    "SealAppendBlob": WRITE,
    "SetBlobProperties": WRITE,
    "SetBlobMetadata": WRITE,
    "SetBlobTier": WRITE,
    "SnapshotBlob": WRITE,
    "AbortCopyBlob": WRITE,
    "LeaseBlob": WRITE,
    "DeleteBlob": DELETE,
    "FileSystem_ListPaths": READ,
    "Path_Read": READ,
    "Path_GetProperties": READ,
    "Path_Create": WRITE,
    "Path_Update": WRITE,
    "Path_Lease": WRITE,
    "Path_Delete": DELETE,
}
"""Actions on blobs, which roles list among `dataActions`."""


def responsible(caller: Caller, values: Mapping[str, str]) -> Caller:
    """The caller, with the identity whose roles count: of a delegated signature, its giver's.

    Args:
        values: the request's query by name; the signature is in it.
    """
    if caller.grant is None or caller.grant.kind != "delegation":
        return caller
    return replace(caller, object_id=values.get("skoid", ""), tenant_id=values.get("sktid", ""))


def check(ctx: Context, caller: Caller, operation: str, account: Account, container: str) -> None:
    """Let pass what the roles of the token's bearer, or of the signature's giver, allow.

    Raises:
        PermissionMismatch: they do not.
    """
    delegated = caller.grant is not None and caller.grant.kind == "delegation"
    if operation in OPEN or not (caller.how == "bearer" or delegated):
        return
    data = operation in DATA_ACTIONS
    action = DATA_ACTIONS[operation] if data else ACTIONS[operation]
    principal = Principal(caller.object_id, "", caller.tenant_id, "")
    if not ctx.access.may(principal, Asked(action, _scope(account, container), data=data)):
        raise errors.PermissionMismatch


def _scope(account: Account, container: str) -> str:
    where = (
        f"/subscriptions/{account.subscription}/resourceGroups/{account.group}"
        f"/providers/Microsoft.Storage/storageAccounts/{account.name}"
    )
    return f"{where}/blobServices/default/containers/{container}" if container else where
