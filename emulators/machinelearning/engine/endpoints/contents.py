"""What a deployment's worker processes are started with: interpreter, variables, folder."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import emulators
from emulators.kernel import frames
from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine.collection.keeper import keeper_of
from emulators.machinelearning.engine.collection.wanted import README
from emulators.machinelearning.engine.endpoints import recipes
from emulators.machinelearning.engine.endpoints.recipes import CODE, MODELS, Recipe
from emulators.machinelearning.engine.jobs.specs import seconds
from emulators.machinelearning.engine.runtime.definition import Prepared
from emulators.machinelearning.engine.runtime.launch import Launch, Mount
from emulators.machinelearning.engine.runtime.runtimes import Runtimes
from emulators.machinelearning.store.endpoints import Deployment
from emulators.machinelearning.store.workspaces import Workspace

# Started as a program, by path, in the deployment's own interpreter: never imported here.
SCORING = Path(emulators.__file__).parent / "scoring"
WORKER = SCORING / "engine" / "inside" / "worker.py"
PROGRAM = (Mount(WORKER.parent), Mount(Path(frames.__file__)))
"""The files that a worker is made of."""

CONVERT_TIMEOUT_S = 120.0
DEFAULT_TIMEOUT_MS = 5000
WORKER_TIMEOUT_S = 300

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Content:
    """Everything a deployment's worker processes are started with."""

    command: list[str]
    env: dict[str, str]
    cwd: Path
    workers: int
    kill_after_s: float  # a worker that holds one request longer is killed


def folder_of(ctx: Context, deployment: Deployment) -> Path:
    """Where everything of a deployment lies: its log, and a folder for each generation."""
    return ctx.state.joinpath(
        "endpoints", deployment.workspace, deployment.endpoint, deployment.key
    )


def log_of(ctx: Context, deployment: Deployment) -> Path:
    """The log that a deployment's worker processes write."""
    return folder_of(ctx, deployment) / "log.txt"


async def prepare(
    ctx: Context, ws: Workspace, deployment: Deployment, runtimes: Runtimes, say: Say, shown: Path
) -> Content:
    """Make a deployment's generation ready to be started.

    Args:
        say: gets lines for the deployment's log.
        shown: an empty folder with a short path, in which the model is shown to the code.

    Raises:
        ServiceError: something it names does not exist or is not emulated.
        EnvironmentRefused: its environment cannot be had.
    """
    folder = folder_of(ctx, deployment) / str(deployment.generation)
    folder.mkdir(parents=True, exist_ok=True)
    recipe = await recipes.gather(ctx, ws, deployment, folder)
    env = _variables(ctx, deployment, recipe, folder, shown)
    collects = keeper_of(ctx).variables(deployment, folder)
    env |= collects
    own = deployment.properties.get("environmentVariables") or {}
    prepared: Prepared | None
    if recipe.script is not None:
        root = folder / CODE
        scripted = await runtimes.prepare(recipe.environment, say)
        env |= {"AML_APP_ROOT": str(root), "AZUREML_ENTRY_SCRIPT": recipe.script}
        command, cwd, prepared = [str(scripted.python), str(WORKER)], root, scripted
    else:
        command, cwd, prepared = await _without_code(recipe, folder, runtimes, say)
    env = {**_led_to(prepared, env), **{str(k): str(v) for k, v in own.items()}}
    if prepared is not None:
        if collects and ctx.settings.runtime == "docker":
            raise Unsupported("data collection in containers (runtime docker)", tracked=README)
        launch = Launch(
            *(command, cwd, env, log_of(ctx, deployment)),
            mounts=(*PROGRAM, *_models(folder, shown)),
            asked=frozenset(map(str, own)),
        )
        command = await runtimes.words(prepared, launch)
    return Content(
        command,
        env,
        cwd,
        deployment.capacity * worker_count(own),
        float(_whole(env.get("WORKER_TIMEOUT"), WORKER_TIMEOUT_S)),
    )


def _models(folder: Path, shown: Path) -> list[Mount]:
    """What a container sees of the model: where it lies, and where it is shown."""
    lies = folder / MODELS
    return [Mount(lies), Mount(shown)] if lies.is_dir() else []


