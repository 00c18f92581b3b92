"""What a trigger says, read by its kind and held against the rules that publishing has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from emulators.datafactory.engine.triggers.recurrence import (
    UTC_ZONE,
    BadRecurrence,
    Recurrence,
)
from emulators.datafactory.engine.triggers.recurrence import read as read_recurrence
from emulators.datafactory.engine.triggers.times import instant, span
from emulators.datafactory.engine.triggers.windows import Dependency, Grid
from emulators.datafactory.errors import InvalidTrigger
from emulators.kernel.errors import Unsupported

TRACKED = "emulators/datafactory/README.md, Triggers"
REFUSED = {
    "customeventstrigger": "triggers of custom events: there is no Event Grid topic here",
    "blobtrigger": "the older BlobTrigger, which looks into folders; use a BlobEventsTrigger",
    "chainingtrigger": "triggers that wait for other pipelines (ChainingTrigger)",
    "reruntumblingwindowtrigger": "RerunTumblingWindowTrigger; rerun the trigger's runs instead",
}
EVENTS = ("Microsoft.Storage.BlobCreated", "Microsoft.Storage.BlobDeleted")
LEAST_MINUTES = 5
MOST_DEPENDENCIES = 5
LEAST_RETRY_S = 30


@dataclass(frozen=True, slots=True)
class Start:
    """A pipeline that a trigger starts, and its parameters as written."""

    pipeline: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Fires by a recurrence."""

    recurrence: Recurrence
    type = "ScheduleTrigger"


@dataclass(frozen=True, slots=True)
class Tumbling:
    """Runs every window of time once."""

    grid: Grid
    delay: timedelta
    at_once: int  # windows that run at the same time
    retries: int
    retry_after: timedelta
    dependencies: tuple[Dependency, ...]
    type = "TumblingWindowTrigger"


@dataclass(frozen=True, slots=True)
class BlobEvents:
    """Fires for blobs that are made or deleted in a storage account."""

    scope: str  # ARM id of the account
    events: tuple[str, ...]
    begins_with: str  # /container/blobs/folder/
    ends_with: str
    ignore_empty: bool
    type = "BlobEventsTrigger"


