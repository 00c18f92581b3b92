"""Data collection by the unmodified clients: the real collector package, models without code,
files that pandas and mltable read, and a host that is killed amid it.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.emulators.machinelearning.test_sdk_endpoint_models import COLLECTING, CONDA, DOUBLED
from tests.running import Rehearsal, started

NAME = "sdk-collects"

# Answers with what the collector said, so that the caller knows what was acknowledged.
TELLING = """
import base64, http.client, json, os

def init():
    global link, login
    user, _, host = os.environ["AZUREML_MDC_HOST"].rpartition("@")
    link = http.client.HTTPConnection(host, int(os.environ["AZUREML_MDC_PORT"]))
    login = "Basic " + base64.b64encode(user.encode()).decode()

def run(raw):
    headers = {"Content-Type": "application/json", "ce-type": "azureml.inference.model_inputs",
               "Authorization": login}
    link.request("POST", "/modeldata/log", raw, headers)
    answer = link.getresponse()
    answer.read()
    return answer.status
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("collects")


@pytest.fixture(scope="module")
def endpoint(ml_client: Any) -> str:
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    ml_client.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name=NAME, auth_mode="key")
    ).result()
    return NAME


def deployed(client: Any, name: str, *names: str, **more: Any) -> Any:
    """A deployment that collects under those names."""
    from azure.ai.ml.entities import (
        DataCollector,
        DeploymentCollection,
        ManagedOnlineDeployment,
        OnlineRequestSettings,
    )

    collections = {one: DeploymentCollection(enabled="true") for one in names}
    collector = DataCollector(collections=collections, rolling_rate="hour", sampling_rate=1.0)
    made = client.online_deployments.begin_create_or_update(
        ManagedOnlineDeployment(
            name=name,
            endpoint_name=NAME,
            instance_type="Standard_DS3_v2",
            instance_count=1,
            data_collector=collector,
            request_settings=OnlineRequestSettings(request_timeout_ms=90_000),
            **more,
        )
    ).result()
    assert made.provisioning_state == "Succeeded"
    return made


def invoked(client: Any, work: Path, name: str, body: Any) -> Any:
    file = work / f"{name}.json"
    file.write_text(json.dumps(body))
    said = client.online_endpoints.invoke(NAME, request_file=str(file), deployment_name=name)
    return json.loads(said)


