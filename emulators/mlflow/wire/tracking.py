"""The tracking API: to the server process and back, for the workspace that was asked."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import httpx
import orjson
from starlette.requests import Request
from starlette.responses import Response

from emulators.kernel.context import Context
from emulators.kernel.http import Operation, Reply, context_of, links_of, principal_of, read_body
from emulators.kernel.peers import SYSTEM_OBJECT
from emulators.mlflow.engine.locations import plugin_artifact_uri
from emulators.mlflow.engine.logged import remember
from emulators.mlflow.engine.process import Server, server_of
from emulators.mlflow.errors import (
    InvalidParameter,
    NotAllowed,
    PageOfError,
    ResourceMissing,
    ServerFailed,
)
from emulators.mlflow.wire.inner import HEADER
from emulators.mlflow.wire.paths import BASE
from emulators.mlflow.wire.workspaces import Workspace, workspace_of

TO_SERVER = ("content-type", "accept", "user-agent", "x-mlflow-experiment-id")
FROM_SERVER = ("content-type", "content-disposition", "retry-after")
LOGGED_MODELS = "/api/2.0/mlflow/logged-models"
FORWARD_TIMEOUT_S = 120.0
CONNECTIONS = 32

_TAIL = re.compile(r"/workspaces/[^/]+(?P<tail>/.*)\Z", re.IGNORECASE | re.DOTALL)
_PASSED = re.compile(r"/(?:api/\d|v1/|health\Z|version\Z)")
_CLIMBS = re.compile(r"(?:/|%2f)(?:\.|%2e){1,2}(?:/|%2f|\Z)", re.IGNORECASE)
_MLFLOW_1 = re.compile(r"mlflow-python-client/1\.")
_CLIENTS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Path, httpx.AsyncClient]] = (
    WeakKeyDictionary()
)


def is_plugin(request: Request) -> bool:
    """Whether the caller came by an `azureml://` tracking URI.

    The plugin names itself in the user agent of every MLflow call of its environment, also of
    those over https; but over azureml it always asks `/mlflow/v2.0` (MLflow 1: `v1.0`). So
    `https://.../mlflow/v1.0` is the plain address that works with and without the plugin.
    """
    agent = request.headers.get("user-agent", "")
    if "azureml-mlflow/" not in agent:
        return False
    first = "v1.0" if _MLFLOW_1.search(agent) else "v2.0"
    return str(request.path_params["api"]).lower() == first


def _client(server: Server) -> httpx.AsyncClient:
    """One client per event loop and socket: connections belong to a loop."""
    clients = _CLIENTS.setdefault(asyncio.get_running_loop(), {})
    if server.socket not in clients:
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        clients[server.socket] = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(server.socket), limits=limits),
            base_url="http://localhost",
            timeout=FORWARD_TIMEOUT_S,
            trust_env=False,
        )
    return clients[server.socket]


async def close_clients(server: Server) -> None:
    """Close this loop's connections to the server."""
    client = _CLIENTS.get(asyncio.get_running_loop(), {}).pop(server.socket, None)
    if client is not None:
        await client.aclose()


