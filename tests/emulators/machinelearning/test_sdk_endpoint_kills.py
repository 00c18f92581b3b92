"""A host that is killed at random moments while endpoints are made, changed and asked.

Four times, and fifty times in `make soak`; `REHEARSAL_KILLS_SEED` repeats a run. What was
acknowledged must be there when the host is up again, what was in flight may be there or not, and
every operation must end.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from emulators.machinelearning.engine.endpoints.scratch import Scratch
from tests.running import Rehearsal, started

API = "2023-04-01-preview"
SCRIPT = b"""
import os, time

def init():
    time.sleep(0.1)

def run(raw):
    return os.environ["RELEASE"]
"""
CONDA = "name: bare\ndependencies:\n- python=3.11\n"


@dataclass
class Known:
    """What a client may rely on about one endpoint: each set holds what it may find."""

    keys: set[str] = field(default_factory=set)
    traffic: list[dict[str, int]] = field(default_factory=lambda: [{}])
    releases: dict[str, set[str]] = field(
        default_factory=dict
    )  # deployment -> may answer; "": none


class Client:
    """Plain HTTP to the host as it is now."""

    def __init__(self, host: Rehearsal) -> None:
        self.host = host
        self.operations: list[str] = []

    def session(self) -> requests.Session:
        made = requests.Session()
        made.trust_env = False
        made.proxies = {"https": self.host.env["HTTPS_PROXY"]}
        made.verify = self.host.env["REQUESTS_CA_BUNDLE"]
        return made

    def connect(self) -> None:
        """Sign in, after each start: the ports are others."""
        env, self.http = self.host.env, self.session()
        self.ws = (
            f"https://management.azure.com/subscriptions/{env['AZURE_SUBSCRIPTION_ID']}"
            f"/resourceGroups/{env['AZURE_RESOURCE_GROUP']}/providers"
            f"/Microsoft.MachineLearningServices/workspaces/{env['AZUREML_WORKSPACE_NAME']}"
        )
        self.http.headers["authorization"] = f"Bearer {self.token('https://management.azure.com')}"

    def token(self, resource: str) -> str:
        env = self.host.env
        answer = self.session().post(
            f"https://login.microsoftonline.com/{env['AZURE_TENANT_ID']}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": env["AZURE_CLIENT_ID"],
                "client_secret": env["AZURE_CLIENT_SECRET"],
                "scope": f"{resource}/.default",
            },
            timeout=30,
        )
        found: str = answer.json()["access_token"]
        return found

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        answer = self.http.request(
            method, self.ws + path, params={"api-version": API}, json=body, timeout=60
        )
        if status := answer.headers.get("azure-asyncoperation"):
            self.operations.append(status)
        return answer

    def assets(self) -> None:
        """Code and environment for all deployments."""
        store = self.call("GET", "/datastores/workspaceblobstore").json()["properties"]
        blob = f"https://{store['accountName']}.blob.core.windows.net/{store['containerName']}"
        put = self.session().put(
            f"{blob}/killed/score.py",
            data=SCRIPT,
            headers={
                "authorization": f"Bearer {self.token('https://storage.azure.com')}",
                "x-ms-version": "2023-11-03",
                "x-ms-blob-type": "BlockBlob",
            },
            timeout=30,
        )
        assert put.status_code == 201, put.text
        for path, values in (
            ("/codes/killed/versions/1", {"codeUri": f"{blob}/killed"}),
            ("/environments/bare/versions/1", {"image": "none", "condaFile": CONDA}),
        ):
            assert self.call("PUT", path, {"properties": values}).ok

    def ask(self, endpoint: str, key: str, deployment: str = "") -> requests.Response:
        named = {"azureml-model-deployment": deployment} if deployment else {}
        return self.session().post(
            f"https://{endpoint}.eastus.inference.ml.azure.com/score",
            headers={"authorization": f"Bearer {key}", **named},
            data="{}",
            timeout=60,
        )


class Driver:
    """Does something to endpoints, over and over, and knows what was acknowledged."""

    def __init__(self, client: Client, chance: random.Random) -> None:
        self.client, self.chance = client, chance
        self.known: dict[str, Known] = {}
        self.count = 0

    def work(self) -> None:
        """Until the host is gone."""
        with contextlib.suppress(requests.RequestException):
            while True:
                self.step()

    def step(self) -> None:
        if not self.known or (len(self.known) < 3 and self.chance.random() < 0.2):
            self.make()
            return
        name = self.chance.choice(sorted(self.known))
        act = self.chance.choice((self.deploy, self.deploy, self.rekey, self.share, self.remove))
        act(name, self.known[name])

    def make(self) -> None:
        self.count += 1
        name = f"killed-{self.count}"
        body = {"location": "eastus", "properties": {"authMode": "Key"}}
        assert self.client.call("PUT", f"/onlineEndpoints/{name}", body).ok
        keys = self.client.call("POST", f"/onlineEndpoints/{name}/listKeys").json()
        self.known[name] = Known({keys["primaryKey"]})

    def deploy(self, name: str, known: Known) -> None:
        self.count += 1
        deployment, release = self.chance.choice(("blue", "green")), f'"{self.count}"'
        values = {
            "endpointComputeType": "Managed",
            "instanceType": "Standard_DS3_v2",
            "codeConfiguration": {
                "codeId": f"{self.client.ws.partition('.com')[2]}/codes/killed/versions/1",
                "scoringScript": "score.py",
            },
            "environmentId": f"{self.client.ws.partition('.com')[2]}/environments/bare/versions/1",
            "environmentVariables": {"RELEASE": str(self.count)},
        }
        may = known.releases.setdefault(deployment, {""})
        may.add(release)
        body = {"sku": {"capacity": 1}, "properties": values}
        path = f"/onlineEndpoints/{name}/deployments/{deployment}"
        answer = self.client.call("PUT", path, body)
        if answer.status_code == 409:  # the one before the kill is still at it
            may.discard(release)
            return
        assert answer.ok, answer.text
        may.discard("")  # acknowledged: there will be one
        while True:
            state = self.client.call("GET", path).json()["properties"]["provisioningState"]
            if state not in ("Creating", "Updating"):
                break
            time.sleep(0.02)
        assert state == "Succeeded"
        known.releases[deployment] = {release}

    def rekey(self, name: str, known: Known) -> None:
        self.count += 1
        key = f"key-number-{self.count}"
        known.keys.add(key)
        body = {"keyType": "Primary", "keyValue": key}
        assert self.client.call("POST", f"/onlineEndpoints/{name}/regenerateKeys", body).ok
        known.keys = {key}

    def share(self, name: str, known: Known) -> None:
        whole = [d for d, may in known.releases.items() if len(may) == 1 and "" not in may]
        traffic = {self.chance.choice(whole): 100} if whole else {}
        known.traffic.append(traffic)
        body = {"location": "eastus", "properties": {"authMode": "Key", "traffic": traffic}}
        assert self.client.call("PUT", f"/onlineEndpoints/{name}", body).ok
        known.traffic = [traffic]

    def remove(self, name: str, known: Known) -> None:
        shares = [t for traffic in known.traffic for t in traffic]
        free = [d for d in known.releases if d not in shares]
        if not free or self.chance.random() < 0.5:
            return
        known.releases[free[0]].add("")
        path = f"/onlineEndpoints/{name}/deployments/{free[0]}"
        if self.client.call("DELETE", path).status_code in (202, 404):
            del known.releases[free[0]]

    def check(self) -> None:
        """Everything that was acknowledged is there, serves, and has ended."""
        for name, known in self.known.items():
            shown = self.client.call("GET", f"/onlineEndpoints/{name}")
            assert shown.ok, f"{name} is gone"
            traffic = {d: s for d, s in shown.json()["properties"]["traffic"].items() if s}
            assert traffic in known.traffic
            keys = self.client.call("POST", f"/onlineEndpoints/{name}/listKeys").json()
            assert keys["primaryKey"] in known.keys
            known.keys, known.traffic = {keys["primaryKey"]}, [traffic]
            for deployment, may in list(known.releases.items()):
                self._check(name, deployment, known, may)
        for url in self.client.operations:
            assert self._ended(url) in ("Succeeded", "Failed"), url
        self.client.operations.clear()

    def _check(self, name: str, deployment: str, known: Known, may: set[str]) -> None:
        (key,) = known.keys
        answer = self.client.ask(name, key, deployment)
        if answer.status_code == 404:
            assert "" in may, f"{name}/{deployment} is gone"
            del known.releases[deployment]
            return
        if answer.status_code == 424 and answer.headers.get("ms-azureml-model-error-reason") == (
            "model_not_ready"
        ):  # it was being made for the first time
            assert len(may) > 1 or "" in may or not known.traffic[0].get(deployment)
            path = f"/onlineEndpoints/{name}/deployments/{deployment}"
            while self.client.call("GET", path).json()["properties"]["provisioningState"] == (
                "Creating"
            ):
                time.sleep(0.05)
            answer = self.client.ask(name, key, deployment)
        assert answer.status_code == 200, f"{name}/{deployment}: {answer.status_code}"
        assert answer.text in may
        if len(may) > 1:  # what was in flight may still be on its way
            known.releases[deployment] = (may - {""}) | {answer.text}

    def _ended(self, url: str) -> str:
        deadline = time.monotonic() + 60
        while True:
            answer = self.client.http.get(url, timeout=30)
            status: str = answer.json()["status"]
            if status != "InProgress" or time.monotonic() > deadline:
                return status
            time.sleep(0.05)


@pytest.fixture
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REHEARSAL_MLFLOW", "false")
        with started(tmp_path_factory.mktemp("kills"), "--runtime", "host") as running:
            yield running


def test_what_was_acknowledged_outlives_any_kill(host: Rehearsal) -> None:
    killed(host, 4)


@pytest.mark.soak
@pytest.mark.timeout(1500)
def test_what_was_acknowledged_outlives_fifty_kills(host: Rehearsal) -> None:
    killed(host, 50)


def killed(host: Rehearsal, kills: int) -> None:
    """Kill the host so often, and compare each time."""
    seed = int(os.environ.get("REHEARSAL_KILLS_SEED", "0")) or random.randrange(1, 1 << 30)
    chance = random.Random(seed)
    client = Client(host)
    client.connect()
    client.assets()
    driver = Driver(client, chance)
    for number in range(kills):
        failed: list[BaseException] = []

        def work(into: list[BaseException] = failed) -> None:
            try:
                driver.work()
            except BaseException as wrong:
                into.append(wrong)

        worker = threading.Thread(target=work)
        worker.start()
        time.sleep(chance.uniform(0.05, 1.5))
        host.kill()
        worker.join(60)
        where = f"kill {number} of seed {seed}"
        assert not worker.is_alive(), where
        assert not failed, f"{where}: {failed}"
        host.up()
        client.connect()
        try:
            driver.check()
        except AssertionError as wrong:
            raise AssertionError(f"{where}: {wrong}") from wrong
    assert driver.count > kills, "too little happened to mean anything"
    host.down()
    assert not Scratch(host.state.resolve()).every()
