"""A site whose deployments are waited for, and the parts of templates that tests deploy."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from emulators.arm.engine.deployments.hosting import deployer_of
from emulators.arm.service import SPEC
from emulators.identity.service import SPEC as IDENTITY
from emulators.kernel.clock import RealClock
from tests.emulators.arm.providers import Things
from tests.site import ARM, Site
from tests.support import client_of

GROUP = "resourceGroups/rehearsal"
DEPLOYMENT = "providers/Microsoft.Resources/deployments"


class Deploying(Site):
    """A site with things, whose deployments are waited for."""

    def __init__(self, folder: Path) -> None:
        self.things = Things()
        super().__init__(folder, [SPEC, IDENTITY, self.things.spec()], clock=RealClock())

    def path(self, name: str, scope: str = GROUP) -> str:
        return f"/subscriptions/{self.ctx.secrets.subscription_id}/{scope}/{DEPLOYMENT}/{name}"

    def within(self, work: Callable[[httpx.AsyncClient], Awaitable[Any]]) -> Any:
        """Work with a client, in one loop with what it begins."""

        async def go() -> Any:
            headers = {"api-version": "2024-03-01"}
            async with client_of(self.app, token=self.token(), params=headers) as client:
                client.base_url = httpx.URL(ARM)
                return await work(client)

        return asyncio.run(go())

    def put(
        self, what: dict[str, Any], name: str = "d", scope: str = GROUP, **properties: Any
    ) -> dict[str, Any]:
        """Deploy a template and wait; the deployment as it ended, or the error of the request."""

        async def go(client: httpx.AsyncClient) -> Any:
            body: dict[str, Any] = {
                "properties": {"mode": "Incremental", "template": what, **properties}
            }
            if not scope:
                body["location"] = "eastus"
            path = self.path(name, scope).replace("//", "/")
            answer = await client.put(path, json=body)
            if answer.is_error:
                return answer.json()["error"]
            assert answer.json()["properties"]["provisioningState"] == "Accepted"
            await deployer_of(self.ctx).settled()
            status = await client.get(answer.headers["azure-asyncoperation"])
            found = (await client.get(path)).json()
            assert status.json()["status"] == found["properties"]["provisioningState"]
            assert status.json().get("error") == found["properties"].get("error")
            return found

        found: dict[str, Any] = self.within(go)
        return found

    def outputs(self, what: dict[str, Any], **more: Any) -> dict[str, Any]:
        """The values of the outputs of a template that succeeds."""
        ended = self.put(what, **more)
        assert ended.get("properties", ended).get("provisioningState") == "Succeeded", ended
        return {name: one.get("value") for name, one in ended["properties"]["outputs"].items()}


def values(**given: Any) -> dict[str, dict[str, Any]]:
    return {name: {"value": value} for name, value in given.items()}


def nested(
    name: str,
    what: dict[str, Any] | None = None,
    *after: str,
    scope: str = "",
    group: str = "",
    **properties: Any,
) -> dict[str, Any]:
    """A deployment inside a template."""
    made: dict[str, Any] = {
        "type": "Microsoft.Resources/deployments",
        "apiVersion": "2024-03-01",
        "name": name,
        "dependsOn": list(after),
        "properties": {"mode": "Incremental", **properties},
    }
    if what is not None:
        made["properties"]["template"] = what
    if scope:
        made["properties"]["expressionEvaluationOptions"] = {"scope": scope}
    return made | ({"resourceGroup": group} if group else {})
