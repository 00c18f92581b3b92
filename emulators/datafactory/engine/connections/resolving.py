"""Datasets and linked services as one reference of an activity sees them: parameters filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emulators.datafactory.engine.activities.base import Published
from emulators.datafactory.engine.connections.failing import ConnectionFailed
from emulators.datafactory.engine.connections.older import modernised
from emulators.datafactory.engine.expressions import Scope, evaluate

NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class LinkedService:
    """A linked service; secrets in `properties` are still references or SecureStrings."""

    name: str
    type: str  # as written
    properties: Mapping[str, Any]  # typeProperties, evaluated
    scope: Scope  # of linkedService(): what is in a SecureString is evaluated in it

    @property
    def kind(self) -> str:
        """The type in lower case: discriminators are compared so."""
        return self.type.lower()

    def get(self, name: str, default: Any = None) -> Any:
        """A member of `typeProperties`; null is absent."""
        found = self.properties.get(name)
        return default if found is None else found


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset and the linked service that it is reached by."""

    name: str
    type: str
    properties: Mapping[str, Any]
    linked: LinkedService
    schema: Any = None  # as written: `schema`, or `structure` of older datasets
    raw: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The type in lower case."""
        return self.type.lower()

    def get(self, name: str, default: Any = None) -> Any:
        """A member of `typeProperties`; null is absent."""
        found = self.properties.get(name)
        return default if found is None else found


def text_of(value: Any) -> str:
    """A value as the expression language writes it into a text."""
    return str(evaluate("@{item()}", Scope(item=value)))


def dataset_of(published: Published, reference: Any, scope: Scope) -> Dataset:
    """The dataset that `reference` names, with the parameters that it gives.

    Raises:
        ConnectionFailed: there is none, or a parameter has no value.
        ExpressionError: an expression in it cannot be evaluated.
    """
    name, raw, given = _referred(published, reference, scope, "datasets", "dataset")
    values = _parameters(raw, given, f"dataset '{name}'")
    inner = _bare(scope).with_(dataset=values)
    properties = evaluate(dict(raw.get("typeProperties") or {}), inner)
    pool = raw.get("sqlPool")
    kind, properties = modernised(str(raw.get("type", "")), properties)
    return Dataset(
        name,
        kind,
        properties,
        pool_of(pool, inner)
        if pool
        else linked_service_of(published, raw.get("linkedServiceName"), inner),
        evaluate(raw.get("schema") or raw.get("structure"), inner),
        raw,
    )


def linked_service_of(published: Published, reference: Any, scope: Scope) -> LinkedService:
    """The linked service that `reference` names, with the parameters that it gives.

    Raises:
        ConnectionFailed: there is none, or a parameter has no value.
        ExpressionError: an expression in it cannot be evaluated.
    """
    name, raw, given = _referred(published, reference, scope, "linkedservices", "linked service")
    values = _parameters(raw, given, f"linked service '{name}'")
    inner = _bare(scope).with_(dataset=None, linked_service=values)
    properties = evaluate(dict(raw.get("typeProperties") or {}), inner)
    return LinkedService(name, str(raw.get("type", "")), properties, inner)


def pool_of(reference: Any, scope: Scope) -> LinkedService:
    """The SQL pool of the Synapse workspace itself that `reference` names.

    Raises:
        ConnectionFailed: it names none.
    """
    name = str(evaluate((reference or {}).get("referenceName") or "", scope))
    if not name:
        raise ConnectionFailed("UserErrorInvalidReference", "A SQL pool is not referred to.")
    workspace = scope.pipeline.get("DataFactory", "")
    place = {"server": f"{workspace}.sql.azuresynapse.net", "database": name}
    return LinkedService(name, "SqlPool", place, scope)


def _referred(
    published: Published, reference: Any, scope: Scope, kind: str, word: str
) -> tuple[str, Mapping[str, Any], Mapping[str, Any]]:
    if not isinstance(reference, Mapping) or not reference.get("referenceName"):
        raise ConnectionFailed("UserErrorInvalidReference", f"A {word} is not referred to.")
    name = str(evaluate(reference["referenceName"], scope))
    raw = published.find(kind, name)
    if raw is None:
        raise ConnectionFailed("UserErrorReferenceNotFound", f"The {word} '{name}' was not found.")
    given = evaluate(dict(reference.get("parameters") or {}), scope)
    return name, raw, given


def _bare(scope: Scope) -> Scope:
    """What a resource sees of the run: its system and global values, none of the pipeline's."""
    return scope.with_(parameters=NOTHING, variables=NOTHING, activities=NOTHING)


def _parameters(raw: Mapping[str, Any], given: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """Values by the spelling of the declaration, coerced to the declared type."""
    by_name = {str(name).lower(): value for name, value in given.items()}
    values = {}
    for name, declared in (raw.get("parameters") or {}).items():
        value = by_name.get(str(name).lower(), declared.get("defaultValue"))
        if value is None and str(name).lower() not in by_name:
            raise ConnectionFailed(
                "UserErrorMissingParameter", f"The parameter '{name}' of the {owner} has no value."
            )
        values[name] = _coerced(value, str(declared.get("type", "String")).lower())
    return values


def _coerced(value: Any, kind: str) -> Any:
    if kind == "string" and value is not None and not isinstance(value, str | Mapping):
        return text_of(value)
    if kind in ("int", "integer") and isinstance(value, str):
        return evaluate("@int(item())", Scope(item=value))
    if kind in ("bool", "boolean") and isinstance(value, str):
        return evaluate("@bool(item())", Scope(item=value))
    return value
