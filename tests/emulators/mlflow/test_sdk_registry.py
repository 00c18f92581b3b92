"""The model registry by the real MLflow client, and the same rows in Azure ML's model table."""

from __future__ import annotations

from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sklearn.linear_model import LogisticRegression

from tests.emulators.mlflow.conftest import Tracking

# MLflow's own imports warn of its own type hints.
pytestmark = pytest.mark.filterwarnings("ignore")

ROWS = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 2.0], [2.0, 0.0]])


def logged(experiment: str, name: str = "model") -> tuple[str, str]:
    """Train and log a model; its run id and the client's own URI of it."""
    mlflow.set_experiment(experiment)
    with mlflow.start_run() as run:
        fitted = LogisticRegression().fit(ROWS, [0, 1, 0, 1])
        info = mlflow.sklearn.log_model(
            fitted, name=name, serialization_format="cloudpickle", pip_requirements=["scikit-learn"]
        )
    return run.info.run_id, info.model_uri


def test_log_register_load(client: MlflowClient, tracking: Tracking) -> None:
    run_id, uri = logged("registry")
    by_run = mlflow.register_model(f"runs:/{run_id}/model", "attrition", tags={"by": "run"})
    by_uri = mlflow.register_model(uri, "attrition")
    assert (by_run.version, by_uri.version) == ("1", "2")
    for version in ("1", "2", "latest"):
        found = mlflow.pyfunc.load_model(f"models:/attrition/{version}")
        assert list(found.predict(ROWS)) == [0, 1, 0, 1]
    inside = tracking.arm("GET", "/models/attrition/versions/1")["properties"]
    assert inside["modelType"] == "mlflow_model"
    assert "sklearn" in inside["flavors"]
    assert inside["tags"] == {"by": "run"}
    place = "/datastores/workspaceartifactstore/paths/ExperimentRun/dcid."
    assert inside["modelUri"].startswith("azureml://subscriptions/")
    assert place in inside["modelUri"]
    assert tracking.arm("GET", "/models/attrition")["properties"]["latestVersion"] == "2"
    for version in ("1", "2"):
        assert client.get_model_version("attrition", version).run_id == run_id
        inside = tracking.arm("GET", f"/models/attrition/versions/{version}")["properties"]
        assert inside["jobName"] == run_id
        assert inside["properties"]["mlflow.modelId"] == uri.removeprefix("models:/")


def test_a_logged_model_is_among_its_run_s_files(client: MlflowClient, tracking: Tracking) -> None:
    run_id, uri = logged("files-of-models")
    assert [f.path for f in client.list_artifacts(run_id)] == ["model"]
    listed = [f.path for f in client.list_artifacts(run_id, "model")]
    assert listed.count("model/MLmodel") == 1
    place = f"azureml://jobs/{run_id}/outputs/artifacts/paths/model/"
    inside = {"modelType": "mlflow_model", "modelUri": place}
    tracking.arm("PUT", "/models/by-job-path/versions/1", {"properties": inside})
    loaded = mlflow.pyfunc.load_model("models:/by-job-path/1")
    assert list(loaded.predict(ROWS)) == [0, 1, 0, 1]
    assert mlflow.register_model(uri, "by-job-path").version == "2"


def test_models_of_one_name_in_one_run_stay_apart(client: MlflowClient) -> None:
    mlflow.set_experiment("checkpoints")
    uris = []
    with mlflow.start_run():
        for turn, labels in enumerate(([0, 1, 0, 1], [1, 0, 1, 0])):
            info = mlflow.sklearn.log_model(
                LogisticRegression().fit(ROWS, labels),
                name="checkpoint",
                step=turn,
                serialization_format="cloudpickle",
                pip_requirements=["scikit-learn"],
            )
            uris.append(info.model_uri)
    first, second = (list(mlflow.sklearn.load_model(uri).predict(ROWS)) for uri in uris)
    assert (first, second) == ([0, 1, 0, 1], [1, 0, 1, 0])


