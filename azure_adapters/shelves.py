"""Models of workspaces and registries by azure-ai-ml, as promotion handles them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure_adapters.machinelearning import quiet, text_of
from azure_adapters.promotion import (
    Evidence,
    Model,
    Promotion,
    Refused,
    Route,
    Rule,
    promote,
    undo,
)
from azure_adapters.settings import Settings, WrongTarget

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.core.credentials import TokenCredential

    from azure_adapters.lineage import Lineage


class UnknownPlace(ValueError):
    """A workspace or registry that is not there, or may not be seen."""


class SdkModelShelf:
    """The models of a workspace, or of a registry."""

    def __init__(self, ml: MLClient, title: str) -> None:
        self._ml, self._title = ml, title

    @property
    def title(self) -> str:
        """What people call it."""
        return self._title

    def find(self, name: str, version: str | None = None) -> Model | None:
        """A version, the latest when none is named; None when there is none."""
        from azure.core.exceptions import ResourceNotFoundError

        if version is None:
            return next(iter(self.every(name)), None)
        try:
            return _model(self._ml.models.get(name, version=version))
        except ResourceNotFoundError:
            return None

    def every(self, name: str) -> list[Model]:
        """All versions that are not archived, newest first."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            found = list(self._ml.models.list(name))
        except ResourceNotFoundError:
            return []
        found.sort(key=lambda entity: entity.creation_context.created_at, reverse=True)
        return [_model(entity) for entity in found]

    def tag(self, model: Model, tags: Mapping[str, str]) -> Model:
        """Add tags to a version; those it has stay."""
        entity = self._ml.models.get(model.name, version=model.version)
        entity.tags = {**(entity.tags or {}), **tags}
        with quiet():
            return _model(self._ml.models.create_or_update(entity))

    def fetch(self, model: Model, folder: Path) -> Path:
        """Download a version below `folder`; return its own file or folder there."""
        with quiet():
            self._ml.models.download(model.name, model.version, download_path=str(folder))
        below = folder / model.name
        inside = list(below.iterdir())
        return inside[0] if len(inside) == 1 else below


class SdkWorkspaceShelf(SdkModelShelf):
    """The models of a workspace, with what made them."""

    def __init__(self, ml: MLClient, title: str, lineage: Lineage) -> None:
        super().__init__(ml, title)
        self._lineage = lineage

    def evidence(self, model: Model) -> Evidence:
        """What the workspace knows of a version."""
        return self._lineage.of(model)

    def share(self, model: Model, registry: str) -> None:
        """Copy a version into a registry under its own name and version."""
        with quiet():
            self._ml.models.share(
                model.name,
                model.version,
                share_with_name=model.name,
                share_with_version=model.version,
                registry_name=registry,
            )

    def register(self, model: Model, path: Path) -> Model:
        """Make the version that `model` describes from local files."""
        from azure.ai.ml.entities import Model as Entity

        entity = Entity(
            name=model.name,
            version=model.version,
            path=str(path),
            type=model.kind,
            description=model.description or None,
            tags=dict(model.tags),
        )
        with quiet():
            return _model(self._ml.models.create_or_update(entity))


def _model(entity: Any) -> Model:
    return Model(
        name=str(entity.name),
        version=str(entity.version),
        id=str(entity.id),
        kind=text_of(entity.type or "custom_model"),
        description=str(entity.description or ""),
        tags={str(k): str(v) for k, v in (entity.tags or {}).items()},
        job=str(getattr(entity, "job_name", None) or ""),
    )


def workspace(credential: TokenCredential, scope: str, title: str) -> SdkWorkspaceShelf:
    """The models of a workspace.

    Args:
        scope: its ARM id.

    Raises:
        UnknownPlace: there is none, or the credential may not see it.
    """
    from azure.ai.ml import MLClient

    from azure_adapters.lineage import Lineage

    lineage = Lineage(credential, scope)
    if not lineage.exists():
        raise UnknownPlace(f"no workspace {title} at {scope}")
    _, _, subscription, _, group, *_, name = scope.split("/")
    ml = MLClient(
        credential, subscription, group, name, show_progress=False, enable_telemetry=False
    )
    return SdkWorkspaceShelf(ml, title, lineage)


def registry(credential: TokenCredential, name: str) -> SdkModelShelf:
    """The models of a registry.

    Raises:
        UnknownPlace: there is none of that name.
    """
    from azure.ai.ml import MLClient
    from azure.core.exceptions import HttpResponseError

    try:
        ml = MLClient(credential, registry_name=name, show_progress=False, enable_telemetry=False)
    except HttpResponseError as missing:
        raise UnknownPlace(f"no registry {name}: {missing.message}") from missing
    return SdkModelShelf(ml, f"registry {name}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be promoted, or taken back."""

    model: str  # `name` or `name:version`
    source: str  # short names of workspaces
    target: str
    registry: str
    rule: Rule | None
    back: bool


def perform(settings: Settings, wanted: Wanted, now: str) -> Promotion:
    """Promote or take back in the workspaces that the settings name.

    Args:
        now: UTC, ISO 8601.

    Raises:
        WrongTarget: a workspace or registry that is not there, or none is named.
        Refused: what was asked for would be wrong, or the service refuses it.
        LookupError: there is no such model.
    """
    from azure.core.exceptions import AzureError
    from azure.identity import DefaultAzureCredential

    credential = DefaultAzureCredential()
    name, _, version = wanted.model.partition(":")
    try:
        if wanted.back:
            target = workspace(credential, settings.scope_of(wanted.target), wanted.target)
            return undo(target, name, now)
        if not wanted.registry:
            raise WrongTarget("name a registry: --registry or AZUREML_REGISTRY_NAME")
        route = Route(
            workspace(credential, settings.scope_of(wanted.source), wanted.source),
            registry(credential, wanted.registry),
            wanted.registry,
            workspace(credential, settings.scope_of(wanted.target), wanted.target),
        )
        return promote(route, name, version or None, wanted.rule, now)
    except UnknownPlace as unknown:
        raise WrongTarget(
            f"{unknown}; AZUREML_WORKSPACES gives workspaces short names:"
            ' {"dev": "group/workspace", ...}'
        ) from unknown
    except AzureError as failed:
        raise Refused(str(failed.message).strip()) from failed
