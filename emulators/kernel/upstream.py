"""The proxy that this machine already had: which one a tunnelled host goes through."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit


class BadUpstream(ValueError):
    """The proxy named in the environment cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class NextProxy:
    """An HTTP proxy to hand a connection to."""

    host: str
    port: int
    tls: bool  # the proxy itself is spoken to over TLS
    authorization: str | None  # value of Proxy-Authorization

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What it is sent besides the request."""
        return (("Proxy-Authorization", self.authorization),) if self.authorization else ()


@dataclass(frozen=True, slots=True)
class Upstream:
    """Proxies for tunnelled hosts by scheme, and the hosts that go without."""

    https: NextProxy | None = None
    http: NextProxy | None = None
    without: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Upstream:
        """Read HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, lower case first, as curl does.

        A shell that was given `rehearse env` names our own door; what it named before is kept in
        REHEARSAL_UPSTREAM_HTTPS_PROXY and its like, which therefore win, even when empty.

        Raises:
            BadUpstream: a proxy of a kind that is not spoken (SOCKS), or a malformed URL.
        """

        def read(name: str) -> str:
            for key in (f"REHEARSAL_UPSTREAM_{name.upper()}", name.lower(), name.upper()):
                if key in environ:
                    return environ[key].strip()
            return ""

        https, http = read("HTTPS_PROXY"), read("HTTP_PROXY")
        if "REHEARSAL_UPSTREAM_HTTPS_PROXY" not in environ:
            https, http = https or read("ALL_PROXY"), http or read("ALL_PROXY")
        without = tuple(e.strip().lower() for e in read("NO_PROXY").split(",") if e.strip())
        return cls(_next_proxy(https), _next_proxy(http), without)

    def pick(self, *, secure: bool, host: str, port: int) -> NextProxy | None:
        """The proxy that `host` is reached through; None is a direct connection."""
        proxy = self.https if secure else self.http
        if proxy is None or is_loopback(host):
            return None
        return None if any(_covers(entry, host, port) for entry in self.without) else proxy

    def is_door(self, port: int) -> bool:
        """Whether a proxy here is our own door on `port`: it would call itself for ever."""
        return any(p and p.port == port and is_loopback(p.host) for p in (self.https, self.http))


def before_ours(environ: Mapping[str, str]) -> dict[str, str]:
    """What a process is given that goes out by itself: `environ` with the machine's own proxies.

    A shell that was given `rehearse env` names a door of ours, which may be that of an earlier run.
    """
    given = dict(environ)
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        kept = environ.get(f"REHEARSAL_UPSTREAM_{name}")
        if kept is None:
            continue
        for spelling in (name, name.lower()):
            given.pop(spelling, None)
            if kept:
                given[spelling] = kept
    return given


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine by name or address."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _next_proxy(url: str) -> NextProxy | None:
    if not url:
        return None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port, scheme = parts.hostname, parts.port, parts.scheme
    except ValueError:
        host, port, scheme = None, None, "?"
    if scheme not in ("http", "https") or not host or port == 0:
        raise BadUpstream(
            f"the proxy in the environment cannot be used ({scheme}://{host or '?'}): "
            "only http:// and https:// proxies are; unset it, or run with --offline"
        )
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + b64encode(pair.encode()).decode("ascii")
    tls = scheme == "https"
    return NextProxy(host, port or (443 if tls else 80), tls, authorization)


def _covers(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        try:
            return ip_address(host) in ip_network(entry, strict=False)
        except ValueError:
            return False
    name, colon, number = entry.rpartition(":")
    if colon and number.isdigit() and ":" not in name:
        if int(number) != port:
            return False
        entry = name
    entry = entry.strip("[]").removeprefix("*").lstrip(".")
    return bool(entry) and (host == entry or host.endswith(f".{entry}"))
