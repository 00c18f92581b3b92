"""The `azureml` system registry: the curated environments that can be built here, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from emulators.kernel.errors import Unsupported
from emulators.machinelearning.errors import AssetNotFound

SYSTEM = "azureml"
GROUP = "rehearsal-registries"
TRACKED = "emulators/machinelearning/README.md, registries"
TABLE = "emulators.machinelearning.engine.runtime.curated"


@dataclass(frozen=True, slots=True)
class CuratedVersion:
    """A curated environment as the registry shows it."""

    name: str
    version: str
    properties: dict[str, Any]

    @property
    def id(self) -> str:
        return f"azureml://registries/{SYSTEM}/environments/{self.name}/versions/{self.version}"


def check(registry: str) -> None:
    """Refuse every registry but the system's.

    Raises:
        Unsupported: it is another; those come with promotion.
    """
    if registry.lower() != SYSTEM:
        raise Unsupported(
            f"the registry '{registry}' (registries come with part 2)", tracked=TRACKED
        )


def _table() -> Mapping[str, Any]:
    if find_spec(TABLE) is None:
        return {}
    found: Mapping[str, Any] = import_module(TABLE).CURATED
    return found


def names() -> list[str]:
    """Curated environments that can be built here, by name."""
    return sorted(_table())


def environment(name: str, version: str | None = None) -> CuratedVersion:
    """A curated environment; it has one version here, whichever a sample pins.

    Args:
        version: a number, or None for the latest.

    Raises:
        AssetNotFound: not one that is known here; the message names those that are.
    """
    known = {known.lower(): known for known in _table()}
    if name.lower() not in known:
        raise AssetNotFound(
            f"The environment '{name}' of the registry '{SYSTEM}' cannot be built by Rehearsal;"
            f" these can: {', '.join(names()) or 'none'}.",
            target=name,
        )
    chosen = known[name.lower()]
    entry = _table()[chosen]
    current = str(getattr(entry, "version", "1"))
    return CuratedVersion(chosen, version or current, _properties(chosen, entry))


def _properties(name: str, entry: Any) -> dict[str, Any]:
    packages = "".join(f"    - {line}\n" for line in getattr(entry, "requirements", ()))
    python = getattr(entry, "python", None)
    head = f"name: {name}\ndependencies:\n- python={python}\n- pip\n- pip:\n"
    return {
        "condaFile": head + packages,
        "osType": "Linux",
        "environmentType": "Curated",
        "isAnonymous": False,
        "isArchived": False,
        "description": "Resolved by Rehearsal to a stated set of requirements.",
        "tags": {},
        "properties": {},
        "provisioningState": "Succeeded",
    }
