"""Which versions and containers a list shows, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from emulators.kernel.errors import Unsupported
from emulators.machinelearning.store.assets import AssetContainer, AssetVersion

VERSION_FILTERS = (
    "$orderBy", "$top", "$skip", "listViewType", "tags", "$tags", "properties", "version",
    "description", "stage", "hash", "hashVersion",
)  # fmt: skip
CONTAINER_FILTERS = ("$skip", "listViewType", "count")
ORDERS: dict[str, Callable[[AssetVersion], Any]] = {
    "createdtime": lambda v: v.number,
    "createdat": lambda v: v.number,
    "updatedtime": lambda v: (v.modified, v.number),
    "modifiedtime": lambda v: (v.modified, v.number),
    "version": lambda v: (len(v.version), v.version) if v.version.isdigit() else (0, v.version),
    "name": lambda v: v.name,
}


def shows(view: str | None, archived: bool) -> bool:
    """Whether a list of that `listViewType` shows an item.

    Unknown words mean active: a released client sends the name of its own enum member.
    """
    kind = (view or "").lower()
    if kind == "all":
        return True
    return archived if kind == "archivedonly" else not archived


def chosen_containers(
    found: list[AssetContainer], given: Mapping[str, str]
) -> list[AssetContainer]:
    """The containers a list shows; those of anonymous versions never."""
    return [c for c in found if not c.anonymous and shows(given.get("listviewtype"), c.archived)]


def chosen_versions(found: list[AssetVersion], given: Mapping[str, str]) -> list[AssetVersion]:
    """The versions that pass every filter, in the order asked for; newest first by default.

    Raises:
        Unsupported: an order that is not known here.
    """
    kept = [v for v in found if _passes(v, given)]
    by, _, direction = given.get("$orderby", "createdtime desc").strip().partition(" ")
    key = ORDERS.get(by.lower().replace("_", ""))
    if key is None or direction.strip().lower() not in ("", "asc", "desc"):
        raise Unsupported(f"the order '{given.get('$orderby')}' of asset versions")
    return sorted(kept, key=key, reverse=direction.strip().lower() == "desc")


def _passes(version: AssetVersion, given: Mapping[str, str]) -> bool:
    values = version.properties
    return (
        shows(given.get("listviewtype"), bool(values.get("isArchived")))
        and ("version" not in given or given["version"] == version.version)
        and (
            "description" not in given or given["description"] in (values.get("description") or "")
        )
        and ("stage" not in given or given["stage"] == values.get("stage"))
        and _labelled(values.get("tags") or {}, given.get("tags") or given.get("$tags"))
        and _labelled(values.get("properties") or {}, given.get("properties"))
    )


def _labelled(have: Mapping[str, Any], wanted: str | None) -> bool:
    """Whether `k=v,k2` holds: every key present, and of the value where one is given."""
    for part in (wanted or "").split(","):
        key, equals, value = part.strip().partition("=")
        if key and (key not in have or (equals and str(have[key]) != value)):
            return False
    return True