def test_what_azure_ml_registered_mlflow_loads(client: MlflowClient, tracking: Tracking) -> None:
    _, uri = logged("origin")
    model = uri.removeprefix("models:/")
    for version, form in (("7", f"azureml://jobs/{model}/outputs/artifacts"), ("8", uri)):
        inside = {"modelType": "mlflow_model", "modelUri": form, "tags": {"from": "az"}}
        if form == uri:
            inside["modelUri"] = tracking.arm("GET", "/models/from-az/versions/7")["properties"][
                "modelUri"
            ]
        tracking.arm("PUT", f"/models/from-az/versions/{version}", {"properties": inside})
        assert client.get_model_version("from-az", version).tags == {"from": "az"}
        loaded = mlflow.pyfunc.load_model(f"models:/from-az/{version}")
        assert list(loaded.predict(ROWS)) == [0, 1, 0, 1]
    assert [m.name for m in client.search_registered_models("name LIKE 'from%'")] == ["from-az"]
    assert [v.version for v in client.search_model_versions("tags.`from` = 'az'")] == ["8", "7"]


def test_tags_aliases_stages_and_descriptions(client: MlflowClient) -> None:
    _, uri = logged("changes")
    client.create_registered_model("churn", tags={"a": "1"}, description="who leaves")
    with pytest.raises(MlflowException) as taken:
        client.create_registered_model("churn")
    assert taken.value.error_code == "RESOURCE_ALREADY_EXISTS"
    for _ in range(3):
        client.create_model_version("churn", uri, tags={"v": "x"}, description="one of three")
    client.set_registered_model_tag("churn", "b", "2")
    client.delete_registered_model_tag("churn", "a")
    client.update_registered_model("churn", "who stays")
    client.set_registered_model_alias("churn", "champion", "2")
    model = client.get_registered_model("churn")
    assert (model.description, model.tags, model.aliases) == (
        "who stays",
        {"b": "2"},
        {"champion": "2"},
    )
    assert client.get_model_version_by_alias("churn", "champion").version == "2"
    client.set_model_version_tag("churn", "2", "ok", "yes")
    client.delete_model_version_tag("churn", "2", "v")
    version = client.update_model_version("churn", "2", "the good one")
    assert (version.description, version.tags, version.aliases) == (
        "the good one",
        {"ok": "yes"},
        ["champion"],
    )
    client.transition_model_version_stage("churn", "1", "Production")
    client.transition_model_version_stage(
        "churn", "2", "production", archive_existing_versions=True
    )
    stages = {v.version: v.current_stage for v in client.search_model_versions("name='churn'")}
    assert stages == {"1": "Archived", "2": "Production", "3": "None"}
    latest = client.get_latest_versions("churn", ["Production", "None"])
    assert {v.version for v in latest} == {"2", "3"}
    client.delete_model_version("churn", "2")
    assert client.get_registered_model("churn").aliases == {}
    client.delete_registered_model("churn")
    with pytest.raises(MlflowException) as gone:
        client.get_registered_model("churn")
    assert gone.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_searches_page_and_order(client: MlflowClient) -> None:
    for name in ("page-c", "page-a", "page-b"):
        client.create_registered_model(name, tags={"set": "pages"})
    first = client.search_registered_models("tags.set = 'pages'", 2, ["name DESC"])
    assert [m.name for m in first] == ["page-c", "page-b"]
    rest = client.search_registered_models("tags.set = 'pages'", 2, ["name DESC"], first.token)
    assert [m.name for m in rest] == ["page-a"]
    with pytest.raises(MlflowException, match="Invalid"):
        client.search_registered_models("size > 3")


def test_copy_makes_a_version_of_another_model(client: MlflowClient) -> None:
    _, uri = logged("copies")
    mlflow.register_model(uri, "dev-model")
    copied = client.copy_model_version("models:/dev-model/1", "prod-model")
    assert copied.version == "1"
    assert list(mlflow.pyfunc.load_model("models:/prod-model/1").predict(ROWS)) == [0, 1, 0, 1]


def test_a_source_elsewhere_is_refused(client: MlflowClient, tmp_path: Path) -> None:
    client.create_registered_model("outside")
    for source in (f"file://{tmp_path}", str(tmp_path), "s3://bucket/model"):
        with pytest.raises(MlflowException, match="Invalid model version source"):
            client.create_model_version("outside", source)
    with pytest.raises(MlflowException, match="no files"):
        client.create_model_version("outside", "runs:/nothing/model")
