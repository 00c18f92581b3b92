"""A checked folder put over the wire: the factory, its children in order, then its triggers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from emulators.datafactory.engine.loading.checking import ordered
from emulators.datafactory.engine.loading.folder import Item

API = "2018-06-01"
WORDS = {
    "integrationruntimes": "integrationRuntimes",
    "managedvirtualnetworks": "managedVirtualNetworks",
}
"""Kinds that paths spell otherwise; the others are as they are."""
NOT_OF_A_TRIGGER = ("runtimeState",)

Ask = Callable[[str, str, object], Any]
"""Method, path on the resource manager and body -> the answer's JSON.

Raises:
    RuntimeError: it was refused; the message is the service's own.
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be put, and where."""

    factory: str  # path of the factory's id
    body: Mapping[str, Any]  # of the factory; {} leaves one that is there as it is
    items: Sequence[Item]
    start: bool = True  # triggers that the folder says are started


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done."""

    verb: str  # put, stopped, started, and what could not be
    kind: str
    name: str
    number: int = 0
    of: int = 0


def path_of(factory: str, kind: str, name: str = "", action: str = "") -> str:
    """The path of a child, with the api-version."""
    words = [factory, WORDS.get(kind, kind)]
    if kind == "managedprivateendpoints":
        network, _, name = name.partition("/")
        words = [factory, WORDS["managedvirtualnetworks"], network, "managedPrivateEndpoints"]
    words += [quote(word, safe="") for word in (name, action) if word]
    return f"{'/'.join(words)}?api-version={API}"


def deploy(plan: Plan, ask: Ask) -> Iterator[Step]:
    """Put everything; yields each step when it is done.

    Raises:
        RuntimeError: something was refused; what was put before stays, as in Azure.
    """
    if plan.body or not _is_there(plan, ask):
        ask("PUT", f"{plan.factory}?api-version={API}", plan.body or {"properties": {}})
        yield Step("put", "factory", plan.factory.rpartition("/")[2])
    items = ordered(plan.items)
    running = _running(plan, ask)
    for one in items:
        if one.kind == "triggers" and one.name.lower() in running:
            ask("POST", path_of(plan.factory, "triggers", one.name, "stop"), None)
            yield Step("stopped", "triggers", one.name)
    for number, one in enumerate(items, 1):
        properties = dict(one.properties)
        if one.kind == "triggers":
            properties = {k: v for k, v in properties.items() if k not in NOT_OF_A_TRIGGER}
        ask("PUT", path_of(plan.factory, one.kind, one.name), {"properties": properties})
        yield Step("put", one.kind, one.name, number, len(items))
    for one in items:
        if plan.start and one.kind == "triggers" and _is_started(one):
            yield Step(_started(plan, one, ask), "triggers", one.name)


def _is_there(plan: Plan, ask: Ask) -> bool:
    try:
        return ask("GET", f"{plan.factory}?api-version={API}", None) is not None
    except RuntimeError:
        return False


def _started(plan: Plan, one: Item, ask: Ask) -> str:
    """Start a trigger; one of a kind that is not emulated stays as it is."""
    try:
        ask("POST", path_of(plan.factory, "triggers", one.name, "start"), None)
    except RuntimeError as refused:
        if not str(refused).startswith("NotEmulated"):
            raise
        return "not emulated, not started:"
    return "started"


def _is_started(one: Item) -> bool:
    return str(one.properties.get("runtimeState", "")).lower() == "started"


def _running(plan: Plan, ask: Ask) -> set[str]:
    """Names of the triggers that run in the factory as it is, in lower case."""
    if not any(one.kind == "triggers" for one in plan.items):
        return set()
    names: set[str] = set()
    url: str | None = path_of(plan.factory, "triggers")
    while url:
        page = ask("GET", url, None) or {}
        names.update(
            one["name"].lower()
            for one in page.get("value", [])
            if (one.get("properties") or {}).get("runtimeState") == "Started"
        )
        url = page.get("nextLink")
    return names
