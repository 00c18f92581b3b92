"""What a registry holds is used by a workspace's jobs and deployments, by its id alone."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.running import Rehearsal

NAME = "used-by-jobs"
HERE = f"azureml://registries/{NAME}"
CONDA = {"name": "plain", "dependencies": ["python=3.11"]}
CODE = """
import pathlib, sys
data, model, out = map(pathlib.Path, sys.argv[1:4])
found = data.read_text() + (model / "weights.txt").read_text()
out.mkdir(parents=True, exist_ok=True)
(out / "joined.txt").write_text(found)
"""
COMPONENT = f"""
name: join
type: command
version: '1'
code: ./src
inputs:
  data: {{type: uri_file}}
  model: {{type: custom_model}}
outputs:
  out: {{type: uri_folder}}
command: python join.py ${{{{inputs.data}}}} ${{{{inputs.model}}}} ${{{{outputs.out}}}}
environment: {HERE}/environments/plain/versions/1
"""
SCRIPT = """
import os, pathlib

def init():
    global said
    root = pathlib.Path(os.environ["AZUREML_MODEL_DIR"])
    said = next(root.rglob("weights.txt")).read_text()

def run(raw):
    return {"said": said}
"""


@pytest.fixture(scope="module")
def registry(ml_client: Any, rehearsal: Rehearsal, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A registry with one environment, data asset, model and component."""
    from azure.ai.ml import MLClient, load_component, load_registry
    from azure.ai.ml.entities import Data, Environment, Model
    from azure.identity import ClientSecretCredential

    text = f"name: {NAME}\nlocation: eastus\nreplication_locations:\n- location: eastus\n"
    ml_client.registries.begin_create(load_registry(io.StringIO(text))).result()
    env, folder = rehearsal.env, tmp_path_factory.mktemp("registry")
    credential = ClientSecretCredential(
        env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"]
    )
    client = MLClient(credential, registry_name=NAME)
    client.environments.create_or_update(
        Environment(
            name="plain",
            version="1",
            image="mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04",
            conda_file=CONDA,
        )
    )
    (folder / "table.csv").write_text("a\n1\n")
    client.data.create_or_update(
        Data(name="table", version="1", path=str(folder / "table.csv"), type="uri_file")
    )
    (folder / "weights").mkdir()
    (folder / "weights/weights.txt").write_text("heavy")
    client.models.create_or_update(
        Model(name="net", version="1", path=str(folder / "weights"), type="custom_model")
    )
    (folder / "src").mkdir()
    (folder / "src/join.py").write_text(CODE)
    (folder / "join.yml").write_text(COMPONENT)
    client.components.create_or_update(load_component(str(folder / "join.yml")))
    return client


def ended(client: Any, name: str, seconds: float = 120) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = client.jobs.get(name).status
        status = str(getattr(found, "value", found))
        if status in ("Completed", "Failed", "Canceled"):
            return status
        time.sleep(0.2)
    raise AssertionError(f"{name} is still {status}")


def test_a_pipeline_takes_component_data_and_model(
    registry: Any, ml_client: Any, tmp_path: Path
) -> None:
    from azure.ai.ml import Input, dsl

    join = registry.components.get("join", version="1")

    def joined() -> dict[str, Any]:
        step = join(
            data=Input(type="uri_file", path=f"{HERE}/data/table/versions/1"),
            model=Input(type="custom_model", path=f"{HERE}/models/net/versions/1"),
        )
        return {"out": step.outputs.out}

    make: Any = dsl.pipeline
    wanted = make(default_compute="cpu-cluster")(joined)()
    job = ml_client.jobs.create_or_update(wanted, experiment_name="registry")
    assert ended(ml_client, job.name) == "Completed"
    ml_client.jobs.download(job.name, output_name="out", download_path=str(tmp_path))
    assert next(tmp_path.rglob("joined.txt")).read_text() == "a\n1\nheavy"


def test_a_command_takes_the_latest_of_an_environment(registry: Any, ml_client: Any) -> None:
    from azure.ai.ml import Input, command

    job = command(
        command="cat ${{inputs.data}}",
        environment=f"{HERE}/environments/plain/labels/latest",
        inputs={"data": Input(type="uri_file", path=f"{HERE}/data/table/versions/1")},
        compute="cpu-cluster",
        experiment_name="registry",
    )
    made = ml_client.jobs.create_or_update(job)
    assert ended(ml_client, made.name) == "Completed"


def test_a_job_says_what_the_registry_lacks(
    registry: Any, ml_client: Any, rehearsal: Rehearsal
) -> None:
    from azure.ai.ml import command

    for missing, said in (
        (f"{HERE}/environments/plain/versions/9", "plain:9 not found in registry"),
        ("azureml://registries/no-such/environments/e/versions/1", "could not be found"),
    ):
        job = command(command="true", environment=missing, compute="cpu-cluster")
        name = ml_client.jobs.create_or_update(job).name
        assert ended(ml_client, name) == "Failed"
        assert said in rehearsal.rehearse("logs", name)


def test_a_deployment_serves_a_model_of_the_registry(
    registry: Any, ml_client: Any, tmp_path: Path
) -> None:
    from azure.ai.ml.entities import (
        CodeConfiguration,
        ManagedOnlineDeployment,
        ManagedOnlineEndpoint,
    )

    (tmp_path / "code").mkdir()
    (tmp_path / "code/score.py").write_text(SCRIPT)
    (tmp_path / "ask.json").write_text("{}")
    ml_client.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name="of-registry", auth_mode="key")
    ).result()
    up = ml_client.online_deployments.begin_create_or_update(
        ManagedOnlineDeployment(
            name="blue",
            endpoint_name="of-registry",
            model=f"{HERE}/models/net/versions/1",
            environment=f"{HERE}/environments/plain/versions/1",
            code_configuration=CodeConfiguration(
                code=str(tmp_path / "code"), scoring_script="score.py"
            ),
            instance_type="Standard_DS3_v2",
            instance_count=1,
        )
    ).result()
    assert up.provisioning_state == "Succeeded"
    said = ml_client.online_endpoints.invoke(
        "of-registry", deployment_name="blue", request_file=str(tmp_path / "ask.json")
    )
    assert json.loads(said) == {"said": "heavy"}
    ml_client.online_endpoints.begin_delete("of-registry").result()
