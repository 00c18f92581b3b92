"""HTTP to wherever a URL leads: to an emulator, or out into the world, but never to real Azure."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx

from emulators.kernel.azure_domains import is_azure
from emulators.kernel.context import Context
from emulators.kernel.settings import client_environment_of_process
from emulators.kernel.upstream import Upstream, is_loopback


class NotReachable(Exception):
    """The URL is malformed, or leads where nothing of ours may go; the message says why."""


FAILURES: tuple[type[Exception], ...] = (NotReachable, httpx.HTTPError, httpx.InvalidURL, OSError)
"""What opening and using a client may raise: below HTTP, or before it."""


@asynccontextmanager
async def client_for(
    ctx: Context, url: str, *, timeout_s: float, verify: bool = True
) -> AsyncGenerator[httpx.AsyncClient]:
    """A client for requests to the host of `url`; it adds no credential and follows nothing.

    An Azure host is answered by its emulator, or refused where there is none. Any other goes over
    the network: through the front door where one is up, which keeps to the user's own proxy and
    to `--offline`; loopback directly.

    Raises:
        NotReachable: no host, plain http to Azure, or an address of the machine's cloud.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise NotReachable(f"'{url}' is not a URL.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise NotReachable(f"'{url}' is not an absolute http or https URL.")
    if is_azure(host):
        if parts.scheme != "https":
            raise NotReachable(f"Azure refuses plain HTTP: use https://{host}.")
        async with ctx.peers.client(timeout_s, anonymous=True) as client:
            yield client
        return
    if _is_link_local(host):
        raise NotReachable(f"{host} is an address of the machine's own cloud; it is never called.")
    home = ctx.peers.environment()
    if ctx.settings.offline and not is_loopback(host):
        raise NotReachable(
            f"{host} is not Azure's, and Rehearsal runs with --offline: nothing leaves this machine"
        )
    secure = parts.scheme == "https"
    async with httpx.AsyncClient(
        proxy=_proxy(home, host, port or (443 if secure else 80), secure),
        verify=_trusted(home.get("SSL_CERT_FILE", "")) if secure and verify else False,
        timeout=timeout_s,
        trust_env=False,
        follow_redirects=False,
    ) as client:
        yield client


def _proxy(home: dict[str, str], host: str, port: int, secure: bool) -> httpx.Proxy | None:
    if is_loopback(host):
        return None
    door = home.get("HTTPS_PROXY")
    if door:
        return httpx.Proxy(door)
    found = Upstream.from_environment(client_environment_of_process()).pick(
        secure=secure, host=host, port=port
    )
    if found is None:
        return None
    scheme = "https" if found.tls else "http"
    return httpx.Proxy(f"{scheme}://{found.host}:{found.port}", headers=list(found.headers))


@lru_cache(maxsize=4)
def _trusted(bundle: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=bundle or None)


def _is_link_local(host: str) -> bool:
    try:
        return ip_address(host).is_link_local
    except ValueError:
        return False
