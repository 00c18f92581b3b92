"""Call another emulator by Azure's own host name, over its wire: no import, no short cut."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from emulators.kernel.tokens import Tokens

if TYPE_CHECKING:
    import httpx

SYSTEM_OBJECT = "00000000-0000-0000-0000-00000000a11e"
"""Object id of the identity with which emulators call each other."""


def audience_of(host: str) -> str:
    """The token audience an Azure host expects."""
    if host.endswith((".blob.core.windows.net", ".dfs.core.windows.net")):
        return "https://storage.azure.com"
    if host.endswith((".api.azureml.ms", ".inference.ml.azure.com")):
        return "https://ml.azure.com"
    if host.endswith(".vault.azure.net"):
        return "https://vault.azure.net"
    if host.endswith(".dev.azuresynapse.net"):
        return "https://dev.azuresynapse.net"
    return "https://management.azure.com"


class Peers:
    """Hands out HTTP clients that reach every emulated host with the system identity."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._transport: Callable[[], httpx.AsyncBaseTransport] | None = None
        self.environment: Callable[[], dict[str, str]] = dict
        """What a process of the user's code gets, so that its own calls come home."""
        self.open_doors: Callable[[Path, bool], Awaitable[Mapping[int, str]]] | None = None
        """Opens the front door on Unix sockets in a folder; None without a front door here."""

    def attach(self, transport: Callable[[], httpx.AsyncBaseTransport]) -> None:
        """Say how the hosts are reached: in this process, or through a front door elsewhere."""
        self._transport = transport

    @asynccontextmanager
    async def client(
        self, timeout_s: float = 120.0, *, anonymous: bool = False
    ) -> AsyncGenerator[httpx.AsyncClient]:
        """A client; it adds a system token to requests that carry no credential of their own.

        `anonymous`: it adds nothing, as a caller from outside.

        Raises:
            RuntimeError: the host that runs the emulators is not up.
        """
        import httpx

        if self._transport is None:
            raise RuntimeError("peers are not attached; is the front door up?")
        tokens = self._tokens

        class SystemToken(httpx.Auth):
            def auth_flow(
                self, request: httpx.Request
            ) -> Generator[httpx.Request, httpx.Response, None]:
                signed = b"sig=" in request.url.query
                if not signed and "authorization" not in request.headers:
                    token = tokens.issue(audience_of(request.url.host), object_id=SYSTEM_OBJECT)
                    request.headers["authorization"] = f"Bearer {token}"
                yield request

        async with httpx.AsyncClient(
            transport=self._transport(),
            auth=None if anonymous else SystemToken(),
            timeout=timeout_s,
            trust_env=False,
            follow_redirects=False,
        ) as client:
            yield client
