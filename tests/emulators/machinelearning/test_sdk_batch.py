"""Batch endpoints by the unmodified Azure ML client, on the real host, in real environments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.emulators.scoring import models

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
