"""Tenants, the subscription, its regions."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from emulators.arm.engine import groups, locations
from emulators.kernel.access import Asked
from emulators.kernel.azure_http import page
from emulators.kernel.context import Context
from emulators.kernel.http import Operation, Reply, context_of, principal_of

NAME = "Rehearsal"
DOMAIN = "rehearsal.onmicrosoft.com"


def _subscription(ctx: Context) -> dict[str, Any]:
    subscription = ctx.secrets.subscription_id
    return {
        "id": f"/subscriptions/{subscription}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": subscription,
        "tenantId": ctx.secrets.tenant_id,
        "displayName": NAME,
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    }


async def list_subscriptions(request: Request) -> Reply:
    ctx = context_of(request)
    found = _subscription(ctx)
    asked = Asked("Microsoft.Resources/subscriptions/read", found["id"], visible=True)
    return page([found] if ctx.access.may(principal_of(request), asked) else [])


async def get_subscription(request: Request) -> Reply:
    ctx = context_of(request)
    groups.check_subscription(ctx, request.path_params["subscription"])
    return Reply(200, _subscription(ctx))


async def list_tenants(request: Request) -> Reply:
    tenant = context_of(request).secrets.tenant_id
    return page(
        [
            {
                "id": f"/tenants/{tenant}",
                "tenantId": tenant,
                "countryCode": "US",
                "displayName": NAME,
                "domains": [DOMAIN],
                "tenantCategory": "Home",
                "defaultDomain": DOMAIN,
                "tenantType": "AAD",
            }
        ]
    )


async def list_locations(request: Request) -> Reply:
    ctx = context_of(request)
    subscription = groups.check_subscription(ctx, request.path_params["subscription"])
    return page(
        {
            "id": f"/subscriptions/{subscription}/locations/{name}",
            "name": name,
            "type": "Region",
            "displayName": display,
            "regionalDisplayName": f"({geography}) {display}",
            "metadata": {
                "regionType": "Physical",
                "regionCategory": "Recommended",
                "geographyGroup": geography,
                "latitude": latitude,
                "longitude": longitude,
            },
        }
        for name, (display, geography, latitude, longitude) in locations.REGIONS.items()
    )


ONE = "/subscriptions/{subscription}"
OPERATIONS = [
    Operation("Subscriptions_List", "GET", "/subscriptions", list_subscriptions),
    Operation("Subscriptions_Get", "GET", ONE, get_subscription),
    Operation("Subscriptions_ListLocations", "GET", f"{ONE}/locations", list_locations),
    Operation("Tenants_List", "GET", "/tenants", list_tenants),
]
