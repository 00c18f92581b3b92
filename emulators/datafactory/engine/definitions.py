"""Pipelines and activities as values, read from their JSON; not what publishing would check."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

CONDITIONS = ("Succeeded", "Failed", "Completed", "Skipped")
DEFAULT_TIMEOUT = "0.12:00:00"
DEFAULT_RETRY_INTERVAL_S = 30
NOTHING: Mapping[str, Any] = MappingProxyType({})

CONTAINERS = frozenset({"foreach", "until", "ifcondition", "switch"})
CONTROL = CONTAINERS | {
    "executepipeline",
    "setvariable",
    "appendvariable",
    "wait",
    "fail",
    "filter",
}
"""Types that the runner itself is; never retried."""

_TIMESPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2})(\.\d{1,7})?)?")


class BadDefinition(ValueError):
    """The JSON has not the shape of a pipeline; `place` is a path such as `activities[2].name`."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.place, self.message = place, message


@dataclass(frozen=True, slots=True)
class Declared:
    """A parameter or a variable: its type as written, and its default (None without one)."""

    name: str
    type: str
    default: Any = None
    has_default: bool = False

    @property
    def kind(self) -> str:
        """The type in lower case, `bool` and `int` for their long names."""
        lower = self.type.lower()
        return {"boolean": "bool", "integer": "int"}.get(lower, lower)


@dataclass(frozen=True, slots=True)
class Dependency:
    """One entry of `dependsOn`: the conditions are alternatives."""

    activity: str
    conditions: frozenset[str]  # of CONDITIONS, in that spelling

    def met(self, outcome: str) -> bool:
        """Whether a parent that ended Succeeded, Failed or Skipped lets its dependant start."""
        if outcome in self.conditions:
            return True
        return outcome in ("Succeeded", "Failed") and "Completed" in self.conditions


@dataclass(frozen=True, slots=True)
class Policy:
    """An activity's policy; values may still be expressions."""

    timeout: Any = DEFAULT_TIMEOUT
    retry: Any = 0  # attempts after the first
    interval_s: Any = DEFAULT_RETRY_INTERVAL_S
    secure_input: Any = False
    secure_output: Any = False


@dataclass(frozen=True, slots=True)
class Branch:
    """The inner activities of a container under one label: `activities`, `ifTrue`, `case x`."""

    label: str
    place: str  # where they are in typeProperties: `cases[0].activities`
    activities: tuple[Activity, ...]


