"""MLflow's artifact proxy, answered from the workspace's own storage."""

from __future__ import annotations

import mimetypes
import posixpath
import re

from starlette.requests import Request

from emulators.kernel.context import Context
from emulators.kernel.http import Operation, Reply, context_of
from emulators.mlflow.engine.locations import (
    RUN_ORIGIN,
    Place,
    of_proxy_path,
    of_run,
    safe,
)
from emulators.mlflow.engine.logged import models_of
from emulators.mlflow.errors import InvalidParameter
from emulators.mlflow.wire import blobs
from emulators.mlflow.wire.paths import BASE
from emulators.mlflow.wire.workspaces import Workspace, workspace_of

_MLFLOW_2 = re.compile(r"mlflow-python-client/[12]\.")
_RUNS = f"{RUN_ORIGIN}/dcid."
PROXY = f"{BASE}/api/2.0/mlflow-artifacts"


def _place(request: Request) -> Place:
    return of_proxy_path(request.path_params["artifact"])


async def download(request: Request) -> Reply:
    ctx, workspace, place = context_of(request), await workspace_of(request), _place(request)
    found = await blobs.download(ctx, workspace, place, byte_range=request.headers.get("range"))
    name = posixpath.basename(place.path)
    media = mimetypes.guess_type(name)[0] or "application/octet-stream"
    headers = {**found.headers, "content-type": media, "x-content-type-options": "nosniff"}
    return Reply(found.status, found.chunks, headers)


async def upload(request: Request) -> Reply:
    ctx, workspace, place = context_of(request), await workspace_of(request), _place(request)
    if not place.writable:
        raise InvalidParameter("Files of a registered model cannot be changed.")
    length = request.headers.get("content-length", "")
    await blobs.upload(
        ctx,
        workspace,
        place,
        request.stream(),
        size_bytes=int(length) if length.isdigit() else None,
        media=request.headers.get("content-type", "application/octet-stream"),
    )
    return Reply(200, {})


async def delete(request: Request) -> Reply:
    place = _place(request)
    if not place.writable:
        raise InvalidParameter("Files of a registered model cannot be changed.")
    await blobs.delete(context_of(request), await workspace_of(request), place)
    return Reply(200, {})


async def list_folder(request: Request) -> Reply:
    path = request.query_params.get("path", "")
    place = of_proxy_path(path.strip("/"))
    ctx, workspace = context_of(request), await workspace_of(request)
    if _asks_for_models(request) and _is_model(ctx, workspace, place):
        return Reply(200, {"files": []})
    found = blobs.listed(ctx, workspace, place, flat=False)
    return Reply(200, {"files": [_file(entry.path, entry) async for entry in found]})


def _asks_for_models(request: Request) -> bool:
    """MLflow 3 lists a logged model of a run by itself, and joins that to the run's own files."""
    return _MLFLOW_2.search(request.headers.get("user-agent", "")) is None


def _is_model(ctx: Context, workspace: Workspace, place: Place) -> bool:
    """Whether a run's path lies in a logged model."""
    run, _, inside = place.path.removeprefix(_RUNS).partition("/")
    if not inside or not place.path.startswith(_RUNS) or not place.writable:
        return False
    return inside.partition("/")[0] in models_of(ctx, workspace.key, of_run(run))


async def list_run(request: Request) -> Reply:
    """`artifacts/list` of the tracking API: paths are whole, below the run's root."""
    query = request.query_params
    run = query.get("run_id") or query.get("run_uuid") or ""
    if not run:
        raise InvalidParameter("Missing value for required parameter 'run_id'.")
    path = safe(query.get("path", "").strip("/"))
    root = of_run(safe(run))
    found = blobs.listed(context_of(request), await workspace_of(request), root / path, flat=False)
    files = [_file(posixpath.join(path, entry.path), entry) async for entry in found]
    return Reply(200, {"root_uri": f"runs:/{run}", "files": files})


async def list_model(request: Request) -> Reply:
    """The same of a logged model, which keeps its files as a run does."""
    path = safe(request.query_params.get("artifact_directory_path", "").strip("/"))
    root = of_run(safe(request.path_params["model"]))
    found = blobs.listed(context_of(request), await workspace_of(request), root / path, flat=False)
    files = [_file(posixpath.join(path, entry.path), entry) async for entry in found]
    return Reply(200, {"root_uri": f"models:/{request.path_params['model']}", "files": files})


def _file(path: str, entry: blobs.Entry) -> dict[str, object]:
    if entry.folder:
        return {"path": path, "is_dir": True}
    return {"path": path, "is_dir": False, "file_size": entry.size_bytes}


async def server_info(request: Request) -> Reply:
    """What clients ask first; files go up and down whole, in one stream."""
    await workspace_of(request)
    return Reply(
        200,
        {
            "store_type": "SqlStore",
            "workspaces_enabled": False,
            "trace_archival_enabled": False,
            "multipart_uploads_enabled": False,
            "multipart_downloads_enabled": False,
        },
    )


FILE = f"{PROXY}/artifacts/{{artifact:path}}"
OPERATIONS = [
    Operation("Artifacts_Download", "GET", FILE, download),
    Operation("Artifacts_Upload", "PUT", FILE, upload),
    Operation("Artifacts_Delete", "DELETE", FILE, delete),
    Operation("Artifacts_List", "GET", f"{PROXY}/artifacts", list_folder),
    Operation("Runs_ListArtifacts", "GET", f"{BASE}/api/2.0/mlflow/artifacts/list", list_run),
    Operation(
        "LoggedModels_ListArtifacts",
        "GET",
        f"{BASE}/api/2.0/mlflow/logged-models/{{model}}/artifacts/directories",
        list_model,
    ),
    Operation("Server_Info", "GET", f"{BASE}/api/3.0/mlflow/server-info", server_info),
]
