"""Collected data as lines of JSON, in the shape that Azure stores. Pure values to bytes.

Source: learn.microsoft.com/azure/machine-learning/how-to-collect-production-data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from emulators.machinelearning.errors import ValidationError

LARGE_BYTES = 4_000_000
"""Data over this lies in a file of its own, which its line points to."""

_BLANKS = bytes.maketrans(b"\n\r", b"  ")  # between tokens: inside text, JSON has none


@dataclass(frozen=True, slots=True)
class Event:
    """One piece of collected data."""

    id: str
    source: str  # ARM id of the deployment
    collection: str
    at: datetime  # UTC
    media: str  # media type of the data, without parameters
    data: bytes
    attributes: Mapping[str, str] = field(default_factory=dict)  # what its line says, too
    length: str = ""  # of the whole; the data's own where nothing is said


def json_text(data: bytes) -> bytes | None:
    """The data as one line of JSON; None when it is no JSON."""
    try:
        orjson.loads(data)
    except ValueError:
        try:  # numbers beyond 64 bits are JSON, too; NaN is not
            json.loads(data, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return None
    return data.translate(_BLANKS)


def _refuse(name: str) -> Any:
    raise ValueError(name)


def line(event: Event, inner: bytes, *, elsewhere: bool = False) -> bytes:
    """One line of a collection's file.

    Args:
        inner: the JSON of `data`, or of the address where it lies.
        elsewhere: it is that address.
    """
    head = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": f"azureml.inference.{event.collection}",
        "datacontenttype": event.media,
        "time": f"{event.at:%Y-%m-%dT%H:%M:%SZ}",
    }
    size = len(event.data)
    tail = {
        **event.attributes,
        "contentrange": f"bytes 0-{max(0, size - 1)}/{event.length or size}",
        **({"datainblob": "true"} if elsewhere else {}),
    }
    return b"%s,\"data\":%s,%s\n" % (
        orjson.dumps(head)[:-1], inner, orjson.dumps(tail)[1:],
    )  # fmt: skip


def inline(event: Event) -> bytes | None:
    """The data as it stands in its line; None where it must lie elsewhere."""
    if len(event.data) > LARGE_BYTES:
        return None
    if is_json(event.media):
        found = json_text(event.data)
        if found is not None:
            return found or b'""'
    if event.media.startswith("text/") or is_json(event.media) or not event.data:
        try:
            return orjson.dumps(event.data.decode("utf-8"))
        except UnicodeDecodeError:
            return None
    return None


def is_json(media: str) -> bool:
    """Whether a media type is JSON's."""
    return media.endswith(("/json", "+json"))


KNOWN = ("time", "type", "collect-data-type", "agent", "x-request-id", "model-version")
RESERVED = frozenset(
    {"specversion", "id", "source", "type", "datacontenttype", "time", "data", "contentrange",
     "datainblob", "correlationid", "xrequestid", "modelversion", "collectdatatype", "agent"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Posted:
    """What the collector package sent: headers in lower case, and a body."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def collection(self) -> str:
        """The collection it is for."""
        return self.headers.get("ce-type", "").rpartition(".")[2].lower()

    @property
    def time(self) -> datetime | None:
        """When the script says it happened; None when it does not."""
        text = self.headers.get("ce-time", "")
        try:
            return datetime.fromtimestamp(float(text), UTC)
        except (ValueError, OverflowError, OSError):
            return None

    @property
    def attributes(self) -> dict[str, str]:
        """What its line says beside the data; the script's own headers first."""
        get = self.headers.get
        own = {
            name[3:].replace("-", ""): value
            for name, value in self.headers.items()
            if name.startswith("ce-") and name[3:] not in KNOWN
        }
        identity = get("ce-x-request-id", "")
        return {
            **{name: value for name, value in own.items() if name and name not in RESERVED},
            "correlationid": identity,
            "xrequestid": identity,
            "modelversion": get("ce-model-version", "default"),
            "collectdatatype": get("ce-collect-data-type", ""),
            "agent": get("ce-agent", ""),
        }

    def event(self, identity: str, source: str, at: datetime) -> Event:
        """What it stands for.

        Raises:
            ValidationError: it says JSON and is none.
        """
        media = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if is_json(media) and len(self.body) <= LARGE_BYTES and json_text(self.body) is None:
            raise ValidationError("The payload is no JSON.")
        return Event(identity, source, self.collection, at, media, self.body, self.attributes)
