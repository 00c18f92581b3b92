"""Run artifacts as Azure ML's own services give them: the azureml-mlflow plugin's way to files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request

from emulators.kernel.http import Operation, Reply, call_of, context_of, links_of, read_json
from emulators.mlflow.engine.locations import RUN_ORIGIN, Place, of_artifact, of_run, safe
from emulators.mlflow.engine.logged import settled
from emulators.mlflow.errors import InvalidParameter, ResourceMissing
from emulators.mlflow.wire import blobs
from emulators.mlflow.wire.paths import ARTIFACT_SERVICE, HISTORY
from emulators.mlflow.wire.workspaces import Workspace, container_of, workspace_of

READ, WRITE = "r", "rcw"
Handler = Callable[[Request], Awaitable[Reply]]


def _origin(request: Request) -> tuple[str, str, Place]:
    """Origin, container and folder that the path names: a run's, or any of the service's."""
    at = request.path_params
    if "run" in at:
        return RUN_ORIGIN, f"dcid.{at['run']}", of_run(safe(at["run"]))
    return at["origin"], at["container"], of_artifact(at["origin"], safe(at["container"]), "")


async def _content(request: Request, workspace: Workspace, path: str, allow: str) -> dict[str, Any]:
    """An artifact with an address that needs no token."""
    ctx = context_of(request)
    origin, container, folder = _origin(request)
    place = settled(ctx, workspace.key, folder / path)
    store = await container_of(ctx, workspace, place.datastore)
    query = await blobs.signature(ctx, workspace, place, allow)
    url = links_of(request).blob(store.account, f"/{store.name}/{blobs.quoted(place.path)}")
    return {
        "contentUri": f"{url}?{query}",
        "origin": origin,
        "container": container,
        "path": path,
        "tags": {},
    }


def _artifact(request: Request, path: str) -> dict[str, Any]:
    origin, container, folder = _origin(request)
    return {
        "artifactId": f"{origin}/{container}/{path}",
        "origin": origin,
        "container": container,
        "path": path,
        "etag": None,
        "dataPath": {"dataStoreName": folder.datastore, "relativePath": (folder / path).path},
        "tags": {},
    }


async def list_all(request: Request) -> Reply:
    _, _, folder = _origin(request)
    workspace = await workspace_of(request)
    prefix = request.query_params.get("path", "").strip("/")
    found = blobs.listed(context_of(request), workspace, folder / safe(prefix), flat=True)
    paths = [f"{prefix}/{entry.path}" if prefix else entry.path async for entry in found]
    return Reply(200, {"value": [_artifact(request, path) for path in paths]})


async def create_empty(request: Request) -> Reply:
    """Addresses to write files to; nothing exists before it is written."""
    workspace = await workspace_of(request)
    listed = (await read_json(request)).get("paths")
    if not isinstance(listed, list):
        raise InvalidParameter("'paths' must be a list of artifact paths.")
    made: dict[str, Any] = {}
    for entry in listed:
        if not isinstance(entry, dict) or not entry.get("path"):
            raise InvalidParameter("Every entry of 'paths' needs a 'path'.")
        path = str(entry["path"])
        made[path] = await _content(request, workspace, safe(path), WRITE)
    return Reply(
        200,
        {
            "artifacts": {path: _artifact(request, path) for path in made},
            "artifactContentInformation": made,
            "errors": {},
        },
    )


async def content_info(request: Request) -> Reply:
    path = safe(request.query_params.get("path", "").strip("/"))
    _, _, folder = _origin(request)
    workspace = await workspace_of(request)
    if not path or not await blobs.exists(context_of(request), workspace, folder / path):
        raise ResourceMissing(f"The artifact '{path}' was not found.")
    return Reply(200, await _content(request, workspace, path, READ))


async def content_info_below(request: Request) -> Reply:
    _, _, folder = _origin(request)
    workspace = await workspace_of(request)
    prefix = safe(request.query_params.get("path", "").strip("/"))
    found = blobs.listed(context_of(request), workspace, folder / prefix, flat=True)
    paths = [f"{prefix}/{entry.path}" if prefix else entry.path async for entry in found]
    return Reply(200, {"value": [await _content(request, workspace, p, READ) for p in paths]})


async def metadata(request: Request) -> Reply:
    path = safe(request.query_params.get("path", "").strip("/"))
    _, _, folder = _origin(request)
    if not await blobs.exists(context_of(request), await workspace_of(request), folder / path):
        raise ResourceMissing(f"The artifact '{path}' was not found.")
    return Reply(200, _artifact(request, path))


def _in_arm_words(handler: Handler) -> Handler:
    """Errors of these services are ARM's, whatever the rest of this emulator speaks."""

    async def answer(request: Request) -> Reply:
        call_of(request).dialect = "arm"
        return await handler(request)

    return answer


_ROUTES: list[tuple[str, str, str, Handler]] = [
    ("ListInContainer", "GET", "", list_all),
    ("ListInPath", "GET", "/path", list_all),
    ("BatchCreateEmptyArtifacts", "POST", "/batch/metadata", create_empty),
    ("GetById", "GET", "/metadata", metadata),
    ("GetContentInformation", "GET", "/contentinfo", content_info),
    ("ListSasByPrefix", "GET", "/prefix/contentinfo", content_info_below),
]
_PLACES = {
    "RunArtifacts": f"{HISTORY}/experiments/{{experiment}}/runs/{{run}}/artifacts",
    "RunArtifactsByExperimentId": f"{HISTORY}/experimentids/{{experiment}}/runs/{{run}}/artifacts",
    "Artifacts": f"{ARTIFACT_SERVICE}/artifacts/{{origin}}/{{container}}",
}
OPERATIONS = [
    Operation(f"{group}_{name}", method, place + tail, _in_arm_words(handler))
    for group, place in _PLACES.items()
    for name, method, tail, handler in _ROUTES
]
