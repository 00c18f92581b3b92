"""Every port on the running emulators: the answers, and the errors that a scenario relies on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from azure_adapters.factory import connect
from azure_adapters.ports import Adapters, Asset, DeploymentFailed, JobFailed
from azure_adapters.settings import load
from scenarios.online_endpoint.scenario import DATA, HERE

ENDPOINT = "ports-of-adapters"
JOB = """
type: command
command: echo so far so good && {command}
environment: azureml:attrition@latest
compute: azureml:cpu-cluster
outputs:
  kept: {{type: uri_folder}}
"""
BROKEN = 'def init():\n    raise OSError("no licence")\n\n\ndef run(raw):\n    return raw\n'
DEPLOYMENT = """
name: broken
endpoint_name: replaced
model: azureml:replaced@latest
environment: azureml:replaced@latest
code_configuration: {code: code, scoring_script: score.py}
instance_type: Standard_DS3_v2
instance_count: 1
"""


@pytest.fixture(scope="module")
def adapters(ml_client: Any) -> Adapters:
    """Connected as a scenario is; `ml_client` keeps the environment set."""
    return connect(load("local"))


@pytest.fixture(scope="module")
def environment(adapters: Adapters) -> Asset:
    return adapters.environments.register(HERE / "environment.yml")


@pytest.fixture(scope="module")
def model(adapters: Adapters, tmp_path_factory: pytest.TempPathFactory) -> Asset:
    folder = tmp_path_factory.mktemp("model")
    flavour = "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n"
    (folder / "MLmodel").write_text(flavour, encoding="utf-8")
    return adapters.models.register("ports", str(folder), {"from": "a test"})


@pytest.fixture
def endpoint(adapters: Adapters) -> Iterator[str]:
    adapters.endpoints.create(HERE / "endpoint.yml", ENDPOINT)
    yield ENDPOINT
    adapters.endpoints.delete(ENDPOINT)


def write_job(folder: Path, command: str) -> Path:
    (folder / "job.yml").write_text(JOB.format(command=command), encoding="utf-8")
    return folder / "job.yml"


def test_data_gets_a_version_each_time_and_is_found(adapters: Adapters, tmp_path: Path) -> None:
    first = adapters.data.register(DATA)
    (tmp_path / "other.csv").write_text("a\n1\n", encoding="utf-8")
    second = adapters.data.register(DATA, path=tmp_path / "other.csv")
    assert int(second.version) == int(first.version) + 1
    assert adapters.data.get("attrition") == second
    assert adapters.data.get("attrition", first.version) == first
    assert first.tags["origin"] == "generated"
    assert first.reference == f"azureml:attrition:{first.version}"


def test_what_is_not_there_is_a_lookup_error(adapters: Adapters) -> None:
    for find in (adapters.data.get, adapters.models.get):
        for version in (None, "3"):
            with pytest.raises(LookupError, match="no nothing-here:"):
                find("nothing-here", version)


def test_tags_are_added_to_those_there_are(adapters: Adapters, model: Asset) -> None:
    tagged = adapters.models.tag(model, {"stage": "candidate"})
    assert tagged.tags == {"from": "a test", "stage": "candidate"}
    assert adapters.models.get("ports", model.version) == tagged


def test_blobs_come_back_and_are_replaced(adapters: Adapters) -> None:
    from azure.core.exceptions import ResourceNotFoundError

    url = adapters.blobs.write("ports", "deep/name.bin", b"one")
    assert adapters.blobs.write("ports", "deep/name.bin", b"two") == url
    assert adapters.blobs.fetch(url) == b"two"
    with pytest.raises(ResourceNotFoundError):
        adapters.blobs.fetch(f"{url}.not")


def test_a_job_streams_and_leaves_its_output(
    adapters: Adapters, environment: Asset, tmp_path: Path
) -> None:
    adapters.computes.ensure(HERE / "compute.yml")
    said: list[str] = []
    job = adapters.jobs.submit(
        write_job(tmp_path, "echo result > ${{outputs.kept}}/file.txt && sleep 2"), {}
    )
    adapters.jobs.wait(job, said.append)
    assert "so far so good" in said
    kept = adapters.jobs.download(job, "kept", tmp_path / "got")
    assert (kept / "file.txt").read_text(encoding="utf-8") == "result\n"
    with pytest.raises(LookupError, match="has no output 'absent'"):
        adapters.jobs.download(job, "absent", tmp_path / "got")


def test_a_failed_job_is_told_with_its_reason(
    adapters: Adapters, environment: Asset, tmp_path: Path
) -> None:
    adapters.computes.ensure(HERE / "compute.yml")
    job = adapters.jobs.submit(write_job(tmp_path, "exit 7"), {})
    with pytest.raises(JobFailed, match=rf"job {job} failed: .*7"):
        adapters.jobs.wait(job, lambda line: None)


def test_a_deployment_that_does_not_start_is_told_with_its_log(
    adapters: Adapters, environment: Asset, model: Asset, endpoint: str, tmp_path: Path
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "score.py").write_text(BROKEN, encoding="utf-8")
    (tmp_path / "broken.yml").write_text(DEPLOYMENT, encoding="utf-8")
    with pytest.raises(DeploymentFailed, match="no licence"):
        adapters.endpoints.deploy(tmp_path / "broken.yml", endpoint, model, environment)


def test_an_endpoint_without_traffic_answers_and_is_not_retried(
    adapters: Adapters, endpoint: str
) -> None:
    answer = adapters.endpoints.invoke(endpoint, {})
    assert answer.status == 404
    assert not answer.ok
    adapters.endpoints.delete(endpoint)
    adapters.endpoints.delete(endpoint)