Kind = Schedule | Tumbling | BlobEvents


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger, read."""

    kind: Kind
    starts: tuple[Start, ...]


def read(name: str, properties: Mapping[str, Any], default_start: datetime) -> Trigger:
    """Read a trigger's properties.

    Args:
        default_start: where a schedule begins that says no start (UTC).

    Raises:
        InvalidTrigger: they break a rule.
        Unsupported: it is of a kind that is not emulated.
    """
    word = str(properties.get("type", "")).lower()
    if word in REFUSED:
        raise Unsupported(REFUSED[word], tracked=TRACKED)
    inner = properties.get("typeProperties")
    given = inner if isinstance(inner, Mapping) else {}
    if word == "scheduletrigger":
        kind: Kind = Schedule(_recurrence(name, given, default_start))
    elif word == "tumblingwindowtrigger":
        kind = _tumbling(name, given)
    elif word == "blobeventstrigger":
        kind = _blob_events(name, given)
    else:
        raise InvalidTrigger(name, f"there is no trigger of type '{properties.get('type')}'")
    return Trigger(kind, _starts(name, properties, single=word == "tumblingwindowtrigger"))


def _recurrence(name: str, given: Mapping[str, Any], default_start: datetime) -> Recurrence:
    try:
        return read_recurrence(given.get("recurrence"), default_start)
    except BadRecurrence as wrong:
        raise InvalidTrigger(name, str(wrong), wrong.field) from None


def _starts(name: str, properties: Mapping[str, Any], *, single: bool) -> tuple[Start, ...]:
    if single:
        one = properties.get("pipeline")
        given = [one] if one is not None else []
    else:
        given = properties.get("pipelines") or []
    if not isinstance(given, list):
        raise InvalidTrigger(name, "pipelines must be an array", "pipelines")
    found = []
    for each in given:
        reference = each.get("pipelineReference") if isinstance(each, Mapping) else None
        pipeline = reference.get("referenceName") if isinstance(reference, Mapping) else None
        parameters = each.get("parameters") if isinstance(each, Mapping) else None
        if not isinstance(pipeline, str) or not isinstance(parameters or {}, Mapping):
            raise InvalidTrigger(name, "a pipeline is named by no pipelineReference", "pipelines")
        found.append(Start(pipeline, parameters or {}))
    return tuple(found)


def _tumbling(name: str, given: Mapping[str, Any]) -> Tumbling:
    frequency, interval = str(given.get("frequency", "")).lower(), given.get("interval")
    if frequency not in ("minute", "hour", "month"):
        raise InvalidTrigger(name, "its frequency must be Minute, Hour or Month", "frequency")
    least = LEAST_MINUTES if frequency == "minute" else 1
    if isinstance(interval, bool) or not isinstance(interval, int) or interval < least:
        raise InvalidTrigger(name, f"its interval must be at least {least}", "interval")
    start, end = _moment(name, given, "startTime"), _moment(name, given, "endTime")
    if start is None:
        raise InvalidTrigger(name, "it needs a startTime", "startTime")
    policy = given.get("retryPolicy")
    policy = policy if isinstance(policy, Mapping) else {}
    retry_s = _number(name, policy, "intervalInSeconds", LEAST_RETRY_S, 24 * 3600, LEAST_RETRY_S)
    delay = _span(name, given, "delay") or timedelta()
    if delay < timedelta():
        raise InvalidTrigger(name, "its delay must not be negative", "delay")
    return Tumbling(
        Grid(frequency, interval, start, end),
        delay,
        _number(name, given, "maxConcurrency", 1, 50, 50),
        _number(name, policy, "count", 0, 1000, 0),
        timedelta(seconds=retry_s),
        _dependencies(name, given.get("dependsOn") or []),
    )


def _dependencies(name: str, given: object) -> tuple[Dependency, ...]:
    if not isinstance(given, list) or len(given) > MOST_DEPENDENCIES:
        raise InvalidTrigger(name, f"at most {MOST_DEPENDENCIES} dependencies", "dependsOn")
    found = []
    for one in given:
        kind = str(one.get("type", "")).lower() if isinstance(one, Mapping) else ""
        if kind == "selfdependencytumblingwindowtriggerreference":
            other = None
        elif kind == "tumblingwindowtriggerdependencyreference":
            reference = one.get("referenceTrigger")
            other = reference.get("referenceName") if isinstance(reference, Mapping) else None
            if not isinstance(other, str):
                raise InvalidTrigger(name, "a dependency names no trigger", "dependsOn")
        else:
            raise InvalidTrigger(name, f"there is no dependency of type '{kind}'", "dependsOn")
        offset, size = _span(name, one, "offset"), _span(name, one, "size")
        if other is None and (offset is None or offset >= timedelta()):
            raise InvalidTrigger(name, "a dependency on itself needs a negative offset", "offset")
        if size is not None and size <= timedelta():
            raise InvalidTrigger(name, "the size of a dependency must be positive", "size")
        found.append(Dependency(other, offset or timedelta(), size))
    return tuple(found)


def _blob_events(name: str, given: Mapping[str, Any]) -> BlobEvents:
    scope, events = given.get("scope"), given.get("events")
    if not isinstance(scope, str) or "/storageaccounts/" not in scope.lower():
        raise InvalidTrigger(name, "its scope must be the id of a storage account", "scope")
    known = {one.lower(): one for one in EVENTS}
    if not isinstance(events, list) or not events:
        raise InvalidTrigger(name, "it needs events", "events")
    for one in events:
        if str(one).lower() not in known:
            raise InvalidTrigger(name, f"there is no event '{one}'", "events")
    begins, ends = given.get("blobPathBeginsWith") or "", given.get("blobPathEndsWith") or ""
    if not isinstance(begins, str) or not isinstance(ends, str) or not (begins or ends):
        raise InvalidTrigger(
            name, "it needs blobPathBeginsWith or blobPathEndsWith", "blobPathBeginsWith"
        )
    if begins and not begins.startswith("/"):
        raise InvalidTrigger(
            name,
            "blobPathBeginsWith must be like '/container/blobs/folder/'",
            "blobPathBeginsWith",
        )
    return BlobEvents(
        scope.rstrip("/"),
        tuple(known[str(one).lower()] for one in events),
        begins,
        ends,
        given.get("ignoreEmptyBlobs") is True,
    )


def _moment(name: str, given: Mapping[str, Any], field: str) -> datetime | None:
    if given.get(field) is None:
        return None
    try:
        return instant(given[field], UTC_ZONE)
    except (ValueError, OverflowError) as wrong:
        raise InvalidTrigger(name, str(wrong), field) from None


def _span(name: str, given: Mapping[str, Any], field: str) -> timedelta | None:
    if given.get(field) is None:
        return None
    try:
        return span(given[field])
    except (ValueError, OverflowError) as wrong:
        raise InvalidTrigger(name, str(wrong), field) from None


def _number(
    name: str, given: Mapping[str, Any], field: str, least: int, most: int, default: int
) -> int:
    value = given.get(field)
    if value is None:
        return default
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidTrigger(name, f"{field} must be from {least} to {most}", field)
    return value
