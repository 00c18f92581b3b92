"""What a deployment's `dataCollector` asks for: checked, and read into values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from emulators.kernel.errors import Unsupported
from emulators.machinelearning.errors import ValidationError

README = "emulators/machinelearning/README.md, data collection"
ROLLING = {
    "year": "%Y",
    "month": "%Y/%m",
    "day": "%Y/%m/%d",
    "hour": "%Y/%m/%d/%H",
    "minute": "%Y/%m/%d/%H/%M",
}
"""The folders that data is rolled into. Source: the description of `rollingRate` in the API."""

PAYLOADS = ("request", "response")
"""Collections of what the gateway sees; all others are the scoring script's."""

ROOT = "azureml://datastores/workspaceblobstore/paths/modelDataCollector"


@dataclass(frozen=True, slots=True)
class Collection:
    """One collection that is enabled."""

    name: str  # lower case
    rate: float  # part that is kept, 0 to 1
    data: str | None  # id of the data asset that names its folder; None is the default place


@dataclass(frozen=True, slots=True)
class Wanted:
    """All that a deployment collects."""

    collections: tuple[Collection, ...]
    rolling: str  # a key of ROLLING

    def of(self, name: str) -> Collection | None:
        """The collection of that name, if it is enabled."""
        return next((one for one in self.collections if one.name == name), None)

    def folder(self, at: datetime) -> str:
        """The folder of an instant, below a collection's own."""
        return at.strftime(ROLLING[self.rolling])


def read(given: Any) -> Wanted | None:
    """What is to be collected; None where nothing is.

    Raises:
        ValidationError: it cannot be as it is stated.
        Unsupported: it asks for what is not emulated.
    """
    if given is None:
        return None
    collector = _object(given, "dataCollector")
    collections = _object(collector.get("collections", {}), "collections")
    logging = collector.get("requestLogging")
    if logging is not None and _object(logging, "requestLogging").get("captureHeaders"):
        raise Unsupported("headers in collected requests (requestLogging)", tracked=README)
    rolling = str(collector.get("rollingRate") or "Hour").lower()
    if rolling not in ROLLING:
        raise ValidationError(
            f"The rollingRate '{rolling[:40]}' is not known: Year, Month, Day, Hour or Minute.",
            target="rollingRate",
        )
    found = [_collection(str(name), about) for name, about in collections.items()]
    enabled = tuple(one for one in found if one is not None)
    if len({one.name for one in enabled}) < len(enabled):
        raise ValidationError("A collection is named twice.", target="collections")
    return Wanted(enabled, rolling) if enabled else None


def spelled(given: Mapping[str, Any]) -> dict[str, Any]:
    """A collector that `read` has taken, its words as the API gives them back.

    The client sends `enabled`, and takes only `Enabled` for that.
    """
    made = dict(given)
    made["collections"] = {
        name: {**about, "dataCollectionMode": str(about["dataCollectionMode"]).capitalize()}
        if about.get("dataCollectionMode")
        else dict(about)
        for name, about in (given.get("collections") or {}).items()
    }
    if given.get("rollingRate"):
        made["rollingRate"] = str(given["rollingRate"]).capitalize()
    return made


def _collection(name: str, given: Any) -> Collection | None:
    about = _object(given, f"collections.{name}")
    if not name or "/" in name or "\\" in name or name.startswith(".") or len(name) > 100:
        raise ValidationError(
            f"The collection name '{name[:100]}' is not valid.", target="collections"
        )
    rate = about.get("samplingRate")
    rate = 1.0 if rate is None else rate
    if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 <= rate <= 1:
        raise ValidationError("A samplingRate must be 0 to 1.", target="samplingRate")
    mode = str(about.get("dataCollectionMode") or "Disabled").lower()
    if mode not in ("enabled", "disabled"):
        raise ValidationError(
            f"The dataCollectionMode '{mode[:40]}' is not known.", target="dataCollectionMode"
        )
    for field in ("dataId", "clientId"):
        if not isinstance(about.get(field), str | None):
            raise ValidationError(f"The field '{field}' must be text.", target=field)
    if mode == "disabled":
        return None
    return Collection(name.lower(), float(rate), about.get("dataId") or None)


def _object(given: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise ValidationError(f"The field '{name}' must be an object.", target=name)
    return given
