"""Storage accounts as their resource provider knows them: ids, keys, signatures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from emulators.kernel.context import Context
from emulators.kernel.sas import sign_service_sas
from emulators.machinelearning.errors import StorageFailed
from emulators.machinelearning.store.registries import Home

ARM = "https://management.azure.com"
API = "2023-01-01"
INSIGHTS_API = "2020-02-02"
SAS_LIFETIME = timedelta(hours=8)


def id_for(ws: Home, datastore: Mapping[str, Any]) -> str:
    """The ARM id of the account that a datastore's properties name."""
    account = datastore.get("accountName", ws.storage_account)
    if account == ws.storage_account:
        return str(ws.properties["storageAccount"])
    sub = datastore.get("subscriptionId") or ws.subscription
    group = datastore.get("resourceGroup") or ws.group
    return (
        f"/subscriptions/{sub}/resourceGroups/{group}"
        f"/providers/Microsoft.Storage/storageAccounts/{account}"
    )


async def key_of(ctx: Context, account_id: str) -> str:
    """The first key of a storage account, asked of its resource provider.

    Raises:
        StorageFailed: there is no such account, or it gives none.
    """
    async with ctx.peers.client() as http:
        answer = await http.post(f"{ARM}{account_id}/listKeys", params={"api-version": API})
    if answer.status_code != 200:
        raise StorageFailed(f"The keys of '{account_id}' could not be had: {answer.status_code}.")
    return str(answer.json()["keys"][0]["value"])


async def instrumentation_key(ctx: Context, ws: Home) -> str | None:
    """The key of the workspace's Application Insights; None where that is not to be had."""
    async with ctx.peers.client() as http:
        url = f"{ARM}{ws.properties.get('applicationInsights', '')}"
        answer = await http.get(url, params={"api-version": INSIGHTS_API})
    if answer.status_code != 200:
        return None
    found = (answer.json().get("properties") or {}).get("InstrumentationKey")
    return None if found is None else str(found)


async def container_sas(ctx: Context, ws: Home, container: str, permissions: str = "racwdl") -> str:
    """A signature for a container of the workspace's own account, good for eight hours.

    Raises:
        StorageFailed: the account's key cannot be had.
    """
    key = await key_of(ctx, str(ws.properties["storageAccount"]))
    now = ctx.clock.wall()
    return sign_service_sas(
        ws.storage_account, key, container, permissions, now + SAS_LIFETIME, now
    )
