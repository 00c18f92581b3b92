"""The way from one emulator to another: whoever stops waiting leaves nothing running behind."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from emulators.kernel.asgi_transport import ASGITransport


@pytest.mark.parametrize("heeds", [True, False])
def test_a_caller_that_is_cancelled_ends_the_work_quietly(heeds: bool) -> None:
    """The app may be stopped at any point, even one at which it answers all the same."""
    complaints: list[dict[str, Any]] = []
    ended = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if heeds:
                raise
        finally:
            ended.append(True)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def go() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
        async with httpx.AsyncClient(transport=ASGITransport(app)) as client:
            asked = asyncio.ensure_future(client.get("https://management.azure.com/"))
            await asyncio.sleep(0.01)
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
        import gc

        gc.collect()
        await asyncio.sleep(0)

    asyncio.run(go())
    assert ended == [True]
    assert complaints == []
