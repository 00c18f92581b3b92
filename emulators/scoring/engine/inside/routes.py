"""Requests to answers: the inference server's routes, headers and error messages."""

from __future__ import annotations

import json
import logging
import os
import time
import traceback
from typing import Any, List, Optional, Tuple

from . import answer, cors, inputs, logs
from .answer import Reply
from .request import Request, environ
from .script import Script, ScriptRaised, ScriptTimeout
from .settings import Settings
from .swagger import Swagger, UnknownVersion

logger = logging.getLogger("azmlinfsrv")

ID_LIMIT = 100
NOT_FOUND = (
    "The requested URL was not found on the server. If you entered the URL manually please check "
    "your spelling and try again."
)
NOT_ALLOWED = "The method is not allowed for the requested URL."
INTERNAL = "An unexpected internal error occurred. Check the logs for more info."
RUN_RAISED = "An unexpected error occurred in scoring script. Check the logs for more info."
WHOLE = {int}
METHODS = {
    "/": ("GET", "HEAD", "OPTIONS"),
    "/score": ("GET", "HEAD", "OPTIONS", "POST"),
    "/swagger.json": ("GET", "HEAD", "OPTIONS"),
}


_random = bytearray()


def new_id() -> str:
    """A random UUID (version 4) as text; the system's randomness is read for 256 at once."""
    if not _random:
        _random.extend(os.urandom(4096))
    digits = _random[-16:].hex()
    del _random[-16:]
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


class Ids:
    """The id headers of one request, and what is answered when one is too long."""

    __slots__ = ("client", "given", "refused", "request")

    def __init__(self, headers: Any) -> None:
        self.request = self.given = self.client = ""
        self.refused: Optional[answer.AMLResponse] = None
        lower = headers.lower
        request_id = lower.get("x-request-id")
        if request_id is None:
            request_id = new_id()
        if len(request_id) > ID_LIMIT:
            self.refused = answer.error(431, f"x-request-id must not exceed {ID_LIMIT} characters")
            return
        self.request = request_id
        given = lower.get("x-ms-request-id", "")
        client = lower.get("x-ms-client-request-id", "")
        if given:
            logger.warning(
                "x-ms-request-id header has been deprecated and will be removed from future "
                "versions of the server. Please use x-ms-client-request-id."
            )
            client = client or given
        else:
            given = client or request_id
        if len(given) > ID_LIMIT or len(client) > ID_LIMIT:
            self.refused = answer.error(
                431,
                f"x-ms-request-id and x-ms-client-request-id must not exceed {ID_LIMIT} characters",
            )
            return
        self.given, self.client = given, client

    def pairs(self) -> List[Tuple[str, str]]:
        """The headers they become."""
        named = (
            ("x-request-id", self.request),
            ("x-ms-request-id", self.given),
            ("x-ms-client-request-id", self.client),
        )
        return [pair for pair in named if pair[1]]


