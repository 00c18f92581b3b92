"""The managed endpoint's gateway: raw ASGI between a caller and a deployment's workers.

Source: learn.microsoft.com/azure/machine-learning on online endpoints' status codes, traffic
and mirroring, and answers of the real gateway in public issues; what none of them states is
marked Assumed.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from starlette.types import Message, Receive, Scope, Send

from emulators.kernel.context import Context
from emulators.kernel.errors import NotFound, ServiceError, TooLarge
from emulators.kernel.frames import BadFrame, Frame
from emulators.kernel.http import Call
from emulators.kernel.workers import PoolStopped, WorkerFailed
from emulators.machinelearning.engine.batch import records as batch_records
from emulators.machinelearning.engine.endpoints import records
from emulators.machinelearning.engine.endpoints.hosting import Hosting, Live, Route, hosting_of
from emulators.machinelearning.wire import batch_jobs
from emulators.machinelearning.wire.traffic import REASON, Answer, Asked, Headers, Traffic

NOT_FOR_MODEL = frozenset(
    {b"authorization", b"azureml-model-deployment", b"connection", b"host", b"x-request-id"}
)
"""Request headers that are the gateway's own business."""

NOT_FOR_CALLER = frozenset({b"connection", b"content-length", b"transfer-encoding", b"keep-alive"})
IDS = (b"x-ms-request-id", b"x-ms-client-request-id")
HELP = (
    b"\nPlease check this guide to understand why this error code might have been returned \n"
    b"https://docs.microsoft.com/en-us/azure/machine-learning/"
    b"how-to-troubleshoot-online-endpoints#http-status-codes\n"
)
TEXT = (b"content-type", b"text/plain")
JSON = (b"content-type", b"application/json; charset=utf-8")


class NoRoute(NotFound):
    """No endpoint of that name, no such deployment, or none with traffic."""


class CallerGone(Exception):
    """The caller hung up before it had sent everything."""


@dataclass(frozen=True, slots=True)
class _Reason:
    """Why the gateway answers in the model's place."""

    status: int
    reason: bytes
    body: bytes


NOT_READY = _Reason(424, b"model_not_ready", b"")
BUSY = _Reason(429, b"too_many_pending_request", b"")
LATE = _Reason(408, b"request_timeout", b"upstream request timeout" + HELP)
CRASHED = _Reason(424, b"model_error", b"")


class Gateway:
    """Answers for `*.inference.ml.azure.com`."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._hosting: Hosting = hosting_of(ctx)
        self._domain = f"{ctx.settings.region}.inference.ml.azure.com"
        self._limit = ctx.settings.max_body_mib << 20
        self._mirrored: set[asyncio.Task[None]] = set()
        self._traffic = Traffic(ctx, self._hosting)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call: Call = scope["rehearsal"]
        call.operation = "Inference"
        headers: dict[bytes, bytes] = dict(scope["headers"])
        try:
            answer = await self._serve(scope, receive, headers, call)
        except ServiceError as error:
            body = error.message.encode() + HELP
            answer = Answer(error.status, [TEXT, *_ids(headers, call)], body)
        except CallerGone:
            return
        answer.headers.append((b"content-length", b"%d" % len(answer.body)))
        start: Message = {
            "type": "http.response.start",
            "status": answer.status,
            "headers": answer.headers,
        }
        await send(start)
        await send({"type": "http.response.body", "body": answer.body})

    async def _serve(
        self, scope: Scope, receive: Receive, headers: dict[bytes, bytes], call: Call
    ) -> Answer:
        name, _, domain = scope["azure_host"].partition(".")
        if domain != self._domain:
            raise NoRoute(f"There is no endpoint at {scope['azure_host']}.")
        route = self._hosting.route(name)
        if route is None:
            return await self._batch(name, scope, receive, headers, call)
        try:
            return await self._online(route, scope, receive, headers, call)
        except ServiceError as refused:
            self._traffic.refused(route, scope, headers, refused)
            raise

    async def _online(
        self,
        route: Route,
        scope: Scope,
        receive: Receive,
        headers: dict[bytes, bytes],
        call: Call,
    ) -> Answer:
        began = time.perf_counter()
        route.gate.check(headers.get(b"authorization", b""))
        chosen = self._choose(route, headers.get(b"azureml-model-deployment", b""))
        body = await _read(receive, headers, self._limit)
        identity, read = _request_id(headers, call), time.perf_counter()
        head = _head(scope, headers, call)
        asked = Asked(route, chosen, *head, body, headers, identity, began, read)
        if route.mirror is not None and self._draw(100) < route.mirror[1]:
            self._mirror(asked._replace(deployment=route.mirror[0], mirrored=True))
        answer = await self._answer(asked)
        if not answer.model_status:
            answer.headers.extend(_ids(headers, call))
        answer.headers.append((b"azureml-model-deployment", chosen.encode()))
        self._traffic.note(asked, answer)
        return answer

    async def _batch(
        self, name: str, scope: Scope, receive: Receive, headers: dict[bytes, bytes], call: Call
    ) -> Answer:
        """A batch endpoint has its host name among the same names, and starts jobs."""
        endpoint = batch_records.by_host(self._ctx, name)
        if endpoint is None:
            raise NoRoute(f"There is no endpoint '{name}'.")
        body = await _read(receive, headers, self._limit)
        sent = batch_jobs.Sent(scope["method"], scope["azure_path"], headers, body)
        said = batch_jobs.answer(self._ctx, endpoint, sent, call)
        return Answer(said.status, [JSON, *_ids(headers, call)], said.body)

    def _choose(self, route: Route, asked: bytes) -> str:
        if asked:
            found = asked.decode("latin-1").strip().lower()
            if found not in route.deployments:
                # Assumed: the page says what the header does, not what an unknown name gives.
                raise NoRoute(f"The endpoint {route.endpoint.name} has no such deployment.")
            return found
        if len(route.shares) == 1:
            return route.shares[0][0]
        if not route.shares:
            raise NoRoute(
                "No valid deployments to route to. Please check that the endpoint has at least one"
                " deployment with positive weight values or use a deployment specific header to"
                " route."
            )
        return records.choose(route.shares, self._draw(100))

    def _draw(self, below: int) -> int:
        return self._ctx.ids.random.randrange(below)

    async def _answer(self, asked: Asked) -> Answer:
        """Ask the deployment; again where its generation was replaced at that very moment."""
        started = time.perf_counter()
        while True:
            live = self._hosting.live(asked.route, asked.deployment)
            if live is None:
                live = await self._hosting.returned(asked.route, asked.deployment)
            if live is None:
                return _instead(NOT_READY)
            if live.pending >= live.limit:
                return _instead(BUSY)
            try:
                found = await _call(live, asked)
            except PoolStopped:
                await asyncio.sleep(0)
                continue
            except WorkerFailed:
                return _instead(CRASHED)
            except BadFrame:
                raise TooLarge("The request is too large.") from None
            took_ms = (time.perf_counter() - started) * 1000
            return _instead(found) if isinstance(found, _Reason) else _passed(found, took_ms)

    def _mirror(self, asked: Asked) -> None:
        async def copy() -> None:
            self._traffic.note(asked, await self._answer(asked))

        task = asyncio.create_task(copy(), name=f"mirror {asked.deployment}")
        self._mirrored.add(task)
        task.add_done_callback(self._mirrored.discard)


async def _call(live: Live, asked: Asked) -> Frame | _Reason:
    """The model's frame, or why there is none.

    Raises:
        PoolStopped: this generation takes no more work.
        WorkerFailed: none of its processes starts any more.
        BadFrame: the request is too large.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Frame | _Reason] = loop.create_future()

    def settle(found: Frame | _Reason | None) -> None:
        if not future.done():
            future.set_result(CRASHED if found is None else found)

    id_ = live.pool.submit(asked.head, asked.body, settle)
    timer = loop.call_later(live.timeout_s, settle, LATE)
    live.pending += 1
    try:
        found = await future
    except asyncio.CancelledError:
        live.pool.cancel(id_)
        raise
    finally:
        live.pending -= 1
        timer.cancel()
    if found is LATE:
        live.pool.cancel(id_)
    return found


