"""The ASGI app of the server process: MLflow's own, told which workspace, and our two calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from emulators.mlflow.engine import stores as engine

HEADER = b"x-rehearsal-workspace"
PREFIX = "/rehearsal/"


class InnerApp:
    """Sets the workspace of each request, answers the edge's own calls, hands on the rest."""

    def __init__(self, mlflow_app: ASGIApp, stores: engine.Stores) -> None:
        self._app, self._stores = mlflow_app, stores

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        key = dict(scope["headers"]).get(HEADER, b"default").decode("latin-1")
        token = engine.current_workspace.set(key)
        try:
            if scope["path"].startswith(PREFIX):
                response = await self._own(Request(scope, receive))
                await response(scope, receive, send)
            else:
                await self._app(scope, receive, send)
        finally:
            engine.current_workspace.reset(token)

    async def _own(self, request: Request) -> Response:
        calls = {"runs/create": self._begin, "runs/end": self._end, "workspace/open": self._open}
        call = calls.get(request.url.path.removeprefix(PREFIX))
        if call is None or request.method != "POST":
            return _error(404, "ENDPOINT_NOT_FOUND", request.url.path)
        try:
            wanted = json.loads(await request.body() or b"{}")
            return JSONResponse(await run_in_threadpool(_guarded, call, wanted))
        except ValueError as wrong:
            return _error(400, "INVALID_PARAMETER_VALUE", str(wrong))

    def _begin(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        return _run(engine.begin_run(self._stores.tracking(), wanted))

    def _end(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        return _run(engine.end_run(self._stores.tracking(), wanted))

    def _open(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        self._stores.tracking()
        return {}


def _guarded(
    call: Callable[[Mapping[str, Any]], dict[str, Any]], wanted: Mapping[str, Any]
) -> dict[str, Any]:
    from mlflow.exceptions import MlflowException

    try:
        return call(wanted)
    except MlflowException as refused:
        raise ValueError(refused.message) from refused


def _run(run: engine.Run) -> dict[str, Any]:
    """The run as MLflow's REST API writes it."""
    from mlflow.utils.proto_json_utils import message_to_json

    body: dict[str, Any] = json.loads(message_to_json(run.to_proto()))
    return {"run": body}


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error_code": code, "message": message}, status)
