"""The cloud's own description, which clients read before anything else."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from emulators.kernel.http import Operation, Reply, links_of

EXPLICIT_NAME = "Rehearsal"
EXPLICIT_LOGIN = "https://login.localhost/"
"""Named and never asked: it has no port because azureml-mlflow takes none, and no address."""

SUFFIXES = {
    "acrLoginServer": "azurecr.io",
    "azureDataLakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.net",
    "azureDataLakeStoreFileSystem": "azuredatalakestore.net",
    "keyVaultDns": "vault.azure.net",
    "mhsmDns": "managedhsm.azure.net",
    "mysqlServerEndpoint": "mysql.database.azure.com",
    "mariadbServerEndpoint": "mariadb.database.azure.com",
    "postgresqlServerEndpoint": "postgres.database.azure.com",
    "sqlServerHostname": "database.windows.net",
    "storage": "core.windows.net",
    "storageSyncEndpointSuffix": "afs.azure.net",
    "synapseAnalytics": "dev.azuresynapse.net",
    "attestationEndpoint": "attest.azure.net",
}


def cloud(explicit: str | None) -> dict[str, Any]:
    """The cloud as api-version 2022-09-01 describes it.

    Through the proxy it is the public cloud word for word. At the explicit door (`explicit` is
    its origin) the resource manager and the audience are the door's; the portal stays, because
    the Machine Learning audience is made from it.
    """
    arm = explicit or "https://management.azure.com"
    login = EXPLICIT_LOGIN if explicit else "https://login.microsoftonline.com/"
    audiences = [explicit] if explicit else []
    audiences += ["https://management.core.windows.net/", "https://management.azure.com/"]
    return {
        "portal": "https://portal.azure.com",
        "authentication": {
            "loginEndpoint": login,
            "audiences": audiences,
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "media": "https://rest.media.azure.net",
        "graphAudience": "https://graph.windows.net/",
        "graph": "https://graph.windows.net/",
        "name": EXPLICIT_NAME if explicit else "AzureCloud",
        "suffixes": SUFFIXES,
        "batch": "https://batch.core.windows.net/",
        "resourceManager": f"{arm}/",
        "vmImageAliasDoc": "https://raw.githubusercontent.com/Azure/azure-rest-api-specs/main/arm-compute/quickstart-templates/aliases.json",
        "activeDirectoryDataLake": "https://datalake.azure.net/",
        "sqlManagement": "https://management.core.windows.net:8443/",
        "microsoftGraphResourceId": "https://graph.microsoft.com/",
        "appInsightsResourceId": "https://api.applicationinsights.io",
        "appInsightsTelemetryChannelResourceId": "https://dc.applicationinsights.azure.com/v2/track",
        "attestationResourceId": "https://attest.azure.net",
        "synapseAnalyticsResourceId": "https://dev.azuresynapse.net",
        "logAnalyticsResourceId": "https://api.loganalytics.io",
        "ossrDbmsResourceId": "https://ossrdbms-aad.database.windows.net",
    }


def first_form(explicit: str | None) -> dict[str, Any]:
    """The cloud as api-versions before 2018 describe it."""
    whole = cloud(explicit)
    return {
        "galleryEndpoint": "https://gallery.azure.com/",
        "graphEndpoint": whole["graph"],
        "portalEndpoint": whole["portal"],
        "authentication": {
            "loginEndpoint": whole["authentication"]["loginEndpoint"],
            "audiences": whole["authentication"]["audiences"],
        },
    }


async def endpoints(request: Request) -> Reply:
    """Up to 2018 one object, then a list of clouds, and from 2022 one object again."""
    version = request.query_params.get("api-version", "")[:10]
    explicit = links_of(request).explicit
    if version < "2018":
        return Reply(200, first_form(explicit))
    whole = cloud(explicit)
    return Reply(200, [whole] if version < "2022" else whole)


OPERATIONS = [
    Operation("Metadata_Endpoints", "GET", "/metadata/endpoints", endpoints, authenticate=False),
]