def until(holds: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := holds():
            return found
        time.sleep(0.2)
    raise AssertionError("it did not come to be in time")


def collected(client: Any, work: Path, deployment: str, collection: str) -> list[Path]:
    """The files of a collection, found by its data asset and read by the storage client."""
    from azure.storage.blob import ContainerClient

    asset = client.data.get(f"{NAME}-{deployment}-{collection}", version="1")
    prefix = asset.path.partition("/paths/")[2]
    store = client.datastores.get("workspaceblobstore")
    url = f"https://{store.account_name}.blob.core.windows.net/{store.container_name}"
    container = ContainerClient.from_container_url(url, client._credential)
    files = []
    for blob in container.list_blobs(name_starts_with=prefix):
        file = work / blob.name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(container.download_blob(blob.name).readall())
        files.append(file)
    return files


def lines(client: Any, work: Path, deployment: str, collection: str) -> list[dict[str, Any]]:
    files = collected(client, work, deployment, collection)
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_the_real_package_in_its_own_environment(ml_client: Any, endpoint: str, work: Path) -> None:
    import pandas as pd
    from azure.ai.ml.entities import CodeConfiguration, Environment, Model

    (work / "weights").mkdir()
    (work / "weights/w.txt").write_text("weighty")
    (work / "code").mkdir()
    (work / "code/score.py").write_text(COLLECTING)
    (work / "conda.yml").write_text(CONDA)
    deployed(
        ml_client,
        "script",
        *("model_inputs", "model_outputs", "request", "response"),
        model=Model(name="collected-with", path=str(work / "weights"), type="custom_model"),
        environment=Environment(
            name="served", image="mcr/none", conda_file=str(work / "conda.yml")
        ),
        code_configuration=CodeConfiguration(code=str(work / "code"), scoring_script="score.py"),
    )
    rows = [{"a": 1.0, "b": "x"}, {"a": 2.5, "b": "y"}]
    assert invoked(ml_client, work, "script", {"data": rows})["total"] == 7.0
    (given,) = until(lambda: lines(ml_client, work, "script", "model_inputs"))
    (came,) = until(lambda: lines(ml_client, work, "script", "model_outputs"))
    assert given["data"] == rows
    assert came["data"] == [{"total": 7.0}]
    assert given["correlationid"] == came["correlationid"] == "mine"
    assert given["agent"].startswith("azureml-ai-monitoring/")
    assert given["type"] == "azureml.inference.model_inputs"
    (asked,) = until(lambda: lines(ml_client, work, "script", "request"))
    (said,) = until(lambda: lines(ml_client, work, "script", "response"))
    assert asked["data"] == {"data": rows}
    assert said["data"]["total"] == 7.0
    assert asked["xrequestid"] == said["xrequestid"]

    (file,) = collected(ml_client, work, "script", "model_inputs")
    assert file.relative_to(work).parts[:4] == (
        "modelDataCollector",
        NAME,
        "script",
        "model_inputs",
    )
    assert len(file.relative_to(work).parts) == 9  # year, month, day, hour, file
    frame = pd.read_json(file, lines=True)
    assert list(frame["xrequestid"]) == ["mine"]
    import mltable

    read = mltable.from_json_lines_files([{"file": str(file)}]).to_pandas_dataframe()
    assert read["correlationid"].tolist() == ["mine"]
    shown = ml_client.online_deployments.get("script", endpoint).data_collector
    assert shown.collections["model_inputs"].enabled == "true"
    assert shown.collections["model_inputs"].data.endswith(
        f"/data/{NAME}-script-model_inputs/versions/1"
    )


@pytest.mark.filterwarnings("ignore")  # mlflow's own, while the model is logged
def test_a_model_without_code_collects_by_itself_as_onnx(
    ml_client: Any, endpoint: str, work: Path
) -> None:
    import mlflow
    import pandas as pd
    from azure.ai.ml.entities import Model
    from sklearn.linear_model import LogisticRegression

    frame = pd.DataFrame({"a": [0.1 * n for n in range(60)], "b": list(range(60))})
    fitted = LogisticRegression().fit(frame, (frame["a"] > 3).astype(int))
    mlflow.sklearn.save_model(
        fitted, work / "sk", input_example=frame.head(2), serialization_format="cloudpickle"
    )
    model = Model(name="collects", path=str(work / "sk"), type="mlflow_model")
    deployed(ml_client, "onnx", "model_inputs", "model_outputs", model=model)
    log = ml_client.online_deployments.get_logs("onnx", endpoint, lines=100)
    assert "served as ONNX" in log
    table = {"columns": ["b", "a", "id"], "index": [0, 1],
             "data": [[3, 0.1234567890123, "u1"], [59, 5.9, "u2"]]}  # fmt: skip
    said = invoked(ml_client, work, "onnx", {"input_data": table})
    (given,) = until(lambda: lines(ml_client, work, "onnx", "model_inputs"))
    (came,) = until(lambda: lines(ml_client, work, "onnx", "model_outputs"))
    assert given["data"] == [
        {"b": 3, "a": 0.1234567890, "id": "u1"},
        {"b": 59, "a": 5.9, "id": "u2"},
    ]
    assert came["data"] == [{"0": value} for value in said]
    assert given["correlationid"] == came["correlationid"]
    assert given["collectdatatype"] == "pandas.core.frame.DataFrame"
    # A request that is no ordinary table goes the exact way, and is collected there.
    strange = {"columns": ["a", "b"], "index": [0], "data": [["0.5", 3]]}
    invoked(ml_client, work, "onnx", {"input_data": strange})
    until(lambda: len(lines(ml_client, work, "onnx", "model_outputs")) == 2)


@pytest.mark.filterwarnings("ignore")  # mlflow's own, while the model is logged
def test_a_model_without_code_collects_by_itself_as_it_is(
    ml_client: Any, endpoint: str, work: Path
) -> None:
    import mlflow
    import pandas as pd
    from azure.ai.ml.entities import Environment, Model

    (work / "doubled.py").write_text(DOUBLED)
    example = pd.DataFrame({"a": [1.0]})
    mlflow.pyfunc.save_model(
        work / "py",
        python_model=str(work / "doubled.py"),
        signature=mlflow.models.infer_signature(example, example),
    )
    (work / "conda.yml").write_text(CONDA)
    environment = Environment(name="served", image="mcr/none", conda_file=str(work / "conda.yml"))
    model = Model(name="collects-py", path=str(work / "py"), type="mlflow_model")
    deployed(
        ml_client, "pyfunc", "model_inputs", "model_outputs", model=model, environment=environment
    )
    data = {"input_data": {"columns": ["a"], "index": [0, 1], "data": [[1.5], [4.0]]}}
    assert invoked(ml_client, work, "pyfunc", data) == [{"a": 3.0}, {"a": 8.0}]
    (given,) = until(lambda: lines(ml_client, work, "pyfunc", "model_inputs"))
    (came,) = until(lambda: lines(ml_client, work, "pyfunc", "model_outputs"))
    assert given["data"] == [{"a": 1.5}, {"a": 4.0}]
    assert came["data"] == [{"a": 3.0}, {"a": 8.0}]
    assert given["agent"].startswith("azureml-ai-monitoring/")


def test_nothing_that_was_acknowledged_is_lost_when_the_host_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with started(tmp_path / "state", "--runtime", "host") as host:
        client = _client(host, monkeypatch)
        _telling(client, tmp_path)
        kept: list[str] = []
        for seconds in (0.7, 1.3, 0.2):
            kept += _score_until(host, client, seconds)
        folder = tmp_path / "state/collection"
        until(lambda: not any(folder.iterdir()) or _all_sent(client, tmp_path, kept))
        found = Counter(
            line["data"]["n"] for line in lines(client, tmp_path, "telling", "model_inputs")
        )
    assert len(kept) > 20
    assert set(kept) <= set(found)
    assert set(found.values()) == {1}


def _client(host: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in host.env.items():
        monkeypatch.setenv(name, value)
    from azure.ai.ml import MLClient
    from azure.identity import ClientSecretCredential

    env = host.env
    credential = ClientSecretCredential(
        env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"]
    )
    at = (env["AZURE_SUBSCRIPTION_ID"], env["AZURE_RESOURCE_GROUP"])
    return MLClient(credential, *at, env["AZUREML_WORKSPACE_NAME"])


def _telling(client: Any, folder: Path) -> None:
    from azure.ai.ml.entities import (
        CodeConfiguration,
        Environment,
        ManagedOnlineEndpoint,
    )

    client.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name=NAME, auth_mode="key")
    ).result()
    (folder / "telling").mkdir()
    (folder / "telling/score.py").write_text(TELLING)
    deployed(
        client,
        "telling",
        "model_inputs",
        environment=Environment(name="plain", image="mcr/none"),
        code_configuration=CodeConfiguration(
            code=str(folder / "telling"), scoring_script="score.py"
        ),
    )


def _score_until(host: Rehearsal, client: Any, seconds: float) -> list[str]:
    """Score for so long, kill the host amid it and start it again; what was acknowledged."""
    key = client.online_endpoints.get_keys(NAME).primary_key
    headers = {"authorization": f"Bearer {key}", "azureml-model-deployment": "telling",
               "content-type": "application/json"}  # fmt: skip
    url = f"https://{NAME}.eastus.inference.ml.azure.com/score"
    kept: list[str] = []
    end, session = time.monotonic() + seconds, requests.Session()
    while time.monotonic() < end:
        name = f"{seconds}-{len(kept)}"
        answer = session.post(url, json={"n": name}, headers=headers, timeout=30)
        assert answer.text == "200", answer.text
        kept.append(name)
    host.kill()
    host.up()
    os.environ.update(host.env)  # it listens elsewhere now
    return kept


def _all_sent(client: Any, folder: Path, kept: list[str]) -> bool:
    found = {line["data"]["n"] for line in lines(client, folder, "telling", "model_inputs")}
    return set(kept) <= found
