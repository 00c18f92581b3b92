"""The one app: doors, versions, methods, faults, our own bugs, sizes, and what a stranger sends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import StreamingResponse

from emulators.kernel.errors import Conflict
from emulators.kernel.faults import Fault
from emulators.kernel.http import (
    Operation,
    Reply,
    ServiceSpec,
    context_of,
    links_of,
    principal_of,
    read_json,
)
from tests.site import ARM, Site
from tests.support import client_of

EXPLICIT = "https://localhost:8441"


async def echo(request: Request) -> Reply:
    return Reply(201, {"at": request.path_params, "link": links_of(request).arm("/x")})


async def body(request: Request) -> Reply:
    return Reply(200, await read_json(request))


async def who(request: Request) -> Reply:
    return Reply(200, {"oid": principal_of(request).object_id})


async def broken(request: Request) -> Reply:
    raise RuntimeError("the secret is hunter2")


async def taken(request: Request) -> Reply:
    raise Conflict("Taken.", headers={"x-extra": "1"})


async def stream(request: Request) -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        for number in range(3):
            yield f"{number}".encode()

    return StreamingResponse(chunks())


async def slow(request: Request) -> Reply:
    await context_of(request).clock.sleep(3600)
    return Reply(204)


def operations() -> list[Operation]:
    return [
        Operation("Echo", "GET", "/things/{name}", echo, authenticate=False),
        Operation("Body", "PUT", "/things/{name}", body, authenticate=False),
        Operation("Who", "GET", "/who", who),
        Operation("Broken", "GET", "/broken", broken, authenticate=False),
        Operation("Taken", "POST", "/taken", taken, authenticate=False),
        Operation("Stream", "GET", "/stream", stream, authenticate=False, api_version=False),
        Operation("Slow", "GET", "/slow", slow, authenticate=False, api_version=False),
    ]


SPEC = ServiceSpec(
    name="sample",
    hosts=("management.azure.com",),
    operations=operations,
    audiences=(ARM,),
    newest_api="2025-01-01",
)


async def _rest(request: Request) -> Reply:
    return Reply(200, {"rest": request.path_params["rest"]})


FALLBACK = ServiceSpec(
    name="rest",
    hosts=("management.azure.com",),
    operations=lambda: [Operation("Rest", "GET", "/{rest:path}", _rest, authenticate=False)],
    fallback=True,
)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, [SPEC], max_body_mib=1)


def v(path: str, version: str = "2024-01-01") -> str:
    return f"{ARM}{path}?api-version={version}"


def test_a_request_is_answered_and_noted(site: Site) -> None:
    answer = site.ask("GET", v("/THINGS/a%20b"), headers={"x-ms-client-request-id": "mine"})
    assert answer.status_code == 201
    assert answer.json()["at"] == {"name": "a b"}
    assert answer.headers["x-ms-client-request-id"] == "mine"
    entry = next(site.ctx.ledger.entries(kind="request"))
    assert entry.fields["operation"] == "Echo"
    assert entry.fields["status"] == 201
    assert entry.fields["request_id"] == answer.headers["x-ms-request-id"]


def test_links_are_in_the_form_the_caller_reaches(site: Site) -> None:
    assert site.ask("GET", v("/things/a")).json()["link"] == f"{ARM}/x"
    through = site.ask("GET", f"{EXPLICIT}/subscriptions/x")  # the door leads there, too
    assert through.status_code == 404
    site.app._specs[:] = [FALLBACK]
    site.app._by_host.clear()
    assert site.ask("GET", f"{EXPLICIT}/subscriptions/x").json() == {"rest": "subscriptions/x"}


@pytest.mark.parametrize(
    ("version", "status"),
    [("", 400), ("x", 400), ("2024-13", 400), ("2024-01-01", 201), ("2024-01-01-preview", 201),
     ("2031-01-01", 201), ("1.0", 201)],
)  # fmt: skip
def test_api_versions(site: Site, version: str, status: int) -> None:
    answer = site.ask("GET", v("/things/a", version))
    assert answer.status_code == status
    assert ("x-emulator-served-as" in answer.headers) == (version == "2031-01-01")


def test_a_newer_api_version_can_be_refused(tmp_path: Path) -> None:
    pinned = Site(tmp_path, [SPEC], newer_api="refuse")
    answer = pinned.ask("GET", v("/things/a", "2031-01-01"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (501, "NotEmulated")
    assert sum(pinned.ctx.ledger.refusals.values()) == 1


def test_methods_and_paths(site: Site) -> None:
    refused = site.ask("DELETE", v("/things/a"))
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, PUT")
    assert site.ask("PROPFIND", v("/things/a")).status_code == 405
    missing = site.ask("GET", v("/nothing"))
    assert missing.json()["error"]["code"] == "ResourceNotFound"
    stranger = site.ask("GET", "https://unknown.azure.com/x")
    assert (stranger.status_code, stranger.json()["error"]["code"]) == (501, "NotEmulated")
    assert "unknown.azure.com" in stranger.json()["error"]["message"]


def test_a_fallback_yields_to_every_other(tmp_path: Path) -> None:
    for specs in ([FALLBACK, SPEC], [SPEC, FALLBACK]):
        both = Site(tmp_path, specs)
        assert both.ask("GET", v("/things/a")).status_code == 201
        assert both.ask("GET", v("/other/a")).json() == {"rest": "other/a"}


def test_a_bug_of_ours_is_not_azure_s_and_tells_nothing(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    answer = site.ask("GET", v("/broken"))
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "RehearsalInternalError"
    assert "hunter2" not in answer.text
    assert answer.headers["x-ms-request-id"] in answer.json()["error"]["message"]
    assert "hunter2" in caplog.text


def test_an_error_s_own_headers_are_sent(site: Site) -> None:
    answer = site.ask("POST", v("/taken"))
    assert (answer.status_code, answer.headers["x-extra"]) == (409, "1")


@pytest.mark.parametrize("content", [b"{", b"[]", b"3", b"\xff\xff", b"{" * 50_000, b'{"a":NaN}'])
def test_malformed_json(site: Site, content: bytes) -> None:
    answer = site.ask("PUT", v("/things/a"), content=content)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidRequestContent")


def test_oversized_bodies(site: Site) -> None:
    big = b'{"a": "' + b"x" * (1 << 20) + b'"}'
    assert site.ask("PUT", v("/things/a"), content=big).status_code == 413

    async def drip() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 65_536

    answer = site.ask("PUT", v("/things/a"), content=drip())  # no length is announced
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "RequestEntityTooLarge")
    assert site.ask("PUT", v("/things/a"), content=b'{"a": 1}').json() == {"a": 1}


def test_a_challenge_is_always_one_line_of_ascii(site: Site) -> None:
    """The audience in it is the caller's own text."""
    for audience in ("https://x/\u4e2d\u6587", 'https://x/"\r\nSet-Cookie: a=b', "x\x00y"):
        answer = site.ask("GET", v("/who"), token=site.token(audience))
        assert (answer.status_code, answer.json()["error"]["code"]) == (
            401, "InvalidAuthenticationTokenAudience",
        )  # fmt: skip
        assert answer.headers["www-authenticate"].isascii()
        assert answer.headers["www-authenticate"].isprintable()
        assert answer.headers["www-authenticate"].count('"') == 6
        assert "set-cookie" not in answer.headers


