"""Hostile and broken requests: the right error, nothing lost, nothing outside the state folder."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import client_of

from .bench import Bench

BLOCK = {"x-ms-blob-type": "BlockBlob"}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    made = Bench(tmp_path_factory.mktemp("hostile"))
    assert made.send("PUT", "/con?restype=container").status_code == 201
    assert made.send("PUT", "/con/kept", headers=BLOCK, content=b"kept").status_code == 201
    return made


PARTS = st.sampled_from(
    [
        "con",
        "kept",
        "..",
        ".",
        "",
        "%2e%2e",
        "%2F",
        "%00",
        "%ff",
        "$root",
        "a" * 70,
        "%E2%82%AC",
        "*",
    ]
)
COMPS = st.sampled_from(
    ["", "list", "block", "blocklist", "metadata", "lease", "acl", "batch", "properties", "tags",
     "appendblock", "copy", "snapshot", "tier", "nonsense", "\u20ac", "userdelegationkey", "query"]
)  # fmt: skip
QUERY = st.fixed_dictionaries(
    {},
    optional={
        "comp": COMPS,
        "restype": st.sampled_from(["container", "service", "account", "x"]),
        "resource": st.sampled_from(["file", "directory", "filesystem", "account", "x"]),
        "action": st.sampled_from(["append", "flush", "setProperties", "getStatus", "x"]),
        "recursive": st.sampled_from(["true", "false", "x"]),
        "position": st.sampled_from(["0", "5", "-1", "x", "9" * 30]),
        "maxresults": st.sampled_from(["0", "1", "-5", "x", "9" * 30, "²"]),
        "maxResults": st.sampled_from(["0", "1", "x"]),
        "marker": st.text(max_size=8),
        "continuation": st.text(max_size=8),
        "prefix": st.text(max_size=4),
        "delimiter": st.text(max_size=2),
        "include": st.sampled_from(["metadata", "snapshots,copy", "tags", "x"]),
        "blockid": st.sampled_from(["AAAA", "", "!", "A" * 200, "\x00"]),
        "blocklisttype": st.sampled_from(["all", "x"]),
        "snapshot": st.sampled_from(["2026-01-01T00:00:00.0000000Z", "x", "\x1f"]),
        "sig": st.sampled_from(["", "A", "\x00", "é" * 9]),
        "sv": st.sampled_from(["2024-11-04", "x", "1999-01-01", ""]),
        "sr": st.sampled_from(["c", "b", "d", "x"]),
        "se": st.sampled_from(["2030-01-01", "x"]),
        "ss": st.sampled_from(["b", "q"]),
        "sdd": st.sampled_from(["1", "x", "-1"]),
    },
)
VALUES = st.sampled_from(
    ["", "0", "-1", "15", "60", "x", "true", "*", '"0x1"', "bytes=0-", "bytes=5-1", "bytes=a-b",
     "bytes=99999999999999999999-", "Mon, 01 Jan 2001 00:00:00 GMT", "AAAA", "BlockBlob",
     "PageBlob", "AppendBlob", "acquire", "break", "renew", "https://[", "https://localhost/x",
     "Hot", "\xe9",
     "11111111-1111-1111-1111-111111111111", "Bearer x", "SharedKey a:b", "SharedKey", "é" * 3,
     "multipart/mixed; boundary=b", "99999999999999999999"]
)  # fmt: skip
HEADERS = st.dictionaries(
    st.sampled_from(
        ["x-ms-blob-type", "x-ms-range", "range", "if-match", "if-none-match", "if-modified-since",
         "if-unmodified-since", "x-ms-lease-action", "x-ms-lease-id", "x-ms-lease-duration",
         "x-ms-lease-break-period", "x-ms-proposed-lease-id", "x-ms-copy-source", "content-md5",
         "x-ms-content-crc64", "x-ms-meta-a", "x-ms-meta-", "x-ms-meta-a b", "x-ms-version",
         "x-ms-date", "x-ms-access-tier", "x-ms-blob-content-md5", "x-ms-delete-snapshots",
         "x-ms-blob-condition-appendpos", "x-ms-blob-public-access", "x-ms-rename-source",
         "x-ms-properties", "x-ms-range-get-content-md5", "content-type", "x-ms-source-range",
         "x-ms-client-request-id", "authorization", "x-ms-blob-content-type"]
    ),
    VALUES,
    max_size=5,
)  # fmt: skip
BODIES = st.sampled_from(
    [b"", b"x", b"<BlockList><Latest>AAAA</Latest></BlockList>", b"<BlockList>", b"\xff\xfe\x00",
     b"<SignedIdentifiers><SignedIdentifier><Id>a</Id></SignedIdentifier></SignedIdentifiers>",
     b"<!DOCTYPE a [<!ENTITY b 'c'>]><BlockList>&b;</BlockList>", b"<KeyInfo></KeyInfo>",
     b"<StorageServiceProperties><Cors/></StorageServiceProperties>", b"--b\r\n\r\nGET / HTTP/1.1",
     b"<?xml version='1.0' encoding='utf-16'?><BlockList/>",
     b"--b\r\nContent-ID: 0\r\n\r\nDELETE /con/x HTTP/1.1\r\n\r\n\r\n--b--"]
)  # fmt: skip


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "BREW"]),
    parts=st.lists(PARTS, max_size=4),
    query=QUERY,
    headers=HEADERS,
    body=BODIES,
    dfs=st.booleans(),
)
def test_no_request_is_our_own_failure(
    bench: Bench,
    method: str,
    parts: list[str],
    query: dict[str, str],
    headers: dict[str, str],
    body: bytes,
    dfs: bool,
) -> None:
    from urllib.parse import quote, urlencode

    async def scenario(http: httpx.AsyncClient) -> httpx.Response:
        host = f"{bench.account}.{'dfs' if dfs else 'blob'}.core.windows.net"
        raw = "/" + "/".join(parts) + "?" + urlencode(query, quote_via=quote)
        request = http.build_request(
            method,
            httpx.URL(scheme="https", host=host, raw_path=raw.encode()),
            headers=[(k.encode(), v.encode("latin-1")) for k, v in headers.items()],
            content=body,
        )
        if "authorization" not in headers:
            request.headers["authorization"] = http.headers["authorization"]
        return await http.send(request)

    answer = bench.run(scenario)
    assert answer.status_code != 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["x-ms-error-code"] or answer.status_code == 404
    assert (bench.ctx.state.parent / "passwd").exists() is False


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "..%2f..%2fup",
        "%2e%2e/%2e%2e/up",
        "a/../../../up",
        "....//up",
        "\\..\\up",
    ],
)
def test_names_are_never_paths(bench: Bench, name: str) -> None:
    before = set(bench.ctx.state.parent.rglob("*up*"))
    bench.send("PUT", f"/con/{name}", headers=BLOCK, content=b"x")
    assert set(bench.ctx.state.parent.rglob("*up*")) == before
    assert bench.send("GET", "/con/kept").content == b"kept"


def test_a_container_cannot_be_a_path(bench: Bench) -> None:
    for name in ("%2e%2e", "..%2fx", "a%2fb", "%00", "a%1fb"):
        answer = bench.send("PUT", f"/{name}?restype=container")
        assert answer.status_code == 400, name


def test_entities_are_not_read(bench: Bench) -> None:
    bomb = b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]><BlockList><Latest>&a;</Latest></BlockList>"
    answer = bench.send("PUT", "/con/b?comp=blocklist", content=bomb)
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (400, "InvalidXmlDocument")


def test_bytes_that_are_not_what_their_checksum_says(bench: Bench) -> None:
    wrong = {"content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}
    answer = bench.send("PUT", "/con/sum", headers={**BLOCK, **wrong}, content=b"x")
    assert answer.headers["x-ms-error-code"] == "Md5Mismatch"
    wrong = {"x-ms-content-crc64": "AAAAAAAAAAA="}
    answer = bench.send("PUT", "/con/sum", headers={**BLOCK, **wrong}, content=b"x")
    assert answer.headers["x-ms-error-code"] == "Crc64Mismatch"
    assert bench.send("HEAD", "/con/sum").status_code == 404
    right = {"x-ms-content-crc64": _crc(b"x")}
    answer = bench.send("PUT", "/con/sum", headers={**BLOCK, **right}, content=b"x")
    assert answer.status_code == 201


def _crc(data: bytes) -> str:
    import base64

    from emulators.storage.engine.crc64 import Crc64

    running = Crc64()
    running.update(data)
    return base64.b64encode(running.digest()).decode()


def test_what_breaks_off_leaves_nothing(bench: Bench) -> None:
    """The client leaves after 300 kB of the 600 kB it announced."""
    request = httpx.Request("PUT", f"{bench.url}/con/broken", headers=BLOCK)
    messages: list[Any] = [
        {"type": "http.request", "body": b"x" * 300_000, "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0) if len(messages) > 1 else messages[0]

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "PUT",
        "scheme": "https",
        "path": "/con/broken",
        "raw_path": b"/con/broken",
        "query_string": b"",
        "client": ("127.0.0.1", 1),
        "headers": [
            (b"host", request.url.host.encode()),
            (b"x-ms-blob-type", b"BlockBlob"),
            (b"content-length", b"600000"),
            (
                b"authorization",
                f"Bearer {bench.ctx.tokens.issue('https://storage.azure.com')}".encode(),
            ),
        ],
    }
    before = {p for p in (bench.ctx.state / "storage").rglob("*") if p.is_file()}
    asyncio.run(bench.app(scope, receive, send))
    assert sent == []
    assert bench.send("HEAD", "/con/broken").status_code == 404
    assert {p for p in (bench.ctx.state / "storage").rglob("*") if p.is_file()} == before


def test_a_reader_keeps_what_it_reads(bench: Bench) -> None:
    old, new = b"o" * 3_000_000, b"n" * 100
    bench.send("PUT", "/con/read", headers=BLOCK, content=old)

    async def scenario(http: httpx.AsyncClient) -> bytes:
        got = b""
        async with http.stream("GET", f"{bench.url}/con/read") as answer:
            async for chunk in answer.aiter_raw():
                if not got:
                    await http.put(f"{bench.url}/con/read", headers=BLOCK, content=new)
                got += chunk
        return got

    assert bench.run(scenario) == old
    assert bench.send("GET", "/con/read").content == new


def test_tokens_for_others_are_refused(bench: Bench) -> None:
    async def scenario(audience: str) -> httpx.Response:
        token = bench.ctx.tokens.issue(audience)
        async with client_of(bench.app, token=token) as http:
            return await http.get(f"{bench.url}/?comp=list")

    for audience in ("https://management.azure.com", "https://other.blob.core.windows.net"):
        answer = asyncio.run(scenario(audience))
        assert answer.status_code == 401
        assert answer.headers["x-ms-error-code"] == "InvalidAuthenticationInfo"
        assert "resource_id=https://storage.azure.com" in answer.headers["www-authenticate"]
    assert asyncio.run(scenario(bench.url)).status_code == 200
    assert asyncio.run(scenario("https://storage.azure.com/")).status_code == 200


def test_nobody_on_a_private_container(bench: Bench) -> None:
    async def scenario(headers: dict[str, str]) -> httpx.Response:
        async with client_of(bench.app) as http:
            return await http.get(f"{bench.url}/con/kept", headers=headers)

    plain = asyncio.run(scenario({}))
    assert (plain.status_code, plain.headers["x-ms-error-code"]) == (404, "ResourceNotFound")
    asked = asyncio.run(scenario({"x-ms-version": "2024-11-04"}))
    assert (asked.status_code, asked.headers["x-ms-error-code"]) == (
        401,
        "NoAuthenticationInformation",
    )


def test_an_account_that_is_not_here(bench: Bench) -> None:
    async def scenario(http: httpx.AsyncClient) -> httpx.Response:
        return await http.get("https://elsewhere123.blob.core.windows.net/c/b")

    answer = bench.run(scenario)
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (501, "NotEmulated")


def test_what_is_not_emulated_says_so(bench: Bench) -> None:
    for headers in (
        {"x-ms-blob-type": "PageBlob", "x-ms-blob-content-length": "512"},
        {**BLOCK, "x-ms-tags": "a=b"},
        {**BLOCK, "x-ms-encryption-key": "AAAA"},
        {**BLOCK, "x-ms-if-tags": "a = 'b'"},
        {**BLOCK, "x-ms-copy-source": "https://example.com/file"},
    ):
        answer = bench.send("PUT", "/con/no", headers=headers)
        assert (answer.status_code, answer.headers["x-ms-error-code"]) == (501, "NotEmulated")
    assert bench.send("HEAD", "/con/no").status_code == 404


def test_public_data_passes_through(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from emulators.kernel.http import Reply

    async def chunks() -> Any:
        yield b"from "
        yield b"elsewhere"

    async def read_through(request: Any) -> Reply:
        return Reply(200, chunks(), {"content-length": "14", "etag": '"x"'})

    monkeypatch.setattr("emulators.storage.wire.app.read_through", read_through)

    async def scenario() -> httpx.Response:
        async with client_of(bench.app) as http:
            return await http.get("https://elsewhere123.blob.core.windows.net/c/b")

    answer = asyncio.run(scenario())
    assert (answer.content, answer.headers["etag"]) == (b"from elsewhere", '"x"')
