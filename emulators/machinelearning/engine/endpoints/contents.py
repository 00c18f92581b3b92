"""What a deployment needs on this machine: model, code, interpreter, variables."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import emulators
from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine import assets, places, workspaces
from emulators.machinelearning.engine.endpoints.records import README
from emulators.machinelearning.engine.jobs.environments import definition_of
from emulators.machinelearning.engine.jobs.specs import seconds
from emulators.machinelearning.engine.runtime.definition import Definition, Prepared
from emulators.machinelearning.engine.runtime.runtimes import Runtimes
from emulators.machinelearning.engine.storage_access import download
from emulators.machinelearning.engine.uris import AssetUri, parse_uri
from emulators.machinelearning.errors import UserError
from emulators.machinelearning.store.endpoints import Deployment
from emulators.machinelearning.store.workspaces import Workspace

# Started as a program, by path, in the deployment's own interpreter: never imported here.
SCORING = Path(emulators.__file__).parent / "scoring"
WORKER = SCORING / "engine" / "inside" / "worker.py"
CONVERT_TIMEOUT_S = 120.0
MODELS = "azureml-models"
DEFAULT_TIMEOUT_MS = 5000

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Content:
    """Everything a deployment's worker processes are started with."""

    command: list[str]
    env: dict[str, str]
    cwd: Path
    workers: int
    scratch: Path | None = None  # a short path into the model, removed with the processes


@dataclass(frozen=True, slots=True)
class _Model:
    """A registered model on this machine."""

    name: str
    version: str
    kind: str  # "mlflow_model", "custom_model", ...
    root: Path  # …/azureml-models/<name>/<version>
    folder: Path  # the registered folder or file below it


def folder_of(ctx: Context, deployment: Deployment, generation: int) -> Path:
    """Where one generation of a deployment lies."""
    at = (deployment.workspace, deployment.endpoint, deployment.key, str(generation))
    return ctx.state.joinpath("endpoints", *at)


async def prepare(
    ctx: Context, ws: Workspace, deployment: Deployment, runtimes: Runtimes, say: Say
) -> Content:
    """Bring a deployment's content here, from storage or from what an earlier start left.

    Args:
        say: gets lines for the deployment's log.

    Raises:
        ServiceError: something it names does not exist or is not emulated.
        EnvironmentRefused: its environment cannot be had.
    """
    folder = folder_of(ctx, deployment, deployment.generation)
    folder.mkdir(parents=True, exist_ok=True)
    properties = deployment.properties
    model = await _model(ctx, ws, properties.get("model"), folder)
    code = properties.get("codeConfiguration") or {}
    if code.get("codeId") and code.get("scoringScript"):
        root = await _code(ctx, ws, code["codeId"], folder)
        env_id = properties.get("environmentId")
        wanted = await definition_of(ctx, ws, env_id, folder)
        prepared = await runtimes.prepare(wanted, say)
        return _scripted(ctx, deployment, prepared, model, (root, code["scoringScript"]))
    if code.get("codeId") or code.get("scoringScript"):
        raise UserError("codeConfiguration needs both code and scoringScript.")
    if model is None:
        raise Unsupported(
            "deployments of a container without model and scoring script", tracked=README
        )
    return await _without_code(ctx, ws, deployment, model, runtimes, say)


async def _model(ctx: Context, ws: Workspace, reference: Any, folder: Path) -> _Model | None:
    if not isinstance(reference, str) or not reference:
        return None
    version = assets.resolve_id(ctx, ws, reference, "models")
    uri = parse_uri(reference)
    home = workspaces.of_asset(ctx, ws, uri) if isinstance(uri, AssetUri) else ws
    where = await places.resolve(ctx, home, version.properties["modelUri"])
    root = folder / MODELS / version.name / version.version
    target = root / (where.path.rstrip("/").rpartition("/")[2] or "model")
    if not target.exists():
        partial = folder / "model.incomplete"
        if partial.is_dir():
            shutil.rmtree(partial)
        await download(ctx, where, partial)
        root.mkdir(parents=True, exist_ok=True)
        partial.replace(target)
    kind = str(version.properties.get("modelType", "custom_model"))
    return _Model(version.name, version.version, kind, root, target)


async def _code(ctx: Context, ws: Workspace, reference: str, folder: Path) -> Path:
    version = assets.resolve_id(ctx, ws, reference, "codes")
    target = folder / "code"
    if not target.exists():
        where = await places.resolve(ctx, ws, version.properties["codeUri"])
        partial = folder / "code.incomplete"
        if partial.is_dir():
            shutil.rmtree(partial)
        await download(ctx, where, partial)
        partial.replace(target)
    return target


