"""Requests that break the rules of HTTP: answered or cut, never misunderstood, never kept."""

from __future__ import annotations

import asyncio
import gzip
import re
import socket
import ssl
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.adversarial.conftest import ARM, Target

STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
SECRET = "/subscriptions/only-one-request-asks-for-this"


def head(target: Target, *more: str, path: str | None = None, method: str = "GET") -> bytes:
    where = path or f"{target.group.removeprefix(ARM)}?api-version=2021-04-01"
    lines = [f"{method} {where} HTTP/1.1", "Host: management.azure.com",
             f"Authorization: Bearer {target.token()}", *more, "", ""]  # fmt: skip
    return "\r\n".join(lines).encode("latin-1")


def statuses(answer: bytes) -> list[int]:
    return [int(found) for found in STATUS.findall(answer)]


SMUGGLED = f"GET {SECRET}?api-version=2021-04-01 HTTP/1.1\r\nHost: management.azure.com\r\n\r\n"


@pytest.mark.parametrize(
    "more",
    [
        ["Content-Length: 4", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 4"],
        ["Content-Length: 4", "Content-Length: 400"],
        ["Content-Length: +4"],
        ["Content-Length: -1"],
        ["Content-Length: 4, 4"],
        ["Content-Length: 0x10"],
        ["Content-Length: 99999999999999999999999999"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding:\tchunked"],
        ["Transfer-Encoding : chunked"],
        [" Transfer-Encoding: chunked"],
        ["Transfer-Encoding: identity, chunked"],
    ],
    ids=" & ".join,
)  # fmt: skip
def test_nothing_is_smuggled_behind_a_length(attacked: Target, more: list[str]) -> None:
    """Where two readers could disagree, the connection ends with the first request."""
    body = f"0\r\n\r\n{SMUGGLED}"
    before = asked_for_secret(attacked)
    answer = attacked.exchange(head(attacked, *more, method="PUT") + body.encode())
    assert len(statuses(answer)) <= 2
    found = statuses(answer)
    assert not found or found[0] in {200, 201, 400, 401, 404, 405, 411, 413, 501}
    if "Content-Length" in "".join(more) and "Transfer-Encoding" in "".join(more):
        assert asked_for_secret(attacked) == before, "the hidden request was served"


def asked_for_secret(target: Target) -> int:
    entries = target.running.host.ask("GET", "ledger", None, last="200")["entries"]
    return sum(entry.get("path") == SECRET for entry in entries)


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\n{}\r\n0\r\n\r\n",
        b"-1\r\n{}\r\n0\r\n\r\n",
        b"ffffffffffffffffff\r\n{}",
        b"2;" + b"x" * 100_000 + b"\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}0\r\n\r\n",
        b"2\n{}\n0\n\n",
        b"1\r\n{\r\n" * 50_000 + b"0\r\n\r\n",
        b"0\r\nX-Trailer: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_malformed_chunks(attacked: Target, body: bytes) -> None:
    sent = head(attacked, "Transfer-Encoding: chunked", "Content-Type: application/json",
                method="PUT", path=f"{SECRET}?api-version=2021-04-01") + body  # fmt: skip
    assert all(
        status in {400, 401, 403, 404, 405, 413, 431}
        for status in statuses(attacked.exchange(sent))
    )


@pytest.mark.parametrize(
    "lines",
    [
        ["X: " + "y" * (10 << 20)],
        [f"X-{n}: {'z' * 100}" for n in range(5_000)],
        ["Cookie: " + "a=b; " * 50_000],
        ["Authorization: Bearer " + "x" * 200_000],
    ],
    ids=["10-MB", "5000", "cookie", "token"],
)
def test_too_much_head(attacked: Target, lines: list[str]) -> None:
    found = statuses(attacked.exchange(head(attacked, *lines)))
    assert found in ([], [431])


def test_a_head_at_the_proxy_is_bounded_too(attacked: Target) -> None:
    port = int(attacked.env["HTTPS_PROXY"].rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        try:
            raw.sendall(b"CONNECT management.azure.com:443 HTTP/1.1\r\nX: " + b"y" * (1 << 20))
            assert raw.recv(100).startswith(b"HTTP/1.1 431")
        except OSError:
            pass  # cut while we still wrote


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "PRI", "X" * 200, "get", "GÉT"])
def test_unknown_methods(attacked: Target, method: str) -> None:
    found = statuses(attacked.exchange(head(attacked, method=method)))
    assert found == [] or found[0] in {400, 401, 404, 405, 501}


@pytest.mark.parametrize(
    "lines",
    [
        ["Authorization: Bearer x"],
        ["authorization: SharedKey a:b", "AUTHORIZATION: Bearer y"],
        ["Host: evil.example"],
        ["Host: localhost"],
        ["X-Forwarded-Host: localhost", "X-Forwarded-For: 127.0.0.1", "Forwarded: host=localhost"],
        ["X-Original-URL: /_emulator/status", "X-Rewrite-URL: /_emulator/status"],
        ["X-HTTP-Method-Override: DELETE"],
        ["Content-Type: application/json", "Content-Type: text/xml"],
        ["x-ms-client-request-id: " + "\x0b" * 10],
        ["Expect: 100-continue"],
        ["Expect: the-unexpected"],
        ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="],
        ["Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk"],
        ["Range: bytes=0-99999999999999999999"],
        ["If-Match: \"" + "x" * 5000 + '"'],
        ["If-Modified-Since: the day before"],
        ["Accept-Encoding: gzip;q=nan, \xff"],
    ],
    ids=lambda lines: lines[0][:30],
)  # fmt: skip
def test_double_and_strange_headers(attacked: Target, lines: list[str]) -> None:
    answer = attacked.exchange(head(attacked, *lines))
    found = statuses(answer)
    assert found == [] or found[-1] in {200, 400, 401, 412, 417, 426}
    assert b"evil.example" not in answer
    assert b'"processes"' not in answer


@pytest.mark.parametrize("path", [
    "*", "http://evil.example/", "https://management.azure.com/subscriptions", "//evil.example/x",
    "/\\evil.example", "/..;/x", "/%00", "/" + "%2e%2e/" * 50, "/" + "a/" * 20_000, "?" , "/?&&&==",
    "/subscriptions?api-version=2022-01-01&api-version=2021-01-01", "/a b", "/\t", "/\xff",
    "/subscriptions?$skiptoken=" + "x" * 40_000,
    "/subscriptions?" + "&".join(f"a{n}=1" for n in range(9_000)),
    "/subscriptions?$filter=" + "(" * 9_000, "/subscriptions?$top=-1&api-version=2022-01-01",
    "/subscriptions?$top=9999999999999999999999&api-version=2022-01-01",
], ids=lambda path: path[:20])  # fmt: skip
def test_strange_targets(attacked: Target, path: str) -> None:
    found = statuses(attacked.exchange(head(attacked, path=path)))
    assert found == [] or found[0] in {200, 400, 404, 405, 414, 431, 501}


def test_bombs_are_not_unpacked(attacked: Target) -> None:
    bomb = gzip.compress(b"0" * (64 << 20))
    before = attacked.memory_mib()
    answer = attacked.ask(
        "PUT", f"{attacked.workspace}/models/x/versions/1?api-version=2024-10-01",
        token=attacked.token(), content=bomb, headers={"content-encoding": "gzip"},
    )  # fmt: skip
    assert answer.status_code in {400, 415}
    assert attacked.memory_mib() - before < 32


def test_bodies_over_the_limit_are_refused_before_they_are_read(attacked: Target) -> None:
    url = f"{attacked.workspace}/models/x/versions/1?api-version=2024-10-01"
    before = attacked.memory_mib()
    announced = attacked.exchange(
        head(attacked, f"Content-Length: {1 << 40}", "Content-Type: application/json",
             method="PUT", path=url.removeprefix(ARM)) + b"{"
    )  # fmt: skip
    assert statuses(announced) == [413]

    def drip() -> Iterator[bytes]:
        for _ in range(70):
            yield b" " * (1 << 20)

    answer = attacked.ask("PUT", url, token=attacked.token(), content=drip())
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "RequestEntityTooLarge"
    assert attacked.memory_mib() - before < 200


XML = {
    "bomb": b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]><BlockList><Latest>&j;</Latest></BlockList>",
    "file": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><BlockList><Latest>&b;</Latest></BlockList>',
    "web": b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd"><BlockList/>',
    "deep": b"<BlockList>" + b"<a>" * 100_000,
    "cut": b"<BlockList><Latest>",
    "binary": b"\x00\xff\xfe<BlockList/>",
    "other": b"<Other/>",
    "wide": b"<BlockList>" + b"<Latest>QQ==</Latest>" * 60_000 + b"</BlockList>",
}


