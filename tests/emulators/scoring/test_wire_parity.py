"""The same scripts and requests to the real inference server and to this one: equal answers."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulators.scoring.wire.serve import Deployment
from tests.emulators.scoring.servers import (
    REAL,
    SCRIPTS,
    Loop,
    loop_in_thread,
    our_server,
    real_server,
    wait_ready,
)
from tests.peers import peer_environment

ENV = {
    "SCORING_TIMEOUT_MS": "700",
    "SERVICE_NAME": "my service",
    "SERVICE_PATH_PREFIX": "/pre/fix/",
    "AML_CORS_ORIGINS": "http://a.example, http://b.example",
}
COMPARED = (
    "content-type",
    "x-ms-run-function-failed",
    "x-ms-server-version",
    "x-ms-client-request-id",
    "traceid",
    "x-own",
    "x-l",
    "x-injected",
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "vary",
)
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class Ask:
    """One request; ids are compared when given, else only that they are there and agree."""

    method: str = "POST"
    target: str = "/score"
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def do(what: str, **more: Any) -> Ask:
    return Ask(body=json.dumps({"do": what, **more}).encode())


def sent(value: Any) -> Ask:
    return Ask(body=json.dumps(value).encode(), headers=JSON)


ROW = [{"a": 1, "b": 2.5, "c": "z"}]
GOOD = {"frame": ROW, "array": [[1, 2, 3]], "number": 2, "nested": {"deep": [[1, 2, 3]], "s": "x"}}
WITH = GOOD | {"when": "2020-05-06T07:08:09+02:00"}
LONG = "i" * 101
BOUNDARY = "multipart/form-data; boundary=xx"
MULTIPART = (
    b'--xx\r\nContent-Disposition: form-data; name="f"\r\n\r\nv\r\n--xx\r\nContent-Disposition: '
    b'form-data; name="up"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\nfile text\r\n'
    b"--xx--\r\n"
)
CASES: dict[str, list[Ask]] = {
    "plain": [
        Ask("GET", "/"),
        Ask("HEAD", "/"),
        Ask("OPTIONS", "/"),
        Ask("POST", "/"),
        Ask(body=b"text", headers={"content-type": "text/plain"}),
        Ask(body=b'{"a": 1}', headers=JSON),
        Ask(body=b"a=1&b=2", headers=FORM),
        Ask(body=b"", headers={}),
        Ask(body="żółw".encode()),
        Ask(body=b"\xff\xfe"),
        Ask("GET", "/score"),
        Ask("GET", "/score?a=1&b=[1,2]&c=a&d=null&e=&a=x&f=%C5%BC+%2B"),
        Ask("HEAD", "/score"),
        Ask("PUT", "/score"),
        Ask("PATCH", "/score"),
        Ask("DELETE", "/score"),
        Ask("OPTIONS", "/score"),
        Ask("GET", "/nothing"),
        Ask("GET", "/score/"),
        Ask("GET", "/%73core"),
        Ask("POST", "/swagger.json"),
        do("raise"),
        do("sleep", s=5),
        do("timeout-error"),
        do("unserialisable"),
        do("nan"),
        do("json"),
        do("none"),
        do("print"),
        Ask(headers={"x-request-id": "mine", "TraceId": "t1"}),
        Ask(headers={"x-request-id": ""}),
        Ask(headers={"x-ms-request-id": "legacy"}),
        Ask(headers={"x-ms-client-request-id": "client"}),
        Ask(headers={"x-ms-client-request-id": "c", "x-ms-request-id": "m", "x-request-id": "r"}),
        Ask(headers={"x-request-id": LONG}),
        Ask(headers={"x-ms-request-id": LONG, "x-request-id": "r"}),
        Ask(headers={"x-ms-client-request-id": LONG}),
        Ask("GET", "/", headers={"x-ms-client-request-id": "c", "TraceId": "t"}),
        Ask(headers={"Origin": "http://a.example"}),
        Ask(headers={"Origin": "http://evil.example"}),
        Ask("GET", "/", headers={"Origin": "http://b.example"}),
        Ask(
            "OPTIONS",
            headers={
                "Origin": "http://b.example",
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "x-b, x-a",
            },
        ),
        *[
            Ask("GET", f"/swagger.json{q}")
            for q in ("", "?version=2.0", "?version=3.1", "?version=4")
        ],
    ],
    "headers": [
        Ask(body=b"x", headers={"X-Mine": "1", "X-Twice": "a"} | JSON),
        Ask(body=b"x", headers={"X_Under_Score": "1", "X-ms-request-id": "q"}),
        Ask("GET", "/score?q=1", headers={"x-mine": "ü".encode().decode("latin-1")}),
    ],
    "raw": [
        *[Ask(method, "/score?x=1&x=2&y=%20") for method in ("GET", "POST", "OPTIONS")],
        Ask(body=b'{"n": 4}', headers=JSON | {"Cookie": "a=b; c=d", "X-Mine": "yes"}),
        Ask(target="/score?do=json", body=b'{"n": 4}', headers=JSON),
        Ask(target="/score?do=json", body=b'{"n": 4', headers=JSON),
        Ask(target="/score?do=json", body=b'{"n": 4}'),
        Ask(target="/score?do=bytes", body=bytes(range(256))),
        *[
            Ask(target=f"/score?do={what}")
            for what in ("error", "teapot", "none", "plain", "newline")
        ],
        Ask(body=b"a=1&b=%20", headers=FORM),
        Ask(body=MULTIPART, headers={"content-type": BOUNDARY}),
        Ask("PUT"),
        Ask("GET", "/swagger.json"),
    ],
    "schema": [
        sent(GOOD),
        sent(WITH),
        sent(WITH | {"when": None}),
        sent(GOOD | {"extra": 1}),
        sent({k: v for k, v in GOOD.items() if k != "number"}),
        sent(GOOD | {"number": "x"}),
        sent(GOOD | {"number": True}),
        sent(GOOD | {"array": [[1, 2]]}),
        sent(GOOD | {"array": [1, 2, 3]}),
        sent(GOOD | {"array": [["1", "2", "3"]]}),
        sent(GOOD | {"array": [["a", "2", "3"]]}),
        sent(GOOD | {"array": {"a": 1}}),
        sent(GOOD | {"array": [[1, 2, 3], [4, 5, 6]]}),
        sent(GOOD | {"frame": [{"a": 1, "b": 2}]}),
        sent(GOOD | {"frame": [{"c": "1", "a": "3", "b": "2"}]}),
        sent(GOOD | {"frame": [{"a": "x", "b": 2, "c": "1"}]}),
        sent(GOOD | {"frame": [{"a": None, "b": None, "c": None}]}),
        sent(GOOD | {"frame": {"a": [1], "b": [2], "c": ["x"]}}),
        sent(GOOD | {"frame": []}),
        sent(GOOD | {"frame": "text"}),
        sent(GOOD | {"nested": {"deep": [[1]]}}),
        sent(GOOD | {"nested": [1]}),
        Ask(body=json.dumps(GOOD).encode()),
        Ask(body=json.dumps(GOOD).encode(), headers={"content-type": "application/x+json; a=b"}),
        Ask(body=b"", headers=JSON),
        Ask(body=b"{", headers=JSON),
        Ask(body=b"[1]", headers=JSON),
        Ask(body=b"\xff\xff", headers=JSON),
        Ask(body=b'{"a": NaN}', headers=JSON),
        Ask("GET", "/score?number=1"),
        Ask("GET", f"/score?frame={json.dumps(ROW)}&array=[[1,2,3]]&number=1&nested={{}}"),
        Ask("OPTIONS"),
        *[Ask("GET", f"/swagger.json?version={v}") for v in ("2", "3", "3.0", "3.1")],
    ],
    "mixed": [
        sent({"data": [1, 2]}),
        sent({"data": "no", "limit": 1}),
        sent({"limit": 1}),
        *[Ask("GET", f"/swagger.json?version={v}") for v in ("2", "3", "3.1", "9")],
    ],
    "driver": [Ask(body=b"x")],
    "flasked": [Ask(body=b"x", headers={"x-request-id": "theirs"}), Ask(body=b"jsonify")],
}


@pytest.fixture(scope="module")
def real_python() -> Path:
    return peer_environment("inference-server", REAL)


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    with loop_in_thread() as loop:
        yield loop


@pytest.fixture(scope="module")
def real(real_python: Path) -> Iterator[dict[str, str]]:
    """The real server once for each script, started together."""
    with contextlib.ExitStack() as stack:
        urls = {
            name: stack.enter_context(real_server(real_python, SCRIPTS / f"{name}.py", ENV))
            for name in CASES
        }
        for url in urls.values():
            wait_ready(url)
        yield urls


def _ours(loop: Loop, python: str, log: Path) -> Iterator[dict[str, str]]:
    with contextlib.ExitStack() as stack:
        yield {
            name: stack.enter_context(
                our_server(
                    loop,
                    Deployment(
                        python=python,
                        entry_script=SCRIPTS / f"{name}.py",
                        app_root=SCRIPTS,
                        log=log / f"{name}.log",
                        variables=ENV,
                    ),
                )
            )
            for name in CASES
        }


@pytest.fixture(scope="module")
def with_stand_ins(
    loop: Loop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """This server in an environment without any of Azure's packages."""
    yield from _ours(loop, sys.executable, tmp_path_factory.mktemp("logs"))


