"""Resource providers: what types there are, and in which api-versions."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from emulators.arm.engine import groups, locations, providers
from emulators.kernel.azure_http import page
from emulators.kernel.http import Operation, Reply, context_of

UNLOCATED = {"Microsoft.Authorization", "Microsoft.Resources"}


def encode(namespace: str, subscription: str) -> dict[str, Any]:
    """A provider as ARM writes it; `subscription` is empty at the tenant."""
    scope = f"/subscriptions/{subscription}" if subscription else ""
    regions = [display for display, *_ in locations.REGIONS.values()]
    body: dict[str, Any] = {
        "id": f"{scope}/providers/{namespace}",
        "namespace": namespace,
        "resourceTypes": [
            {
                "resourceType": name,
                "locations": [] if namespace in UNLOCATED else regions,
                "apiVersions": list(versions),
                "capabilities": "None" if namespace in UNLOCATED else "SupportsTags",
            }
            for name, versions in providers.PROVIDERS[namespace].items()
        ],
    }
    if subscription:
        body["registrationState"] = "Registered"
        body["registrationPolicy"] = "RegistrationRequired"
    return body


def _subscription(request: Request) -> str:
    given = request.path_params.get("subscription")
    return groups.check_subscription(context_of(request), given) if given else ""


async def list_providers(request: Request) -> Reply:
    subscription = _subscription(request)
    return page(encode(namespace, subscription) for namespace in providers.PROVIDERS)


async def get_provider(request: Request) -> Reply:
    """Registration asks the same question: every provider that is here is registered."""
    subscription = _subscription(request)
    return Reply(200, encode(providers.find(request.path_params["namespace"]), subscription))


MANY = "/subscriptions/{subscription}/providers"
ONE = f"{MANY}/{{namespace}}"
OPERATIONS = [
    Operation("Providers_List", "GET", MANY, list_providers),
    Operation("Providers_Get", "GET", ONE, get_provider),
    Operation("Providers_Register", "POST", f"{ONE}/register", get_provider),
    Operation("Providers_ListAtTenantScope", "GET", "/providers", list_providers),
    Operation("Providers_GetAtTenantScope", "GET", "/providers/{namespace}", get_provider),
]
