"""What passes the gateway, noted in the ledger and, where a deployment collects it, kept.

Source: learn.microsoft.com/azure/machine-learning/how-to-monitor-online-endpoints (the columns of
AmlOnlineEndpointTrafficLog, which the monitor's table is filled from).
"""

from __future__ import annotations

import time
from typing import NamedTuple

from starlette.types import Scope

from emulators.kernel.context import Context
from emulators.kernel.errors import ServiceError
from emulators.machinelearning.engine.collection.events import Event
from emulators.machinelearning.engine.collection.keeper import Collector
from emulators.machinelearning.engine.endpoints.hosting import Hosting, Route

REASON = b"ms-azureml-model-error-reason"
SCORED = "/score"

Headers = list[tuple[bytes, bytes]]


class Asked(NamedTuple):
    """One request on its way to one deployment."""

    route: Route
    deployment: str
    line: bytes  # method and target
    head: bytes
    body: bytes
    headers: dict[bytes, bytes]
    request_id: bytes
    began: float  # perf_counter() when the request's head was there
    read: float  # and when its body was
    mirrored: bool = False


class Answer(NamedTuple):
    """What the caller gets."""

    status: int
    headers: Headers
    body: bytes
    model_status: int = 0  # 0: the model gave no answer
    took_ms: float = 0.0


class Traffic:
    """Notes requests and answers of online endpoints."""

    def __init__(self, ctx: Context, hosting: Hosting) -> None:
        self._ctx, self._hosting = ctx, hosting

    def note(self, asked: Asked, answer: Answer) -> None:
        """Note a request that went to a deployment, and collect it where that is asked for."""
        now = time.perf_counter()
        endpoint = asked.route.endpoint
        method, _, path = asked.line.decode("latin-1").partition(" ")
        reason = b"" if answer.status == 200 else dict(answer.headers).get(REASON, b"")
        self._ctx.ledger.record(
            "inference",
            workspace=endpoint.workspace,
            endpoint=endpoint.name,
            deployment=asked.deployment,
            method=method,
            path=path,
            protocol="HTTP/1.1",
            status=answer.status,
            reason=reason.decode("latin-1"),
            model_status=answer.model_status or None,
            request_bytes=len(asked.body),
            response_bytes=len(answer.body),
            user_agent=asked.headers.get(b"user-agent", b"").decode("latin-1"),
            request_id=asked.request_id.decode("latin-1"),
            client_request_id=asked.headers.get(b"x-ms-client-request-id", b"").decode("latin-1"),
            ms=round(answer.took_ms, 3),
            total_ms=round((now - asked.began) * 1000, 3),
            request_ms=round((asked.read - asked.began) * 1000, 3),
            auth=endpoint.auth_mode,
            mirrored=asked.mirrored,
        )
        live = self._hosting.live(asked.route, asked.deployment)
        if live is not None and live.collector is not None and live.collector.payloads:
            self._collect(live.collector, asked, answer)

    def refused(
        self, route: Route, scope: Scope, headers: dict[bytes, bytes], why: ServiceError
    ) -> None:
        """Note a request that reached no deployment."""
        self._ctx.ledger.record(
            "inference",
            workspace=route.endpoint.workspace,
            endpoint=route.endpoint.name,
            deployment="",
            method=scope["method"],
            path=scope["azure_path"],
            protocol="HTTP/1.1",
            status=why.status,
            reason=why.code,
            model_status=None,
            user_agent=headers.get(b"user-agent", b"").decode("latin-1"),
            auth=route.endpoint.auth_mode,
            mirrored=False,
        )

    def _collect(self, collector: Collector, asked: Asked, answer: Answer) -> None:
        """Keep the request and its answer; what no model answered is no pair."""
        method, _, path = asked.line.decode("latin-1").partition(" ")
        if not answer.model_status or path.partition("?")[0] != SCORED:
            return
        now, identity = self._ctx.clock.now(), asked.request_id.decode("latin-1")
        ids = {"correlationid": identity, "xrequestid": identity}
        told = {"path": path, "method": method, **ids}
        sent = _media(asked.headers.get(b"content-type", b""))
        came = _media(dict(answer.headers).get(b"content-type", b""))
        pair = {
            "request": Event("", "", "request", now, sent, asked.body, told),
            "response": Event("", "", "response", now, came, answer.body, ids),
        }
        try:
            self._hosting.keeper.take_pair(collector, pair)
        except OSError as why:  # the disk is full: the caller has his answer all the same
            self._ctx.ledger.record("collection", state="lost", error=str(why))


def _media(given: bytes) -> str:
    return given.partition(b";")[0].strip().lower().decode("latin-1") or "application/octet-stream"
