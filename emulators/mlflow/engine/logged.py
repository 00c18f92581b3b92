"""Files of MLflow 3's logged models, put where everybody else looks for a run's model.

MLflow 3 keeps a model apart from the run that logged it. Azure ML knows only the run's artifacts:
`azureml://jobs/{job}/outputs/artifacts/paths/model` is how its users name a trained model.
"""

from __future__ import annotations

from emulators.kernel.context import Context
from emulators.mlflow.engine.locations import ARTIFACT_STORE, RUN_ORIGIN, Place, of_run
from emulators.mlflow.store import LOGGED_MODELS, MODELS_OF_RUNS, LoggedModel, ModelOfRun

_PREFIX = f"{RUN_ORIGIN}/dcid.m-"


def remember(ctx: Context, workspace: str, model: str, run: str, name: str) -> None:
    """Note a new logged model; the first of a name in a run gets the run's folder of that name."""
    if not run or not name or "/" in name or name in (".", ".."):
        return
    with ctx.store.transaction():
        if ctx.store.insert(MODELS_OF_RUNS, ModelOfRun(workspace, run, name, model)):
            ctx.store.put(LOGGED_MODELS, LoggedModel(workspace, model, run, name))


def settled(ctx: Context, workspace: str, place: Place) -> Place:
    """Where the files of `place` really are."""
    if place.datastore != ARTIFACT_STORE or not place.path.startswith(_PREFIX):
        return place
    head, _, rest = place.path.removeprefix(f"{RUN_ORIGIN}/dcid.").partition("/")
    found = ctx.store.get(LOGGED_MODELS, workspace, head)
    if found is None:
        return place
    moved = of_run(found.run, found.name) / rest
    return Place(moved.datastore, moved.path, place.writable)


def models_of(ctx: Context, workspace: str, place: Place) -> set[str]:
    """Names in a run's root folder that are logged models; empty for every other place."""
    head, slash, _ = place.path.removeprefix(f"{RUN_ORIGIN}/dcid.").partition("/")
    if slash or place.datastore != ARTIFACT_STORE:
        return set()
    return {found.name for found in ctx.store.scan(MODELS_OF_RUNS, workspace, head)}


def lineage(ctx: Context, workspace: str, place: Place) -> tuple[str, str]:
    """Run and logged model that a settled place belongs to; empty where there is none."""
    head, _, name = place.path.removeprefix(f"{RUN_ORIGIN}/dcid.").partition("/")
    if place.datastore != ARTIFACT_STORE or not place.path.startswith(f"{RUN_ORIGIN}/dcid."):
        return "", ""
    if head.startswith("m-") and not name:
        return "", head
    found = ctx.store.get(MODELS_OF_RUNS, workspace, head, name) if "/" not in name else None
    return head, found.model if found else ""
