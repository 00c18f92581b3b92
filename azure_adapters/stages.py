"""Other workspaces and the registry between them by azure-ai-ml, and promotion through it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from azure_adapters import promotion
from azure_adapters.machinelearning import quiet
from azure_adapters.ports import Adapters, Asset, Promoted
from azure_adapters.target import Target

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


class SdkStages:
    """What lies around the workspace that the target names, in its resource group."""

    def __init__(self, ml: MLClient, target: Target, elsewhere: Callable[[str], Adapters]) -> None:
        self._ml, self._target, self._elsewhere = ml, target, elsewhere

    def registry(self, file: Path, name: str) -> str:
        """Make the registry of a YAML under `name` unless it is there; return its name."""
        from azure.ai.ml import load_registry
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return str(self._ml.registries.get(name).name)
        except ResourceNotFoundError:
            wanted = load_registry(file, params_override=[{"name": name}])
            with quiet():
                return str(self._ml.registries.begin_create(wanted).result().name)

    def workspace(self, file: Path, name: str) -> Adapters:
        """Make the workspace of a YAML under `name` unless it is there; return its adapters."""
        from azure.ai.ml import load_workspace
        from azure.core.exceptions import ResourceNotFoundError

        try:
            self._ml.workspaces.get(name)
        except ResourceNotFoundError:
            wanted = load_workspace(file, params_override=[{"name": name}])
            with quiet():
                self._ml.workspaces.begin_create(wanted).result()
        return self._elsewhere(name)

    def promote(
        self, model: Asset, registry: str, source: str, target: str, *, metric: str, min_gain: float
    ) -> Promoted:
        """Put a model in place in the next workspace, if it is better than what is in place."""
        from azure_adapters import shelves

        source = source or self._target.names.workspace
        credential = self._target.credential
        route = promotion.Route(
            shelves.workspace(credential, self._scope(source), source),
            shelves.registry(credential, registry),
            registry,
            shelves.workspace(credential, self._scope(target), target),
        )
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        rule = promotion.Rule(metric, min_gain)
        made = promotion.promote(route, model.name, model.version, rule, now)
        return Promoted(made.status in ("promoted", "unchanged"), made.version or "", made.why)

    def _scope(self, workspace: str) -> str:
        names = self._target.names
        return (
            f"/subscriptions/{names.subscription_id}/resourceGroups/{names.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
        )