def _instead(reason: _Reason) -> Answer:
    headers = [TEXT, (REASON, reason.reason)]
    return Answer(reason.status, headers, reason.body)


def _passed(frame: Frame, took_ms: float) -> Answer:
    """The model's answer; any status but 200 becomes 424, and the headers say which it was."""
    pairs = [line.partition(b":") for line in frame.head.split(b"\r\n") if line]
    headers = [(name.lower(), value.strip()) for name, _, value in pairs]
    headers = [pair for pair in headers if pair[0] not in NOT_FOR_CALLER]
    headers.append((b"ms-azureml-model-time", b"%.3f" % took_ms))
    if frame.status == 200:
        return Answer(200, headers, frame.body, 200, took_ms)
    headers.append((REASON, b"model_error"))
    headers.append((b"ms-azureml-model-error-statuscode", b"%d" % frame.status))
    return Answer(424, headers, frame.body, frame.status, took_ms)


async def _read(receive: Receive, headers: dict[bytes, bytes], limit: int) -> bytes:
    """The whole body.

    Raises:
        TooLarge: it is over `limit` bytes.
        CallerGone: it did not come to its end.
    """
    given = headers.get(b"content-length", b"")
    if given.isdigit() and int(given) > limit:
        raise TooLarge(f"The request body is larger than {limit} bytes.")
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerGone
        chunk: bytes = message.get("body", b"")
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"The request body is larger than {limit} bytes.")
        if not message.get("more_body"):
            return chunk if len(chunks) == 1 else b"".join(chunks)


def _ids(headers: dict[bytes, bytes], call: Call) -> Headers:
    """The ids of a request that no model answered, as the model's server would answer them."""
    own = _request_id(headers, call)
    client = headers.get(b"x-ms-client-request-id") or headers.get(b"x-ms-request-id")
    found: Headers = [
        (b"x-request-id", own),
        (b"x-ms-request-id", headers.get(b"x-ms-request-id") or client or own),
    ]
    if client:
        found.append((b"x-ms-client-request-id", client))
    return found


def _request_id(headers: dict[bytes, bytes], call: Call) -> bytes:
    return headers.get(b"x-request-id") or call.request_id.encode()


def _head(scope: Scope, headers: dict[bytes, bytes], call: Call) -> tuple[bytes, bytes]:
    """The request line and the head of the frame: the line, then the headers for the model."""
    target: bytes = scope["azure_path"].encode("latin-1")
    query: bytes = scope.get("query_string", b"")
    line = b"%s %s" % (scope["method"].encode(), target + b"?" + query if query else target)
    parts = [line, b"x-request-id: " + _request_id(headers, call)]
    parts += [b"%s: %s" % pair for pair in scope["headers"] if pair[0] not in NOT_FOR_MODEL]
    head = b"\n".join(parts)
    if b"\r" in head or head.count(b"\n") != len(parts) - 1:  # never a header within a header
        head = b"\n".join(p.replace(b"\r", b" ").replace(b"\n", b" ") for p in parts)
    return line, head
