"""The tracking service by the real MLflow client: experiments, runs, artifacts, two workspaces."""

from __future__ import annotations

import os
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from tests.emulators.mlflow.conftest import Tracking


def test_a_run_is_kept_whole(client: MlflowClient, tmp_path: Path) -> None:
    mlflow.set_experiment("attrition")
    with mlflow.start_run(run_name="first", tags={"team": "people"}) as run:
        mlflow.log_params({"depth": 3, "kind": "gini"})
        for step in range(3):
            mlflow.log_metric("auc", 0.7 + step / 10, step=step)
        mlflow.set_tag("stage", "trial")
        mlflow.log_dict({"a": 1}, "notes/a.json")
        with mlflow.start_run(nested=True) as child:
            mlflow.log_metric("auc", 0.5)
    found = client.get_run(run.info.run_id)
    assert found.info.status == "FINISHED"
    assert found.data.params == {"depth": "3", "kind": "gini"}
    assert found.data.metrics == {"auc": pytest.approx(0.9)}
    assert found.data.tags["stage"] == "trial"
    history = client.get_metric_history(run.info.run_id, "auc")
    assert [m.value for m in history] == pytest.approx([0.7, 0.8, 0.9])
    assert client.get_run(child.info.run_id).data.tags["mlflow.parentRunId"] == run.info.run_id
    listed = mlflow.search_runs(
        experiment_names=["attrition"], filter_string="metrics.auc > 0.6", output_format="list"
    )
    assert [r.info.run_id for r in listed] == [run.info.run_id]


def test_a_batch_is_one_call(client: MlflowClient) -> None:
    run = client.create_run(client.create_experiment("batched"))
    client.log_batch(
        run.info.run_id,
        [Metric("loss", 1 / n, 0, n) for n in range(1, 200)],
        [Param(f"p{n}", str(n)) for n in range(50)],
        [RunTag("t", "v")],
    )
    found = client.get_run(run.info.run_id)
    assert len(found.data.params) == 50
    assert len(client.get_metric_history(run.info.run_id, "loss")) == 199


def test_without_an_experiment_a_run_goes_to_the_default(client: MlflowClient) -> None:
    os.environ.pop("MLFLOW_EXPERIMENT_NAME", None)
    mlflow.set_experiment(experiment_id="0")
    with mlflow.start_run() as run:
        pass
    assert client.get_experiment(run.info.experiment_id).name == "Default"


def test_artifacts_go_up_and_come_down(client: MlflowClient, tmp_path: Path) -> None:
    mlflow.set_experiment("files")
    folder = tmp_path / "out"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "a b.txt").write_text("one")
    (folder / "deep" / "er" / "ü%20.bin").write_bytes(bytes(range(256)) * 8192)
    (folder / "empty").write_bytes(b"")
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(folder), "out")
    top = client.list_artifacts(run.info.run_id)
    assert [(f.path, f.is_dir) for f in top] == [("out", True)]
    listed = {f.path: f.file_size for f in client.list_artifacts(run.info.run_id, "out")}
    assert listed == {"out/a b.txt": 3, "out/deep": None, "out/empty": 0}
    assert client.list_artifacts(run.info.run_id, "out/empty") == []
    down = Path(client.download_artifacts(run.info.run_id, "out", str(tmp_path)))
    for path in folder.rglob("*"):
        if path.is_file():
            assert (down / path.relative_to(folder)).read_bytes() == path.read_bytes()
    with pytest.raises(MlflowException, match="path is correct"):
        client.download_artifacts(run.info.run_id, "out/missing.txt", str(tmp_path))


def test_a_sender_that_names_no_length_is_served(tracking: Tracking, client: MlflowClient) -> None:
    import requests

    run = client.create_run("0")
    path = run.info.artifact_uri.removeprefix("mlflow-artifacts:/")
    url = f"{tracking.uri()}/api/2.0/mlflow-artifacts/artifacts/{path}/big.bin"
    headers = {"authorization": f"Bearer {tracking.token}"}
    piece = bytes(range(256)) * 4096
    for count in (0, 1, 9, 17):
        sent = requests.put(url, data=(piece for _ in range(count)), headers=headers, timeout=60)
        assert sent.status_code == 200, sent.text
        got = requests.get(url, headers=headers, timeout=60)
        assert got.content == piece * count
    part = requests.get(url, headers={**headers, "range": "bytes=255-256"}, timeout=60)
    assert (part.status_code, part.content) == (206, b"\xff\x00")


def test_two_workspaces_share_nothing(
    client: MlflowClient, tracking: Tracking, tmp_path: Path
) -> None:
    mlflow.set_experiment("same-name")
    with mlflow.start_run() as mine:
        mlflow.log_text("secret", "s.txt")
    mlflow.set_tracking_uri(tracking.uri("two"))
    other = MlflowClient()
    assert other.get_experiment_by_name("same-name") is None
    with pytest.raises(MlflowException) as refused:
        other.get_run(mine.info.run_id)
    assert refused.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    theirs = mlflow.set_experiment("same-name")
    assert other.search_runs([theirs.experiment_id]) == []


def test_a_token_is_needed(tracking: Tracking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    client = MlflowClient(tracking.uri())
    for token in ("", "not.a.token", tracking.ctx.tokens.issue("https://graph.microsoft.com")):
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token)
        with pytest.raises(MlflowException, match=r"401|uthenticat|token"):
            client.search_experiments()


def test_a_workspace_that_is_not_there(client: MlflowClient, tracking: Tracking) -> None:
    with pytest.raises(MlflowException, match="was not found") as refused:
        MlflowClient(tracking.uri("three")).search_experiments()
    assert refused.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_a_job_s_run_has_the_job_s_name(client: MlflowClient, tracking: Tracking) -> None:
    made = tracking.own(
        "create", {"run_id": "calm_pen_1", "experiment_name": "jobs", "tags": {"a": "b"}}
    )
    assert made["run"]["info"]["run_id"] == "calm_pen_1"
    again = tracking.own("create", {"run_id": "calm_pen_1", "experiment_name": "jobs"})
    assert again["run"]["info"] == made["run"]["info"]
    tracking.own(
        "create",
        {"run_id": "calm_pen_1_0", "experiment_name": "jobs", "parent_run_id": "calm_pen_1"},
    )
    mlflow.set_experiment("jobs")
    with mlflow.start_run(run_id="calm_pen_1"):
        mlflow.log_metric("f1", 0.5)
    found = client.get_run("calm_pen_1")
    assert found.data.metrics == {"f1": 0.5}
    assert found.data.tags["a"] == "b"
    child = client.get_run("calm_pen_1_0")
    assert child.data.tags["mlflow.parentRunId"] == "calm_pen_1"
    assert child.info.status == "RUNNING"
    body = {"run_id": "calm_pen_1_0", "status": "FAILED", "end_time": 1_800_000_000_000}
    tracking.own("end", body)
    assert client.get_run("calm_pen_1_0").info.status == "FAILED"
    assert client.get_run("calm_pen_1_0").info.end_time == 1_800_000_000_000


def test_only_azure_ml_chooses_a_run_s_id(client: MlflowClient, tracking: Tracking) -> None:
    import requests

    for tail in ("/api/2.0/rehearsal/runs/create", "/rehearsal/runs/create"):
        refused = requests.post(
            tracking.uri() + tail,
            json={"run_id": "mine", "experiment_name": "jobs"},
            headers={"authorization": f"Bearer {tracking.token}"},
            timeout=30,
        )
        assert refused.status_code in (403, 404)
