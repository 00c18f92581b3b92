"""Some emulators in one process, asked synchronously: for wire tests without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from emulators.kernel.context import Context
from emulators.kernel.http import ServiceSpec
from tests.support import client_of, make_app, make_context

ARM = "https://management.azure.com"
LOGIN = "https://login.microsoftonline.com"


@cache
def _key() -> str:
    """One RSA key for every site of the session: making one costs a third of a second."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    return (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


class Site:
    """One context and its app; `ask` sends a request and waits for the answer."""

    def __init__(self, folder: Path, specs: Sequence[ServiceSpec], **options: Any) -> None:
        self.ctx: Context = make_context(folder, **options)
        for name in ("identity/signing-key", "identity/github-key"):
            self.ctx.secrets.text(name, _key)
        self.app = make_app(self.ctx, specs)

    def token(self, audience: str = ARM, **options: Any) -> str:
        """A token of the seeded service principal."""
        return self.ctx.tokens.issue(audience, **options)

    def ask(
        self, method: str, url: str, *, token: str | None = None, **options: Any
    ) -> httpx.Response:
        """Send a request; `token` is put into the Authorization header."""

        async def go() -> httpx.Response:
            async with client_of(self.app, token=token) as client:
                return await client.request(method, url, **options)

        return asyncio.run(go())

    def arm(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request to the resource manager as the seeded service principal.

        `path` is below the subscription when it does not begin with a slash.
        """
        if not path.startswith("/"):
            path = f"/subscriptions/{self.ctx.secrets.subscription_id}/{path}"
        mark = "&" if "?" in path else "?"
        url = f"{ARM}{path.rstrip('/')}{mark}api-version=2025-04-01"
        return self.ask(method, url, token=options.pop("token", self.token()), **options)
