"""Files of the open web, for inputs that are neither in storage nor an asset."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import urllib.request
from pathlib import Path

from emulators.kernel.context import Context
from emulators.machinelearning.errors import InvalidUri, PathNotFound

TIMEOUT_S = 300


async def fetch(ctx: Context, url: str, target: Path) -> None:
    """Fetch one file, whole or not at all, by the way that a job's own requests would take.

    The front door's proxy decides whether it may be asked for (`--offline` refuses) and knows
    the network's own proxy. Nothing of ours is sent along.

    Raises:
        InvalidUri: neither http nor https.
        PathNotFound: it cannot be had.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise InvalidUri(url)
    partial = target.with_name(f"{target.name}.{ctx.ids.hex(6)}.incomplete")
    partial.parent.mkdir(parents=True, exist_ok=True)
    opener = _opener(ctx.peers.environment())
    try:
        await asyncio.to_thread(_read, opener, url, partial)
        partial.replace(target)
    except OSError as failed:
        partial.unlink(missing_ok=True)
        raise PathNotFound(f"Could not fetch '{url}': {failed}.") from failed


def _opener(env: dict[str, str]) -> urllib.request.OpenerDirector:
    proxies = {
        scheme: env[name]
        for scheme, name in (("http", "HTTP_PROXY"), ("https", "HTTPS_PROXY"))
        if env.get(name)
    }
    trusted = ssl.create_default_context(cafile=env.get("SSL_CERT_FILE"))
    return urllib.request.build_opener(
        urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=trusted)
    )


def _read(opener: urllib.request.OpenerDirector, url: str, partial: Path) -> None:
    with opener.open(url, timeout=TIMEOUT_S) as answer, partial.open("wb") as file:
        shutil.copyfileobj(answer, file)
