"""Resources that other emulators hold: found and deleted over their own wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulators.arm.store import Group
from emulators.kernel.context import Context
from emulators.kernel.errors import ServiceError

if TYPE_CHECKING:
    import httpx

POLL_S = 0.05
POLLS = 12_000  # ten minutes


@dataclass(frozen=True, slots=True)
class Source:
    """A type that another emulator may hold, and the api-version it is asked in."""

    type: str
    version: str


# In the order in which they may be deleted: workspaces and registries lie on storage accounts.
SOURCES = (
    Source("Microsoft.DataFactory/factories", "2018-06-01"),
    Source("Microsoft.Synapse/workspaces", "2021-06-01"),
    Source("Microsoft.MachineLearningServices/registries", "2024-10-01"),
    Source("Microsoft.MachineLearningServices/workspaces", "2024-10-01"),
    Source("Microsoft.Storage/storageAccounts", "2024-01-01"),
    Source("Microsoft.KeyVault/vaults", "2024-11-01"),
)
SHOWN = ("id", "name", "type", "location", "tags", "kind", "sku", "identity", "managedBy")


class PeerFailed(ServiceError):
    """Another emulator did not answer as it should; the list would be incomplete."""

    status = 502
    code = "BadGateway"


async def in_group(ctx: Context, group: Group) -> list[dict[str, Any]]:
    """What other emulators hold in a group, as a generic list shows it.

    Raises:
        PeerFailed: one that should know did not answer.
    """
    found: list[dict[str, Any]] = []
    async with ctx.peers.client() as http:
        for source in SOURCES:
            found += await _listed(http, _base(ctx, group), source)
    return [{name: one[name] for name in SHOWN if one.get(name) is not None} for one in found]


async def empty(ctx: Context, group: Group) -> dict[str, str] | None:
    """Delete what other emulators hold in a group; the error, if something stays."""
    async with ctx.peers.client() as http:
        for source in SOURCES:
            for one in await _listed(http, _base(ctx, group), source):
                error = await _delete(ctx, http, one["id"], source.version)
                if error is not None:
                    return error
    return None


def _base(ctx: Context, group: Group) -> str:
    subscription = ctx.secrets.subscription_id
    return (
        f"https://management.azure.com/subscriptions/{subscription}/resourceGroups/{group.name}"
        "/providers/"
    )


async def _listed(http: httpx.AsyncClient, base: str, source: Source) -> list[dict[str, Any]]:
    url: str | None = f"{base}{source.type}?api-version={source.version}"
    found: list[dict[str, Any]] = []
    while url:
        answer = await http.get(url)
        if answer.status_code in (404, 501):  # nobody holds this type here
            return found
        if answer.is_error:
            raise PeerFailed(f"Listing {source.type} failed: {answer.status_code} {answer.text}")
        body = answer.json()
        found += body.get("value", [])
        url = body.get("nextLink")
    return found


async def _delete(
    ctx: Context, http: httpx.AsyncClient, resource: str, version: str
) -> dict[str, str] | None:
    answer = await http.delete(f"https://management.azure.com{resource}?api-version={version}")
    status = answer.headers.get("azure-asyncoperation")
    where = status or answer.headers.get("location")
    for _ in range(POLLS):
        if answer.is_error:
            return _error(answer, resource)
        if not where or (answer.status_code != 202 and not status):
            return None
        answer = await http.get(where)
        if status and answer.is_success:
            state = answer.json().get("status", "Succeeded")
            if state == "Succeeded":
                return None
            if state in ("Failed", "Canceled"):
                return _error(answer, resource)
        await ctx.clock.sleep(POLL_S)
    return {"code": "DeletionTimedOut", "message": f"The deletion of '{resource}' did not end."}


def _error(answer: httpx.Response, resource: str) -> dict[str, str]:
    try:
        error = answer.json().get("error") or {}
    except ValueError:
        error = {}
    return {
        "code": "ResourceGroupDeletionBlocked",
        "message": (
            f"Deletion of '{resource}' failed with status {answer.status_code}:"
            f" {error.get('code', '')} {error.get('message', '')}"
        ),
    }
