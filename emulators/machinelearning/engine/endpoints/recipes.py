"""What a deployment is made of, brought to this machine once and kept beside it.

A restart needs neither storage nor the assets, which may be gone: as in Azure, what is deployed
serves on.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine import assets, places, workspaces
from emulators.machinelearning.engine.endpoints.records import README
from emulators.machinelearning.engine.jobs.environments import definition_of
from emulators.machinelearning.engine.runtime.definition import Definition
from emulators.machinelearning.engine.storage_access import download
from emulators.machinelearning.engine.uris import AssetUri, parse_uri
from emulators.machinelearning.store.endpoints import Deployment
from emulators.machinelearning.store.workspaces import Workspace

FILE = "recipe.json"
MODELS = "azureml-models"
CODE = "code"


@dataclass(frozen=True, slots=True)
class Model:
    """A registered model below `azureml-models` of a generation's folder."""

    name: str
    version: str
    entry: str  # name of the registered folder or file


@dataclass(frozen=True, slots=True)
class Recipe:
    """Model, script and environment of one generation."""

    model: Model | None
    script: str | None  # scoring script below the folder `code`; None: the model alone is served
    environment: Definition


async def gather(ctx: Context, ws: Workspace, deployment: Deployment, folder: Path) -> Recipe:
    """Fetch what a deployment names, or read what an earlier start fetched.

    Args:
        folder: of the deployment's generation; exists.

    Raises:
        ServiceError: something it names does not exist or is not emulated.
    """
    kept = folder / FILE
    if kept.is_file():
        return _read(json.loads(kept.read_text(encoding="utf-8")), folder)
    properties = deployment.properties
    model = await _model(ctx, ws, properties.get("model"), folder)
    code = properties.get("codeConfiguration") or {}
    script = code.get("scoringScript") if code.get("codeId") else None
    if script is not None:
        await _code(ctx, ws, code["codeId"], folder)
    named = properties.get("environmentId")
    if named:
        environment = await definition_of(ctx, ws, named, folder)
    else:
        environment = _logged_with(folder, model)
    recipe = Recipe(model, script, environment)
    partial = kept.with_suffix(".partial")
    partial.write_text(json.dumps(_written(recipe, folder)), encoding="utf-8")
    partial.replace(kept)
    return recipe


def folder_of(folder: Path, model: Model) -> Path:
    """The registered folder or file of a generation's model."""
    return folder / MODELS / model.name / model.version / model.entry


def _written(recipe: Recipe, folder: Path) -> dict[str, Any]:
    values = asdict(recipe)
    if recipe.environment.context is not None:  # the state folder may move
        values["environment"]["context"] = str(recipe.environment.context.relative_to(folder))
    return values


def _read(values: dict[str, Any], folder: Path) -> Recipe:
    model, found = values["model"], values["environment"]
    environment = Definition(**{**found, "requirements": tuple(found["requirements"])})
    if environment.context is not None:
        environment = replace(environment, context=folder / environment.context)
    return Recipe(Model(**model) if model else None, values["script"], environment)


async def _model(ctx: Context, ws: Workspace, reference: Any, folder: Path) -> Model | None:
    if not reference:
        return None
    version = assets.resolve_id(ctx, ws, str(reference), "models")
    uri = parse_uri(str(reference))
    home = workspaces.of_asset(ctx, ws, uri) if isinstance(uri, AssetUri) else ws
    where = await places.resolve(ctx, home, version.properties["modelUri"])
    entry = where.path.rstrip("/").rpartition("/")[2] or "model"
    model = Model(version.name, version.version, entry)
    await _fetched(ctx, where, folder_of(folder, model))
    return model


async def _code(ctx: Context, ws: Workspace, reference: str, folder: Path) -> None:
    version = assets.resolve_id(ctx, ws, reference, "codes")
    where = await places.resolve(ctx, ws, version.properties["codeUri"])
    await _fetched(ctx, where, folder / CODE)


async def _fetched(ctx: Context, where: Any, target: Path) -> None:
    """Download whole or not at all."""
    if target.exists():
        return
    partial = target.with_name(f"{target.name}.incomplete")
    if partial.is_dir():
        shutil.rmtree(partial)
    partial.parent.mkdir(parents=True, exist_ok=True)
    await download(ctx, where, partial)
    partial.replace(target)


def check_servable(served: Path) -> None:
    """Refuse a model that cannot be served without a scoring script.

    Raises:
        Unsupported: it is neither an MLflow model nor one ONNX file.
    """
    if not (served / "MLmodel").is_file() and onnx_of(served) is None:
        raise Unsupported(
            "deployments without scoring script of a model that is neither an MLflow model nor one"
            " ONNX file",
            tracked=README,
        )


def onnx_of(served: Path) -> Path | None:
    """The one ONNX file of a model, or None."""
    found = [served] if served.is_file() else list(served.glob("*.onnx"))
    return found[0] if len(found) == 1 and found[0].suffix == ".onnx" else None


def _logged_with(folder: Path, model: Model | None) -> Definition:
    """The environment that was logged with an MLflow model; an ONNX file needs none."""
    assert model is not None, "checked when it was asked for"
    served = folder_of(folder, model)
    check_servable(served)
    if not (served / "MLmodel").is_file():
        return Definition()
    conda = served / "conda.yaml"
    if conda.is_file():
        return Definition(conda=conda.read_text(encoding="utf-8"))
    pip = served / "requirements.txt"
    lines = pip.read_text(encoding="utf-8").splitlines() if pip.is_file() else ["mlflow"]
    return Definition(requirements=tuple(line for line in lines if line.strip()))
