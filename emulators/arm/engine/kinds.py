"""The kinds of resource that may be a record and nothing more, each with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from emulators.kernel.context import Context

Properties = dict[str, Any]
Fill = Callable[[Context, str, str, Properties, Mapping[str, Any]], Properties]
"""Context, name, location, properties asked for, properties so far -> properties stored."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of resource that is stored as given, with what its provider would add."""

    type: str
    why: str  # why a record is the whole truth of it here
    versions: tuple[str, ...]  # api-versions, newest first
    fill: Fill
    sku: Mapping[str, Any] | None = None  # the default


def _component(
    ctx: Context, name: str, location: str, asked: Properties, was: Mapping[str, Any]
) -> Properties:
    key = was.get("InstrumentationKey") or ctx.ids.guid()
    app = was.get("AppId") or ctx.ids.guid()
    ingestion = f"https://{location}-0.in.applicationinsights.azure.com/"
    return {
        "Application_Type": "web",
        "Flow_Type": "Bluefield",
        "Request_Source": "rest",
        "RetentionInDays": 90,
        "IngestionMode": "ApplicationInsights",
        "publicNetworkAccessForIngestion": "Enabled",
        "publicNetworkAccessForQuery": "Enabled",
        **asked,
        "ApplicationId": name,
        "AppId": app,
        "Name": name,
        "InstrumentationKey": key,
        "ConnectionString": (
            f"InstrumentationKey={key};IngestionEndpoint={ingestion};"
            f"LiveEndpoint=https://{location}.livediagnostics.monitor.azure.com/;"
            f"ApplicationId={app}"
        ),
        "TenantId": ctx.secrets.subscription_id,  # the provider really writes the subscription
        "provisioningState": "Succeeded",
    }


def _log_workspace(
    ctx: Context, name: str, location: str, asked: Properties, was: Mapping[str, Any]
) -> Properties:
    return {
        "retentionInDays": 30,
        "sku": {"name": "PerGB2018"},
        "publicNetworkAccessForIngestion": "Enabled",
        "publicNetworkAccessForQuery": "Enabled",
        **asked,
        "customerId": was.get("customerId") or ctx.ids.guid(),
        "provisioningState": "Succeeded",
    }


def _container_registry(
    ctx: Context, name: str, location: str, asked: Properties, was: Mapping[str, Any]
) -> Properties:
    return {
        "adminUserEnabled": False,
        "publicNetworkAccess": "Enabled",
        **asked,
        "loginServer": f"{name.lower()}.azurecr.io",
        "provisioningState": "Succeeded",
    }


def _user_assigned(
    ctx: Context, name: str, location: str, asked: Properties, was: Mapping[str, Any]
) -> Properties:
    return {
        "tenantId": ctx.secrets.tenant_id,
        "principalId": was.get("principalId") or ctx.ids.guid(),
        "clientId": was.get("clientId") or ctx.ids.guid(),
    }


KINDS: dict[str, Kind] = {
    kind.type.lower(): kind
    for kind in (
        Kind(
            "Microsoft.Insights/components",
            "a workspace names it, and code reads its connection string",
            ("2020-02-02", "2015-05-01"),
            _component,
        ),
        Kind(
            "Microsoft.OperationalInsights/workspaces",
            "Application Insights names it; its tables are not here yet",
            ("2025-02-01", "2023-09-01", "2022-10-01", "2021-06-01", "2020-08-01"),
            _log_workspace,
        ),
        Kind(
            "Microsoft.ContainerRegistry/registries",
            "a workspace names it; images are not kept in it",
            ("2025-04-01", "2023-07-01", "2022-12-01", "2019-05-01"),
            _container_registry,
            sku={"name": "Basic", "tier": "Basic"},
        ),
        Kind(
            "Microsoft.ManagedIdentity/userAssignedIdentities",
            "two ids; the identity emulator issues tokens to them",
            ("2024-11-30", "2023-01-31", "2018-11-30"),
            _user_assigned,
        ),
    )
}