@dataclass(frozen=True, slots=True)
class Activity:
    """One activity; `properties` is its `typeProperties` as written."""

    name: str
    type: str  # as written
    depends_on: tuple[Dependency, ...] = ()
    policy: Policy = Policy()
    inactive: bool = False
    on_inactive: str = "Succeeded"  # how its dependants see it when inactive
    user_properties: tuple[tuple[str, Any], ...] = ()
    properties: Mapping[str, Any] = field(default_factory=dict)
    linked_service: Mapping[str, Any] | None = None
    inputs: tuple[Mapping[str, Any], ...] = ()
    outputs: tuple[Mapping[str, Any], ...] = ()
    branches: tuple[Branch, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The type in lower case: discriminators are compared so."""
        return self.type.lower()

    def branch(self, label: str) -> tuple[Activity, ...]:
        """Inner activities by the branch's label; none when there is no such branch."""
        return next((b.activities for b in self.branches if b.label == label), ())


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline's definition."""

    name: str
    activities: tuple[Activity, ...] = ()
    parameters: Mapping[str, Declared] = field(
        default_factory=dict
    )  # by the declaration's spelling
    variables: Mapping[str, Declared] = field(default_factory=dict)
    concurrency: int | None = None  # runs at a time; None: as many as come
    annotations: tuple[Any, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def every_activity(self) -> Iterator[Activity]:
        """All activities, those inside containers after their container."""
        return every(self.activities)


def every(activities: Sequence[Activity]) -> Iterator[Activity]:
    """Activities and, after each container, what is inside it."""
    for activity in activities:
        yield activity
        for branch in activity.branches:
            yield from every(branch.activities)


def pipeline_of(name: str, properties: Mapping[str, Any]) -> Pipeline:
    """Read a pipeline's `properties`.

    Raises:
        BadDefinition: it has not the shape of a pipeline.
    """
    concurrency = properties.get("concurrency")
    if concurrency is not None and (not isinstance(concurrency, int) or concurrency < 1):
        raise BadDefinition("concurrency", f"must be a positive number, got {concurrency!r}")
    return Pipeline(
        name=name,
        activities=_activities(properties.get("activities"), "activities"),
        parameters=_declared(properties.get("parameters"), "parameters"),
        variables=_declared(properties.get("variables"), "variables"),
        concurrency=concurrency,
        annotations=tuple(_list(properties.get("annotations"), "annotations")),
        raw=properties,
    )


def seconds_of(timespan: Any) -> float:
    """Seconds of a .NET time span, `d.hh:mm:ss` or `hh:mm:ss`.

    Raises:
        ValueError: it is none.
    """
    found = _TIMESPAN.fullmatch(timespan.strip()) if isinstance(timespan, str) else None
    if found is None:
        raise ValueError(f"not a time span: {timespan!r}")
    days, hours, minutes, seconds, fraction = found.groups()
    if int(hours) > 23 or int(minutes) > 59 or int(seconds or 0) > 59:
        raise ValueError(f"not a time span: {timespan!r}")
    whole = (int(days or 0) * 24 + int(hours)) * 3600 + int(minutes) * 60 + int(seconds or 0)
    return whole + float(fraction or 0)


def inner_text(value: Any) -> Any:
    """What an `{"type": "Expression", "value": ...}` wraps; anything else as it is."""
    if isinstance(value, Mapping) and str(value.get("type", "")).lower() == "expression":
        return value.get("value")
    return value


def _list(value: Any, place: str) -> Sequence[Any]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise BadDefinition(place, "must be a list")
    return value


def _mapping(value: Any, place: str) -> Mapping[str, Any]:
    if value is None:
        return NOTHING
    if not isinstance(value, Mapping):
        raise BadDefinition(place, "must be an object")
    return value


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str) or not value:
        raise BadDefinition(place, "must be a text")
    return value


def _declared(value: Any, place: str) -> Mapping[str, Declared]:
    found = {}
    for name, each in _mapping(value, place).items():
        entry = _mapping(each, f"{place}.{name}")
        kind = entry.get("type", "String")
        found[name] = Declared(
            name,
            _text(kind, f"{place}.{name}.type"),
            entry.get("defaultValue"),
            entry.get("defaultValue") is not None,
        )
    return found


def _activities(value: Any, place: str) -> tuple[Activity, ...]:
    return tuple(_activity(each, f"{place}[{at}]") for at, each in enumerate(_list(value, place)))


def _activity(value: Any, place: str) -> Activity:
    raw = _mapping(value, place)
    name = _text(raw.get("name"), f"{place}.name")
    kind = _text(raw.get("type"), f"{place}.type")
    properties = _mapping(raw.get("typeProperties"), f"{place}.typeProperties")
    properties_users = _list(raw.get("userProperties"), f"{place}.userProperties")
    named = [_mapping(each, f"{place}.userProperties") for each in properties_users]
    linked = raw.get("linkedServiceName")
    return Activity(
        name=name,
        type=kind,
        depends_on=_dependencies(raw.get("dependsOn"), f"{place}.dependsOn"),
        policy=_policy(raw.get("policy"), f"{place}.policy"),
        inactive=str(raw.get("state", "Active")).lower() == "inactive",
        on_inactive=str(raw.get("onInactiveMarkAs") or "Succeeded").capitalize(),
        user_properties=tuple((str(each.get("name")), each.get("value")) for each in named),
        properties=properties,
        linked_service=None if linked is None else _mapping(linked, f"{place}.linkedServiceName"),
        inputs=_references(raw.get("inputs"), f"{place}.inputs"),
        outputs=_references(raw.get("outputs"), f"{place}.outputs"),
        branches=_branches(kind.lower(), properties, f"{place}.typeProperties"),
        raw=raw,
    )


def _references(value: Any, place: str) -> tuple[Mapping[str, Any], ...]:
    return tuple(_mapping(each, f"{place}[{at}]") for at, each in enumerate(_list(value, place)))


def _dependencies(value: Any, place: str) -> tuple[Dependency, ...]:
    found = []
    for at, each in enumerate(_list(value, place)):
        entry = _mapping(each, f"{place}[{at}]")
        names = _list(entry.get("dependencyConditions"), f"{place}[{at}].dependencyConditions")
        conditions = frozenset(str(name).capitalize() for name in names) or {"Succeeded"}
        strange = [name for name in conditions if name not in CONDITIONS]
        if strange:
            raise BadDefinition(
                f"{place}[{at}].dependencyConditions",
                f"{strange[0]!r} is none of {', '.join(CONDITIONS)}",
            )
        name = _text(entry.get("activity"), f"{place}[{at}].activity")
        found.append(Dependency(name, frozenset(conditions)))
    return tuple(found)


def _policy(value: Any, place: str) -> Policy:
    raw = _mapping(value, place)

    def at(name: str, default: Any) -> Any:
        found = raw.get(name)
        return default if found is None else found

    return Policy(
        timeout=at("timeout", DEFAULT_TIMEOUT),
        retry=at("retry", 0),
        interval_s=at("retryIntervalInSeconds", DEFAULT_RETRY_INTERVAL_S),
        secure_input=at("secureInput", False),
        secure_output=at("secureOutput", False),
    )


def _branches(kind: str, properties: Mapping[str, Any], place: str) -> tuple[Branch, ...]:
    if kind in ("foreach", "until"):
        parts = [("activities", "activities", properties.get("activities"))]
    elif kind == "ifcondition":
        parts = [
            ("ifTrue", "ifTrueActivities", properties.get("ifTrueActivities")),
            ("ifFalse", "ifFalseActivities", properties.get("ifFalseActivities")),
        ]
    elif kind == "switch":
        parts = [
            (f"case {case.get('value')}", f"cases[{at}].activities", case.get("activities"))
            for at, case in enumerate(_references(properties.get("cases"), f"{place}.cases"))
        ]
        parts.append(("default", "defaultActivities", properties.get("defaultActivities")))
    else:
        return ()
    return tuple(
        Branch(label, where, _activities(value, f"{place}.{where}"))
        for label, where, value in parts
    )
