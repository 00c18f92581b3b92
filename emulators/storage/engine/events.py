"""Event subscriptions of an account, and events that leave it: kept with the write that made them.

An event is in the outbox as soon as its write is; it leaves when its receiver has taken it.
Source: learn.microsoft.com/azure/event-grid/event-schema-blob-storage and delivery-and-retry.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from emulators.kernel.context import Context
from emulators.storage.engine.vault import Vault
from emulators.storage.store import (
    ACCOUNTS,
    CONTAINERS,
    EVENT_SUBSCRIPTIONS,
    OUTBOX,
    Blob,
    Container,
    EventSubscription,
    Outgoing,
)

LOG = logging.getLogger("rehearsal.storage")
CREATED, DELETED = "Microsoft.Storage.BlobCreated", "Microsoft.Storage.BlobDeleted"
WAITS_S = (10, 30, 60, 300, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600)
MOST_ATTEMPTS = 30
LIFETIME = timedelta(hours=24)
HOPELESS = frozenset({400, 401, 403, 413})
"""Answers after which an event is not delivered again."""

Test = Callable[[Any, list[Any]], bool]


def _text(value: Any) -> str:
    return str(value).lower()


OPERATORS: dict[str, Test] = {
    "stringin": lambda value, given: _text(value) in map(_text, given),
    "stringnotin": lambda value, given: _text(value) not in map(_text, given),
    "stringbeginswith": lambda value, given: any(_text(value).startswith(_text(g)) for g in given),
    "stringendswith": lambda value, given: any(_text(value).endswith(_text(g)) for g in given),
    "stringcontains": lambda value, given: any(_text(g) in _text(value) for g in given),
    "numbergreaterthan": lambda value, given: isinstance(value, int) and value > given[0],
    "numberlessthan": lambda value, given: isinstance(value, int) and value < given[0],
}
"""Advanced filters: operator in lower case -> whether a value passes."""


def subscribe(vault: Vault, wanted: EventSubscription) -> None:
    """Keep a subscription; what is written from now on goes to it."""
    vault.ctx.store.put(EVENT_SUBSCRIPTIONS, wanted)
    vault.subscribed = None


def unsubscribe(vault: Vault, account: str, name: str) -> bool:
    """Drop a subscription, with what has not left to it; False when there is none."""
    store = vault.ctx.store
    with store.transaction():
        gone = store.delete(EVENT_SUBSCRIPTIONS, account, name.lower())
        for one in list(store.scan(OUTBOX)):
            if (one.account, one.subscription) == (account, name.lower()):
                store.delete(OUTBOX, one.key)
    vault.subscribed = None
    return gone


def created(vault: Vault, blob: Blob, api: str) -> None:
    """Note that a blob was written; in the transaction that writes it."""
    if subscribed(vault):
        _publish(vault, blob, CREATED, api)


def deleted(vault: Vault, blob: Blob, api: str) -> None:
    """Note that a blob was deleted; in the transaction that deletes it."""
    if subscribed(vault):
        _publish(vault, blob, DELETED, api)


def subscribed(vault: Vault) -> frozenset[str]:
    """The accounts that anybody waits for."""
    if vault.subscribed is None:
        found = vault.ctx.store.scan(EVENT_SUBSCRIPTIONS)
        vault.subscribed = frozenset(one.account for one in found)
    return vault.subscribed


def _publish(vault: Vault, blob: Blob, kind: str, api: str) -> None:
    container = _container(vault, blob.container)
    folder = blob.metadata.get("hdi_isfolder") == "true"
    if container is None or blob.snapshot or folder:
        return
    event = _event(vault, container, blob, kind, api)
    waits = False
    for subscription in vault.ctx.store.scan(EVENT_SUBSCRIPTIONS, container.account):
        if passes(subscription.filter, event):
            key = f"{event['eventTime']}/{vault.ctx.ids.guid()}"
            now = vault.ctx.clock.now()
            vault.ctx.store.put(
                OUTBOX, Outgoing(key, container.account, subscription.key, event, now, now)
            )
            waits = True
    if waits:
        vault.outgoing.set()


def _container(vault: Vault, wanted: str) -> Container | None:
    for account in subscribed(vault):
        for container in vault.ctx.store.scan(CONTAINERS, account):
            if container.id == wanted:
                return container
    return None


def _event(vault: Vault, container: Container, blob: Blob, kind: str, api: str) -> dict[str, Any]:
    ctx = vault.ctx
    now = ctx.clock.now()
    path = f"{container.name}/{blob.name}"
    url = f"https://{container.account}.blob.core.windows.net/{path}"
    account = ctx.store.get(ACCOUNTS, container.account)
    assert account is not None
    data: dict[str, Any] = {
        "api": api,
        "clientRequestId": ctx.ids.guid(),
        "requestId": ctx.ids.guid(),
        "eTag": blob.etag,
        "contentType": blob.content_type,
        "blobType": blob.kind,
        "url": url,
        "sequencer": f"{int(now.timestamp() * 1e7):032x}",
        "storageDiagnostics": {"batchId": ctx.ids.guid()},
    }
    if kind == CREATED:
        data["contentLength"] = blob.size
    return {
        "topic": (
            f"/subscriptions/{account.subscription}/resourceGroups/{account.group}/providers"
            f"/Microsoft.Storage/storageAccounts/{account.name}"
        ),
        "subject": f"/blobServices/default/containers/{container.name}/blobs/{blob.name}",
        "eventType": kind,
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%f0Z"),
        "id": ctx.ids.guid(),
        "data": data,
        "dataVersion": "",
        "metadataVersion": "1",
    }


def passes(given: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether a subscription's filter lets an event pass."""
    kinds = given.get("includedEventTypes")
    if kinds and event["eventType"] not in kinds:
        return False
    subject = str(event["subject"])
    begins, ends = given.get("subjectBeginsWith") or "", given.get("subjectEndsWith") or ""
    if given.get("isSubjectCaseSensitive") is not True:
        subject, begins, ends = subject.lower(), begins.lower(), ends.lower()
    if not (subject.startswith(begins) and subject.endswith(ends)):
        return False
    return all(_holds(one, event) for one in given.get("advancedFilters") or [])


