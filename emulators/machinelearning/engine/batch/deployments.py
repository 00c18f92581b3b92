"""Batch deployments as they are asked for: checked, made, changed, removed."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine import assets
from emulators.machinelearning.engine.batch import settings
from emulators.machinelearning.engine.batch.records import README
from emulators.machinelearning.engine.endpoints.shelf import check_name
from emulators.machinelearning.engine.uris import name_in_arm_id
from emulators.machinelearning.errors import UserError, ValidationError
from emulators.machinelearning.store.batch import (
    BATCH_DEPLOYMENTS,
    BATCH_ENDPOINTS,
    BatchDeployment,
    BatchEndpoint,
)
from emulators.machinelearning.store.workspaces import Workspace

CONTENT = ("model", "codeConfiguration", "environmentId")
PIPELINE = "PipelineComponent"
REFERENCES = ("Id", "DataPath", "OutputPath")
IMPORTS = "imports"
"""Beside the workspaces' folders: code that imports what models without code need."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A deployment as a request states it."""

    properties: dict[str, Any]
    tags: dict[str, str]
    by: str


def is_pipeline(properties: Mapping[str, Any]) -> bool:
    """Whether a pipeline component is what runs."""
    configuration = properties.get("deploymentConfiguration")
    return isinstance(configuration, Mapping)


def component_of(properties: Mapping[str, Any]) -> str:
    """The id of the component that a pipeline deployment runs.

    Raises:
        ValidationError: it names none.
    """
    configuration = properties["deploymentConfiguration"]
    kind = configuration.get("deploymentConfigurationType")
    if kind != PIPELINE:
        raise Unsupported(f"batch deployments of the configuration {kind}", tracked=README)
    given = configuration.get("componentId")
    found = given.get("assetId") if isinstance(given, Mapping) else given
    if not isinstance(found, str) or not found:
        raise ValidationError("A pipeline component deployment needs a componentId.")
    return found


def model_of(properties: Mapping[str, Any]) -> str | None:
    """The id of a deployment's model.

    Raises:
        ValidationError: a reference of an unknown form.
        Unsupported: a reference to a path instead of an asset.
    """
    given = properties.get("model")
    if given is None:
        return None
    if isinstance(given, str):
        return given
    if not isinstance(given, Mapping):
        raise ValidationError("The field 'model' must be an object.", target="model")
    kind = given.get("referenceType", "Id")
    if kind not in REFERENCES:
        raise ValidationError(f"The referenceType '{kind}' is not known.", target="model")
    if kind != "Id":
        raise Unsupported(f"models of batch deployments by {kind}", tracked=README)
    found = given.get("assetId")
    if not isinstance(found, str) or not found:
        raise ValidationError("The model's assetId is missing.", target="model")
    return found


def put(
    ctx: Context, ws: Workspace, endpoint: BatchEndpoint, name: str, wanted: Wanted
) -> tuple[BatchDeployment, bool]:
    """Make or change a deployment; whether it was made. Nothing is started by that.

    Raises:
        ValidationError, UserError, Unsupported: it cannot be as it is asked for.
        AssetNotFound: something it names does not exist.
    """
    check_name("deployment", name)
    properties = {k: v for k, v in wanted.properties.items() if v is not None}
    if is_pipeline(properties):
        _check_component(ctx, ws, properties)
    else:
        _check_model(ctx, ws, properties)
    properties = {**settings.DEFAULTS, **properties}
    old = ctx.store.get(BATCH_DEPLOYMENTS, endpoint.workspace, endpoint.key, name.lower())
    now = ctx.clock.now()
    base = old or BatchDeployment(
        endpoint.workspace, endpoint.key, name.lower(), name, properties, now, now, wanted.by
    )
    made = replace(
        base,
        properties=properties,
        tags=wanted.tags,
        modified=now,
        generation=_generation(base, properties),
    )
    ctx.store.put(BATCH_DEPLOYMENTS, made)
    return made, old is None


def _generation(deployment: BatchDeployment, properties: Mapping[str, Any]) -> str:
    """Names the folder of a deployment's content; the same content keeps its folder."""
    what = [properties.get(field) for field in CONTENT]
    made = deployment.created.isoformat()
    return hashlib.sha256(json.dumps([made, what], sort_keys=True).encode()).hexdigest()[:16]


def _check_component(ctx: Context, ws: Workspace, properties: Mapping[str, Any]) -> None:
    version = assets.resolve_id(ctx, ws, component_of(properties), "components")
    spec = version.properties.get("componentSpec") or {}
    if str(spec.get("type", "")).lower().removesuffix("_component") != "pipeline":
        raise UserError(
            f"The component {version.name}:{version.version} is of type '{spec.get('type')}'; a"
            " batch deployment runs pipeline components."
        )


def _check_model(ctx: Context, ws: Workspace, properties: Mapping[str, Any]) -> None:
    settings.read(properties)
    settings.variables(properties)
    model = model_of(properties)
    code = properties.get("codeConfiguration")
    if not isinstance(code, Mapping | None):
        raise ValidationError("The field 'codeConfiguration' must be an object.")
    if not isinstance(properties.get("compute"), str | None):
        raise ValidationError("The field 'compute' must be text.", target="compute")
    if properties.get("compute"):
        name_in_arm_id(str(properties["compute"]), "computes")
    found = assets.resolve_id(ctx, ws, model, "models") if model else None
    if code:
        if not code.get("scoringScript") or not code.get("codeId"):
            raise UserError("codeConfiguration needs both code and scoringScript.")
        if not properties.get("environmentId"):
            raise UserError("A deployment with a scoring script needs an environment.")
        assets.resolve_id(ctx, ws, str(code["codeId"]), "codes")
        return
    if found is None:
        raise UserError("A batch deployment needs a model, or a scoring script.")
    if str(found.properties.get("modelType", "")).lower() != "mlflow_model":
        # Source: learn.microsoft.com/azure/machine-learning/how-to-mlflow-batch.
        raise UserError(
            f"The model {found.name}:{found.version} is of type"
            f" {found.properties.get('modelType')}. Without a scoring script only MLflow models"
            " can be deployed; give code_configuration and environment."
        )


def folder_of(ctx: Context, deployment: BatchDeployment) -> Path:
    """Where the content of a deployment is kept between its jobs."""
    return root_of(ctx).joinpath(deployment.workspace, deployment.generation)


def root_of(ctx: Context) -> Path:
    """Where the content of all batch deployments is."""
    return ctx.state / "batch"


def delete(ctx: Context, endpoint: BatchEndpoint, deployment: BatchDeployment) -> None:
    """Remove a deployment; jobs that run go on with its content, which the next start removes.

    Assumed: the endpoint's default may be removed; the endpoint then has none.
    """
    with ctx.store.transaction():
        now = ctx.store.get(BATCH_ENDPOINTS, endpoint.workspace, endpoint.key)
        if now is not None and (now.default or "").lower() == deployment.key:
            ctx.store.put(BATCH_ENDPOINTS, replace(now, default=None))
        ctx.store.delete(
            BATCH_DEPLOYMENTS, deployment.workspace, deployment.endpoint, deployment.key
        )


def sweep(ctx: Context) -> None:
    """Remove the content of deployments that are gone or were changed."""
    known = {folder_of(ctx, one) for one in ctx.store.scan(BATCH_DEPLOYMENTS)}
    for folder in root_of(ctx).glob("*/*"):
        if folder not in known and folder.parent.name != IMPORTS:
            shutil.rmtree(folder, ignore_errors=True)
