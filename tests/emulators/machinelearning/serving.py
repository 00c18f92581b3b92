"""Endpoints and deployments in this process, called without sockets; workers are real processes."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import httpx

from emulators.kernel.asgi_transport import ASGITransport
from emulators.machinelearning.engine import places
from emulators.machinelearning.engine.storage_access import write
from tests.emulators.machinelearning.conftest import World

SCRIPT = """
import json, os, time

def init():
    print("it is", os.environ.get("RELEASE"))

def run(raw):
    asked = json.loads(raw)
    time.sleep(asked.get("sleep", 0))
    if "exit" in asked:
        os._exit(asked["exit"])
    if "raise" in asked:
        raise RuntimeError(asked["raise"])
    return {"release": os.environ.get("RELEASE"), "pid": os.getpid(), "asked": asked}
"""
CONDA = "name: nothing\ndependencies:\n- python=3.11\n"
_NUMBERS = itertools.count(1)


class Serving:
    """What a test of endpoints does over and over."""

    def __init__(self, world: World) -> None:
        self.world = world
        transport = world.http._transport
        assert isinstance(transport, ASGITransport)
        self._bare = httpx.AsyncClient(transport=transport)
        self._codes: dict[str, str] = {}

    @property
    def id(self) -> str:
        """ARM id of the workspace."""
        return self.world.ws.arm_id

    def wait(self, answer: httpx.Response, seconds: float = 60) -> dict[str, Any]:
        """The end of a long-running operation."""
        assert answer.status_code in (200, 201, 202), answer.text
        url = answer.headers["azure-asyncoperation"]

        async def ended() -> dict[str, Any]:
            async with asyncio.timeout(seconds):
                while True:
                    said: dict[str, Any] = (await self.world.http.get(url)).json()
                    if said["status"] != "InProgress":
                        return said
                    await asyncio.sleep(0.02)

        found: dict[str, Any] = self.world.run(ended())
        return found

    def file(self, path: str, data: bytes) -> str:
        """Store a file in the default datastore; its URI."""
        uri = f"azureml://datastores/workspaceblobstore/paths/{path}"

        async def put() -> None:
            await write(
                self.world.ctx, await places.resolve(self.world.ctx, self.world.ws, uri), data
            )

        self.world.run(put())
        return uri

    def code(self, script: str = SCRIPT) -> str:
        """ARM id of code with that score.py."""
        if script not in self._codes:
            name = f"served-{next(_NUMBERS)}"
            folder = self.file(f"{name}/score.py", script.encode()).rpartition("/")[0]
            made = self.world.put(f"/codes/{name}/versions/1", {"codeUri": folder})
            assert made.is_success, made.text
            self._codes[script] = made.json()["id"]
        return self._codes[script]

    def environment(self) -> str:
        """ARM id of an environment that holds nothing."""
        made = self.world.put(
            "/environments/nothing/versions/1", {"image": "ubuntu", "condaFile": CONDA}
        )
        assert made.is_success, made.text
        found: str = made.json()["id"]
        return found

    def endpoint(self, name: str, mode: str = "Key", **properties: Any) -> httpx.Response:
        """Make or change an endpoint."""
        body = {"location": "eastus", "properties": {"authMode": mode, **properties}}
        return self.world.call("PUT", f"/onlineEndpoints/{name}", body)

    def properties(self, script: str = SCRIPT, **more: Any) -> dict[str, Any]:
        """A deployment of a script."""
        return {
            "endpointComputeType": "Managed",
            "instanceType": "Standard_DS3_v2",
            "codeConfiguration": {"codeId": self.code(script), "scoringScript": "score.py"},
            "environmentId": self.environment(),
            **more,
        }

    def put(
        self, endpoint: str, name: str, properties: dict[str, Any], capacity: int = 1
    ) -> httpx.Response:
        """Ask for a deployment."""
        body = {"sku": {"name": "Default", "capacity": capacity}, "properties": properties}
        return self.world.call("PUT", f"/onlineEndpoints/{endpoint}/deployments/{name}", body)

    def deploy(
        self, endpoint: str, name: str = "blue", script: str = SCRIPT, **more: Any
    ) -> dict[str, Any]:
        """Bring a deployment up; how the operation ended."""
        capacity = more.pop("capacity", 1)
        return self.wait(self.put(endpoint, name, self.properties(script, **more), capacity))

    def state(self, endpoint: str, name: str = "blue") -> str:
        """A deployment's provisioning state."""
        found = self.world.get(f"/onlineEndpoints/{endpoint}/deployments/{name}").json()
        state: str = found["properties"]["provisioningState"]
        return state

    def logs(self, endpoint: str, name: str = "blue", **body: Any) -> str:
        """A deployment's log."""
        path = f"/onlineEndpoints/{endpoint}/deployments/{name}/getLogs"
        found = self.world.call("POST", path, {"tail": 500, **body})
        content: str = found.json()["content"]
        return content

    def keys(self, endpoint: str) -> list[str]:
        """Primary and secondary."""
        found = self.world.call("POST", f"/onlineEndpoints/{endpoint}/listKeys").json()
        return [found["primaryKey"], found["secondaryKey"]]

    def sending(
        self,
        endpoint: str,
        body: Any,
        key: str | None = None,
        path: str = "/score",
        **headers: str,
    ) -> Coroutine[Any, Any, httpx.Response]:
        """A request to an endpoint, to be awaited in the world's loop."""
        key = self.keys(endpoint)[0] if key is None else key
        given = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        given |= {k.replace("_", "-"): v for k, v in headers.items()}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = f"https://{endpoint}.eastus.inference.ml.azure.com{path}"
        return self._bare.post(url, content=data, headers=given, timeout=60)

    def score(self, endpoint: str, body: Any, **more: Any) -> httpx.Response:
        """Ask an endpoint."""
        found: httpx.Response = self.world.run(self.sending(endpoint, body, **more))
        return found

    def served(self, endpoint: str, script: str = SCRIPT, **more: Any) -> None:
        """An endpoint whose one deployment has all traffic."""
        mode = more.pop("mode", "Key")
        assert self.endpoint(endpoint, mode).is_success
        ended = self.deploy(endpoint, "blue", script, **more)
        assert ended["status"] == "Succeeded", ended
        assert self.endpoint(endpoint, mode, traffic={"blue": 100}).is_success

    def folder(self, endpoint: str) -> Path:
        """Where an endpoint's files lie."""
        return self.world.ctx.state / "endpoints" / self.world.ws.guid / endpoint
