"""One MLflow store per Azure ML workspace, inside one server process; knows no HTTP."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from threading import Lock
from typing import Any, TypeAlias

TrackingStore: TypeAlias = Any
"""`mlflow.store.tracking.sqlalchemy_store.SqlAlchemyStore`; its methods carry no types."""

RegistryStore: TypeAlias = Any
"""`mlflow.store.model_registry.sqlalchemy_store.SqlAlchemyStore`."""

Run: TypeAlias = Any
"""`mlflow.entities.Run`."""

ARTIFACT_ROOT = "mlflow-artifacts:/"
WORKSPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{1,80}\Z")
RUN_ID = re.compile(r"[A-Za-z0-9][\w-]{0,255}\Z")
MAX_WAL_PAGES = 1000

current_workspace: ContextVar[str] = ContextVar("current_workspace", default="default")
"""Whose store the request at hand works on; the app sets it from the edge's header."""


class NoSuchStore(ValueError):
    """A workspace key that cannot name a file."""


def template_of(cache: Path) -> Path:
    """A migrated, empty database of the installed MLflow, made once per version.

    Migrating an empty file takes longer than everything else at start-up, so it is kept.
    """
    import mlflow
    from mlflow.store.db import utils as database

    path = cache / f"mlflow-{mlflow.__version__}.db"
    if path.exists():
        return path
    cache.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.unlink(missing_ok=True)
    database_utils: Any = database
    engine = database_utils.create_sqlalchemy_engine(f"sqlite:///{partial}")
    database_utils._initialize_tables(engine)
    engine.dispose()
    partial.replace(path)
    return path


class Stores:
    """The files of all workspaces, each opened when it is first asked for."""

    def __init__(self, folder: Path, template: Path, *, durable: bool = False) -> None:
        self._folder, self._template, self._durable = folder, template, durable
        self._tracking: dict[str, TrackingStore] = {}
        self._registry: dict[str, RegistryStore] = {}
        self._lock = Lock()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def tracking(self) -> TrackingStore:
        """The tracking store of the current workspace."""
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        key = current_workspace.get()
        found = self._tracking.get(key)
        if found is None:
            with self._lock:
                if key not in self._tracking:
                    opened: Any = SqlAlchemyStore
                    self._tracking[key] = opened(self._database(key), ARTIFACT_ROOT)
                found = self._tracking[key]
        return found

    def registry(self) -> RegistryStore:
        """A registry store for MLflow's own page; the API's registry is Azure ML's."""
        from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

        key = current_workspace.get()
        found = self._registry.get(key)
        if found is None:
            self.tracking()
            with self._lock:
                if key not in self._registry:
                    opened: Any = SqlAlchemyStore
                    self._registry[key] = opened(self._database(key))
                found = self._registry[key]
        return found

    def names(self) -> list[str]:
        """Workspaces that have a store on disk."""
        return sorted(path.stem for path in self._folder.glob("*.db"))

    def _database(self, key: str) -> str:
        if not WORKSPACE.match(key):
            raise NoSuchStore(f"not a workspace key: {key!r}")
        path = self._folder / f"{key}.db"
        if not path.exists():
            partial = path.with_suffix(".partial")
            shutil.copyfile(self._template, partial)
            partial.chmod(0o600)
            # Write-ahead logging stays with the file: readers never wait for the writer, and a
            # commit survives the death of the process.
            with sqlite3.connect(partial) as db:
                db.execute("PRAGMA journal_mode=WAL")
            db.close()
            partial.replace(path)
        return f"sqlite:///{path}"


class Dispatch:
    """Stands where MLflow keeps its one store; every call goes to the current workspace's."""

    def __init__(self, pick: Callable[[], Any], kind: type) -> None:
        self._pick, self._kind = pick, kind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pick(), name)

    # MLflow asks `isinstance(store, SqlAlchemyStore)` before it offers SQL features.
    __class__ = property(lambda self: self._kind)


def install(stores: Stores, *, durable: bool) -> None:
    """Make MLflow's handlers use `stores`."""
    from mlflow.server import handlers as mlflow_handlers
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as RegistryStore
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as TrackingStore
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    handlers: Any = mlflow_handlers

    def tune(connection: Any, _record: object) -> None:
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        connection.execute(f"PRAGMA wal_autocheckpoint={MAX_WAL_PAGES}")

    event.listen(Engine, "connect", tune)
    handlers._tracking_store = Dispatch(stores.tracking, TrackingStore)
    handlers._model_registry_store = Dispatch(stores.registry, RegistryStore)


