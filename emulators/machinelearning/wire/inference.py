"""The managed endpoint's gateway: raw ASGI between a caller and a deployment's workers.

Source: learn.microsoft.com/azure/machine-learning on online endpoints' status codes, traffic
and mirroring; what no page states is marked Assumed.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from starlette.types import Message, Receive, Scope, Send

from emulators.kernel.context import Context
from emulators.kernel.errors import NotFound, ServiceError
from emulators.kernel.http import Call
from emulators.kernel.render import arm
from emulators.kernel.workers import Request, Response, WorkerFailed
from emulators.machinelearning.engine.endpoints import records
from emulators.machinelearning.engine.endpoints.hosting import Hosting, Live, Route, hosting_of

PREFIX = b"ms-azureml-model-"
TO_MODEL = frozenset({b"authorization", b"azureml-model-deployment", b"connection", b"host"})
"""Headers that are the gateway's own business."""

FROM_MODEL = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive"})
MAX_ID = 100

Headers = list[tuple[bytes, bytes]]


class NoRoute(NotFound):
    """No endpoint of that name, no such deployment, or none with traffic."""

    code = "NotFound"


class Gateway:
    """Answers for `*.inference.ml.azure.com`."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._mirrored: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call: Call = scope["rehearsal"]
        call.operation = "Inference"
        headers: dict[bytes, bytes] = dict(scope["headers"])
        ids = _ids(headers, call.request_id)
        try:
            await self._serve(scope, receive, send, headers, ids)
        except ServiceError as error:
            body, media, _ = arm(error, call.request_id, self._ctx.clock.now())
            await _send(send, error.status, [(b"content-type", media.encode()), *ids], body)

    async def _serve(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        headers: dict[bytes, bytes],
        ids: Headers,
    ) -> None:
        hosting = hosting_of(self._ctx)
        name = scope["azure_host"].partition(".")[0]
        route = hosting.route(name)
        if route is None:
            raise NoRoute(f"There is no online endpoint '{name}'.")
        route.gate.check(headers.get(b"authorization", b"").decode("latin-1"))
        chosen = self._choose(
            route, headers.get(b"azureml-model-deployment", b"").decode("latin-1")
        )
        live = await hosting.live(route, chosen)
        body = await _read(receive)
        asked = _Asked(route, chosen, _request(scope, ids, body))
        if route.mirror is not None and self._draw(100) < route.mirror[1]:
            self._mirror(hosting, route, asked.request)
        status, answer, took_ms = await self._answer(live, asked.request)
        more: Headers = [(b"azureml-model-deployment", chosen.encode()), *ids]
        if answer.status:
            more.append((PREFIX + b"time", b"%.3f" % took_ms))
        await _send(send, status, [*_headers(answer, status), *more], answer.body)
        self._note(asked, status, answer, took_ms)

    def _choose(self, route: Route, asked: str) -> str:
        if asked:
            found = asked.lower()
            known = {d.key for d in records.deployments(self._ctx, route.endpoint)}
            if found not in known:
                # Assumed: the page says what the header does, not what an unknown name gives.
                raise NoRoute(f"The endpoint '{route.endpoint.name}' has no deployment '{asked}'.")
            return found
        if not route.shares:
            raise NoRoute(
                f"No valid deployments to route to: no deployment of '{route.endpoint.name}' has"
                " traffic. Set it with `az ml online-endpoint update --traffic NAME=100`."
            )
        if len(route.shares) == 1:
            return route.shares[0][0]
        drawn = self._draw(100)
        for name, share in route.shares:
            drawn -= share
            if drawn < 0:
                return name
        return route.shares[-1][0]

    def _draw(self, below: int) -> int:
        return self._ctx.ids.random.randrange(below)

    async def _answer(self, live: Live | None, request: Request) -> tuple[int, Response, float]:
        """The status the caller gets, the model's answer, and how long it took in ms."""
        started = time.perf_counter()
        status, answer = await self._asked(live, request)
        return status, answer, (time.perf_counter() - started) * 1000

    async def _asked(self, live: Live | None, request: Request) -> tuple[int, Response]:
        if live is None:
            return 424, _refusal("model_not_ready")
        if live.pending >= live.limit:
            return 429, _refusal("too_many_pending_request")
        live.pending += 1
        try:
            answer = await asyncio.wait_for(live.pool.call(request), live.timeout_s)
        except TimeoutError:
            return 408, _refusal("request_timeout")
        except WorkerFailed:
            return 424, _refusal("model_error")
        finally:
            live.pending -= 1
        return (200 if answer.status == 200 else 424), answer

    def _mirror(self, hosting: Hosting, route: Route, request: Request) -> None:
        assert route.mirror is not None
        asked = _Asked(route, route.mirror[0], request, mirrored=True)

        async def copy() -> None:
            live = await hosting.live(route, asked.deployment)
            self._note(asked, *await self._answer(live, request))

        task = asyncio.create_task(copy(), name=f"mirror {asked.deployment}")
        self._mirrored.add(task)
        task.add_done_callback(self._mirrored.discard)

    def _note(self, asked: _Asked, status: int, answer: Response, took_ms: float) -> None:
        endpoint, request = asked.route.endpoint, asked.request
        self._ctx.ledger.record(
            "inference",
            workspace=endpoint.workspace,
            endpoint=endpoint.name,
            deployment=asked.deployment,
            method=request.method,
            path=request.target,
            status=status,
            model_status=answer.status or None,
            request_bytes=len(request.body),
            response_bytes=len(answer.body),
            ms=round(took_ms, 3),
            auth=endpoint.auth_mode,
            mirrored=asked.mirrored,
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request on its way to one deployment."""

    route: Route
    deployment: str
    request: Request
    mirrored: bool = False


def _refusal(reason: str) -> Response:
    """The gateway's own answer: no body, and the reason in a header."""
    head = f"content-type: text/plain\r\nms-azureml-model-error-reason: {reason}\r\n"
    return Response(0, head.encode(), b"")


async def _read(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    chunks = [body]
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise NoRoute("The caller went away.")
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


def _ids(headers: dict[bytes, bytes], fresh: str) -> Headers:
    """The ids of a request as both sides see them, so that their logs join."""
    client = headers.get(b"x-ms-client-request-id", b"")
    own = headers.get(b"x-ms-request-id", b"") or client or fresh.encode()
    found: Headers = [(b"x-ms-request-id", own[:MAX_ID])]
    if client:
        found.append((b"x-ms-client-request-id", client[:MAX_ID]))
    return found


def _request(scope: Scope, ids: Headers, body: bytes) -> Request:
    query = scope.get("query_string", b"").decode("latin-1")
    target = scope["azure_path"] + (f"?{query}" if query else "")
    own = TO_MODEL | {name for name, _ in ids}
    given: Headers = [(name, value) for name, value in scope["headers"] if name not in own]
    pairs = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in (*given, *ids)]
    return Request(scope["method"], target, pairs, body)


def _headers(answer: Response, status: int) -> Headers:
    """The model's own headers, and why a status that is not 200 became 424."""
    kept = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in answer.headers
        if name.lower() not in FROM_MODEL and not name.lower().startswith("x-ms-")
    ]
    if status == 424 and answer.status:
        kept.append((PREFIX + b"error-reason", b"model_error"))
        kept.append((PREFIX + b"error-statuscode", str(answer.status).encode()))
    return kept


async def _send(send: Send, status: int, headers: Headers, body: bytes) -> None:
    start: Message = {
        "type": "http.response.start",
        "status": status,
        "headers": [*headers, (b"content-length", str(len(body)).encode())],
    }
    await send(start)
    await send({"type": "http.response.body", "body": body})
