"""kill -9 at random moments: what was acknowledged is there, and what was cut short says so."""

from __future__ import annotations

import os
import random
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.running import Rehearsal, started

ROUNDS = 4
SOAK_ROUNDS = 50
API = {"api-version": "2024-10-01-preview"}
SCORE = "import json\ndef init(): pass\ndef run(raw): return {'echo': json.loads(raw)}\n"
ENDED = {"Completed", "Failed", "Canceled"}


@dataclass
class Acknowledged:
    """What the host said yes to."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    assets: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)


class Team:
    """Clients that work until the host dies under them."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.rehearsal = rehearsal
        self.said_yes = Acknowledged()
        self.count = 0

    def http(self) -> httpx.Client:
        env = self.rehearsal.env
        return httpx.Client(
            proxy=env["HTTPS_PROXY"],
            verify=ssl.create_default_context(cafile=env["SSL_CERT_FILE"]),
            trust_env=False,
            timeout=30,
        )

    def token(self, http: httpx.Client, scope: str) -> str:
        env = self.rehearsal.env
        answer = http.post(
            f"https://login.microsoftonline.com/{env['AZURE_TENANT_ID']}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": env["AZURE_CLIENT_ID"],
                "client_secret": env["AZURE_CLIENT_SECRET"],
                "scope": f"{scope}/.default",
            },
        )
        return str(answer.json()["access_token"])

    @property
    def workspace(self) -> str:
        env = self.rehearsal.env
        return (
            f"https://management.azure.com/subscriptions/{env['AZURE_SUBSCRIPTION_ID']}"
            f"/resourceGroups/{env['AZURE_RESOURCE_GROUP']}/providers"
            f"/Microsoft.MachineLearningServices/workspaces/{env['AZUREML_WORKSPACE_NAME']}"
        )

    def blob(self, name: str) -> str:
        account = self.rehearsal.env["AZURE_STORAGE_ACCOUNT"]
        return f"https://{account}.blob.core.windows.net/kept/{name}"

    def upload(self, http: httpx.Client, headers: dict[str, str], number: int) -> None:
        """A blob in one piece, and one in blocks."""
        name, data = f"blob-{number}", os.urandom(random.choice([1, 70_000, 900_000]))
        if number % 2:
            for part in range(3):
                query = {"comp": "block", "blockid": f"{part:04}"}
                http.put(self.blob(name), content=data, params=query, headers=headers)
            body = "".join(f"<Latest>{p:04}</Latest>" for p in range(3))
            answer = http.put(
                self.blob(name),
                content=f"<BlockList>{body}</BlockList>",
                params={"comp": "blocklist"},
                headers=headers,
            )
            data *= 3
        else:
            kind = {"x-ms-blob-type": "BlockBlob"}
            answer = http.put(self.blob(name), content=data, headers=headers | kind)
        if answer.status_code == 201:
            self.said_yes.blobs[name] = data

    def register(self, http: httpx.Client, headers: dict[str, str], number: int) -> None:
        url = f"{self.workspace}/data/kept-{number}/versions/1"
        body = {
            "properties": {
                "dataType": "uri_file",
                "dataUri": f"azureml://datastores/workspaceblobstore/paths/{number}.csv",
            }
        }
        if http.put(url, json=body, params=API, headers=headers).status_code in (200, 201):
            self.said_yes.assets.append(url)

    def submit(self, http: httpx.Client, headers: dict[str, str], number: int) -> None:
        url = f"{self.workspace}/jobs/job-{number}"
        body = {
            "properties": {
                "jobType": "Command",
                "command": "sleep 1; echo done",
                "environmentId": f"{self.workspace.removeprefix('https://management.azure.com')}"
                "/environments/plain/versions/1",
                "experimentName": "kill",
            }
        }
        if http.put(url, json=body, params=API, headers=headers).status_code in (200, 201):
            self.said_yes.jobs.append(url)

    def work(self, act: Callable[..., None], audience: str, *, pause_s: float) -> None:
        try:
            with self.http() as http:
                headers = {
                    "authorization": f"Bearer {self.token(http, audience)}",
                    "x-ms-version": "2023-11-03",
                }
                while True:
                    self.count += 1
                    act(http, headers, self.count)
                    time.sleep(pause_s)
        except (httpx.HTTPError, OSError, KeyError, ValueError):
            return  # the host is dead

    def busy(self) -> list[threading.Thread]:
        arm, storage = "https://management.azure.com", "https://storage.azure.com"
        jobs: list[tuple[Callable[..., None], str, float]] = [
            (self.upload, storage, 0.0),
            (self.upload, storage, 0.0),
            (self.register, arm, 0.0),
            (self.submit, arm, 0.2),
        ]
        threads = [
            threading.Thread(target=self.work, args=(act, audience), kwargs={"pause_s": pause})
            for act, audience, pause in jobs
        ]
        for thread in threads:
            thread.start()
        return threads

    def check(self) -> None:
        """Everything acknowledged is there and whole; every job comes to an honest end."""
        with self.http() as http:
            token = self.token(http, "https://storage.azure.com")
            headers = {"authorization": f"Bearer {token}", "x-ms-version": "2023-11-03"}
            for name, data in self.said_yes.blobs.items():
                assert http.get(self.blob(name), headers=headers).content == data, name
            token = self.token(http, "https://management.azure.com")
            headers = {"authorization": f"Bearer {token}"}
            for url in self.said_yes.assets:
                assert http.get(url, params=API, headers=headers).status_code == 200, url
            for url in self.said_yes.jobs:
                found = http.get(url, params=API, headers=headers)
                assert found.status_code == 200, url