class Server:
    """Answers every request of a deployment; one call at a time."""

    def __init__(self, settings: Settings, script: Script, swagger: Swagger) -> None:
        self._settings, self._script, self._swagger = settings, script, swagger
        self._version = settings.server_version
        self._cors = cors.Cors(settings.cors_origins)
        self._scored = f"Content-Type: {answer.JSON}\r\n{answer.RUN_FAILED}: False\r\n"
        self._flask: Any = None

    def handle(self, head: bytes, body: bytes) -> Reply:
        """Answer one request, and log it."""
        began = time.perf_counter()
        request = Request(head, body)
        methods = METHODS.get(request.path)
        if methods is None or request.method not in methods:
            wrong = answer.error(405, NOT_ALLOWED) if methods else answer.error(404, NOT_FOUND)
            reply = answer.encode(wrong.status_code, wrong.headers, wrong.data)
        else:
            reply = self._routed(request)
        self.log(request, reply, began)
        return reply

    def log(self, request: Request, reply: Reply, began: float) -> None:
        """Write the request's lines; `began` is a perf_counter() reading."""
        duration_ms = (time.perf_counter() - began) * 1000
        logs.requests.write(request, reply.status, duration_ms, len(reply.body))

    def _routed(self, request: Request) -> Reply:
        ids = Ids(request.headers)
        if ids.refused is not None:
            return self.finish(request, ids, ids.refused)
        try:
            if request.path == "/score":
                request.logged = True
                return self._score(request, ids)
            return self.finish(request, ids, self._other(request))
        except Exception:
            logger.error("Encountered Exception: %s", traceback.format_exc())
            return self.finish(request, ids, answer.error(500, INTERNAL))

    def _other(self, request: Request) -> answer.Response:
        if request.method == "OPTIONS":
            allowed = ", ".join(METHODS[request.path])
            return answer.Response(b"", 200, {"Allow": allowed})
        if request.path == "/":
            return answer.Response(b"Healthy")
        request.logged = True
        try:
            document = self._swagger.get(request.args.get("version", "2"))
        except UnknownVersion as error:
            return answer.error(404, str(error))
        return answer.AMLResponse(document, 200, json_str=True)

    def _score(self, request: Request, ids: Ids) -> Reply:
        try:
            result = self._run(request)
        except inputs.BadInput as error:
            return self.finish(request, ids, answer.error(400, str(error)))
        except inputs.UnsupportedInput as error:
            return self.finish(request, ids, answer.error(415, str(error)))
        except inputs.UnsupportedMethod:
            if request.method == "OPTIONS":
                return self.finish(request, ids, answer.AMLResponse("", 200))
            return self.finish(request, ids, answer.error(405, "Method not allowed"))
        except ScriptTimeout as error:
            logger.error("Encountered Exception: %s", traceback.format_exc())
            message = f"Scoring timeout after {error.timeout_ms} ms"
            return self.finish(request, ids, answer.error(500, message, run_failed=True))
        except ScriptRaised:
            logger.error("Encountered Exception: %s", traceback.format_exc())
            return self.finish(request, ids, answer.error(500, RUN_RAISED, run_failed=True))
        return self.scored(request, ids, result.output, result.elapsed_ms)

    def scored(self, request: Request, ids: Ids, output: Any, elapsed_ms: float) -> Reply:
        """Answer with what run() returned."""
        if isinstance(output, answer.Response) or answer.is_flask(output):
            logger.info("run() output is HTTP Response")
            if output.status_code >= 500:
                output.headers[answer.RUN_FAILED] = "True"
            output.headers.add("x-ms-run-fn-exec-ms", f"{elapsed_ms:.3f}")
            return self.finish(request, ids, output)
        if type(output) is list and set(map(type, output)) == WHOLE:
            body = str(output).encode("ascii")  # what json.dumps writes, sooner
        else:
            body = json.dumps({} if output is None else output).encode("ascii")
        head = f"{self._scored}x-ms-run-fn-exec-ms: {elapsed_ms:.3f}\r\n"
        for name, value in self._common(request, ids):
            head += f"{name}: {value}\r\n"
        return Reply(200, head.encode("latin-1", "replace"), body)

    def finish(self, request: Request, ids: Ids, response: Any) -> Reply:
        """Add the headers that every answer has."""
        own = self._common(request, ids)
        replaced = {name.lower() for name, _ in own if name != "TraceId"} - {"x-ms-server-version"}
        kept = [pair for pair in response.headers.items() if pair[0].lower() not in replaced]
        return answer.encode(response.status_code, kept + own, response.get_data())

    def _common(self, request: Request, ids: Ids) -> List[Tuple[str, str]]:
        pairs = [("x-ms-server-version", self._version)] if self._version else []
        pairs += ids.pairs()
        if "traceid" in request.headers.lower:
            pairs.append(("TraceId", request.headers["traceid"]))
        if self._cors.on:
            pairs += self._cors.headers(request)
        return pairs

    def _run(self, request: Request) -> Any:
        script, limit_ms = self._script, self._settings.scoring_timeout_ms
        flask = self._flask_app()
        if flask is None:
            return script.call(script.parse(request), request.headers, limit_ms)
        import flask as real

        with flask.request_context(environ(request)):
            seen: Any = real.request if script.raw else request
            return script.call(script.parse(seen), request.headers, limit_ms)

    def _flask_app(self) -> Any:
        """An app whose context run() is called in, when the script may use the real Flask."""
        if self._flask is None:
            self._flask = _make_flask_app(self._script)
        return self._flask or None


def _make_flask_app(script: Script) -> Any:
    """Make a Flask app if the script works with Flask itself; False when it does not."""
    modules = (getattr(value, "__module__", value) for value in vars(script.module).values())
    names = (getattr(module, "__name__", module) for module in modules)
    uses = script.raw or any(isinstance(n, str) and n.split(".")[0] == "flask" for n in names)
    if not uses:
        return False
    try:
        import flask
    except ImportError:
        return False
    here = os.getcwd()
    return flask.Flask("entry_module", root_path=here, instance_path=here)
