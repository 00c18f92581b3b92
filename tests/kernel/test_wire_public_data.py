"""Public data, read through a fake real world: a front door that plays the proxy to it."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emulators.kernel.errors import PreconditionFailed, Unsupported
from emulators.kernel.http import Reply
from emulators.kernel.public_data import InvalidRange, PublicData, Wanted
from emulators.kernel.upstream import NextProxy, Upstream
from tests.frontdoor import tiny

DATA = bytes(range(256)) * 40
HEADERS = {
    "content-type": "text/csv",
    "etag": '"0x1"',
    "last-modified": "Sun, 01 Nov 2026 10:00:00 GMT",
    "content-md5": "abc==",
}


class World:
    """The real blob service, as far as these tests ask; it remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {k.decode(): v.decode() for k, v in scope["headers"]}
        self.asked.append((scope["method"], scope["path"], headers))
        status, body, extra = 200, DATA, dict(HEADERS)
        if scope["path"].endswith("missing.csv"):
            status, body, extra = 404, b"<Error/>", {"x-ms-error-code": "BlobNotFound"}
        if "range" in headers:
            status, body = 206, b"a range"
        extra["content-length"] = str(len(body))
        pairs = [(k.encode(), v.encode()) for k, v in extra.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, PublicData]]:
    world = World()
    with tiny.open_door(tmp_path_factory.mktemp("world"), app=world) as door:
        proxy = NextProxy("127.0.0.1", door.ports.proxy, False, None)
        verify = ssl.create_default_context(cafile=str(door.authority.ca_file))
        yield world, PublicData(Path("unset"), Upstream(https=proxy), verify=verify)


@pytest.fixture
def world(outside: tuple[World, PublicData]) -> World:
    outside[0].asked.clear()
    return outside[0]


@pytest.fixture
def public(outside: tuple[World, PublicData], tmp_path: Path) -> PublicData:
    return replace(outside[1], folder=tmp_path / "public")


def want(method: str = "GET", target: str = "/c/data.csv", **headers: str) -> Wanted:
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    return Wanted(method, "pubdata.blob.core.windows.net", target, named)


def read(public: PublicData, wanted: Wanted) -> tuple[Reply, bytes]:
    async def run() -> tuple[Reply, bytes]:
        reply = await public.read(wanted)
        if isinstance(reply.body, AsyncIterator):
            return reply, b"".join([part async for part in reply.body])
        assert reply.body is None or isinstance(reply.body, bytes)
        return reply, reply.body or b""

    return asyncio.run(run())


def test_read_once_then_offline(world: World, public: PublicData) -> None:
    for target in ("/c/data.csv", "/c/data.csv?timeout=30"):
        reply, body = read(public, want(target=target))
        assert (reply.status, body) == (200, DATA)
        assert reply.headers["etag"] == '"0x1"'
        assert reply.headers["content-length"] == str(len(DATA))
    assert len(world.asked) == 1
    gone = replace(public, offline=True, upstream=Upstream())
    assert read(gone, want())[1] == DATA
    reply, body = read(gone, want("HEAD"))
    assert (reply.headers["content-length"], body) == (str(len(DATA)), b"")
    with pytest.raises(Unsupported, match="not kept here yet, and --offline"):
        read(gone, want(target="/c/other.csv"))


def test_nothing_of_the_client_leaves_but_the_url(world: World, public: PublicData) -> None:
    read(public, want(cookie="a=b", x_secret="s", user_agent="me", x_ms_version="2025-01-05"))
    sent = world.asked[0][2]
    assert sent["x-ms-version"] == "2025-01-05"
    assert not {"cookie", "x-secret", "authorization"} & set(sent)
    assert sent["user-agent"] != "me"


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-9", 0, 9),
        ("bytes=10-", 10, len(DATA) - 1),
        ("bytes=5-999999999", 5, len(DATA) - 1),
    ],
)
def test_ranges_come_from_the_copy(
    world: World, public: PublicData, asked: str, first: int, last: int
) -> None:
    for name in ("range", "x_ms_range"):
        reply, body = read(public, want(**{name: asked}))
        assert (reply.status, body) == (206, DATA[first : last + 1])
        assert reply.headers["content-range"] == f"bytes {first}-{last}/{len(DATA)}"
        assert "content-md5" not in reply.headers
    assert len(world.asked) == 1
    with pytest.raises(InvalidRange):
        read(public, want(range=f"bytes={len(DATA)}-"))


