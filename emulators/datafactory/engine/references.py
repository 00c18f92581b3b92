"""Which resources a resource names: `{"referenceName": …, "type": …Reference}`, at any depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

TYPES: Mapping[str, str] = {
    "pipelinereference": "pipelines",
    "datasetreference": "datasets",
    "linkedservicereference": "linkedservices",
    "integrationruntimereference": "integrationruntimes",
    "dataflowreference": "dataflows",
    "credentialreference": "credentials",
    "triggerreference": "triggers",
    "managedvirtualnetworkreference": "managedvirtualnetworks",
    "notebookreference": "notebooks",
    "bigdatapoolreference": "bigdatapools",
    "sparkjobdefinitionreference": "sparkjobdefinitions",
    "sqlpoolreference": "sqlpools",
}
"""Type of a reference in lower case -> kind of what it names."""

_BY_FIELD: Mapping[str, str] = {
    "pipeline": "pipelines",
    "pipelinereference": "pipelines",
    "dataset": "datasets",
    "inputs": "datasets",
    "outputs": "datasets",
    "linkedservicename": "linkedservices",
    "store": "linkedservices",
    "connectvia": "integrationruntimes",
    "dataflow": "dataflows",
    "credential": "credentials",
    "referencetrigger": "triggers",
}
"""Field -> kind, for references that say no type of their own."""


class Finds(Protocol):
    """Whatever knows the published resources of a factory."""

    def find(self, kind: str, name: str) -> Mapping[str, Any] | None: ...


@dataclass(frozen=True, slots=True)
class Reference:
    """One mention of another resource, with where it is."""

    kind: str  # lower case; notebooks and the like are kinds that only Synapse has
    name: str
    place: str  # such as activities[0].typeProperties.dataset
    parameters: Mapping[str, Any]


def references_of(properties: Any) -> Iterator[Reference]:
    """Everything that a resource names by a plain name.

    A name that is an expression is found when it is evaluated, at run time; what an inactive
    activity names need not be there.
    """
    yield from _walk(properties, "", "")


def _walk(value: Any, place: str, field: str) -> Iterator[Reference]:
    if isinstance(value, list):
        for index, one in enumerate(value):
            yield from _walk(one, f"{place}[{index}]", field)
        return
    if not isinstance(value, dict) or _inactive(value):
        return
    name = value.get("referenceName")
    if isinstance(name, str) and not name.startswith("@"):
        said = str(value.get("type", "")).lower()
        kind = TYPES.get(said) or ("" if said else _BY_FIELD.get(field.lower(), ""))
        if kind:
            parameters = value.get("parameters")
            given = parameters if isinstance(parameters, dict) else {}
            yield Reference(kind, name, place, given)
    for key, one in value.items():
        yield from _walk(one, f"{place}.{key}" if place else key, key)


def _inactive(value: dict[str, Any]) -> bool:
    return str(value.get("state", "")).lower() == "inactive" and "type" in value