def begin_run(store: TrackingStore, wanted: Mapping[str, Any]) -> Run:
    """Create a run whose id the caller chose; the same call again gives the same run.

    Azure ML's run id is the job's name, and MLflow's own call invents one, so the row is
    written here as that call writes it.

    Args:
        wanted: `run_id`, `experiment_name`, and optionally `run_name`, `user_id`, `start_time`
            (ms since the epoch), `parent_run_id`, `tags` (a map).

    Raises:
        ValueError: the id cannot be a run id, or is taken in another experiment.
    """
    run_id = str(wanted.get("run_id", ""))
    if not RUN_ID.match(run_id):
        raise ValueError(f"not a run id: {run_id!r}")
    experiment_id = experiment_of(store, str(wanted.get("experiment_name") or "Default"))
    found = find_run(store, run_id)
    if found is None:
        _insert_run(store, run_id, experiment_id, wanted)
        found = store.get_run(run_id)
    if found.info.experiment_id != experiment_id:
        raise ValueError(f"run {run_id} exists in experiment {found.info.experiment_id}")
    return found


def find_run(store: TrackingStore, run_id: str) -> Run | None:
    """The run, or None."""
    from mlflow.exceptions import MlflowException

    try:
        return store.get_run(run_id)
    except MlflowException as missing:
        if missing.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def experiment_of(store: TrackingStore, name: str) -> str:
    """The id of the experiment called `name`, made or restored where need be."""
    from mlflow.exceptions import MlflowException

    found = store.get_experiment_by_name(name)
    if found is None:
        try:
            return str(store.create_experiment(name))
        except MlflowException:
            found = store.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        store.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _insert_run(
    store: TrackingStore, run_id: str, experiment_id: str, wanted: Mapping[str, Any]
) -> None:
    from mlflow.store.tracking.dbmodels.models import SqlRun, SqlTag
    from sqlalchemy.exc import IntegrityError

    name = str(wanted.get("run_name") or run_id)
    tags = {str(k): str(v) for k, v in dict(wanted.get("tags") or {}).items()}
    tags.setdefault("mlflow.runName", name)
    tags.setdefault("mlflow.rootRunId", str(wanted.get("root_run_id") or run_id))
    if wanted.get("parent_run_id"):
        tags["mlflow.parentRunId"] = str(wanted["parent_run_id"])
    root = store.get_experiment(experiment_id).artifact_location.rstrip("/")
    row = SqlRun(
        run_uuid=run_id,
        name=tags["mlflow.runName"],
        experiment_id=int(experiment_id),
        artifact_uri=f"{root}/{run_id}/artifacts",
        source_type="UNKNOWN",
        source_name="",
        entry_point_name="",
        source_version="",
        user_id=str(wanted.get("user_id") or ""),
        status="RUNNING",
        start_time=int(wanted.get("start_time") or 0),
        lifecycle_stage="active",
    )
    row.tags = [SqlTag(key=key, value=value) for key, value in tags.items()]
    try:
        with store.ManagedSessionMaker(read_only=False) as session:
            session.add(row)
    except IntegrityError:  # somebody else made it meanwhile, which is what was asked for
        return


def end_run(store: TrackingStore, wanted: Mapping[str, Any]) -> Run:
    """Set a run's final status and time; `tags` are added.

    Args:
        wanted: `run_id`, `status` (FINISHED, FAILED or KILLED), `end_time` (ms since the epoch).

    Raises:
        ValueError: no such status.
    """
    from mlflow.entities import RunStatus, RunTag

    status = RunStatus.from_string(str(wanted.get("status", "FINISHED")))
    run_id = str(wanted.get("run_id", ""))
    for key, value in dict(wanted.get("tags") or {}).items():
        store.set_tag(run_id, RunTag(str(key), str(value)))
    end_time = wanted.get("end_time")
    store.update_run_info(run_id, status, int(end_time) if end_time else None, None)
    return store.get_run(run_id)