def _scripted(
    ctx: Context,
    deployment: Deployment,
    prepared: Prepared,
    model: _Model | None,
    script: tuple[Path, str],
) -> Content:
    root, entry = script
    env = _variables(ctx, deployment, model)
    env |= {"AML_APP_ROOT": str(root), "AZUREML_ENTRY_SCRIPT": entry}
    env |= _user_variables(deployment)
    command = [str(prepared.python), str(WORKER)]
    return _content(command, env, root, deployment)


async def _without_code(
    ctx: Context,
    ws: Workspace,
    deployment: Deployment,
    model: _Model,
    runtimes: Runtimes,
    say: Say,
) -> Content:
    """Serve an MLflow model as the script that Azure generates would, by ONNX where equal."""
    served = model.folder
    if not (served / "MLmodel").is_file():
        raise Unsupported(
            f"deployments without scoring script of a model of type {model.kind}"
            " that holds no MLmodel file",
            tracked=README,
        )
    env = _variables(ctx, deployment, model) | _user_variables(deployment)
    onnx = await _converted(served, served.parents[3] / "onnx", say)
    if onnx is not None:
        python = Path(sys.executable)
        extra = ["--mlflow-model", str(served), "--onnx", str(onnx)]
    else:
        prepared = await runtimes.prepare(
            await _model_environment(ctx, ws, deployment, served), say
        )
        python, extra = prepared.python, ["--mlflow-model", str(served)]
    command = [str(python), str(WORKER), *extra]
    return _content(command, env, served, deployment)


async def _model_environment(
    ctx: Context, ws: Workspace, deployment: Deployment, served: Path
) -> Definition:
    """The environment the deployment names, else the one logged with the model."""
    named = deployment.properties.get("environmentId")
    if named:
        return await definition_of(ctx, ws, named, served.parent)
    conda = served / "conda.yaml"
    if conda.is_file():
        return Definition(conda=conda.read_text(encoding="utf-8"))
    pip = served / "requirements.txt"
    lines = pip.read_text(encoding="utf-8").splitlines() if pip.is_file() else ["mlflow"]
    return Definition(requirements=tuple(line for line in lines if line.strip()))


async def _converted(model: Path, out: Path, say: Say) -> Path | None:
    """The model as ONNX in `out` when that gives the same answers; None when it is left alone."""
    verdict = out / "verdict.json"
    if not verdict.exists():
        said = await _convert(model, out)
        out.mkdir(parents=True, exist_ok=True)
        verdict.write_text(json.dumps(said))
    said = json.loads(verdict.read_text())
    if said.get("converted"):
        say(f"model served as ONNX: equal on {said.get('rows')} rows")
        return out
    say(f"model served as it is: {said.get('reason')}")
    return None


async def _convert(model: Path, out: Path) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "emulators.scoring", "convert", str(model), str(out), "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        text, errors = await asyncio.wait_for(process.communicate(), CONVERT_TIMEOUT_S)
        said: dict[str, Any] = json.loads(text.decode().strip().splitlines()[-1])
    except TimeoutError:
        return {"converted": False, "reason": f"no answer within {CONVERT_TIMEOUT_S:g} s"}
    except (ValueError, IndexError):
        return {"converted": False, "reason": errors.decode(errors="replace")[-400:]}
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
    return said


def _variables(ctx: Context, deployment: Deployment, model: _Model | None) -> dict[str, str]:
    """What the platform sets; the deployment's own variables come on top."""
    env = {
        **ctx.peers.environment(),
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "SERVICE_NAME": deployment.endpoint,
        "HOSTNAME": f"{deployment.endpoint}-{deployment.key}",
        "WORKER_TIMEOUT": "300",
        # The gateway gives up first (408); this only frees the worker.
        "SCORING_TIMEOUT_MS": str(timeout_ms(deployment.properties) + 500),
    }
    if model is not None:
        # Code splits this path: as in Azure, four parts come before name and version.
        short = Path(tempfile.mkdtemp(prefix="rehearsal-")) / MODELS
        short.symlink_to(model.root.parents[1])
        env["AZUREML_MODEL_DIR"] = str(short / model.name / model.version)
    return env


def _user_variables(deployment: Deployment) -> dict[str, str]:
    own = deployment.properties.get("environmentVariables") or {}
    return {str(k): str(v) for k, v in own.items()}


def _content(command: list[str], env: dict[str, str], cwd: Path, deployment: Deployment) -> Content:
    model_dir = env.get("AZUREML_MODEL_DIR")
    scratch = Path(model_dir).parents[2] if model_dir else None
    return Content(command, env, cwd, deployment.capacity * _worker_count(env), scratch)


def _worker_count(env: dict[str, str]) -> int:
    given = env.get("WORKER_COUNT", "1")
    return max(1, int(given)) if given.isdigit() else 1


def timeout_ms(properties: Mapping[str, Any]) -> int:
    """How long a request to a deployment of these properties may take, in milliseconds."""
    settings = properties.get("requestSettings") or {}
    found = seconds(settings.get("requestTimeout"))
    return DEFAULT_TIMEOUT_MS if found is None else round(found * 1000)
