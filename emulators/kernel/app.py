"""The one ASGI app: host, fault, route, token, api-version, handler, error, ledger."""

from __future__ import annotations

import asyncio
import fnmatch
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emulators.kernel import admin, explicit
from emulators.kernel.access import Asked, AuthorizationFailed
from emulators.kernel.azure_domains import is_azure
from emulators.kernel.context import Context
from emulators.kernel.errors import (
    BadRequest,
    MethodNotAllowed,
    NotFound,
    ServiceError,
    Unauthorized,
    Unsupported,
)
from emulators.kernel.faults import Fault
from emulators.kernel.http import Call, Operation, Reply, ServiceSpec, to_response
from emulators.kernel.links import Links
from emulators.kernel.render import DIALECTS
from emulators.kernel.routes import Routes

log = logging.getLogger("rehearsal")

API_VERSION = re.compile(r"^\d{4}-\d{2}-\d{2}(-[a-z]+)?$|^v?\d+(\.\d+)*$|^20\d\d-\d\d-\d\d-\w+$")
LOOPBACK = {"localhost", "127.0.0.1", "::1", "[::1]"}


class InternalError(ServiceError):
    """Our own bug, never dressed up as Azure's."""

    code = "RehearsalInternalError"


class MissingApiVersion(BadRequest):
    """ARM's answer when `api-version` is absent."""

    code = "MissingApiVersionParameter"


class InvalidApiVersion(BadRequest):
    """ARM's answer when `api-version` is not one."""

    code = "InvalidApiVersionParameter"


class Misdirected(ServiceError):
    """A host name that is neither Azure's nor ours: a page elsewhere that renamed us, say."""

    status = 421
    code = "MisdirectedRequest"


class DroppedByFault(Exception):
    """A fault said to close the connection without an answer."""


Route = tuple[ServiceSpec, Operation]


class App:
    """All services behind one door. Routes of a host are made when it is first asked for."""

    def __init__(self, specs: Sequence[ServiceSpec], ctx: Context) -> None:
        self._specs = list(specs)
        self._ctx = ctx
        self._routes: dict[tuple[str, ...], Routes[Route]] = {}
        self._by_host: dict[str, list[ServiceSpec]] = {}
        self._raw: dict[str, ASGIApp] = {}
        self.ready: Callable[[], dict[str, object]] = dict
        self.environment: Callable[[Mapping[str, str]], dict[str, str]] = dict

    def services_of(self, host: str) -> list[ServiceSpec]:
        """The services that answer for a host name, most specific pattern first."""
        found = self._by_host.get(host)
        if found is None:
            found = [s for s in self._specs if any(fnmatch.fnmatchcase(host, p) for p in s.hosts)]
            found.sort(key=lambda s: s.fallback)
            if len(self._by_host) < 4096:
                self._by_host[host] = found
        return found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1003})
            return
        await _Exchange(self, self._ctx, scope, receive, send).run()

    def raw_app(self, spec: ServiceSpec) -> ASGIApp:
        """The service's own ASGI app, made once."""
        assert spec.app is not None
        if spec.name not in self._raw:
            self._raw[spec.name] = spec.app(self._ctx)
        return self._raw[spec.name]

    def routes_of(self, specs: list[ServiceSpec], host: str) -> Routes[Route]:
        """The routes of a host's services together."""
        key = (*(s.name for s in specs), host if self._narrowed(specs) else "")
        routes = self._routes.get(key)
        if routes is None:
            routes = Routes()
            for spec in specs:
                for operation in spec.operations():
                    if operation.host is None or fnmatch.fnmatchcase(host, operation.host):
                        routes.add(operation.method, operation.path, (spec, operation))
            self._routes[key] = routes
        return routes

    def _narrowed(self, specs: list[ServiceSpec]) -> bool:
        return any(len(s.hosts) > 1 for s in specs)


