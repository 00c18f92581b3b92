"""Events of blobs: subscriptions, what passes their filters, delivery and its failures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulators.kernel.clock import ManualClock
from emulators.kernel.context import Context
from emulators.kernel.http import Operation, Reply, ServiceSpec, read_body
from emulators.storage.engine.events import passes
from emulators.storage.service import DATA_LAKE, MANAGEMENT, SPEC
from emulators.storage.store import OUTBOX
from tests.support import client_of, make_app, make_context

HOOK = "https://hooks.azurewebsites.net/take"
ARM = "https://management.azure.com"


class Receiver:
    """A webhook: it wants events, and answers with the next of `answers`, or 200."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.wants = True

    async def take(self, request: Any) -> Reply:
        [event] = json.loads(await read_body(request))
        if request.headers["aeg-event-type"] == "SubscriptionValidation":
            code = event["data"]["validationCode"] if self.wants else "no"
            return Reply(200, {"validationResponse": code})
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            self.events.append(event)
        return Reply(status)

    @property
    def said(self) -> list[tuple[str, str]]:
        """What came: the kind of event and the blob's path."""
        return [
            (one["eventType"].rpartition(".")[2], one["subject"].partition("/containers/")[2])
            for one in self.events
        ]

    @property
    def spec(self) -> ServiceSpec:
        take = Operation("Take", "POST", "/take", self.take)
        return ServiceSpec("hooks", ("hooks.azurewebsites.net",), lambda: [take])


