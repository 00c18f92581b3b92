"""A host goes down in order: no new requests, those in progress end, then the services."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request

from emulators.kernel import registry
from emulators.kernel.context import Context
from emulators.kernel.host import serve
from emulators.kernel.http import Operation, Reply, ServiceSpec
from emulators.kernel.settings import Settings

events: list[str] = []


async def slow(request: Request) -> Reply:
    events.append("asked")
    await asyncio.sleep(0.5)
    events.append("answered")
    return Reply(200, {})


@asynccontextmanager
async def lifespan(ctx: Context) -> AsyncIterator[None]:
    events.append("up")
    yield
    await asyncio.sleep(0)
    events.append("down")


SPEC = ServiceSpec(
    name="slow",
    hosts=("management.azure.com",),
    operations=lambda: [Operation("Slow", "GET", "/subscriptions/slow", slow)],
    lifespan=lifespan,
)


def test_requests_in_progress_end_before_their_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "load", lambda name: SPEC)
    settings = Settings(state=tmp_path / "state", proxy_port=0, explicit_port=0)

    async def go() -> tuple[int, str]:
        async with serve(settings, ["slow"]) as running:
            url = f"https://localhost:{running.ports.explicit}/subscriptions/slow?api-version=1.0"
            trust = ssl.create_default_context(cafile=str(tmp_path / "state" / "tls" / "ca.pem"))
            client = httpx.AsyncClient(verify=trust, trust_env=False)
            asked = asyncio.ensure_future(client.get(url))
            while "asked" not in events:
                await asyncio.sleep(0.01)
        answer = await asked
        with pytest.raises(httpx.ConnectError) as refused:
            await client.get(url)
        await client.aclose()
        return answer.status_code, str(refused.value)

    assert asyncio.run(go())[0] == 200
    assert events == ["up", "asked", "answered", "down"]