async def ask(
    server: Server,
    workspace: Workspace,
    method: str,
    target: str,
    *,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """One call of the server process, once it is ready.

    Raises:
        ServerNotReady: it does not come up.
        ServerFailed: it went away before it answered.
    """
    await server.ready()
    sent = {**(headers or {}), HEADER.decode(): workspace.key}
    try:
        return await _client(server).request(method, target, content=body, headers=sent)
    except httpx.HTTPError as broken:
        raise ServerFailed(f"The MLflow server did not answer: {broken!r}") from broken


async def _sent(request: Request) -> bytes:
    """The body for the server, which answers what is no JSON object by a page of HTML.

    Raises:
        InvalidParameter: it says it is JSON, or nothing, and is no object.
    """
    raw = await read_body(request)
    if not raw.strip():
        return b"" if request.method == "GET" else b"{}"
    if "json" in request.headers.get("content-type", "json"):
        try:
            given = orjson.loads(raw)
        except orjson.JSONDecodeError as wrong:
            raise InvalidParameter(f"Malformed request body: {wrong}") from None
        if not isinstance(given, dict):
            raise InvalidParameter("Malformed request body: a JSON object is expected")
    return raw


async def forward(request: Request) -> Response:
    workspace = await workspace_of(request)
    api = str(request.path_params["api"]).lower()
    found = _TAIL.search(request.scope["azure_path"])
    if found is None or api not in ("v1.0", "v2.0"):
        raise ResourceMissing(f"There is no MLflow API '{request.path_params['api']}'.")
    target = found["tail"]
    if not _PASSED.match(target) or _CLIMBS.search(target):
        raise ResourceMissing(f"There is nothing at '{target}'.")
    if request.url.query:
        target += f"?{request.url.query}"
    headers = {name: request.headers[name] for name in TO_SERVER if name in request.headers}
    answer = await ask(
        server_of(context_of(request)),
        workspace,
        request.method,
        target,
        body=await _sent(request),
        headers=headers,
    )
    if answer.status_code >= 400 and "html" in answer.headers.get("content-type", ""):
        raise PageOfError(answer.status_code, target)
    content = answer.content
    if found["tail"] == LOGGED_MODELS and request.method == "POST" and answer.status_code == 200:
        _remember(context_of(request), workspace, content)
    if is_plugin(request) and answer.headers.get("content-type", "").startswith("application/json"):
        content = _for_plugin(content, _plugin_base(request, workspace))
    kept = {name: answer.headers[name] for name in FROM_SERVER if name in answer.headers}
    return Response(content, answer.status_code, kept)


def _remember(ctx: Context, workspace: Workspace, content: bytes) -> None:
    info = orjson.loads(content).get("model", {}).get("info", {})
    remember(
        ctx,
        workspace.key,
        str(info.get("model_id", "")),
        str(info.get("source_run_id", "")),
        str(info.get("name", "")),
    )


def _plugin_base(request: Request, workspace: Workspace) -> str:
    origin = links_of(request).ml().removeprefix("https://")
    return f"azureml://{origin}/mlflow/v2.0/{workspace.path}"


def _for_plugin(content: bytes, base: str) -> bytes:
    """The same JSON, with artifact addresses that the plugin can use."""
    if b"mlflow-artifacts:" not in content:
        return content
    return orjson.dumps(rewritten(orjson.loads(content), base))


def rewritten(value: Any, base: str) -> Any:
    """Every `artifact_uri` below `value` in the plugin's form."""
    if isinstance(value, list):
        return [rewritten(entry, base) for entry in value]
    if not isinstance(value, dict):
        return value
    return {
        key: plugin_artifact_uri(base, entry)
        if key == "artifact_uri" and isinstance(entry, str)
        else rewritten(entry, base)
        for key, entry in value.items()
    }


async def log_batch_async(request: Request) -> Reply | Response:
    """The plugin's asynchronous batch: written at once, so there is nothing to wait for."""
    workspace = await workspace_of(request)
    answer = await ask(
        server_of(context_of(request)),
        workspace,
        "POST",
        "/api/2.0/mlflow/runs/log-batch",
        body=await _sent(request),
        headers={"content-type": "application/json"},
    )
    if answer.status_code >= 500:
        raise PageOfError(answer.status_code, "runs/log-batch")
    if answer.status_code != 200:
        return Response(answer.content, answer.status_code, media_type="application/json")
    return Reply(200, {"batch_tracking_id": ""})


async def batch_status(request: Request) -> Reply:
    await workspace_of(request)
    return Reply(200, {"is_complete": True})


async def own_run(request: Request) -> Response:
    """Begin or end the run of a job, whose id is the job's name; for emulators only."""
    if principal_of(request).object_id != SYSTEM_OBJECT:
        raise NotAllowed("Only Azure ML itself begins and ends the runs of jobs.")
    workspace = await workspace_of(request)
    server = server_of(context_of(request))
    target = f"/rehearsal/runs/{request.path_params['verb'].lower()}"
    answer = await ask(server, workspace, "POST", target, body=await read_body(request))
    return Response(answer.content, answer.status_code, media_type="application/json")


PREVIEW = f"{BASE}/api/2.0/preview/mlflow/runs"
OPERATIONS = [
    Operation("Runs_LogBatchAsync", "POST", f"{PREVIEW}/log-batch-async", log_batch_async),
    Operation("Runs_GetRunDataStatus", "GET", f"{PREVIEW}/get-run-data-status", batch_status),
    Operation("Rehearsal_Runs", "POST", f"{BASE}/api/2.0/rehearsal/runs/{{verb}}", own_run),
    *(
        Operation(f"MLflow_{method.title()}", method, f"{BASE}/{{rest:path}}", forward)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    ),
]