@pytest.mark.parametrize("kind", XML)
def test_hostile_xml(attacked: Target, kind: str) -> None:
    attacked.upload("xml", "b", b"kept")
    before, began = attacked.memory_mib(), time.monotonic()
    answer = attacked.ask(
        "PUT", f"{attacked.account}/xml/b?comp=blocklist", content=XML[kind],
        token=attacked.token("https://storage.azure.com"), headers={"x-ms-version": "2024-11-04"},
    )  # fmt: skip
    assert answer.status_code == 400
    assert answer.headers["x-ms-error-code"]
    assert "root:" not in answer.text
    assert time.monotonic() - began < 10
    assert attacked.memory_mib() - before < 100


@pytest.mark.parametrize("body", [
    b"--x\r\n", b"--x\r\nContent-Type: application/http\r\n\r\nGET /", b"--x--", b"",
    b"--y\r\n" * 1000,
    b"--x\r\nContent-Type: application/http\r\n\r\nDELETE /../../x HTTP/1.1\r\n\r\n\r\n--x--\r\n",
], ids=lambda body: repr(body[:16]))  # fmt: skip
def test_malformed_multipart(attacked: Target, body: bytes) -> None:
    answer = attacked.ask(
        "POST", f"{attacked.account}/?comp=batch", content=body,
        token=attacked.token("https://storage.azure.com"),
        headers={"x-ms-version": "2024-11-04", "content-type": "multipart/mixed; boundary=x"},
    )  # fmt: skip
    assert answer.status_code in {202, 400}


