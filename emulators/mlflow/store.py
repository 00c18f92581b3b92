"""Where MLflow 3's logged models keep their files: plain values, no rules."""

from __future__ import annotations

from dataclasses import dataclass

from emulators.kernel.store import Table


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """A logged model whose files are its run's, as MLflow 2 and Azure ML have it."""

    workspace: str  # GUID
    model: str  # `m-...`
    run: str
    name: str


@dataclass(frozen=True, slots=True)
class ModelOfRun:
    """The model that has a name in a run; a later one of the same name keeps its own folder."""

    workspace: str  # GUID
    run: str
    name: str
    model: str


LOGGED_MODELS = Table("mlflow_logged_models", LoggedModel, key=("workspace", "model"))
MODELS_OF_RUNS = Table("mlflow_models_of_runs", ModelOfRun, key=("workspace", "run", "name"))
