"""Batch endpoints in this process, called without sockets; their workers are real processes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx

from emulators.machinelearning.engine import places
from emulators.machinelearning.engine.jobs.manager import jobs_of
from emulators.machinelearning.engine.storage_access import download, list_paths
from tests.emulators.machinelearning.serving import Serving

DOUBLE = """
import os, time

def init():
    print("ready", flush=True)

def run(mini_batch):
    lines = []
    for path in mini_batch:
        with open(path) as file:
            words = file.read().split()
        name = os.path.basename(path)
        if words[0] == "raise":
            raise ValueError("asked to: " + name)
        if words[0] == "sleep":
            time.sleep(float(words[1]))
        if words[0] == "exit":
            os._exit(int(words[1]))
        if words[0] == "once":  # the first try dies, in the middle
            if not os.path.exists(words[1]):
                open(words[1], "w").close()
                os.kill(os.getpid(), 9)
        if words[0] == "skip":
            continue
        lines.append("%s %s" % (name, words[-1]))
    return lines
"""


class Batching(Serving):
    """What a test of batch endpoints does over and over."""

    def batch(self, name: str, **properties: Any) -> httpx.Response:
        """Make or change a batch endpoint."""
        body = {"location": "eastus", "properties": {"authMode": "aadToken", **properties}}
        return self.world.call("PUT", f"/batchEndpoints/{name}", body)

    def script(self, script: str = DOUBLE, **more: Any) -> dict[str, Any]:
        """The properties of a deployment of a script."""
        return {
            "codeConfiguration": {"codeId": self.code(script), "scoringScript": "score.py"},
            "environmentId": self.environment(),
            "compute": f"{self.id}/computes/cpu-cluster",
            "retrySettings": {"maxRetries": 0, "timeout": "PT30S"},
            **more,
        }

    def deploy_batch(
        self, endpoint: str, name: str, properties: dict[str, Any], *, default: bool = True
    ) -> httpx.Response:
        """Make or change a deployment, and the endpoint's default."""
        path = f"/batchEndpoints/{endpoint}/deployments/{name}"
        made = self.world.call("PUT", path, {"location": "eastus", "properties": properties})
        if made.is_success and default:
            assert self.batch(endpoint, defaults={"deploymentName": name}).is_success
        return made

    def serving_batch(self, endpoint: str, script: str = DOUBLE, **more: Any) -> None:
        """An endpoint with one deployment, its default."""
        assert self.batch(endpoint).is_success
        made = self.deploy_batch(endpoint, "main", self.script(script, **more))
        assert made.is_success, made.text

    def folder_of(self, name: str, files: dict[str, str]) -> str:
        """Store files; the URI of their folder."""
        for file, text in files.items():
            self.file(f"{name}/{file}", text.encode())
        return f"azureml://datastores/workspaceblobstore/paths/{name}/"

    def ask_batch(
        self, endpoint: str, body: Any, method: str = "POST", path: str = "/jobs", **headers: str
    ) -> httpx.Response:
        """One request to the endpoint's data plane."""
        token = self.world.ctx.tokens.issue("https://ml.azure.com")
        given = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        given |= {k.replace("_", "-"): v for k, v in headers.items()}
        url = f"https://{endpoint}.eastus.inference.ml.azure.com{path}"
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = self._bare.request(method, url, content=data, headers=given, timeout=60)
        found: httpx.Response = self.world.run(sent)
        return found

    def invoke(self, endpoint: str, uri: str, kind: str = "UriFolder", **more: Any) -> str:
        """Start a job; its name."""
        headers = more.pop("headers", {})
        data = {"anything": {"jobInputType": kind, "uri": uri}}
        body = {"properties": {"inputData": data, **more}}
        said = self.ask_batch(endpoint, body, **headers)
        assert said.status_code == 201, said.text
        name: str = said.json()["name"]
        return name

    def ended(self, job: str, seconds: float = 90) -> dict[str, Any]:
        """A job's properties when it is over."""

        async def over() -> None:
            work = jobs_of(self.world.ctx).machine.works.get((self.world.ws.guid, job))
            if work is not None:
                await asyncio.wait([work.task], timeout=seconds)

        self.world.run(over())
        found: dict[str, Any] = self.world.get(f"/jobs/{job}").json()["properties"]
        return found

    def child(self, job: str) -> dict[str, Any]:
        """The step that scored, as run history shows it."""
        ws = self.world.ws.arm_id
        url = f"https://eastus.api.azureml.ms/history/v1.0{ws}/runs/{job}/children"
        (one,) = self.world.call("GET", url).json()["value"]
        found: dict[str, Any] = one
        return found

    def output(self, job: str, into: Path) -> Path:
        """Fetch what the job's step wrote."""
        uri = f"azureml://jobs/{self.child(job)['runId']}/outputs/score"

        async def fetch() -> Path:
            ctx, ws = self.world.ctx, self.world.ws
            return await download(ctx, await places.resolve(ctx, ws, uri), into)

        found: Path = self.world.run(fetch())
        return found

    def lines(self, job: str, into: Path, name: str = "predictions.csv") -> list[str]:
        """The rows of a job's predictions, sorted."""
        return sorted((self.output(job, into) / name).read_text().splitlines())

    def stored(self, path: str) -> list[str]:
        """Names of the blobs below a path of the default datastore."""
        uri = f"azureml://datastores/workspaceblobstore/paths/{path}"

        async def listed() -> list[str]:
            ctx, ws = self.world.ctx, self.world.ws
            found = await list_paths(ctx, await places.resolve(ctx, ws, uri))
            return [entry.path for entry in found]

        names: list[str] = self.world.run(listed())
        return names

    def log(self, job: str, name: str) -> str:
        """A log of the job's step."""
        run: str = self.child(job)["runId"]
        path = self.world.ctx.state / "jobs" / self.world.ws.guid / run / name
        return path.read_text(encoding="utf-8")