class Bench:
    """Storage, a receiver, and a clock that is moved by hand."""

    def __init__(self, ctx: Context, http: httpx.AsyncClient, receiver: Receiver) -> None:
        self.ctx, self.http, self.receiver = ctx, http, receiver
        self.account = ctx.secrets.values["default_account"]
        self.scope = (
            f"{ARM}/subscriptions/{ctx.secrets.subscription_id}/resourceGroups/rehearsal"
            f"/providers/Microsoft.Storage/storageAccounts/{self.account}"
        )

    async def arm(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.http.request(
            method,
            f"{self.scope}/providers/Microsoft.EventGrid/eventSubscriptions{path}",
            params={"api-version": "2022-06-15"},
            json=body,
            headers={"authorization": f"Bearer {self.ctx.tokens.issue(ARM)}"},
        )

    async def subscribe(self, name: str = "sub", url: str = HOOK, **given: Any) -> httpx.Response:
        destination = {"endpointType": "WebHook", "properties": {"endpointUrl": url}}
        properties = {"destination": destination, "filter": given}
        return await self.arm("PUT", f"/{name}", {"properties": properties})

    async def blob(
        self, method: str, path: str, content: bytes = b"", host: str = "blob", headers: Any = None
    ) -> httpx.Response:
        token = self.ctx.tokens.issue("https://storage.azure.com")
        done = await self.http.request(
            method,
            f"https://{self.account}.{host}.core.windows.net/{path}",
            content=content,
            headers={
                "authorization": f"Bearer {token}",
                "x-ms-version": "2023-11-03",
                **({"x-ms-blob-type": "BlockBlob"} if method == "PUT" and host == "blob" else {}),
                **(headers or {}),
            },
        )
        assert done.status_code < 300, done.text
        return done

    async def settle(self, seconds: float = 0) -> None:
        clock = self.ctx.clock
        assert isinstance(clock, ManualClock)
        for _ in range(6):
            await clock.advance(seconds)
            seconds = 0


def played(folder: Path, play: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
    async def go() -> None:
        ctx, receiver = make_context(folder), Receiver()
        app = make_app(ctx, [SPEC, DATA_LAKE, MANAGEMENT, receiver.spec])
        async with AsyncExitStack() as stack:
            assert SPEC.lifespan is not None
            await stack.enter_async_context(SPEC.lifespan(ctx))
            http = await stack.enter_async_context(client_of(app))
            bench = Bench(ctx, http, receiver)
            await bench.blob("PUT", "box?restype=container")
            await play(bench)

    asyncio.run(go())


def test_a_subscription_lives(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        made = await bench.subscribe("My-Sub", includedEventTypes=["Microsoft.Storage.BlobCreated"])
        assert made.status_code == 201
        shown = made.json()
        assert shown["properties"]["destination"]["properties"] == {"endpointBaseUrl": HOOK}
        assert (await bench.arm("GET", "/my-sub")).json() == shown
        assert (await bench.arm("GET", "")).json()["value"] == [shown]
        full = await bench.arm("POST", "/my-sub/getFullUrl")
        assert full.json() == {"endpointUrl": HOOK}
        assert (await bench.subscribe("my-sub")).status_code == 200
        assert (await bench.arm("DELETE", "/my-sub")).status_code == 200
        assert (await bench.arm("DELETE", "/my-sub")).status_code == 204
        assert (await bench.arm("GET", "/my-sub")).status_code == 404
        assert (await bench.arm("PATCH", "/my-sub", {})).status_code == 501

    played(tmp_path, play)


def test_what_cannot_be_subscribed(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        bench.receiver.wants = False
        assert (await bench.subscribe()).json()["error"]["code"] == "Url validation"
        bench.receiver.wants = True
        assert (await bench.subscribe(url="https://example.org/x")).status_code == 501
        assert (await bench.subscribe(url="http://x.azure.com")).status_code == 400
        operator = {"operatorType": "IsNotNull", "key": "data.api"}
        assert (await bench.subscribe(advancedFilters=[operator])).status_code == 501
        assert (await bench.subscribe(unheardOf=1)).status_code == 501
        queue = {"properties": {"destination": {"endpointType": "StorageQueue"}}}
        assert (await bench.arm("PUT", "/sub", queue)).status_code == 501
        assert (await bench.arm("GET", "")).json()["value"] == []

    played(tmp_path, play)


def test_what_is_told(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        await bench.blob("PUT", "box/before", b"1")
        await bench.subscribe(subjectBeginsWith="/blobServices/default/containers/BOX/blobs/")
        await bench.blob("PUT", "other?restype=container")
        await bench.blob("PUT", "other/none", b"1")
        await bench.blob("PUT", "box/put", b"12")
        await bench.blob("PUT", "box/blocks?comp=block&blockid=YQ==", b"123")
        names = b"<BlockList><Latest>YQ==</Latest></BlockList>"
        await bench.blob("PUT", "box/blocks?comp=blocklist", names)
        source = f"https://{bench.account}.blob.core.windows.net/box/put"
        await bench.blob("PUT", "box/copied", headers={"x-ms-copy-source": source})
        await bench.blob("PUT", "box/put?comp=metadata", headers={"x-ms-meta-a": "b"})
        await bench.blob("PUT", "box/put?comp=snapshot")
        await bench.blob("DELETE", "box/put", headers={"x-ms-delete-snapshots": "include"})
        await bench.settle()
        # Events of different blobs come in any order, as Event Grid's do.
        assert sorted(bench.receiver.said) == [
            ("BlobCreated", "box/blobs/blocks"),
            ("BlobCreated", "box/blobs/copied"),
            ("BlobCreated", "box/blobs/put"),
            ("BlobDeleted", "box/blobs/put"),
        ]
        told = {one["data"]["api"]: one["data"] for one in bench.receiver.events}
        assert set(told) == {"PutBlob", "PutBlockList", "CopyBlob", "DeleteBlob"}
        assert told["PutBlob"]["contentLength"] == 2
        assert told["PutBlockList"]["contentLength"] == 3
        assert told["PutBlob"]["url"] == source
        assert len({one["id"] for one in bench.receiver.events}) == 4
        assert list(bench.ctx.store.scan(OUTBOX)) == []

    played(tmp_path, play)


def test_a_file_of_the_lake_is_told_when_it_is_closed(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        await bench.subscribe()
        await bench.blob("PUT", "box/f?resource=file", host="dfs")
        await bench.blob("PATCH", "box/f?action=append&position=0", b"12", host="dfs")
        await bench.blob("PATCH", "box/f?action=flush&position=2", host="dfs")
        await bench.blob("PATCH", "box/f?action=flush&position=2&close=true", host="dfs")
        await bench.blob("PUT", "box/d?resource=directory", host="dfs")
        await bench.blob("DELETE", "box/f", host="dfs")
        await bench.settle()
        assert [one["data"]["api"] for one in bench.receiver.events] == [
            "CreateFile", "FlushWithClose", "DeleteFile",
        ]  # fmt: skip

    played(tmp_path, play)


def test_an_event_that_is_not_taken_comes_again(tmp_path: Path) -> None:
    async def play(bench: Bench) -> None:
        await bench.subscribe()
        bench.receiver.answers = [503, 500, 404]
        await bench.blob("PUT", "box/b", b"1")
        await bench.settle()
        assert bench.receiver.said == []
        for wait_s in (10, 30, 60):
            await bench.settle(wait_s - 1)
            assert bench.receiver.said == []
            await bench.settle(1)
        assert bench.receiver.said == [("BlobCreated", "box/blobs/b")]
        bench.receiver.answers = [400]
        await bench.blob("PUT", "box/hopeless", b"1")
        await bench.settle(3600)
        assert len(bench.receiver.events) == 1
        assert list(bench.ctx.store.scan(OUTBOX)) == []
        bench.receiver.answers = [503] * 100
        await bench.blob("PUT", "box/late", b"1")
        await bench.settle()
        for _ in range(30):
            await bench.settle(3600)
        assert list(bench.ctx.store.scan(OUTBOX)) == []  # given up after a day

    played(tmp_path, play)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, True),
        ({"includedEventTypes": ["Microsoft.Storage.BlobDeleted"]}, False),
        ({"subjectEndsWith": ".CSV"}, True),
        ({"subjectEndsWith": ".CSV", "isSubjectCaseSensitive": True}, False),
        ({"subjectBeginsWith": "/blobServices/default/containers/box/"}, True),
        ({"subjectBeginsWith": "/blobServices/default/containers/ox/"}, False),
        ({"advancedFilters": [{"operatorType": "StringIn", "key": "data.api",
                               "values": ["putblob"]}]}, True),
        ({"advancedFilters": [{"operatorType": "StringNotIn", "key": "data.api",
                               "values": ["PutBlob"]}]}, False),
        ({"advancedFilters": [{"operatorType": "NumberGreaterThan", "key": "data.contentLength",
                               "value": 1}]}, False),
        ({"advancedFilters": [{"operatorType": "StringContains", "key": "subject",
                               "values": ["x", "a.c"]}]}, True),
    ],
)  # fmt: skip
def test_filters(given: dict[str, Any], expected: bool) -> None:
    event = {
        "eventType": "Microsoft.Storage.BlobCreated",
        "subject": "/blobServices/default/containers/box/blobs/a.csv",
        "data": {"api": "PutBlob", "contentLength": 1},
    }
    assert passes(given, event) is expected
