"""A factory in this process with a clock that is moved by hand, to watch triggers fire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from emulators.kernel import registry
from emulators.kernel.clock import ManualClock
from emulators.kernel.context import Context
from emulators.kernel.store import Store
from tests.support import client_of, make_app, make_context

ARM = "https://management.azure.com"
START = datetime(2026, 1, 1, tzinfo=UTC)
SERVICES = ("identity", "arm", "storage", "keyvault", "datafactory", "synapse")
WAIT = {"name": "W", "type": "Wait", "typeProperties": {"waitTimeInSeconds": 60}}
FAIL = {"name": "F", "type": "Fail", "typeProperties": {"message": "no", "errorCode": "1"}}


class Plant:
    """The seeded factory; its clock begins at START."""

    def __init__(self, ctx: Context, http: httpx.AsyncClient) -> None:
        self.ctx, self.http = ctx, http
        subscription = f"/subscriptions/{ctx.secrets.subscription_id}"
        self.group = f"{subscription}/resourceGroups/rehearsal"
        self.base = f"{self.group}/providers/Microsoft.DataFactory/factories/rehearsal"

    @property
    def clock(self) -> ManualClock:
        assert isinstance(self.ctx.clock, ManualClock)
        return self.ctx.clock

    async def pass_s(self, seconds: float) -> None:
        """Let time pass in small steps, so that what threads do meanwhile loses none of it."""
        steps = max(1, min(100, int(seconds / 5)))
        for _ in range(steps):
            await self.clock.advance(seconds / steps)
            await self.settle()

    async def until_windows(self, trigger: str, wanted: list[str], at_most_s: float = 1200) -> None:
        """Let time pass until a trigger's windows have these statuses."""
        shown: list[str] = []
        for _ in range(int(at_most_s / 5)):
            shown = [status for _, status in await self.windows(trigger)]
            if shown == wanted:
                return
            await self.pass_s(5)
        assert shown == wanted

    async def settle(self) -> None:
        """Let what can be done without waiting be done, in this thread and in others."""
        for _ in range(8):
            await asyncio.sleep(0.001)
            await self.clock.advance(0)

    async def call(
        self, method: str, path: str, body: Any = None, version: str = "2018-06-01"
    ) -> httpx.Response:
        url = path if path.startswith("https") else f"{ARM}{self.base}{path}"
        token = self.ctx.tokens.issue(ARM)
        return await self.http.request(
            method,
            url,
            params={"api-version": version},
            json=body,
            headers={"authorization": f"Bearer {token}"},
        )

    async def pipeline(self, name: str, *activities: dict[str, Any]) -> None:
        parameters = {word: {"type": "String", "defaultValue": ""} for word in ("a", "b")}
        properties = {"parameters": parameters, "activities": list(activities)}
        made = await self.call("PUT", f"/pipelines/{name}", {"properties": properties})
        assert made.status_code == 200, made.text

    async def trigger(
        self, name: str, kind: str, pipeline: str = "p", parameters: Any = None, **given: Any
    ) -> httpx.Response:
        """Publish a trigger of one pipeline."""
        one = {
            "pipelineReference": {"referenceName": pipeline, "type": "PipelineReference"},
            "parameters": parameters or {},
        }
        starts = {"pipeline": one} if kind.startswith("Tumbling") else {"pipelines": [one]}
        properties = {"type": kind, "typeProperties": given, **starts}
        return await self.call("PUT", f"/triggers/{name}", {"properties": properties})

    async def start(self, name: str) -> None:
        done = await self.call("POST", f"/triggers/{name}/start")
        assert done.status_code == 200, done.text
        await self.settle()

    async def stop(self, name: str) -> None:
        assert (await self.call("POST", f"/triggers/{name}/stop")).status_code == 200
        await self.settle()

    async def runs(self, trigger: str) -> list[dict[str, Any]]:
        """The trigger's runs, oldest first."""
        return await self._query("queryTriggerRuns", "TriggerName", trigger, "TriggerRunTimestamp")

    async def pipeline_runs(self, pipeline: str = "p") -> list[dict[str, Any]]:
        return await self._query("queryPipelineRuns", "PipelineName", pipeline, "RunStart")

    async def _query(self, what: str, operand: str, value: str, order: str) -> list[Any]:
        body: dict[str, Any] = {
            "lastUpdatedAfter": "2000-01-01T00:00:00Z",
            "lastUpdatedBefore": "2100-01-01T00:00:00Z",
            "filters": [{"operand": operand, "operator": "Equals", "values": [value]}],
            "orderBy": [{"orderBy": order, "order": "ASC"}],
        }
        found: list[Any] = []
        while True:
            answer = (await self.call("POST", f"/{what}", body)).json()
            found += answer["value"]
            if "continuationToken" not in answer:
                return found
            body["continuationToken"] = answer["continuationToken"]

    async def windows(self, trigger: str) -> list[tuple[str, str]]:
        """Start and status of each window that was opened, oldest first."""
        return sorted(
            (one["properties"]["windowStartTime"][:16], one["status"])
            for one in await self.runs(trigger)
        )


def played(
    folder: Path,
    play: Callable[[Plant], Coroutine[Any, Any, None]],
    store: Store | None = None,
    start: datetime = START,
) -> None:
    """Run a play on a plant; another one on the same folder and store goes on where it was."""

    async def go() -> None:
        ctx = make_context(folder, clock=ManualClock(start), store=store, mlflow=False)
        names = [name for name in registry.known() if name.split("-")[0] in SERVICES]
        specs = [registry.load(name) for name in names]
        app = make_app(ctx, specs)
        async with AsyncExitStack() as stack:
            for spec in specs:
                if spec.lifespan is not None:
                    await stack.enter_async_context(spec.lifespan(ctx))
            http = await stack.enter_async_context(client_of(app))
            await play(Plant(ctx, http))

    asyncio.run(go())
