"""What a batch deployment's processes are started with: interpreter, words, variables, folders."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import emulators
from emulators.kernel.context import Context
from emulators.machinelearning.engine.batch import deployments
from emulators.machinelearning.engine.batch.converted import Converted
from emulators.machinelearning.engine.endpoints import recipes
from emulators.machinelearning.engine.endpoints.recipes import CODE, MODELS, Recipe
from emulators.machinelearning.engine.runtime.definition import Prepared
from emulators.machinelearning.engine.runtime.runtimes import Runtimes
from emulators.machinelearning.errors import UserError
from emulators.machinelearning.store.batch import BatchDeployment
from emulators.machinelearning.store.endpoints import Deployment
from emulators.machinelearning.store.workspaces import Workspace

# Started as a program, by path, in the deployment's own interpreter: never imported here.
WORKER = Path(emulators.__file__).parent / "scoring" / "engine" / "inside" / "batch_worker.py"
IMPORTS = ("numpy", "onnxruntime", "pyarrow", "pyarrow.compute", "pyarrow.csv", "pyarrow.parquet")
FRAME_IMPORTS = ("mlflow.pyfunc", "pandas")
READERS = ("pandas", "pyarrow")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Content:
    """Everything a process that scores is started with, but what is one job's own."""

    python: Prepared
    script: str | None  # scoring script below `code`; None: the model alone is served
    code: Path | None  # the snapshot, to be copied for each job
    models: Path | None  # shown to the code under a short path
    served: Path | None  # the model's folder or file below `models`
    onnx: Path | None = None  # the model converted, where that is proven equal
    imports: Path | None = None  # folder whose imports a warm runner may have made

    @property
    def words(self) -> list[str]:
        """What the worker's program is told of it."""
        if self.script is not None:
            return ["--script", self.script]
        words = ["--mlflow-model", str(self.served)]
        return [*words, "--onnx", str(self.onnx)] if self.onnx is not None else words


class Contents:
    """The content of deployments, gathered once, however many jobs ask at a time."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._turns: dict[Path, asyncio.Lock] = {}
        self._converted = Converted(ctx)

    async def of(
        self, ws: Workspace, deployment: BatchDeployment, runtimes: Runtimes, say: Say
    ) -> Content:
        """Make a deployment's content ready.

        Args:
            say: gets lines for the job's log.

        Raises:
            ServiceError: something it names does not exist or is not emulated.
            EnvironmentRefused: its environment cannot be had.
        """
        folder = deployments.folder_of(self._ctx, deployment)
        async with self._turns.setdefault(folder, asyncio.Lock()):
            folder.mkdir(parents=True, exist_ok=True)
            recipe = await recipes.gather(self._ctx, ws, _as_online(deployment), folder)
            if recipe.script is None:
                return await self._without_code(deployment, recipe, runtimes, say)
            prepared = await runtimes.prepare(recipe.environment, say)
            code = folder / CODE
            models, served = _shown(folder, recipe)
            return Content(prepared, recipe.script, code, models, served, imports=code)

    async def _without_code(
        self, deployment: BatchDeployment, recipe: Recipe, runtimes: Runtimes, say: Say
    ) -> Content:
        """An MLflow model: by ONNX where that is proven equal, else as MLflow loads it."""
        folder = deployments.folder_of(self._ctx, deployment)
        assert recipe.model is not None, "checked when it was deployed"
        served = recipes.folder_of(folder, recipe.model)
        if not (served / "MLmodel").is_file():
            raise UserError(
                f"The model {recipe.model.name}:{recipe.model.version} holds no MLmodel file;"
                " without a scoring script only MLflow models can be deployed."
            )
        onnx = await self._converted.of(served, say)
        if onnx is not None:
            prepared = Prepared(Path(sys.executable), _version(), "host", "host")
            imports = self._imports("onnx", IMPORTS)
        else:
            # Azure's image has these, whatever the model says it needs.
            wanted = replace(recipe.environment, requirements=READERS)
            prepared = await runtimes.prepare(wanted, say)
            imports = self._imports("frames", FRAME_IMPORTS)
        return Content(prepared, None, None, folder / MODELS, served, onnx, imports)

    def _imports(self, name: str, modules: tuple[str, ...]) -> Path:
        """A folder of code that imports these, for a warm runner to read."""
        folder = deployments.root_of(self._ctx) / deployments.IMPORTS / name
        folder.mkdir(parents=True, exist_ok=True)
        text = "".join(f"import {module}\n" for module in modules)
        (folder / "needed.py").write_text(text, encoding="utf-8")
        return folder


def _shown(folder: Path, recipe: Recipe) -> tuple[Path | None, Path | None]:
    if recipe.model is None:
        return None, None
    return folder / MODELS, recipes.folder_of(folder, recipe.model)


def _version() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def _as_online(deployment: BatchDeployment) -> Deployment:
    """The deployment as recipes read it: only its content counts there."""
    properties = dict(deployment.properties)
    properties["model"] = deployments.model_of(properties)
    return Deployment(
        workspace=deployment.workspace,
        endpoint=deployment.endpoint,
        key=deployment.key,
        name=deployment.name,
        properties=properties,
        capacity=1,
        created=deployment.created,
        modified=deployment.modified,
        created_by=deployment.created_by,
    )