def _holds(test: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    value: Any = event
    for word in str(test.get("key", "")).split("."):
        value = value.get(word) if isinstance(value, Mapping) else None
    values = test["values"] if "values" in test else [test.get("value")]
    return OPERATORS[str(test["operatorType"]).lower()](value, list(values))


async def deliver(vault: Vault) -> None:
    """Deliver what is in the outbox, for as long as the service is up."""
    ctx = vault.ctx
    while True:
        vault.outgoing.clear()
        left_s = await _round(vault)
        waiting = [
            asyncio.ensure_future(vault.outgoing.wait()),
            asyncio.ensure_future(ctx.clock.sleep(left_s)),
        ]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
            for one in waiting:
                with suppress(asyncio.CancelledError):
                    await one


async def _round(vault: Vault) -> float:
    """Try every event that is due; seconds until the next one is."""
    ctx, soonest_s = vault.ctx, 3600.0
    for one in list(ctx.store.scan(OUTBOX)):
        left_s = (one.due - ctx.clock.now()).total_seconds()
        if left_s <= 0:
            left_s = await _try(ctx, one)
        if left_s > 0:
            soonest_s = min(soonest_s, left_s)
    return soonest_s


async def _try(ctx: Context, one: Outgoing) -> float:
    """Deliver an event; 0 when it is done with, else seconds until it is tried again."""
    subscription = ctx.store.get(EVENT_SUBSCRIPTIONS, one.account, one.subscription)
    status = 400 if subscription is None else await post(ctx, subscription.endpoint, one.event)
    taken = 200 <= status < 300
    wait_s = WAITS_S[min(one.attempts, len(WAITS_S) - 1)]
    tried, due = one.attempts + 1, ctx.clock.now() + timedelta(seconds=wait_s)
    over = tried >= MOST_ATTEMPTS or due - one.made > LIFETIME
    if taken or over or status in HOPELESS:
        ctx.store.delete(OUTBOX, one.key)
        state = "Delivered" if taken else "Dropped"
        ctx.ledger.record(
            "storage event", state=state, status=status, subscription=one.subscription,
            subject=one.event["subject"], event=one.event["eventType"],
        )  # fmt: skip
        return 0.0
    ctx.store.put(OUTBOX, replace(one, attempts=tried, due=due))
    return float(wait_s)


async def post(ctx: Context, endpoint: str, event: Mapping[str, Any]) -> int:
    """Send one event to a webhook; its status, 0 without an answer."""
    try:
        async with ctx.peers.client(30.0, anonymous=True) as http:
            answer = await http.post(
                endpoint, json=[event], headers={"aeg-event-type": "Notification"}
            )
    except Exception as failed:
        LOG.warning("an event could not be delivered: %r", failed)
        return 0
    return answer.status_code


async def validated(ctx: Context, endpoint: str, topic: str) -> bool:
    """Whether a webhook answers Event Grid's question whether it wants events.

    Source: learn.microsoft.com/azure/event-grid/webhook-event-delivery.
    """
    code = ctx.ids.guid()
    event = {
        "id": ctx.ids.guid(),
        "topic": topic,
        "subject": "",
        "data": {"validationCode": code},
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": ctx.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%f0Z"),
        "metadataVersion": "1",
        "dataVersion": "2",
    }
    try:
        async with ctx.peers.client(30.0, anonymous=True) as http:
            answer = await http.post(
                endpoint, json=[event], headers={"aeg-event-type": "SubscriptionValidation"}
            )
        return answer.is_success and answer.json().get("validationResponse") == code
    except Exception as failed:
        LOG.warning("a webhook could not be asked: %r", failed)
        return False
