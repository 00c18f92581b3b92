"""Batch endpoints by the unmodified Azure ML client, on the real host, in real environments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.emulators.scoring import models
from tests.estate import ML, Estate
from tests.running import Rehearsal

CONDA = "name: bare\ndependencies:\n- python=3.11\n"
SCRIPT = """
import logging, os, sys

def init():
    global model
    folder = os.environ["AZUREML_MODEL_DIR"]
    (name,) = os.listdir(folder)
    with open(os.path.join(folder, name)) as file:
        model = int(file.read())
    print("factor", model)

def run(mini_batch):
    logging.getLogger("mine").info("got %d files", len(mini_batch))
    out = []
    for path in mini_batch:
        assert os.path.isabs(path)
        with open(path) as file:
            text = file.read().strip()
        if text == "bad":
            raise ValueError("bad file")
        out.append("%s %s" % (os.path.basename(path), int(text) * model))
    return out
"""


@pytest.fixture(autouse=True)
def no_deployment_left() -> None:
    """The SDK keeps the deployment's header of one call for all later ones."""
    from azure.ai.ml.constants._endpoint import EndpointInvokeFields as Fields

    Fields.DEFAULT_HEADER.pop(Fields.MODEL_DEPLOYMENT, None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("batch")
    (made / "code").mkdir()
    (made / "code/score.py").write_text(SCRIPT)
    (made / "conda.yml").write_text(CONDA)
    (made / "factor.txt").write_text("3")
    (made / "numbers").mkdir()
    for n in range(25):
        (made / "numbers" / f"n{n:02}.txt").write_text(str(n))
    return made


def deployment(folder: Path, endpoint: str, name: str, **more: Any) -> Any:
    from azure.ai.ml.entities import (
        BatchRetrySettings,
        CodeConfiguration,
        Environment,
        Model,
        ModelBatchDeployment,
        ModelBatchDeploymentSettings,
    )

    settings = {
        "mini_batch_size": 4,
        "instance_count": 1,
        "max_concurrency_per_instance": 2,
        "output_file_name": "predictions.csv",
        "retry_settings": BatchRetrySettings(max_retries=1, timeout=30),
        **more.pop("settings", {}),
    }
    return ModelBatchDeployment(
        name=name,
        endpoint_name=endpoint,
        model=Model(name="factor", version="1", path=str(folder / "factor.txt")),
        environment=Environment(
            name="bare", image="mcr/none", conda_file=str(folder / "conda.yml")
        ),
        code_configuration=CodeConfiguration(code=str(folder / "code"), scoring_script="score.py"),
        compute="cpu-cluster",
        settings=ModelBatchDeploymentSettings(**settings),
        **more,
    )


@pytest.fixture(scope="module")
def endpoint(ml_client: Any, folder: Path) -> str:
    """A batch endpoint whose default is `main`."""
    from azure.ai.ml.entities import BatchEndpoint

    made = ml_client.batch_endpoints.begin_create_or_update(
        BatchEndpoint(name="sdk-batch", tags={"a": "b"})
    ).result()
    assert made.provisioning_state == "Succeeded"
    assert made.scoring_uri == "https://sdk-batch.eastus.inference.ml.azure.com/jobs"
    up = ml_client.batch_deployments.begin_create_or_update(
        deployment(folder, "sdk-batch", "main")
    ).result()
    assert up.provisioning_state == "Succeeded"
    assert up.mini_batch_size == 4
    assert up.retry_settings.timeout == 30
    made = ml_client.batch_endpoints.get("sdk-batch")
    made.defaults = {"deployment_name": "main"}
    ml_client.batch_endpoints.begin_create_or_update(made).result()
    assert ml_client.batch_endpoints.get("sdk-batch").defaults.deployment_name == "main"
    return "sdk-batch"


def predictions(ml_client: Any, job: str, folder: Path) -> list[str]:
    """The lines of a job's `score` output, sorted."""
    ml_client.jobs.download(job, download_path=str(folder), output_name="score")
    (found,) = folder.rglob("predictions.csv")
    return sorted(found.read_text().splitlines())


def test_a_folder_is_scored_by_a_script(
    ml_client: Any, endpoint: str, folder: Path, tmp_path: Path
) -> None:
    from azure.ai.ml import Input

    job = ml_client.batch_endpoints.invoke(
        endpoint_name=endpoint, input=Input(type="uri_folder", path=str(folder / "numbers"))
    )
    assert job.name
    ml_client.jobs.stream(job.name)
    done = ml_client.jobs.get(job.name)
    assert done.status == "Completed"
    assert done.tags["azureml.batchrun"] == "true"
    assert done.experiment_name == endpoint
    found = predictions(ml_client, job.name, tmp_path)
    assert found == sorted(f"n{n:02}.txt {3 * n}" for n in range(25))
    assert job.name in [one.name for one in ml_client.batch_endpoints.list_jobs(endpoint)]
    named = ml_client.batch_deployments.list_jobs(endpoint, name="main")
    assert job.name in [one.name for one in named]
    (child,) = ml_client.jobs.list(parent_job_name=job.name)
    assert child.display_name == "batchscoring"


@pytest.fixture(scope="module")
def nocode(ml_client: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An endpoint whose deployment is an MLflow model without code."""
    from azure.ai.ml.entities import (
        BatchEndpoint,
        Model,
        ModelBatchDeployment,
        ModelBatchDeploymentSettings,
    )

    saved = models.MODELS["forest"](tmp_path_factory.mktemp("model") / "forest")
    model = ml_client.models.create_or_update(
        Model(name="batch-forest", path=str(saved), type="mlflow_model")
    )
    ml_client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="sdk-nocode")).result()
    ml_client.batch_deployments.begin_create_or_update(
        ModelBatchDeployment(
            name="forest",
            endpoint_name="sdk-nocode",
            model=f"{model.name}:{model.version}",
            compute="cpu-cluster",
            settings=ModelBatchDeploymentSettings(mini_batch_size=2),
        )
    ).result()
    return "sdk-nocode"


def test_a_model_without_code_scores_csv_and_parquet(
    ml_client: Any, nocode: str, tmp_path: Path
) -> None:
    """Row number, prediction and file name of every row, as the model itself predicts them."""
    import mlflow
    import pandas as pd
    from azure.ai.ml import Input

    frame, _ = models.people(90)
    (tmp_path / "rows/below").mkdir(parents=True)
    frame[:40].to_csv(tmp_path / "rows/a.csv", index=False)
    frame[40:60].to_csv(tmp_path / "rows/b.csv", index=False)
    frame[60:].to_parquet(tmp_path / "rows/c.parquet", index=False)
    frame.to_csv(tmp_path / "rows/below/ignored.csv", index=False)
    job = ml_client.batch_endpoints.invoke(
        endpoint_name=nocode,
        deployment_name="forest",
        inputs={"anything": Input(type="uri_folder", path=str(tmp_path / "rows"))},
        experiment_name="weekly",
        params_override=[{"mini_batch_size": 1}],
    )
    ml_client.jobs.stream(job.name)
    assert ml_client.jobs.get(job.name).experiment_name == "weekly"
    lines = predictions(ml_client, job.name, tmp_path / "got")
    got = pd.DataFrame([line.split(",") for line in lines], columns=["row", "prediction", "file"])
    got = got.astype({"row": int, "prediction": int}).sort_values(["file", "row"])
    ml_client.models.download("batch-forest", "1", download_path=str(tmp_path / "model"))
    (found,) = (tmp_path / "model").rglob("MLmodel")
    predicted = mlflow.pyfunc.load_model(str(found.parent)).predict(frame)
    assert got.prediction.tolist() == list(predicted)
    assert got.row.tolist() == [*range(40), *range(20), *range(30)]
    assert got.file.value_counts().to_dict() == {"a.csv": 40, "b.csv": 20, "c.parquet": 30}


STEP = """
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
name: {name}
version: "1"
type: command
inputs:
  data: {{type: uri_folder}}
  factor: {{type: integer, default: 2}}
outputs:
  made: {{type: uri_folder}}
code: ./step
environment:
  image: mcr/none
  conda_file: ./conda.yml
command: python step.py ${{{{inputs.data}}}} ${{{{inputs.factor}}}} ${{{{outputs.made}}}}
"""
PIPELINE = """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineComponent.schema.json
name: times
version: "1"
type: pipeline
inputs:
  numbers: {type: uri_folder}
  factor: {type: integer, default: 5}
outputs:
  products: {type: uri_folder}
jobs:
  multiply:
    type: command
    component: ./step.yml
    inputs:
      data: ${{parent.inputs.numbers}}
      factor: ${{parent.inputs.factor}}
    outputs:
      made: ${{parent.outputs.products}}
"""
MULTIPLY = """
import os, sys
source, factor, target = sys.argv[1:]
for name in os.listdir(source):
    with open(os.path.join(source, name)) as a, open(os.path.join(target, name), "w") as b:
        b.write(str(int(a.read()) * int(factor)))
"""


def test_a_pipeline_component_runs_with_data_and_literals(
    ml_client: Any, folder: Path, tmp_path: Path
) -> None:
    from azure.ai.ml import Input, load_component
    from azure.ai.ml.entities import BatchEndpoint, PipelineComponentBatchDeployment

    (folder / "step").mkdir()
    (folder / "step/step.py").write_text(MULTIPLY)
    (folder / "step.yml").write_text(STEP.format(name="multiply"))
    (folder / "pipeline.yml").write_text(PIPELINE)
    component = ml_client.components.create_or_update(load_component(folder / "pipeline.yml"))
    ml_client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="sdk-pipeline")).result()
    ml_client.batch_deployments.begin_create_or_update(
        PipelineComponentBatchDeployment(
            name="main",
            endpoint_name="sdk-pipeline",
            component=component,
            settings={"default_compute": "cpu-cluster", "continue_on_step_failure": "false"},
        )
    ).result()
    endpoint = ml_client.batch_endpoints.get("sdk-pipeline")
    endpoint.defaults.deployment_name = "main"
    ml_client.batch_endpoints.begin_create_or_update(endpoint).result()
    numbers = Input(type="uri_folder", path=str(folder / "numbers"))
    for given, factor in (({}, 5), ({"factor": Input(type="integer", default=7)}, 7)):
        job = ml_client.batch_endpoints.invoke(
            endpoint_name="sdk-pipeline", inputs={"numbers": numbers, **given}
        )
        ml_client.jobs.stream(job.name)
        done = ml_client.jobs.get(job.name)
        assert done.status == "Completed"
        assert done.tags["azureml.jobtype"] == "azureml.pipelinejob"
        into = tmp_path / str(factor)
        ml_client.jobs.download(job.name, download_path=str(into), output_name="products")
        made = {p.name: int(p.read_text()) for p in into.rglob("*.txt")}
        assert made == {f"n{n:02}.txt": n * factor for n in range(25)}
    assert len(ml_client.batch_endpoints.list_jobs("sdk-pipeline")) == 2
    from azure.core.exceptions import HttpResponseError

    for wrong in ({}, {"numbers": numbers, "other": Input(type="string", default="x")}):
        with pytest.raises(HttpResponseError) as refused:
            ml_client.batch_endpoints.invoke(endpoint_name="sdk-pipeline", inputs=wrong)
        assert refused.value.status_code == 400
    with pytest.raises(HttpResponseError):
        ml_client.batch_endpoints.invoke(
            endpoint_name="sdk-pipeline",
            inputs={"numbers": numbers, "factor": Input(type="string", default="many")},
        )


def test_deployments_are_updated_and_removed(ml_client: Any, folder: Path) -> None:
    from azure.ai.ml.entities import BatchEndpoint
    from azure.core.exceptions import ResourceNotFoundError

    ml_client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="sdk-gone")).result()
    for size in (3, 5):
        made = deployment(folder, "sdk-gone", "main", settings={"mini_batch_size": size})
        ml_client.batch_deployments.begin_create_or_update(made).result()
        assert ml_client.batch_deployments.get("main", "sdk-gone").mini_batch_size == size
    assert [one.name for one in ml_client.batch_deployments.list("sdk-gone")] == ["main"]
    assert "sdk-gone" in [one.name for one in ml_client.batch_endpoints.list()]
    ml_client.batch_deployments.begin_delete("main", "sdk-gone").result()
    assert not list(ml_client.batch_deployments.list("sdk-gone"))
    ml_client.batch_endpoints.begin_delete("sdk-gone").result()
    with pytest.raises(ResourceNotFoundError):
        ml_client.batch_endpoints.get("sdk-gone")


def test_a_job_that_fails_says_why(ml_client: Any, endpoint: str, tmp_path: Path) -> None:
    from azure.ai.ml import Input
    from azure.ai.ml.exceptions import JobException

    (tmp_path / "in").mkdir()
    (tmp_path / "in/one.txt").write_text("bad")
    job = ml_client.batch_endpoints.invoke(
        endpoint_name=endpoint,
        deployment_name="main",
        input=Input(type="uri_folder", path=str(tmp_path / "in")),
    )
    with pytest.raises(JobException, match="bad file"):
        ml_client.jobs.stream(job.name)
    assert ml_client.jobs.get(job.name).status == "Failed"


def test_roles_decide_who_starts_jobs(
    ml_client: Any, rehearsal: Rehearsal, endpoint: str, folder: Path
) -> None:
    from azure.ai.ml import Input
    from azure.ai.ml.entities import Data
    from azure.core.exceptions import HttpResponseError

    estate = Estate(rehearsal)
    env = rehearsal.env
    workspace = (
        f"/subscriptions/{env['AZURE_SUBSCRIPTION_ID']}/resourceGroups/"
        f"{env['AZURE_RESOURCE_GROUP']}/providers/{ML}/workspaces/{env['AZUREML_WORKSPACE_NAME']}"
    )
    data = ml_client.data.create_or_update(
        Data(name="batch-numbers", version="1", path=str(folder / "numbers"), type="uri_folder")
    )
    numbers = Input(type="uri_folder", path=f"azureml:{data.name}:{data.version}")
    for role, allowed in (("Reader", False), ("AzureML Data Scientist", True)):
        who = estate.identity(f"batch {role}")
        estate.give(who, role, workspace)
        client = estate.client(who.credential, workspace)
        ask = {"endpoint_name": endpoint, "deployment_name": "main", "input": numbers}
        if allowed:
            job = client.batch_endpoints.invoke(**ask)
            client.jobs.stream(job.name)
            assert client.jobs.get(job.name).status == "Completed"
            continue
        with pytest.raises(HttpResponseError) as refused:
            client.batch_endpoints.invoke(**ask)
        assert refused.value.status_code == 403
        assert client.batch_endpoints.list_jobs(endpoint)
