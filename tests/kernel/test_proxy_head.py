"""The proxy's head reader: any bytes give a head, a wait or a BadHead, and nothing else."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emulators.kernel.proxy import MAX_HEAD, BadHead, Head, HeadReader, authority, split_authority

labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
hosts = st.lists(labels, min_size=1, max_size=5).map(".".join) | st.integers(0, 2**128 - 1).map(
    lambda n: str(IPv6Address(n))
)
ports = st.integers(1, 65535)
names = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True)
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40).map(str.strip)
fields = st.lists(st.tuples(names, values), max_size=6).map(tuple)
paths = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=40
).map("/".__add__)


def read(data: bytes) -> Head:
    head = HeadReader().feed(data)
    assert head is not None
    return head


@given(hosts, ports, fields, st.binary(max_size=100), st.data())
def test_connect_survives_any_chunking(
    host: str, port: int, headers: tuple[tuple[str, str], ...], rest: bytes, data: st.DataObject
) -> None:
    lines = [f"CONNECT {authority(host, port)} HTTP/1.1", *(f"{n}: {v}" for n, v in headers)]
    stream = "\r\n".join([*lines, "", ""]).encode("latin-1")
    expected = Head("CONNECT", host, port, "", headers)
    reader, got = HeadReader(), None
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        last = cut == len(stream)
        got = reader.feed(stream[:cut] + (rest if last else b""))
        stream = stream[cut:]
        assert (got is None) == (not last)
    assert got == expected
    assert reader.rest == rest


@given(hosts, ports, paths, fields)
def test_a_plain_request_survives_being_passed_on(
    host: str, port: int, path: str, headers: tuple[tuple[str, str], ...]
) -> None:
    hop = {"connection", "keep-alive", "proxy-authorization", "proxy-connection", "host"}
    kept = tuple((n, v) for n, v in headers if n.lower() not in {*hop, "proxy-authenticate"})
    sent = Head("GET", host, port, path, kept)
    passed = read(sent.absolute_form())
    assert (passed.host, passed.port, passed.path) == (host, port, path)
    assert passed.headers[1:-1] == kept
    assert passed.headers[-1] == ("Connection", "close")
    assert sent.origin_form().startswith(f"GET {path} HTTP/1.1\r\nHost: ".encode())


@given(st.lists(st.binary(max_size=200), max_size=10))
@example([b"CONNECT a:1 HTTP/1.1\r\n\r\n"])
@example([b"GET http://a/ HTTP/1.1\nA:b\n\n"])
@example([b"\r\n\r\n"])
@example([b"CONNECT [::1 HTTP/1.1\r\n\r\n"])
@example([b"GET http://[fe80::1%25eth0]/ HTTP/1.1\r\n\r\n"])
@example([b"GET http://user:pw@host/ HTTP/1.1\r\n\r\n"])
def test_any_bytes_are_a_head_a_wait_or_bad(chunks: list[bytes]) -> None:
    reader = HeadReader()
    for chunk in chunks:
        try:
            head = reader.feed(chunk)
        except BadHead:
            return
        if head is not None:
            assert 0 < head.port < 65536
            assert head.host == head.host.lower()
            assert "\n" not in head.host + head.path
            return


@given(
    st.sampled_from(
        [b"CONNECT a.com:443 HTTP/1.1\r\nA: b\r\n\r\n", b"GET http://a/ HTTP/1.1\r\n\r\n"]
    ),
    st.integers(0, 200),
    st.binary(min_size=1, max_size=2),
)
def test_a_corrupted_head_is_never_another_exception(good: bytes, at: int, noise: bytes) -> None:
    at %= len(good)
    try:
        HeadReader().feed(good[:at] + noise + good[at + len(noise) :])
    except BadHead:
        return


@pytest.mark.parametrize(
    ("sent", "host", "port"),
    [
        ("Management.Azure.COM:443", "management.azure.com", 443),
        ("management.azure.com.:443", "management.azure.com", 443),
        ("[::1]:8080", "::1", 8080),
        ("[0:0:0:0:0:0:0:1]:8080", "::1", 8080),
        ("my_account.blob.core.windows.net:443", "my_account.blob.core.windows.net", 443),
    ],
)
def test_one_host_has_one_name(sent: str, host: str, port: int) -> None:
    """Case, a trailing dot or another notation cannot make an Azure host look like another."""
    assert split_authority(sent, None) == (host, port)


@pytest.mark.parametrize(
    "sent",
    [
        "a.com", "a.com:", "a.com:0", "a.com:65536", "a.com:x", "a.com:+1", "a.com:\u0661", ":443",
        "a..com:1", "-a.com:1", "a.com..:1", "a:b:1", "[::1]1:1", "[::1", "[fe80::1%1]:1",
        "a@b.com:1", "a/b:1", "%61.com:1", "x" * 64 + ".com:1", "a." * 130 + "com:1",
    ],
)  # fmt: skip
def test_hosts_that_cannot_be(sent: str) -> None:
    with pytest.raises(BadHead):
        split_authority(sent, None)


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00", 400, "http://"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "HTTPS_PROXY"),
        (b"GET https://a.com/ HTTP/1.1\r\n\r\n", 400, "HTTPS_PROXY"),
        (b"GET http://a.com/ HTTP/2\r\n\r\n", 505, "HTTP/1.1"),
        (b"GET http://a.com/ HTTP/1.1\r\n folded: x\r\n\r\n", 400, "header"),
        (b"GET http://a.com/ HTTP/1.1\r\nA : x\r\n\r\n", 400, "header"),
        (b"GET http://a.com/ HTTP/1.1\r\nA: \x00\r\n\r\n", 400, "header"),
        (b"\x05\x01\x00", 400, "not an HTTP request"),
        (b"GET http://a.com/ HTTP/1.1\r\nA: " + b"x" * MAX_HEAD, 431, "more than"),
        (b"x" * 100, 400, "not an HTTP request"),
    ],
)
def test_what_is_wrong_is_said(sent: bytes, status: int, words: str) -> None:
    with pytest.raises(BadHead, match=words) as bad:
        HeadReader().feed(sent)
    assert bad.value.status == status


def test_proxy_credentials_are_not_passed_on() -> None:
    head = read(
        b"GET http://a.com/x?y HTTP/1.1\r\nHost: other\r\nProxy-Authorization: Basic eA==\r\n"
        b"Proxy-Connection: keep-alive\r\nAuthorization: Bearer t\r\n\r\n"
    )
    assert head.origin_form() == (
        b"GET /x?y HTTP/1.1\r\nHost: a.com\r\nAuthorization: Bearer t\r\nConnection: close\r\n\r\n"
    )


def test_a_query_without_a_path() -> None:
    assert read(b"GET http://a.com?q=/x HTTP/1.1\r\n\r\n").path == "/?q=/x"
