"""The head of a proxy request, sans-I/O: bytes in, one bounded, validated head out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

MAX_HEAD = 32 * 1024  # bytes; Azure's tokens and SAS URLs in plain-HTTP requests fit easily

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}\Z")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")
_TARGET = re.compile(rb"[\x21-\x7e]+\Z")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*\Z")
_END = re.compile(rb"\r?\n\r?\n")
# Addressed to a proxy, hop by hop: never passed on.
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authorization", "proxy-connection", "proxy-authenticate"}
)


class BadHead(Exception):
    """The bytes are not a proxy request; `status` and the message are the answer."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Head:
    """A proxy request's head. `host` is lower case, without brackets or a trailing dot."""

    method: str
    host: str
    port: int
    path: str  # origin form with the query; empty for CONNECT
    headers: tuple[tuple[str, str], ...]  # names as sent

    @property
    def connect(self) -> bool:
        """Whether a tunnel is asked for, as for every https URL."""
        return self.method == "CONNECT"

    @property
    def authority(self) -> str:
        """`host:port` as it is written on the wire."""
        return authority(self.host, self.port)

    def origin_form(self) -> bytes:
        """The request as its server is sent it: one request a connection, no proxy headers."""
        return self._encode(self.path)

    def absolute_form(self, *extra: tuple[str, str]) -> bytes:
        """The request as the next proxy is sent it, with `extra` headers."""
        return self._encode(f"http://{self.authority}{self.path}", *extra)

    def _encode(self, target: str, *extra: tuple[str, str]) -> bytes:
        kept = [(n, v) for n, v in self.headers if n.lower() not in (*_HOP_BY_HOP, "host")]
        host = self.authority if self.port != 80 else self.authority.rpartition(":")[0]
        fields = [("Host", host), *kept, *extra, ("Connection", "close")]
        lines = [f"{self.method} {target} HTTP/1.1", *(f"{n}: {v}" for n, v in fields), "", ""]
        return "\r\n".join(lines).encode("latin-1")


class HeadReader:
    """Feed it what the socket gave; it returns the head once, and keeps what came after it."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.rest = b""

    def feed(self, data: bytes) -> Head | None:
        """Return the head when it is complete, None while it is not.

        Raises:
            BadHead: not HTTP, not addressed to a proxy, or longer than MAX_HEAD bytes.
        """
        self._buffer += data
        block = cut_block(self._buffer)
        if block is None:
            return None
        head, self.rest = block
        self._buffer.clear()
        return parse(head)


def cut_block(buffer: bytearray) -> tuple[bytes, bytes] | None:
    """Split at the empty line that ends a head: (head, rest), or None while there is none.

    Raises:
        BadHead: it cannot become a head any more.
    """
    if buffer[:1] == b"\x16":
        raise BadHead("TLS was spoken to the proxy's plain port: the proxy URL starts with http://")
    end = _END.search(buffer)
    if end is not None and end.end() <= MAX_HEAD:
        return bytes(buffer[: end.start()]), bytes(buffer[end.end() :])
    if len(buffer) > MAX_HEAD:
        raise BadHead(f"a request head of more than {MAX_HEAD} bytes", 431)
    if buffer and not _could_begin_a_head(buffer):
        raise BadHead("not an HTTP request")
    return None


def parse(block: bytes) -> Head:
    """Read a head without its final empty line.

    Raises:
        BadHead: malformed, or a form of request that no proxy answers.
    """
    first, *lines = block.replace(b"\r\n", b"\n").split(b"\n")
    parts = first.split(b" ")
    if len(parts) != 3 or not _TOKEN.match(parts[0]) or not _TARGET.match(parts[1]):
        raise BadHead("malformed request line")
    if parts[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise BadHead("only HTTP/1.1 and HTTP/1.0 are spoken here", 505)
    headers = tuple(_header(line) for line in lines)
    method, target = parts[0].decode("ascii"), parts[1].decode("ascii")
    if method == "CONNECT":
        host, port = split_authority(target, None)
        return Head(method, host, port, "", headers)
    if target[:7].lower() != "http://":
        raise BadHead(
            "This port is Rehearsal's forward proxy: set HTTPS_PROXY to it (see `rehearse env`). "
            "The same routes are on the https://localhost door."
        )
    where, slash, path = target[7:].partition("/")
    where, question, query = where.partition("?")
    host, port = split_authority(where, 80)
    return Head(
        method, host, port, f"/{question}{query}{slash}{path}" if question else f"/{path}", headers
    )


def split_authority(text: str, default_port: int | None) -> tuple[str, int]:
    """Split `host:port`; the host comes back lower case, checked, without brackets.

    Raises:
        BadHead: no such host or port can be.
    """
    if text.startswith("["):
        inside, bracket, tail = text[1:].partition("]")
        if not bracket or (tail and not tail.startswith(":")):
            raise BadHead("malformed address in brackets")
        return _ipv6(inside), _port(tail[1:] if tail else "", default_port)
    name, _, port = text.partition(":")
    return _host(name), _port(port, default_port)


def authority(host: str, port: int) -> str:
    """`host:port`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _could_begin_a_head(buffer: bytearray) -> bool:
    line = bytes(buffer.partition(b"\n")[0])
    method = line.partition(b" ")[0]
    return bool(_TOKEN.match(method)) and not any(c < 0x20 and c != 0x0D for c in line)


def _header(line: bytes) -> tuple[str, str]:
    name, colon, value = line.partition(b":")
    if not colon or not _TOKEN.match(name) or not _VALUE.match(value):
        raise BadHead("malformed header")
    return name.decode("ascii"), value.strip(b" \t").decode("latin-1")


def _host(name: str) -> str:
    name = name.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.match(label) for label in labels):
        raise BadHead("malformed host name")
    return name


def _ipv6(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        raise BadHead("malformed IPv6 address") from None
    if not isinstance(address, IPv6Address) or address.scope_id:
        raise BadHead("malformed IPv6 address")
    return str(address)


def _port(text: str, default: int | None) -> int:
    if not text and default is not None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536):
        raise BadHead("malformed port")
    return int(text)