def test_a_half_sent_upload_leaves_nothing(attacked: Target) -> None:
    attacked.upload("half", "kept", b"kept")
    token = attacked.token("https://storage.azure.com")
    host = attacked.account.removeprefix("https://")
    lines = ["PUT /half/begun HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {token}",
             "x-ms-version: 2024-11-04", "x-ms-blob-type: BlockBlob",
             "Content-Length: 50000000", "", ""]  # fmt: skip
    for end in ("close", "half-close"):
        with attacked.socket(host) as tls:
            tls.sendall("\r\n".join(lines).encode() + b"x" * 1_000_000)
            if end == "half-close":
                raw = socket.socket(fileno=tls.detach())
                raw.shutdown(socket.SHUT_WR)
                raw.close()
    headers = {"x-ms-version": "2024-11-04"}
    deadline = time.monotonic() + 10
    while list((attacked.running.state / "storage" / "partial").iterdir()):
        assert time.monotonic() < deadline, "half an upload is kept"
        time.sleep(0.1)
    gone = attacked.ask("GET", f"{attacked.account}/half/begun", token=token, headers=headers)
    assert gone.status_code == 404
    kept = attacked.ask("GET", f"{attacked.account}/half/kept", token=token, headers=headers)
    assert kept.content == b"kept"


SLOW = 1500


def test_thousands_of_slow_connections_lock_nobody_out(attacked: Target) -> None:
    """Half of them stop within the head, half within the handshake; the owner works on."""
    port = attacked.running.host.explicit
    before = attacked.memory_mib()

    async def go() -> float:
        trust = ssl.create_default_context(cafile=attacked.env["SSL_CERT_FILE"])
        held: list[asyncio.StreamWriter] = []

        async def one(number: int) -> None:
            tls = trust if number % 4 == 0 else None
            name = "localhost" if tls else None
            try:
                _, writer = await asyncio.open_connection(
                    "127.0.0.1", port, ssl=tls, server_hostname=name
                )
            except OSError:
                return
            writer.write(b"GET / HTTP/1.1\r\nX: " if tls else b"\x16\x03\x01")
            held.append(writer)

        for start in range(0, SLOW, 100):
            await asyncio.gather(*(one(n) for n in range(start, start + 100)))
        began = time.monotonic()
        for _ in range(20):
            answer = await asyncio.to_thread(
                attacked.ask, "GET", attacked.group, token=attacked.token(),
                params={"api-version": "2021-04-01"},
            )  # fmt: skip
            assert answer.status_code == 200
        took = time.monotonic() - began
        for writer in held:
            writer.transport.abort()
        return took

    assert asyncio.run(go()) < 20
    assert attacked.memory_mib() - before < 150
    deadline = time.monotonic() + 15
    while len(psutil.Process(attacked.pid).net_connections()) > 100:
        assert time.monotonic() < deadline, "the connections are kept"
        time.sleep(0.2)
