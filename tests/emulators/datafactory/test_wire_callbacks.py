"""WebHook activities and the host that they are called back on, in process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from emulators.datafactory.engine.activities import webhook
from emulators.datafactory.engine.activities.base import ActivityFailed
from emulators.datafactory.engine.activities.outgoing import Answer, Ask, replaced
from emulators.datafactory.service import CALLBACKS
from emulators.kernel.clock import ManualClock
from emulators.kernel.context import Context
from tests.emulators.datafactory.calling import Bench, FarSide, bench
from tests.support import client_of, make_app

Caller = Callable[[httpx.AsyncClient, str], Awaitable[None]]


class Hooked:
    """A far side that keeps what the activity told it."""

    def __init__(self, status: int = 200) -> None:
        self.status, self.bodies = status, list[dict[str, Any]]()
        self.called = asyncio.Event()

    async def __call__(self, ctx: Context, ask: Ask) -> Answer:
        self.bodies.append(json.loads(ask.body))
        self.called.set()
        return Answer(self.status, (), b"said")


@pytest.fixture
def at(tmp_path: Path) -> Bench:
    return bench(tmp_path)


def hook(**properties: Any) -> dict[str, Any]:
    body = {"url": "https://svc.local/h", "method": "POST", "body": {"a": 1}, **properties}
    return {"type": "WebHook", "typeProperties": body}


def when_called(at: Bench, activity: dict[str, Any], then: Caller) -> dict[str, Any]:
    """The output of the activity, with `then` called with a client and the URI to call."""

    async def go() -> dict[str, Any]:
        far, app = Hooked(), make_app(at.ctx, [CALLBACKS])
        with replaced(far):
            running = asyncio.ensure_future(at.run(activity))
            await far.called.wait()
            async with client_of(app) as http:
                await then(http, far.bodies[0]["callBackUri"])
            return dict((await asyncio.wait_for(running, 5)).output)

    return asyncio.run(go())


async def told(http: httpx.AsyncClient, uri: str, body: Any = None, status: int = 200) -> None:
    answer = await http.post(uri, json=body)
    assert answer.status_code == status, answer.text


def test_the_callbacks_body_is_the_output(at: Bench) -> None:
    async def then(http: httpx.AsyncClient, uri: str) -> None:
        assert urlsplit(uri).hostname == "eastus.svc.datafactory.azure.com"
        await told(http, uri, {"Output": {"x": 1}, "StatusCode": "403"})

    output = when_called(at, hook(), then)
    assert output["Output"] == {"x": 1}
    assert output["billingReference"]["activityType"] == "ExternalActivity"


def test_a_reported_failure_fails(at: Bench) -> None:
    error = {"ErrorCode": "E1", "Message": "no"}

    async def then(http: httpx.AsyncClient, uri: str) -> None:
        await told(http, uri, {"StatusCode": "403", "Error": error})

    with pytest.raises(ActivityFailed, match="no") as failed:
        when_called(at, hook(reportStatusOnCallBack=True), then)
    assert failed.value.code == "E1"


def test_only_the_whole_url_counts_and_only_json(at: Bench) -> None:
    async def then(http: httpx.AsyncClient, uri: str) -> None:
        await told(http, uri.replace("callbackUrl=", "callbackUrl=x"), {}, 404)
        await told(http, uri.replace("callback/", "callback/x"), {}, 404)
        refused = await http.post(uri, content=b"{nothing")
        assert refused.status_code == 400
        empty = await http.post(uri)
        assert empty.status_code == 200
        await told(http, uri, {"second": True})

    assert "second" not in when_called(at, hook(), then)


def test_without_a_callback_it_times_out(at: Bench) -> None:
    clock = at.ctx.clock
    assert isinstance(clock, ManualClock)

    async def go() -> None:
        with replaced(Hooked()):
            running = asyncio.ensure_future(at.run(hook(timeout="00:01:00")))
            await clock.advance(59)
            assert not running.done()
            await clock.advance(2)
            await running

    with pytest.raises(ActivityFailed) as failed:
        asyncio.run(go())
    assert failed.value.code == "TimedOut"


def test_after_a_restart_it_goes_on_waiting_for_the_same_callback(at: Bench) -> None:
    clock = at.ctx.clock
    assert isinstance(clock, ManualClock)

    async def go() -> dict[str, Any]:
        far, app = Hooked(), make_app(at.ctx, [CALLBACKS])
        with replaced(far):
            call = replace(at.call(hook()), leaving=lambda: True)
            first = asyncio.ensure_future(webhook.run(call))
            await clock.advance(1)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            async with client_of(app) as http:  # while nothing waits
                await told(http, far.bodies[0]["callBackUri"], {"kept": 1})
            done = await at.run(hook())
        assert len(far.bodies) == 1
        return dict(done.output)

    assert asyncio.run(go())["kept"] == 1


def test_a_cancelled_one_is_forgotten(at: Bench) -> None:
    async def go() -> None:
        far, app = Hooked(), make_app(at.ctx, [CALLBACKS])
        with replaced(far):
            running = asyncio.ensure_future(at.run(hook()))
            await far.called.wait()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            async with client_of(app) as http:
                await told(http, far.bodies[0]["callBackUri"], {}, 404)

    asyncio.run(go())


def test_an_endpoint_that_fails_fails_the_activity(at: Bench) -> None:
    with (
        replaced(FarSide(Answer(500, (), b"oh"))),
        pytest.raises(ActivityFailed, match="oh") as failed,
    ):
        at.do(hook())
    assert failed.value.code == "2108"


@pytest.mark.parametrize("body", ["no json", [1], "[1]"])
def test_the_body_must_be_an_object(at: Bench, body: object) -> None:
    with replaced(FarSide()), pytest.raises(ActivityFailed) as failed:
        at.do(hook(body=body))
    assert failed.value.code == "2105"
