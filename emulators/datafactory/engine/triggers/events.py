"""Triggers of storage events: their subscription at the account, and the events that come."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from emulators.datafactory.engine.resources import Child
from emulators.datafactory.engine.triggers import firing, records
from emulators.datafactory.engine.triggers.firing import Occasion
from emulators.datafactory.engine.triggers.kinds import BlobEvents, Trigger
from emulators.datafactory.engine.triggers.recurrence import UTC_ZONE
from emulators.datafactory.engine.triggers.times import instant
from emulators.datafactory.errors import InvalidTrigger
from emulators.datafactory.store import (
    SEEN_EVENTS,
    TRIGGER_RUNS,
    TRIGGER_STATES,
    SeenEvent,
    TriggerRun,
    TriggerState,
)
from emulators.kernel.context import Context
from emulators.kernel.errors import ServiceError

PATH = "/dataplane/triggers/events"
EVENT_GRID = "2022-06-15"
SUBJECT = "/blobServices/default/containers"
WRITTEN_BY = ("CopyBlob", "PutBlob", "PutBlockList", "FlushWithClose")
"""Ways of making a blob after which it is whole."""
DELETED_BY = ("DeleteBlob", "DeleteFile")
REMEMBERED_DAYS = 3
"""Longer than anybody tries to deliver an event."""


class SubscriptionFailed(ServiceError):
    """The storage account takes no subscription, in its own words."""

    status = 400
    code = "EventSubscriptionFailed"


def key_of(factory: str, key: str) -> str:
    """Name of a trigger's subscription: the same at every start."""
    return "df-" + hashlib.sha256(f"{factory}\n{key}".encode()).hexdigest()[:32]


def secret_of(ctx: Context, name: str) -> str:
    """What proves that an event comes from the subscription."""
    return ctx.secrets.token(f"datafactory/events/{name}")


def url_of(ctx: Context, name: str) -> str:
    """Where a subscription delivers its events."""
    host = f"{ctx.settings.region}.svc.datafactory.azure.com"
    return f"https://{host}{PATH}/{name}?code={secret_of(ctx, name)}"


def filter_of(kind: BlobEvents) -> dict[str, Any]:
    """The subscription's filter."""
    advanced: list[dict[str, Any]] = [
        {"operatorType": "StringIn", "key": "data.api", "values": [*WRITTEN_BY, *DELETED_BY]}
    ]
    return {
        "subjectBeginsWith": SUBJECT + kind.begins_with,
        "subjectEndsWith": kind.ends_with,
        "includedEventTypes": list(kind.events),
        "advancedFilters": advanced,
    }


async def subscribe(ctx: Context, at: Child, kind: BlobEvents) -> None:
    """Ask the storage account to deliver events; they count from then on.

    Raises:
        SubscriptionFailed: it does not.
    """
    name = key_of(at.factory.id, at.key)
    body = {
        "properties": {
            "destination": {
                "endpointType": "WebHook",
                "properties": {"endpointUrl": url_of(ctx, name)},
            },
            "filter": filter_of(kind),
            "eventDeliverySchema": "EventGridSchema",
        }
    }
    async with ctx.peers.client() as http:
        answer = await http.put(
            _subscription(kind, name), params={"api-version": EVENT_GRID}, json=body
        )
    if answer.status_code not in (200, 201):
        raise SubscriptionFailed(
            f"The events of '{kind.scope}' cannot be subscribed to: {answer.status_code}"
            f" {answer.text[:500]}",
            target="scope",
        )
    records.set_state(ctx, at, subscription="Enabled")


async def unsubscribe(ctx: Context, at: Child, kind: BlobEvents) -> None:
    """Ask the storage account for no more events.

    Raises:
        SubscriptionFailed: it is neither done nor needless.
    """
    name = key_of(at.factory.id, at.key)
    async with ctx.peers.client() as http:
        answer = await http.delete(_subscription(kind, name), params={"api-version": EVENT_GRID})
    if answer.status_code not in (200, 202, 204, 404):
        raise SubscriptionFailed(
            f"The events of '{kind.scope}' stay subscribed: {answer.status_code}"
            f" {answer.text[:500]}",
            target="scope",
        )
    records.set_state(ctx, at, subscription="Disabled")


def _subscription(kind: BlobEvents, name: str) -> str:
    scope = f"https://management.azure.com{kind.scope}"
    return f"{scope}/providers/Microsoft.EventGrid/eventSubscriptions/{name}"


def trigger_of(ctx: Context, name: str, code: str) -> TriggerState | None:
    """The trigger that a subscription of that name belongs to; None where the code is wrong."""
    if not hmac.compare_digest(code.encode(), secret_of(ctx, name).encode()):
        return None
    for state in ctx.store.scan(TRIGGER_STATES):
        if key_of(state.factory, state.key) == name:
            return state
    return None


def receive(
    ctx: Context, state: TriggerState, events: Iterable[Mapping[str, Any]]
) -> list[TriggerRun]:
    """Record a firing for each event that the trigger waits for and has not had; those firings."""
    if state.runtime_state != records.STARTED:
        return []
    found = records.definition(ctx, state)
    if found is None or not isinstance(found[1].kind, BlobEvents):
        return []
    name, trigger = found
    fired = []
    with ctx.store.transaction():
        for event in events:
            occasion = _occasion(name, trigger, event)
            if occasion is None:
                continue
            day = occasion.due.date()
            seen = SeenEvent(state.factory, state.key, day.isoformat(), str(event["id"]))
            if not ctx.store.insert(SEEN_EVENTS, seen):
                continue
            run = firing.new_run(ctx, state, occasion, trigger.starts)
            ctx.store.put(TRIGGER_RUNS, run)
            fired.append(run)
            _forget_old(ctx, state, day)
    return fired


def _occasion(name: str, trigger: Trigger, event: Mapping[str, Any]) -> Occasion | None:
    """What an event means to a trigger; None where it is not the trigger's."""
    kind = trigger.kind
    assert isinstance(kind, BlobEvents)
    subject, data = str(event.get("subject", "")), event.get("data")
    container, _, path = subject.removeprefix(f"{SUBJECT}/").partition("/blobs/")
    if not isinstance(data, Mapping) or event.get("eventType") not in kind.events or not path:
        return None
    created = event["eventType"] == "Microsoft.Storage.BlobCreated"
    if created and kind.ignore_empty and not data.get("contentLength"):
        return None
    folder, _, file = f"{container}/{path}".rpartition("/")
    body = {"fileName": file, "folderPath": folder, "data": dict(data)}
    shown = {"EventPayload": dict(event), "FileName": file, "FolderPath": folder}
    return Occasion(name, kind.type, _time(event), {"body": body}, shown)


def _time(event: Mapping[str, Any]) -> datetime:
    return instant(event.get("eventTime"), UTC_ZONE)


def _forget_old(ctx: Context, state: TriggerState, today: date) -> None:
    """Drop the marks of events that nobody delivers any more."""
    for age in range(REMEMBERED_DAYS, REMEMBERED_DAYS + 3):
        day = (today - timedelta(days=age)).isoformat()
        for seen in list(ctx.store.scan(SEEN_EVENTS, state.factory, state.key, day)):
            ctx.store.delete(SEEN_EVENTS, *SEEN_EVENTS.key_of(seen))


def kind_of(name: str, trigger: Trigger) -> BlobEvents:
    """The trigger's events.

    Raises:
        InvalidTrigger: it has none.
    """
    if not isinstance(trigger.kind, BlobEvents):
        raise InvalidTrigger(name, "only triggers of events are subscribed", "type")
    return trigger.kind