def test_the_principal_is_the_token_s(site: Site) -> None:
    assert site.ask("GET", v("/who"), token=site.token(object_id="me")).json() == {"oid": "me"}


def test_streams_pass_through(site: Site) -> None:
    assert site.ask("GET", f"{ARM}/stream").text == "012"


@pytest.mark.parametrize("value", ["a\x7fb", "x" * 129, "\u00a0\u0085"])
def test_a_strange_request_id_is_not_echoed(site: Site, value: str) -> None:
    headers = {"x-ms-client-request-id": value.encode("latin-1")}
    answer = site.ask("GET", v("/things/a"), headers=headers)
    assert "x-ms-client-request-id" not in answer.headers


def test_a_fault_with_a_status_and_a_count(site: Site) -> None:
    site.ctx.faults.add(Fault("f", path="/things/*", status=503, retry_after_s=7, count=2))
    for _ in range(2):
        answer = site.ask("GET", v("/Things/a"))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
        assert answer.json()["error"]["code"] == "InjectedFault"
    assert site.ask("GET", v("/things/a")).status_code == 201


def test_a_fault_that_drops(site: Site) -> None:
    site.ctx.faults.add(Fault("f", drop=True))
    with pytest.raises((ConnectionResetError, httpx.HTTPError)):
        site.ask("GET", v("/things/a"))
    statuses = [e.fields["status"] for e in site.ctx.ledger.entries(kind="request")]
    assert statuses == [0]


def test_a_fault_that_waits_waits_on_our_clock(site: Site) -> None:
    site.ctx.faults.add(Fault("f", latency_ms=5000))

    async def go() -> Any:
        async with client_of(site.app) as client:
            asked = asyncio.ensure_future(client.get(v("/things/a")))
            for _ in range(20):
                await asyncio.sleep(0)
            assert not asked.done()
            await site.ctx.clock.advance(5)  # type: ignore[attr-defined]
            return (await asked).status_code

    assert asyncio.run(go()) == 201


def test_a_client_that_leaves_stops_the_work(site: Site) -> None:
    async def go() -> None:
        async with client_of(site.app) as client:
            asked = asyncio.ensure_future(client.get(f"{ARM}/slow"))
            for _ in range(20):
                await asyncio.sleep(0)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)

    asyncio.run(go())
    assert site.ask("GET", v("/things/a")).status_code == 201