@pytest.fixture(scope="module")
def with_packages(
    loop: Loop, real_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """This server in the environment of the real one."""
    yield from _ours(loop, str(real_python), tmp_path_factory.mktemp("logs"))


def seen(url: str, ask: Ask) -> dict[str, Any]:
    """What a client can tell of the answer."""
    with httpx.Client(base_url=url, timeout=30) as client:
        headers = {name.encode(): value.encode("latin-1") for name, value in ask.headers.items()}
        answer = client.request(
            ask.method, ask.target, content=ask.body or None, headers=list(headers.items())
        )
    told: dict[str, Any] = {"status": answer.status_code}
    told |= {name: sorted(answer.headers.get_list(name)) for name in COMPARED}
    if ask.method == "OPTIONS" and "allow" in answer.headers:
        told["allow"] = sorted(answer.headers["allow"].split(", "))
    for name in ("x-request-id", "x-ms-request-id"):
        value = answer.headers.get(name)
        made = value is not None and len(value) == 36 and value not in ask.headers.values()
        told[name] = "made" if made else value
    told["exec"] = "x-ms-run-fn-exec-ms" in answer.headers
    told["body"] = answer.content
    if ask.target.startswith("/swagger.json") and answer.status_code == 200:
        told["body"] = _without_descriptions(answer.json())
    return told


def _without_descriptions(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if k != "description"}
        return {key: _without_descriptions(inner) for key, inner in kept.items()}
    return [_without_descriptions(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", CASES)
def test_every_answer_is_the_real_servers(
    name: str, real: dict[str, str], with_stand_ins: dict[str, str], with_packages: dict[str, str]
) -> None:
    different = []
    for ask in CASES[name]:
        theirs = seen(real[name], ask)
        for kind, urls in (("stand-ins", with_stand_ins), ("packages", with_packages)):
            ours = seen(urls[name], ask)
            keys = [key for key in theirs if theirs[key] != ours[key]]
            different += [f"{kind} {ask}: {k}: {theirs[k]!r} != {ours[k]!r}" for k in keys]
    assert not different, "\n".join(different)
