"""Names of emulators and where each is; nothing is imported until asked for."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points

from emulators.kernel.http import ServiceSpec

GROUP = "rehearsal.emulators"
"""Entry-point group by which another distribution adds an emulator."""

BUILT_IN: dict[str, str] = {
    "identity": "emulators.identity.service:SPEC",
    "graph": "emulators.identity.service:GRAPH",
    "arm": "emulators.arm.service:SPEC",
    "storage": "emulators.storage.service:SPEC",
    "storage-dfs": "emulators.storage.service:DATA_LAKE",
    "storage-management": "emulators.storage.service:MANAGEMENT",
    "keyvault": "emulators.keyvault.service:SPEC",
    "keyvault-management": "emulators.keyvault.service:MANAGEMENT",
    "machinelearning": "emulators.machinelearning.service:SPEC",
    "inference": "emulators.machinelearning.service:INFERENCE",
    "mlflow": "emulators.mlflow.service:SPEC",
    "warehouse": "emulators.warehouse.service:SPEC",
    "datafactory": "emulators.datafactory.service:SPEC",
    "datafactory-callbacks": "emulators.datafactory.service:CALLBACKS",
    "synapse": "emulators.datafactory.service:SYNAPSE_WORKSPACES",
    "synapse-artifacts": "emulators.datafactory.service:SYNAPSE",
}


def known() -> dict[str, str]:
    """Every emulator by name: built in, and added by installed distributions."""
    return {ep.name: ep.value for ep in entry_points(group=GROUP)} | BUILT_IN


def load(name: str) -> ServiceSpec:
    """Import one emulator's spec.

    Raises:
        LookupError: nobody provides it.
    """
    found = known()
    if name not in found:
        raise LookupError(f"no emulator {name!r}; known: {', '.join(sorted(found))}")
    module, _, attribute = found[name].partition(":")
    spec = getattr(import_module(module), attribute)
    assert isinstance(spec, ServiceSpec), f"{found[name]} is not a ServiceSpec"
    return spec
