"""A host that is killed: what was deployed serves again, what was begun ends, nothing is left."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from emulators.machinelearning.engine.endpoints.scratch import Scratch
from tests.running import Rehearsal, started

SCRIPT = """
import json, os, time

def init():
    time.sleep(float(os.environ.get("INIT", "0")))
    if os.environ.get("BROKEN"):
        raise RuntimeError("broken on purpose")

def run(raw):
    time.sleep(json.loads(raw).get("sleep", 0))
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "weights/w.txt")) as file:
        weights = file.read()
    return {"release": os.environ["RELEASE"], "pid": os.getpid(), "weights": weights,
            "model_dir": os.environ["AZUREML_MODEL_DIR"]}
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """A host of this module's own, which it may kill."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REHEARSAL_MLFLOW", "false")
        with started(tmp_path_factory.mktemp("stops"), "--runtime", "host") as running:
            yield running
    assert not workers(running.state)
    assert not Scratch(running.state.resolve()).every()


@pytest.fixture
def ml(host: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """A client of the host as it is now; its ports change with every start."""

    def client() -> Any:
        for name, value in host.env.items():
            monkeypatch.setenv(name, value)
        from azure.ai.ml import MLClient
        from azure.identity import ClientSecretCredential

        env = host.env
        credential = ClientSecretCredential(
            env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"]
        )
        return MLClient(
            credential,
            env["AZURE_SUBSCRIPTION_ID"],
            env["AZURE_RESOURCE_GROUP"],
            env["AZUREML_WORKSPACE_NAME"],
        )

    return client


def workers(state: Path) -> list[psutil.Process]:
    """Worker processes that were started for this state folder."""
    marks = [str(folder) for folder in Scratch(state.resolve()).every()] or ["/nowhere"]
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            ours = any(word.startswith(mark) for word in words for mark in marks)
            if ours or any(str(state) in word for word in words if "worker.py" in " ".join(words)):
                found.append(process)
        except psutil.Error:
            continue
    return found


def deployment(folder: Path, name: str, **variables: str) -> Any:
    from azure.ai.ml.entities import (
        CodeConfiguration,
        Environment,
        ManagedOnlineDeployment,
        Model,
    )

    (folder / "code").mkdir(exist_ok=True)
    (folder / "code/score.py").write_text(SCRIPT)
    (folder / "model/weights").mkdir(parents=True, exist_ok=True)
    (folder / "model/weights/w.txt").write_text("weighty")
    (folder / "conda.yml").write_text("name: bare\ndependencies:\n- python=3.11\n")
    return ManagedOnlineDeployment(
        name=name,
        endpoint_name="stops",
        model=Model(name="weights", path=str(folder / "model/weights"), type="custom_model"),
        environment=Environment(
            name="bare", image="mcr/none", conda_file=str(folder / "conda.yml")
        ),
        code_configuration=CodeConfiguration(code=str(folder / "code"), scoring_script="score.py"),
        instance_type="Standard_DS3_v2",
        instance_count=2,
        environment_variables={"RELEASE": name, **variables},
    )


def ask(key: str, name: str = "", **body: Any) -> requests.Response:
    named = {"azureml-model-deployment": name} if name else {}
    return requests.post(
        "https://stops.eastus.inference.ml.azure.com/score",
        json=body,
        headers={"authorization": f"Bearer {key}", **named},
        timeout=60,
    )


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stopped-code")


@pytest.fixture
def key(ml: Callable[[], Any], shared_folder: Path) -> str:
    """The key of an endpoint whose blue has all traffic, made by the first test that wants it."""
    client = ml()
    from azure.ai.ml.entities import ManagedOnlineEndpoint
    from azure.core.exceptions import ResourceNotFoundError

    try:
        client.online_endpoints.get("stops")
    except ResourceNotFoundError:
        made = client.online_endpoints.begin_create_or_update(
            ManagedOnlineEndpoint(name="stops", auth_mode="key")
        ).result()
        client.online_deployments.begin_create_or_update(deployment(shared_folder, "blue")).result()
        made.traffic = {"blue": 100}
        client.online_endpoints.begin_create_or_update(made).result()
    found: str = client.online_endpoints.get_keys("stops").primary_key
    return found


def killed(host: Rehearsal, ml: Callable[[], Any]) -> Any:
    """Kill the host and start it again; a new client."""
    before = workers(host.state)
    host.kill()
    deadline = time.monotonic() + 5
    while any(p.is_running() and p.status() != "zombie" for p in before):
        assert time.monotonic() < deadline, "a worker outlived its host"
        time.sleep(0.05)
    host.up()
    return ml()


def test_what_was_deployed_serves_again(host: Rehearsal, ml: Callable[[], Any], key: str) -> None:
    before = ask(key).json()
    assert before["weights"] == "weighty"
    parts = before["model_dir"].split("/")
    assert parts[3:] == ["azureml-models", "weights", "1"]  # as /var/azureml-app/… has it
    scratch = set(Scratch(host.state.resolve()).every())
    client = killed(host, ml)
    again = ask(key).json()
    assert (again["release"], again["weights"]) == ("blue", "weighty")
    assert again["pid"] != before["pid"]
    assert client.online_deployments.get("blue", "stops").provisioning_state == "Succeeded"
    now = set(Scratch(host.state.resolve()).every())
    assert not now & scratch, "what the killed host left is still there"


def test_deployments_that_were_begun_are_finished_or_fail(
    host: Rehearsal, ml: Callable[[], Any], key: str, shared_folder: Path
) -> None:
    """Killed while one is made, one is changed and one is about to fail; blue serves on."""
    client = ml()
    begun = [
        client.online_deployments.begin_create_or_update(
            deployment(shared_folder, name, INIT="1.5", **more)
        )
        for name, more in (
            ("green", {}),
            ("blue", {"NEW": "1"}),
            ("red", {"BROKEN": "1"}),
        )
    ]
    operations = [
        p.polling_method()._initial_response.http_response.headers["azure-asyncoperation"]
        for p in begun
    ]
    time.sleep(0.5)
    client = killed(host, ml)
    assert ask(key).json()["release"] == "blue"
    deadline = time.monotonic() + 60
    wanted = {"green": "Succeeded", "blue": "Succeeded", "red": "Failed"}
    while time.monotonic() < deadline:
        found = {n: client.online_deployments.get(n, "stops").provisioning_state for n in wanted}
        if found == wanted:
            break
        time.sleep(0.2)
    assert found == wanted
    token = client._credential.get_token("https://management.azure.com/.default").token
    ends = [
        requests.get(url, headers={"authorization": f"Bearer {token}"}, timeout=30).json()
        for url in operations
    ]
    assert [end["status"] for end in ends] == ["Succeeded", "Succeeded", "Failed"]
    assert "broken on purpose" in ends[2]["error"]["message"]
    assert ask(key, "green").json()["release"] == "green"
    assert ask(key, "red").status_code == 424
    live = {p.pid for p in workers(host.state)}
    assert len(live) == 4, "two instances of each that serves"
    client.online_deployments.begin_delete("red", "stops").result()


def test_a_failed_update_still_serves_the_old_after_a_kill(
    host: Rehearsal, ml: Callable[[], Any], key: str, shared_folder: Path
) -> None:
    from azure.core.exceptions import HttpResponseError

    client = ml()
    with pytest.raises(HttpResponseError, match="broken on purpose"):
        client.online_deployments.begin_create_or_update(
            deployment(shared_folder, "green", BROKEN="1")
        ).result()
    client = killed(host, ml)
    assert ask(key, "green").json()["release"] == "green"
    assert client.online_deployments.get("green", "stops").provisioning_state == "Failed"


def test_a_kill_amid_requests_loses_only_those(
    host: Rehearsal, ml: Callable[[], Any], key: str
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        cut = [pool.submit(ask, key, sleep=3) for _ in range(2)]
        time.sleep(0.5)
        killed(host, ml)
        for one in cut:
            assert one.exception() is not None
    assert ask(key).status_code == 200


def test_what_ends_in_order_leaves_nothing(
    host: Rehearsal, ml: Callable[[], Any], key: str
) -> None:
    before = workers(host.state)
    assert before
    host.down()
    assert not [p for p in before if p.is_running()]
    assert not Scratch(host.state.resolve()).every()
    host.up()
    client = ml()
    assert ask(key).status_code == 200
    client.online_endpoints.begin_delete("stops").result()
    removed = host.state / "endpoints/.removed"
    deadline = time.monotonic() + 10
    while (workers(host.state) or any(removed.iterdir())) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not workers(host.state)
    assert not [p for p in (host.state / "endpoints").rglob("*") if p.is_file()]
    names = json.loads((host.state / "secrets.json").read_text())
    assert not [name for name in names if "ml/endpoint" in name]
