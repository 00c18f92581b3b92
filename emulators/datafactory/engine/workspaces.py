"""Synapse workspaces as far as pipelines need them: a record, a host, two linked services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulators.datafactory.engine import factories, resources
from emulators.datafactory.engine.resources import Child
from emulators.datafactory.store import Factory
from emulators.kernel.context import Context

UNSAID = ("sqlAdministratorLoginPassword",)
"""Members that are taken and neither kept nor shown."""


async def put(
    ctx: Context, at: factories.Scope, body: Mapping[str, Any], if_match: str | None = None
) -> Factory:
    """Make a workspace, with the linked services that every workspace begins with.

    Raises:
        InvalidName, NameInUse, GroupMissing, InvalidPayload: as for factories.
    """
    new = factories.by_id(ctx, at.arm_id) is None
    made = await factories.put(ctx, at, _kept(ctx, at, body), if_match)
    if new:
        _begin(ctx, made)
    return made


def _kept(ctx: Context, at: factories.Scope, body: Mapping[str, Any]) -> dict[str, Any]:
    given = body.get("properties")
    if not isinstance(given, dict):
        return dict(body)
    was = factories.by_id(ctx, at.arm_id)
    uid = (was.properties if was else {}).get("workspaceUID") or ctx.ids.guid()
    said = {name: value for name, value in given.items() if name not in UNSAID}
    return {**body, "properties": {**said, "workspaceUID": uid}}


def endpoints(name: str) -> dict[str, str]:
    """Where a workspace is reached."""
    lower = name.lower()
    return {
        "web": f"https://web.azuresynapse.net?workspace={lower}",
        "dev": f"https://{lower}.dev.azuresynapse.net",
        "sqlOnDemand": f"{lower}-ondemand.sql.azuresynapse.net",
        "sql": f"{lower}.sql.azuresynapse.net",
    }


def _begin(ctx: Context, made: Factory) -> None:
    lake = made.properties.get("defaultDataLakeStorage")
    url = lake.get("accountUrl") if isinstance(lake, dict) else None
    if isinstance(url, str):
        _default(ctx, made, "Storage", {"type": "AzureBlobFS", "typeProperties": {"url": url}})
    connection = (
        "Integrated Security=False;Encrypt=True;Connection Timeout=30;Data Source=tcp:"
        f"{endpoints(made.name)['sql']},1433;Initial Catalog=@{{linkedService().DBName}}"
    )
    _default(
        ctx,
        made,
        "SqlServer",
        {
            "type": "AzureSqlDW",
            "parameters": {"DBName": {"type": "String"}},
            "typeProperties": {"connectionString": connection},
        },
    )


def _default(ctx: Context, made: Factory, what: str, properties: dict[str, Any]) -> None:
    name = f"{made.name}-WorkspaceDefault{what}"
    resources.put(ctx, Child(made, "linkedservices", name), {"annotations": [], **properties})


async def seed(ctx: Context) -> None:
    """Make the workspace that the settings name, once in a folder's life."""
    await factories.seed(ctx, "synapse", put)
