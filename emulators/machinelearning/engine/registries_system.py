"""The `azureml` system registry: the curated environments that can be built here, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emulators.machinelearning.engine.registries import SYSTEM
from emulators.machinelearning.engine.runtime.curated import CURATED, Curated, find
from emulators.machinelearning.errors import AssetNotFound

GROUP = "rehearsal-registries"


@dataclass(frozen=True, slots=True)
class CuratedVersion:
    """A curated environment as the registry shows it."""

    name: str
    version: str
    properties: dict[str, Any]

    @property
    def id(self) -> str:
        return f"azureml://registries/{SYSTEM}/environments/{self.name}/versions/{self.version}"


def names() -> list[str]:
    """Curated environments that can be built here, by name."""
    return sorted(CURATED)


def environment(name: str, version: str | None = None) -> CuratedVersion:
    """A curated environment; it has one version here, whichever a sample pins.

    Args:
        version: a number, or None for the latest.

    Raises:
        AssetNotFound: not one that is known here; the message names those that are.
    """
    found = find(name)
    if found is None:
        raise AssetNotFound(
            f"The environment '{name}' of the registry '{SYSTEM}' cannot be built by Rehearsal;"
            f" these can: {', '.join(names())}.",
            target=name,
        )
    return CuratedVersion(found.name, version or found.version, _properties(found))


def _properties(found: Curated) -> dict[str, Any]:
    packages = "".join(f"  - {line}\n" for line in found.requirements)
    conda = f"name: {found.name}\ndependencies:\n- python={found.python}\n- pip\n- pip:\n{packages}"
    return {
        "condaFile": conda,
        "osType": "Linux",
        "environmentType": "Curated",
        "isAnonymous": False,
        "isArchived": False,
        "description": found.description,
        "tags": {},
        "properties": {},
        "provisioningState": "Succeeded",
    }
