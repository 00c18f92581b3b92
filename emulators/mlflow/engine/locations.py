"""Where artifacts are: MLflow's URIs, the plugin's, and datastore paths, each from the other."""

from __future__ import annotations

import base64
import binascii
import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from emulators.mlflow.errors import InvalidParameter

ARTIFACT_STORE = "workspaceartifactstore"
"""Azure ML's datastore of run artifacts; a run's files are below `ExperimentRun/dcid.{run}`."""

RUN_ORIGIN = "ExperimentRun"
PROXY_PATH = "/mlflow-artifacts/artifacts"
_DATASTORE = re.compile(r"azureml://.*?datastores/(?P<datastore>[^/]+)/paths/(?P<path>.*)\Z", re.I)
_PLUGIN_RUN = re.compile(
    r"azureml://.*?/experiments/[^/]+/runs/(?P<run>[^/]+)/artifacts(?P<path>/.*)?\Z"
)
_PLUGIN_ARTIFACT = re.compile(
    r"azureml://artifacts/(?P<origin>[^/]+)/(?P<container>[^/]+)/?(?P<path>.*)\Z"
)
_JOB_ARTIFACTS = re.compile(
    r"azureml://jobs/(?P<run>[^/]+)/outputs/artifacts(?:/paths)?/?(?P<path>.*)\Z"
)
_OWN_ORIGIN = "Datastore."
_TOP = "-"


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder in one of the workspace's datastores."""

    datastore: str
    path: str  # no slash at either end
    writable: bool = True  # False where MLflow only reads what Azure ML registered

    def __truediv__(self, more: str) -> Place:
        return Place(self.datastore, join(self.path, more), self.writable)


def join(*parts: str) -> str:
    """Parts of a path joined by single slashes, none at the ends."""
    return "/".join(part.strip("/") for part in parts if part.strip("/"))


def safe(path: str) -> str:
    """`path`, if it stays where it is put.

    Raises:
        InvalidParameter: absolute, climbing out, or with characters no path has.
    """
    bad = "\\" in path or "\x00" in path or path.startswith("/") or "//" in path
    if bad or any(part in (".", "..") for part in path.split("/")):
        raise InvalidParameter(f"Invalid path: {path}")
    return path.rstrip("/")


def of_run(run_id: str, path: str = "") -> Place:
    """Where a run, or a logged model (`m-...`), keeps an artifact."""
    return Place(ARTIFACT_STORE, join(f"{RUN_ORIGIN}/dcid.{run_id}", path))


def of_proxy_path(path: str) -> Place:
    """The place that a path of MLflow's artifact proxy means.

    `{experiment}/{run}/artifacts/...`, `{experiment}/models/{model}/artifacts/...`,
    `datastores/{name}/paths/...` (ours), and anything else under a folder of its own.

    Raises:
        InvalidParameter: not a path.
    """
    parts = safe(path).split("/")
    match parts:
        case ["datastores", datastore, "paths", *rest] if rest:
            return Place(datastore, "/".join(rest), writable=False)
        case [experiment, "models", model, "artifacts", *rest] if experiment.isdigit():
            return of_run(model, "/".join(rest))
        case [experiment, run, "artifacts", *rest] if experiment.isdigit():
            return of_run(run, "/".join(rest))
        case _ if path:
            return Place(ARTIFACT_STORE, join("MLflow", *parts))
    raise InvalidParameter("Invalid path: it is empty")


def of_source(source: str) -> Place | None:
    """The place a model's source means, or None when only Azure ML can tell.

    Raises:
        InvalidParameter: a place outside the workspace, such as a local folder.
    """
    for pattern, place in _AZURE_FORMS:
        if found := pattern.match(source):
            return place(found)
    split = urlsplit(source)
    path = unquote(split.path)
    if split.scheme == "mlflow-artifacts" or (split.scheme == "https" and PROXY_PATH in path):
        return of_proxy_path(_after_proxy(path))
    first, _, rest = path.strip("/").partition("/")
    if split.scheme == "runs" or (split.scheme == "models" and first.startswith("m-")):
        return of_run(first, safe(rest))
    if split.scheme in ("azureml", "models"):
        return None
    raise InvalidParameter(
        f"Invalid model version source: '{source}'. To use a local path or another cloud's storage"
        " as a model version source, log the model to a run of this workspace first."
    )


_AZURE_FORMS: list[tuple[re.Pattern[str], Callable[[re.Match[str]], Place]]] = [
    (_PLUGIN_RUN, lambda m: of_run(unquote(m["run"]), safe(unquote(m["path"] or "").strip("/")))),
    (_JOB_ARTIFACTS, lambda m: of_run(unquote(m["run"]), safe(unquote(m["path"]).strip("/")))),
    (_PLUGIN_ARTIFACT, lambda m: of_artifact(m["origin"], m["container"], unquote(m["path"]))),
    (_DATASTORE, lambda m: Place(m["datastore"], safe(unquote(m["path"]).strip("/")), False)),
]


def _after_proxy(path: str) -> str:
    return path.partition(PROXY_PATH)[2].strip("/") if PROXY_PATH in path else path.strip("/")


def of_artifact(origin: str, container: str, path: str) -> Place:
    """The place of an id of Azure ML's artifact service, `{origin}/{container}/{path}`."""
    path = safe(path)
    if origin.startswith(_OWN_ORIGIN):
        return Place(origin.removeprefix(_OWN_ORIGIN), join(_unfolded(container), path), False)
    return Place(ARTIFACT_STORE, join(origin, container, path))


def proxy_uri(place: Place) -> str:
    """How a plain MLflow client reads `place`: through the artifact proxy."""
    return f"mlflow-artifacts:/datastores/{place.datastore}/paths/{place.path}"


def plugin_uri(place: Place) -> str:
    """How a client with the azureml-mlflow plugin reads `place`: by the artifact service."""
    parts = place.path.split("/")
    if place.datastore == ARTIFACT_STORE and len(parts) > 2:
        return f"azureml://artifacts/{place.path}"
    folder, _, last = place.path.rpartition("/")
    return f"azureml://artifacts/{_OWN_ORIGIN}{place.datastore}/{_folded(folder)}/{last}"


def datastore_uri(workspace: str, place: Place) -> str:
    """Azure ML's long form; `workspace` is `subscriptions/../resourcegroups/../workspaces/..`."""
    return f"azureml://{workspace}/datastores/{place.datastore}/paths/{place.path}"


def _folded(folder: str) -> str:
    return base64.urlsafe_b64encode(folder.encode()).decode().rstrip("=") if folder else _TOP


def _unfolded(text: str) -> str:
    if text == _TOP:
        return ""
    try:
        return safe(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode())
    except (binascii.Error, ValueError) as wrong:
        raise InvalidParameter(f"Invalid artifact container: {text}") from wrong


def plugin_artifact_uri(base: str, proxied: str) -> str:
    """An `artifact_uri` of the server in the form the plugin can use; others pass unchanged.

    Args:
        base: `azureml://{host}/mlflow/v2.0{workspace}`.
        proxied: what the server answered, such as `mlflow-artifacts:/1/calm_job/artifacts`.
    """
    split = urlsplit(proxied)
    parts = split.path.strip("/").split("/")
    if split.scheme != "mlflow-artifacts" or not parts[0].isdigit():
        return proxied
    if len(parts) >= 4 and parts[1] == "models":
        parts = [parts[0], *parts[2:]]
    if len(parts) < 3 or parts[2] != "artifacts":
        return proxied
    return f"{base}/experiments/{parts[0]}/runs/{parts[1]}/{posixpath.join(*parts[2:])}"
