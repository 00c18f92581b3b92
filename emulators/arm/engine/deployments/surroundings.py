"""What a template can learn about where and how it is deployed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulators.arm.engine import groups
from emulators.arm.engine.templates.frames import Place, Surroundings
from emulators.kernel.context import Context

ENVIRONMENT: dict[str, Any] = {
    "name": "AzureCloud",
    "gallery": "https://gallery.azure.com/",
    "graph": "https://graph.windows.net/",
    "portal": "https://portal.azure.com",
    "graphAudience": "https://graph.windows.net/",
    "activeDirectoryDataLake": "https://datalake.azure.net/",
    "batch": "https://batch.core.windows.net/",
    "media": "https://rest.media.azure.net",
    "sqlManagement": "https://management.core.windows.net:8443/",
    "vmImageAliasDoc": "https://raw.githubusercontent.com/Azure/azure-rest-api-specs/master/arm-compute/quickstart-templates/aliases.json",
    "resourceManager": "https://management.azure.com/",
    "authentication": {
        "loginEndpoint": "https://login.microsoftonline.com/",
        "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
        "tenant": "common",
        "identityProvider": "AAD",
    },
    "suffixes": {
        "acrLoginServer": ".azurecr.io",
        "azureDatalakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.net",
        "azureDatalakeStoreFileSystem": "azuredatalakestore.net",
        "azureFrontDoorEndpointSuffix": "azurefd.net",
        "keyvaultDns": ".vault.azure.net",
        "sqlServerHostname": ".database.windows.net",
        "storage": "core.windows.net",
    },
}
"""Source: template-functions-deployment, "environment"."""


def around(ctx: Context, place: Place, deployment: Mapping[str, Any]) -> Surroundings:
    """The facts of a deployment to `place`.

    Raises:
        SubscriptionNotFound, GroupNotFound: the place does not exist.
    """
    subscription = groups.check_subscription(ctx, place.subscription)
    facts: dict[str, Any] = {
        "deployment": deployment,
        "environment": ENVIRONMENT,
        "subscription": {
            "id": f"/subscriptions/{subscription}",
            "subscriptionId": subscription,
            "tenantId": ctx.secrets.tenant_id,
            "displayName": "Rehearsal",
        },
        "tenant": {
            "countryCode": "US",
            "displayName": "Rehearsal",
            "id": f"/tenants/{ctx.secrets.tenant_id}",
            "tenantId": ctx.secrets.tenant_id,
        },
    }
    if place.group:
        group = groups.get(ctx, place.group)
        facts["resourceGroup"] = {
            "id": f"/subscriptions/{subscription}/resourceGroups/{group.name}",
            "name": group.name,
            "type": "Microsoft.Resources/resourceGroups",
            "location": group.location,
            "tags": group.tags,
            "properties": {"provisioningState": "Succeeded"},
        }
        place = Place(subscription, group.name)
    return Surroundings(place, facts, ctx.clock.now(), ctx.ids.guid)