async def _without_code(
    recipe: Recipe, folder: Path, runtimes: Runtimes, say: Say
) -> tuple[list[str], Path, Prepared | None]:
    """Serve an MLflow model as the script that Azure generates would, by ONNX where equal."""
    assert recipe.model is not None
    served = recipes.folder_of(folder, recipe.model)
    recipes.check_servable(served)
    if not (served / "MLmodel").is_file():
        alone = _alone(served, folder / "onnx")
        return [sys.executable, str(WORKER), "--onnx", str(alone)], alone, None
    onnx = await converted(served, folder / "onnx", say)
    if onnx is not None:
        extra = ["--mlflow-model", str(served), "--onnx", str(onnx)]
        return [sys.executable, str(WORKER), *extra], served, None
    prepared = await runtimes.prepare(recipe.environment, say)
    return [str(prepared.python), str(WORKER), "--mlflow-model", str(served)], served, prepared


def _alone(served: Path, out: Path) -> Path:
    """A folder whose `model.onnx` is the model's one ONNX file."""
    file = recipes.onnx_of(served)
    assert file is not None
    if served.is_dir() and file.name == "model.onnx":
        return served  # with what lies beside it: weights may be files of their own
    out.mkdir(exist_ok=True)
    for one in served.iterdir() if served.is_dir() else [served]:
        link = out / ("model.onnx" if one == file else one.name)
        link.unlink(missing_ok=True)
        link.symlink_to(one)
    return out


async def converted(model: Path, out: Path, say: Say) -> Path | None:
    """The model as ONNX in `out` when that gives the same answers; None when it is left alone."""
    verdict = out / "verdict.json"
    if not verdict.exists():
        said = await _convert(model, out)
        out.mkdir(parents=True, exist_ok=True)
        partial = verdict.with_suffix(".partial")
        partial.write_text(json.dumps(said))
        partial.replace(verdict)
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


def _variables(
    ctx: Context, deployment: Deployment, recipe: Recipe, folder: Path, shown: Path
) -> dict[str, str]:
    """What the platform sets; the deployment's own variables come on top."""
    env = {
        **ctx.peers.environment(),
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "SERVICE_NAME": deployment.endpoint,
        "HOSTNAME": f"{deployment.endpoint}-{deployment.key}",
        "WORKER_TIMEOUT": str(WORKER_TIMEOUT_S),
        # The gateway gives up first (408); this only frees the worker.
        "SCORING_TIMEOUT_MS": str(timeout_ms(deployment.properties) + 500),
    }
    if recipe.model is not None:
        # Code splits this path: as in Azure, four parts come before name and version.
        (shown / MODELS).symlink_to(folder / MODELS)
        env["AZUREML_MODEL_DIR"] = str(shown / MODELS / recipe.model.name / recipe.model.version)
    return env


def _led_to(prepared: Prepared | None, env: dict[str, str]) -> dict[str, str]:
    """The same with the environment's programs first in PATH, as in its container."""
    if prepared is None:
        return env
    led = {"PATH": os.pathsep.join([str(prepared.python.parent), env.get("PATH", os.defpath)])}
    if prepared.folder is not None:
        led["VIRTUAL_ENV"] = str(prepared.folder)
    return {**env, **led}


def worker_count(variables: Mapping[str, Any]) -> int:
    """Processes an instance runs: `WORKER_COUNT`, 1 where that is no number."""
    return max(1, _whole(variables.get("WORKER_COUNT"), 1))


def _whole(given: Any, default: int) -> int:
    text = str(given)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default


def timeout_ms(properties: Mapping[str, Any]) -> int:
    """How long a request to a deployment of these properties may take, in milliseconds."""
    settings = properties.get("requestSettings") or {}
    found = seconds(settings.get("requestTimeout"))
    return DEFAULT_TIMEOUT_MS if found is None else round(found * 1000)


def concurrency(properties: Mapping[str, Any]) -> int:
    """How many requests an instance of a deployment takes at once."""
    settings = properties.get("requestSettings") or {}
    return int(settings.get("maxConcurrentRequestsPerInstance") or 1)
