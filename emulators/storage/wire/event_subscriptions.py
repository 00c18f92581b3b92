"""Event Grid's subscriptions to the events of a storage account."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request

from emulators.kernel.azure_domains import is_azure
from emulators.kernel.errors import BadRequest, NotFound, Unsupported
from emulators.kernel.http import Operation, Reply, context_of, json_object, read_json
from emulators.storage.engine import events
from emulators.storage.engine.vault import vault_of
from emulators.storage.store import EVENT_SUBSCRIPTIONS, Account, EventSubscription
from emulators.storage.wire.management import ACCOUNT, TRACKED, found_account, id_of

SUBSCRIPTIONS = f"{ACCOUNT}/providers/Microsoft.EventGrid/eventSubscriptions"
SUBSCRIPTION = f"{SUBSCRIPTIONS}/{{subscription_name}}"
NAME = re.compile(r"[A-Za-z0-9-]{3,64}\Z")
SERVED = frozenset(
    {
        "subjectBeginsWith", "subjectEndsWith", "includedEventTypes", "isSubjectCaseSensitive",
        "advancedFilters", "enableAdvancedFilteringOnArrays",
    }
)  # fmt: skip


class InvalidSubscription(BadRequest):
    """A subscription that Event Grid does not make."""

    code = "InvalidRequest"


class SubscriptionMissing(NotFound):
    """No subscription of that name."""

    code = "ResourceNotFound"


class NotValidated(BadRequest):
    """The webhook does not say that it wants events."""

    code = "Url validation"


def _encode(account: Account, one: EventSubscription) -> dict[str, Any]:
    return {
        "id": f"{id_of(account)}/providers/Microsoft.EventGrid/eventSubscriptions/{one.name}",
        "name": one.name,
        "type": "Microsoft.EventGrid/eventSubscriptions",
        "properties": {
            "topic": id_of(account),
            "provisioningState": "Succeeded",
            "destination": {
                "endpointType": "WebHook",
                "properties": {"endpointBaseUrl": one.endpoint.partition("?")[0]},
            },
            "filter": one.filter,
            "labels": one.labels,
            "eventDeliverySchema": "EventGridSchema",
            "retryPolicy": {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440},
        },
    }


def _decoded(account: Account, name: str, body: dict[str, Any]) -> EventSubscription:
    """The subscription that a PUT asks for.

    Raises:
        InvalidSubscription: it is malformed.
        Unsupported: it delivers elsewhere than to a webhook here, or filters in another way.
    """
    if not NAME.match(name):
        raise InvalidSubscription("The name of a subscription has 3 to 64 letters, digits and -.")
    given = json_object(body.get("properties"), "properties")
    destination = json_object(given.get("destination"), "destination")
    url = json_object(destination.get("properties"), "properties").get("endpointUrl")
    if str(destination.get("endpointType", "")).lower() != "webhook":
        raise Unsupported(
            f"event subscriptions to a {destination.get('endpointType')}", tracked=TRACKED
        )
    if not isinstance(url, str) or not url.startswith("https://"):
        raise InvalidSubscription("A webhook needs an endpointUrl that begins with https://.")
    if not is_azure(urlsplit(url).hostname or ""):
        raise Unsupported("webhooks outside of the emulated services", tracked=TRACKED)
    schema = given.get("eventDeliverySchema") or "EventGridSchema"
    if schema != "EventGridSchema" or given.get("deadLetterDestination"):
        raise Unsupported("other event schemas, and dead letters", tracked=TRACKED)
    labels = given.get("labels") or []
    return EventSubscription(
        account.name, name.lower(), name, url, _filter(given), [str(one) for one in labels]
    )


def _filter(given: dict[str, Any]) -> dict[str, Any]:
    wanted = json_object(given.get("filter"), "filter")
    unknown = [name for name in wanted if name not in SERVED]
    if unknown:
        raise Unsupported(f"the filter {unknown[0]} of event subscriptions", tracked=TRACKED)
    advanced = wanted.get("advancedFilters") or []
    if not isinstance(advanced, list) or not all(isinstance(one, dict) for one in advanced):
        raise InvalidSubscription("advancedFilters must be an array of objects.")
    for one in advanced:
        operator = str(one.get("operatorType", ""))
        if operator.lower() not in events.OPERATORS:
            raise Unsupported(f"the operator '{operator}' of advanced filters", tracked=TRACKED)
        if not isinstance(one.get("values", []), list):
            raise InvalidSubscription("values of an advanced filter must be an array.")
    return {name: value for name, value in wanted.items() if value is not None}


async def put(request: Request) -> Reply:
    ctx, account = context_of(request), found_account(request)
    name = request.path_params["subscription_name"]
    wanted = _decoded(account, name, await read_json(request))
    if not await events.validated(ctx, wanted.endpoint, id_of(account)):
        raise NotValidated(
            "Webhook validation handshake failed: the endpoint did not answer with the validation"
            " code. For more details please go to https://aka.ms/esvalidation."
        )
    old = ctx.store.get(EVENT_SUBSCRIPTIONS, account.name, wanted.key)
    events.subscribe(vault_of(ctx), wanted)
    return Reply(200 if old else 201, _encode(account, wanted))


def _found(request: Request, account: Account) -> EventSubscription:
    name = request.path_params["subscription_name"]
    found = context_of(request).store.get(EVENT_SUBSCRIPTIONS, account.name, name.lower())
    if found is None:
        raise SubscriptionMissing(f"The event subscription '{name}' was not found.")
    return found


async def get(request: Request) -> Reply:
    account = found_account(request)
    return Reply(200, _encode(account, _found(request, account)))


async def full_url(request: Request) -> Reply:
    return Reply(200, {"endpointUrl": _found(request, found_account(request)).endpoint})


async def delete(request: Request) -> Reply:
    ctx, account = context_of(request), found_account(request)
    name = request.path_params["subscription_name"]
    gone = events.unsubscribe(vault_of(ctx), account.name, name)
    return Reply(200 if gone else 204)


async def every(request: Request) -> Reply:
    account = found_account(request)
    found = context_of(request).store.scan(EVENT_SUBSCRIPTIONS, account.name)
    return Reply(200, {"value": [_encode(account, one) for one in found]})


OPERATIONS = [
    Operation("EventSubscriptions_CreateOrUpdate", "PUT", SUBSCRIPTION, put),
    Operation("EventSubscriptions_Get", "GET", SUBSCRIPTION, get),
    Operation("EventSubscriptions_Delete", "DELETE", SUBSCRIPTION, delete),
    Operation("EventSubscriptions_GetFullUrl", "POST", f"{SUBSCRIPTION}/getFullUrl", full_url),
    Operation("EventSubscriptions_ListByResource", "GET", SUBSCRIPTIONS, every),
]