def test_conditions(world: World, public: PublicData) -> None:
    assert read(public, want(if_match='"0x1"'))[0].status == 200
    assert read(public, want(if_none_match='"0x1"'))[0].status == 304
    assert read(public, want(if_none_match='"0x2"'))[0].status == 200
    assert read(public, want(if_modified_since=HEADERS["last-modified"]))[0].status == 304
    for failing in (
        want(if_match='"0x2"'),
        want(if_unmodified_since="Sun, 01 Nov 2026 09:00:00 GMT"),
    ):
        with pytest.raises(PreconditionFailed):
            read(public, failing)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (want(authorization="Bearer x"), "credentials"),
        (want(target="/c/data.csv?sv=1&SIG=x"), "credentials"),
        (want("PUT"), "would change it"),
        (want("DELETE"), "would change it"),
        (replace(want(), host="evil.example"), "no storage account"),
        (replace(want(), host="a.b.blob.core.windows.net"), "no storage account"),
        (want(x_rehearsal_read_through="1"), "this front door itself"),
    ],
)
def test_refusals(world: World, public: PublicData, wanted: Wanted, why: str) -> None:
    with pytest.raises(Unsupported, match=why) as refused:
        read(public, wanted)
    assert refused.value.status == 501
    assert world.asked == []


def test_deny(world: World, public: PublicData) -> None:
    with pytest.raises(Unsupported, match="--public-data deny"):
        read(replace(public, policy="deny"), want())
    assert world.asked == []


def test_errors_are_passed_on_and_not_kept(world: World, public: PublicData) -> None:
    for _ in range(2):
        reply, body = read(public, want(target="/c/missing.csv"))
        assert (reply.status, body) == (404, b"<Error/>")
        assert reply.headers["x-ms-error-code"] == "BlobNotFound"
    assert len(world.asked) == 2


def test_an_unreachable_world_is_said(public: PublicData) -> None:
    with pytest.raises(Unsupported, match="the real one cannot be read"):
        read(replace(public, upstream=Upstream(NextProxy("127.0.0.1", 1, False, None))), want())


def test_the_large_is_passed_on_unkept(world: World, public: PublicData) -> None:
    small = replace(public, largest_kept=100)
    assert read(small, want())[1] == DATA
    assert read(small, want(range="bytes=0-6"))[1] == b"a range"
    assert not list(small.folder.glob("*"))


def test_the_oldest_copies_make_room(world: World, public: PublicData) -> None:
    few = replace(public, largest_cache=3 * len(DATA))
    for number in range(5):
        read(few, want(target=f"/c/{number}.csv"))
    assert len(list(few.folder.glob("*.bin"))) == 3
    assert len(list(few.folder.glob("*.json"))) == 3
    assert read(few, want(target="/c/4.csv"))[1] == DATA
    assert len(world.asked) == 5


def test_a_damaged_copy_is_made_again(world: World, public: PublicData) -> None:
    read(public, want())
    next(public.folder.glob("*.bin")).write_bytes(b"short")
    assert read(public, want())[1] == DATA
    next(public.folder.glob("*.bin")).unlink()
    assert read(public, want())[1] == DATA
    next(public.folder.glob("*.json")).write_text(json.dumps({"url": "x"}))
    assert read(public, want())[1] == DATA
    assert len(world.asked) == 4


def test_many_at_once_ask_the_world_once(world: World, public: PublicData) -> None:
    async def run() -> None:
        replies = await asyncio.gather(
            *(public.read(want(range=f"bytes={n}-{n + 9}")) for n in range(20))
        )
        assert all(r.status == 206 for r in replies)

    asyncio.run(run())
    assert len(world.asked) == 1
