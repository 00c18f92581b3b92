"""Where requests of pipelines go: emulators, loopback, the world by the door, never real Azure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from emulators.kernel import outward
from emulators.kernel.context import Context
from emulators.kernel.http import Operation, Reply, ServiceSpec
from tests.support import make_app, make_context


@asynccontextmanager
async def server(answer: bytes = b"hello") -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that says `answer` to everything, and the request lines it was sent."""
    lines: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines.append(head.partition(b"\r\n")[0])
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer))
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1], lines


async def get(ctx: Context, url: str) -> tuple[int, bytes]:
    async with outward.client_for(ctx, url, timeout_s=5) as http:
        answer = await http.get(url)
        return answer.status_code, answer.content


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.delenv(f"REHEARSAL_UPSTREAM_{name.upper()}", raising=False)
    return make_context(tmp_path)


def test_an_emulated_host_is_asked_without_a_credential(ctx: Context) -> None:
    seen: list[str | None] = []

    async def tell(request: object) -> Reply:
        seen.append(request.headers.get("authorization"))  # type: ignore[attr-defined]
        return Reply(200, {"ok": True})

    operation = Operation("X", "GET", "/x", tell, api_version=False, authenticate=False)
    make_app(ctx, [ServiceSpec("t", ("t.azure.com",), lambda: [operation])])
    assert asyncio.run(get(ctx, "https://T.azure.com/x")) == (200, b'{"ok":true}')
    assert seen == [None]


def test_an_azure_host_without_an_emulator_is_refused_here(ctx: Context) -> None:
    make_app(ctx, [])
    status, body = asyncio.run(get(ctx, "https://unknown.azurewebsites.net/"))
    assert status == 501
    assert b"never forwarded" in body


def test_loopback_is_direct_even_offline(tmp_path: Path, ctx: Context) -> None:
    async def go(offline: bool) -> tuple[int, bytes]:
        at = make_context(tmp_path / str(offline), offline=offline)
        async with server() as (port, _):
            return await get(at, f"http://localhost:{port}/")

    assert asyncio.run(go(False)) == asyncio.run(go(True)) == (200, b"hello")


def test_the_world_is_reached_through_the_front_door(ctx: Context) -> None:
    async def go() -> list[bytes]:
        async with server() as (port, lines):
            ctx.peers.environment = lambda: {"HTTPS_PROXY": f"http://127.0.0.1:{port}"}
            assert await get(ctx, "http://example.org/a?b=1") == (200, b"hello")
            return lines

    assert asyncio.run(go()) == [b"GET http://example.org/a?b=1 HTTP/1.1"]


def test_without_a_door_the_users_own_proxy_is_taken(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go() -> list[bytes]:
        async with server() as (port, lines):
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
            await get(ctx, "http://example.org/")
            return lines

    assert asyncio.run(go()) == [b"GET http://example.org/ HTTP/1.1"]


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "//x/", "ftp://x/", "http:///x", "http://[::1", "http://x:99999/",
        "http://management.azure.com/", "http://169.254.169.254/metadata", "http://[fe80::1]/",
    ],
)  # fmt: skip
def test_what_is_never_called(ctx: Context, url: str) -> None:
    with pytest.raises(outward.NotReachable):
        asyncio.run(get(ctx, url))


def test_offline_nothing_leaves(tmp_path: Path) -> None:
    with pytest.raises(outward.NotReachable, match="--offline"):
        asyncio.run(get(make_context(tmp_path, offline=True), "https://example.org/"))
