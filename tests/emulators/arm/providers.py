"""A resource provider for tests of deployments: keeps what it is given, in every way there is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from emulators.kernel.errors import BadRequest
from emulators.kernel.http import (
    Operation,
    Reply,
    ServiceSpec,
    links_of,
    principal_of,
    read_json,
)

TYPE = "Microsoft.Rehearsed/things"


class Refused(BadRequest):
    """What this provider says to a resource whose name begins with `bad`."""

    code = "ThingRefused"


class Things:
    """`Microsoft.Rehearsed/things` and their parts; a name's beginning says how it is made.

    `bad…` is refused at once, `broken…` after a while, `fading…` without an operation; `slow…` has
    an operation to poll, `located…` a location, `creating…` only its state.
    """

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.order: list[str] = []
        self.running = 0
        self.most_running = 0
        self.callers: set[str] = set()
        self._polls: dict[str, int] = {}

    def spec(self) -> ServiceSpec:
        """This provider as a service of the resource manager's host."""
        root = (
            "/subscriptions/{s}/resourceGroups/{g}/providers/Microsoft.Rehearsed/things/{rest:path}"
        )
        status = "/subscriptions/{s}/providers/Microsoft.Rehearsed/operations/{name}"
        operations = [
            Operation("Things_Put", "PUT", root, self.put),
            Operation("Things_Get", "GET", root, self.get),
            Operation("Things_List", "POST", root, self.act),
            Operation("Things_Status", "GET", status, self.status),
        ]
        return ServiceSpec(
            "things",
            ("management.azure.com",),
            lambda: operations,
            audiences=("https://management.azure.com",),
            newest_api="2026-01-01",
        )

    def made(self, *names: str) -> list[dict[str, Any]]:
        """What was put under these names."""
        return [self.kept[name] for name in names]

    async def put(self, request: Request) -> Reply:
        name = request.path_params["rest"]
        self.callers.add(principal_of(request).object_id)
        body = await read_json(request)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(0.002)
        self.running -= 1
        if name.startswith("bad"):
            raise Refused(f"The thing '{name}' is refused.", target=name)
        self.order.append(name)
        self.kept[name] = body
        state = "Succeeded"
        headers: dict[str, str] = {}
        where = links_of(request).arm(
            f"/subscriptions/{request.path_params['s']}/providers/Microsoft.Rehearsed"
            f"/operations/{name}?api-version=2026-01-01"
        )
        if name.startswith(("slow", "broken", "endless")):
            state, headers = "Creating", {"Azure-AsyncOperation": where}
        elif name.startswith("located"):
            return Reply(202, None, {"Location": where})
        elif name.startswith("creating"):
            state = "Creating"
        elif name.startswith("fading"):
            state = "Failed"
        return Reply(201, self._shown(request, body, state), headers)

    async def get(self, request: Request) -> Reply:
        name = request.path_params["rest"]
        if name not in self.kept:
            return Reply(404, {"error": {"code": "ResourceNotFound", "message": "no such thing"}})
        polls = self._polls[name] = self._polls.get(name, 0) + 1
        state = "Creating" if name.startswith("creating") and polls < 2 else "Succeeded"
        return Reply(200, self._shown(request, self.kept[name], state))

    async def act(self, request: Request) -> Reply:
        name, _, action = request.path_params["rest"].rpartition("/")
        asked = await read_json(request)
        return Reply(200, {"key": f"{action} of {name}", "asked": asked})

    async def status(self, request: Request) -> Reply:
        name = request.path_params["name"]
        polls = self._polls[name] = self._polls.get(name, 0) + 1
        if name.startswith("located"):
            return Reply(202 if polls < 2 else 200)
        if polls < 2 or name.startswith("endless"):
            return Reply(200, {"status": "InProgress"})
        if name.startswith("broken"):
            error = {"code": "ThingBroke", "message": "It broke while it was being made."}
            return Reply(200, {"status": "Failed", "error": error})
        return Reply(200, {"status": "Succeeded"})

    def _shown(self, request: Request, body: Mapping[str, Any], state: str) -> dict[str, Any]:
        properties = {**(body.get("properties") or {}), "provisioningState": state}
        name = request.path_params["rest"]
        return {
            **body,
            "id": request.url.path,
            "name": name,
            "type": TYPE,
            "properties": properties,
        }


def thing(name: str, *after: str, **more: Any) -> dict[str, Any]:
    """A thing as a template has it, after some others."""
    made: dict[str, Any] = {
        "type": TYPE,
        "apiVersion": "2026-01-01",
        "name": name,
        "location": "eastus",
        "properties": {},
        **more,
    }
    return made | ({"dependsOn": list(after)} if after else {})


def template(*resources: dict[str, Any], **sections: Any) -> dict[str, Any]:
    """A template of some resources."""
    return {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": list(resources),
        **sections,
    }