class _Exchange:
    """One request and its answer."""

    def __init__(self, app: App, ctx: Context, scope: Scope, receive: Receive, send: Send) -> None:
        self.app, self.ctx, self.scope, self.send = app, ctx, scope, send
        self.request = Request(scope, receive)
        self.method: str = scope["method"]
        self.host, self.path = "", ""
        self.status = 0
        self.direct = False  # came by the explicit door
        self.call = Call(ctx, ctx.links, ctx.ids.guid())
        scope["rehearsal"] = self.call

    async def run(self) -> None:
        started = self.ctx.clock.monotonic()
        try:
            response = await self._answer()
            if response is not None:
                await self._send(response)
        except DroppedByFault:
            self.status = 0
            await self._drop()
        except ClientDisconnect:
            self.status = 499
        finally:
            if not self.path.startswith(admin.PREFIX):
                self.ctx.ledger.record(
                    "request",
                    method=self.method,
                    host=self.host,
                    path=self.path,
                    status=self.status,
                    ms=round((self.ctx.clock.monotonic() - started) * 1000, 3),
                    operation=self.call.operation,
                    request_id=self.call.request_id,
                )

    async def _answer(self) -> Response | None:
        try:
            self._locate()
            if self.direct and self.path.startswith(admin.PREFIX):
                return to_response(await admin.answer(self.app, self.request, self.path))
            await self._strike(self.ctx.faults.hit(self.host, self.method, self.path))
            return await self._dispatch()
        except ServiceError as error:
            return self._render(error)
        except (ClientDisconnect, DroppedByFault, asyncio.CancelledError):
            raise
        except Exception:
            log.exception("request %s failed", self.call.request_id)
            return self._render(
                InternalError(
                    f"Rehearsal failed on this request (not Azure's behaviour): see the server"
                    f" log for {self.call.request_id}."
                )
            )

    def _locate(self) -> None:
        """Find the Azure host and the path on it, whichever door the request came by."""
        headers = self.request.headers
        host = headers.get("host", "").lower()
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        raw = (self.scope.get("raw_path") or self.scope["path"].encode()).decode("latin-1")
        raw = raw.partition("?")[0]
        if name in LOOPBACK:
            self.direct = True
            self.call.links = Links(self.ctx.settings.region, f"https://{host}")
            account = self.ctx.secrets.values.get("default_account", explicit.NO_ACCOUNT)
            name, raw = explicit.target_of(raw, self.ctx.settings.region, account)
        self.host, self.path = name, raw
        self.scope["azure_host"], self.scope["azure_path"] = name, raw

    async def _strike(self, fault: Fault | None) -> None:
        if fault is None:
            return
        if fault.latency_ms:
            await self.ctx.clock.sleep(fault.latency_ms / 1000)
        if fault.drop:
            raise DroppedByFault
        if fault.status is not None:
            error = ServiceError(f"Fault {fault.id} injected on purpose.")
            error.status, error.code = fault.status, "InjectedFault"
            if fault.retry_after_s is not None:
                error.headers["Retry-After"] = str(fault.retry_after_s)
            raise error

    async def _dispatch(self) -> Response | None:
        specs = self.app.services_of(self.host)
        if not specs and not is_azure(self.host):
            raise Misdirected(
                f"Rehearsal answers for Azure's hosts and localhost, not for '{self.host[:100]}'."
            )
        if not specs:
            raise Unsupported(
                f"the host {self.host} ({self.method} {self.path}); it is Azure's and is never"
                " forwarded",
                tracked="the list of emulated hosts in the README",
            )
        self.call.dialect = specs[0].dialect
        if specs[0].app is not None:
            await self.app.raw_app(specs[0])(self.scope, self.request.receive, self._watched)
            return None
        path = self.path if specs[0].dialect == "storage" else re.sub("/{2,}", "/", self.path)
        match = self.app.routes_of(specs, self.host).find(path, self.method)
        if match is None:
            raise NotFound(f"No operation of {self.host} is at the path '{self.path}'.")
        if self.method not in match.by_method:
            raise MethodNotAllowed(
                f"The requested resource does not support http method '{self.method}'.",
                headers={"Allow": ", ".join(sorted(match.by_method))},
            )
        spec, operation = match.by_method[self.method]
        self.call.dialect, self.call.operation = spec.dialect, operation.name
        self.scope["path_params"] = match.params
        if operation.authenticate and spec.audiences:
            self._authenticate(spec)
        asked = self._authorize(spec, operation)
        if operation.api_version and spec.newest_api:
            self._check_api_version(spec)
        reply = await operation.handler(self.request)
        return to_response(reply if asked is None else self._narrowed(reply, asked))

    async def _watched(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self.send(message)

    def _authenticate(self, spec: ServiceSpec) -> None:
        scheme, _, token = self.request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise AuthenticationFailed(
                "Authentication failed. The 'Authorization' header is missing or invalid.",
                headers={"WWW-Authenticate": self._challenge()},
            )
        door = self.call.links.explicit  # clients of the explicit door take it for the audience
        audiences = spec.audiences if door is None else (*spec.audiences, door)
        try:
            self.call.principal = self.ctx.tokens.verify(token.strip(), audiences)
        except Unauthorized as refused:
            refused.headers.setdefault("WWW-Authenticate", self._challenge(refused.message))
            raise

    def _authorize(self, spec: ServiceSpec, operation: Operation) -> Asked | None:
        """Let pass what the caller's roles allow; what is asked, where they allow but a part.

        Raises:
            AuthorizationFailed: they allow nothing of it.
        """
        principal, access = self.call.principal, self.ctx.access
        if spec.asks is None or principal is None:
            return None
        asked = spec.asks(self.method, self.path, operation.name)
        # Of another subscription the service itself says that there is none.
        own = f"/subscriptions/{self.ctx.secrets.subscription_id}"
        if asked is None or not asked.scope.lower().startswith(own) or access.may(principal, asked):
            return None
        if not asked.listed or not access.sees_some(principal, asked):
            raise AuthorizationFailed(principal, asked.action, asked.scope)
        return asked

    def _narrowed(self, reply: Reply | Response, asked: Asked) -> Reply | Response:
        """A list without what the caller may not see."""
        if not isinstance(reply, Reply) or not isinstance(reply.body, dict):
            return reply
        principal = self.call.principal
        assert principal is not None
        kept = [
            one
            for one in reply.body.get("value", [])
            if self.ctx.access.may(principal, _part(asked, one))
        ]
        return replace(reply, body={**reply.body, "value": kept})

    def _challenge(self, why: str = "") -> str:
        uri = self.call.links.login(f"/{self.ctx.secrets.tenant_id}")
        # What the caller wrote is quoted in it, and a header is one line of ASCII.
        said = "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in why)
        tail = f', error="invalid_token", error_description="{said}"' if why else ""
        return f'Bearer authorization_uri="{uri}"{tail}'

    def _check_api_version(self, spec: ServiceSpec) -> None:
        given = self.request.query_params.get("api-version")
        if not given:
            raise MissingApiVersion(
                "The api-version query parameter (?api-version=) is required for all requests."
            )
        if not API_VERSION.match(given):
            raise InvalidApiVersion(f"The api-version '{given}' is invalid.")
        if spec.newest_api and given[:2] == "20" and given[:10] > spec.newest_api:
            if self.ctx.settings.newer_api == "refuse":
                raise Unsupported(
                    f"api-version {given} of {spec.name}; the newest known is {spec.newest_api}",
                    tracked="newest_api of the service's SPEC",
                )
            self.call.served_as = spec.newest_api
            self.ctx.ledger.record(
                "served-as", service=spec.name, asked=given, served=spec.newest_api
            )

    def _render(self, error: ServiceError) -> Response:
        if isinstance(error, Unsupported):
            self.ctx.ledger.record(
                "refusal",
                what=error.what,
                host=self.host,
                operation=self.call.operation,
                method=self.method,
                path=self.path,
                api_version=self.request.query_params.get("api-version"),
            )
        render = DIALECTS[self.call.dialect]
        body, media, headers = render(error, self.call.request_id, self.ctx.clock.now())
        return Response(body, error.status, {**headers, **error.headers}, media)

    async def _send(self, response: Response) -> None:
        given = self.request.headers.get("x-ms-client-request-id")
        response.headers.setdefault("x-ms-request-id", self.call.request_id)
        response.headers["x-ms-correlation-request-id"] = self.call.request_id
        if given and given.isprintable() and len(given) <= 128:
            response.headers["x-ms-client-request-id"] = given
        if self.call.served_as:
            response.headers["x-emulator-served-as"] = self.call.served_as
        self.status = response.status_code
        await response(self.scope, self.request.receive, self.send)

    async def _drop(self) -> None:
        """Cut the connection; without a front door, a body shorter than announced."""
        cut = self.scope.get("state", {}).get("cut")
        if cut is not None:
            cut()
            return
        await self.send(
            {"type": "http.response.start", "status": 502, "headers": [(b"content-length", b"1")]}
        )
        raise ConnectionResetError("dropped by a fault")


def _part(asked: Asked, one: Mapping[str, object]) -> Asked:
    """Reading one resource of a list."""
    kind = one.get("type")
    return Asked(f"{kind}/read" if kind else asked.action, str(one.get("id", "")))


class AuthenticationFailed(Unauthorized):
    """No bearer token at all."""