def prepared(rehearsal: Rehearsal) -> Team:
    team = Team(rehearsal)
    with team.http() as http:
        headers = {
            "authorization": f"Bearer {team.token(http, 'https://storage.azure.com')}",
            "x-ms-version": "2023-11-03",
        }
        made = http.put(team.blob("").rstrip("/") + "?restype=container", headers=headers)
        assert made.status_code == 201
        arm = {"authorization": f"Bearer {team.token(http, 'https://management.azure.com')}"}
        body = {"properties": {"image": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"}}
        url = f"{team.workspace}/environments/plain/versions/1"
        assert http.put(url, json=body, params=API, headers=arm).status_code == 201
    return team


def deployed(rehearsal: Rehearsal, tmp_path: Path, env_patch: pytest.MonkeyPatch) -> Any:
    """An endpoint that echoes, by the real client; its name."""
    for name, value in rehearsal.env.items():
        env_patch.setenv(name, value)
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import (
        CodeConfiguration,
        ManagedOnlineDeployment,
        ManagedOnlineEndpoint,
    )
    from azure.identity import ClientSecretCredential

    env = rehearsal.env
    client = MLClient(
        ClientSecretCredential(
            env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"]
        ),
        env["AZURE_SUBSCRIPTION_ID"],
        env["AZURE_RESOURCE_GROUP"],
        env["AZUREML_WORKSPACE_NAME"],
    )
    (tmp_path / "score").mkdir()
    (tmp_path / "score" / "score.py").write_text(SCORE)
    endpoint = client.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name="survives", auth_mode="key")
    ).result()
    client.online_deployments.begin_create_or_update(
        ManagedOnlineDeployment(
            name="blue",
            endpoint_name="survives",
            environment="plain:1",
            code_configuration=CodeConfiguration(
                code=str(tmp_path / "score"), scoring_script="score.py"
            ),
            instance_type="Standard_F2s_v2",
            instance_count=1,
        )
    ).result()
    endpoint.traffic = {"blue": 100}
    client.online_endpoints.begin_create_or_update(endpoint).result()
    return client.online_endpoints.get_keys("survives").primary_key


def serves(team: Team, key: str) -> bool:
    with team.http() as http:
        answer = http.post(
            "https://survives.eastus.inference.ml.azure.com/score",
            json={"a": 1},
            headers={"authorization": f"Bearer {key}"},
        )
    return answer.status_code == 200 and answer.json() == {"echo": {"a": 1}}


def _kill_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rounds: int) -> None:
    seed = int(os.environ.get("KILL_SEED", time.time_ns() % 10**6))
    print("KILL_SEED", seed)
    random.seed(seed)
    monkeypatch.setenv("REHEARSAL_RUNTIME", "host")
    monkeypatch.setenv("REHEARSAL_MLFLOW", "false")
    with started(tmp_path / "state") as rehearsal:
        team = prepared(rehearsal)
        with pytest.MonkeyPatch.context() as patch:
            key = deployed(rehearsal, tmp_path, patch)
        for _ in range(rounds):
            threads = team.busy()
            time.sleep(random.uniform(0.05, 1.5))
            rehearsal.kill()
            for thread in threads:
                thread.join()
            rehearsal.up()
            team.check()
            assert serves(team, key), "the endpoint must serve again without being redeployed"
        assert team.said_yes.blobs
        assert team.said_yes.assets
        _all_jobs_end(team)


def _all_jobs_end(team: Team) -> None:
    deadline = time.monotonic() + 60
    with team.http() as http:
        token = team.token(http, "https://management.azure.com")
        for url in team.said_yes.jobs:
            while True:
                found = http.get(url, params=API, headers={"authorization": f"Bearer {token}"})
                if found.json()["properties"]["status"] in ENDED:
                    break
                assert time.monotonic() < deadline, url
                time.sleep(0.2)


def test_what_was_acknowledged_survives_kill_9(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _kill_rounds(tmp_path, monkeypatch, ROUNDS)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_what_was_acknowledged_survives_kill_9_fifty_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _kill_rounds(tmp_path, monkeypatch, SOAK_ROUNDS)
