"""The edge against those who mean harm or know little: the right error, and nothing reached."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from tests.emulators.mlflow.conftest import Tracking

WAIT_S = 60


def call(
    tracking: Tracking, method: str, tail: str, *, token: str | None = None, **more: Any
) -> requests.Response:
    """One raw call, its path sent exactly as written."""
    given = {"authorization": f"Bearer {token or tracking.token}"} if token != "" else {}
    headers = {**given, **dict(more.pop("headers", {}))}
    with requests.Session() as session:
        request = requests.Request(method, tracking.uri(), headers=headers, **more)
        prepared = session.prepare_request(request)
        prepared.url = tracking.uri() + tail
        return session.send(prepared, timeout=WAIT_S)


@pytest.mark.parametrize(
    "tail",
    [
        "/rehearsal/runs/create",
        "/api/../rehearsal/runs/create",
        "/api/2.0/%2e%2e/%2e%2e/rehearsal/runs/create",
        "/api/2.0/..%2f..%2frehearsal/runs/create",
        "/ajax-api/2.0/mlflow/experiments/search",
        "/graphql",
        "/get-artifact?path=/etc/passwd&run_uuid=x",
        "/",
    ],
)
def test_only_the_api_is_reached(tracking: Tracking, tail: str) -> None:
    answer = call(tracking, "POST", tail, json={"run_id": "stolen", "experiment_name": "x"})
    assert answer.status_code in (403, 404, 405)
    assert "error_code" in answer.json()


@pytest.mark.parametrize(
    "path",
    [
        "1/r/artifacts/../../../secret",
        "1/r/artifacts/%2e%2e/%2e%2e/secret",
        "1/r/artifacts/..%2f..%2fsecret",
        "%2fetc%2fpasswd",
        "1/r/artifacts/a%00b",
        "1/r/artifacts/a%5c..%5cb",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_artifact_paths_stay_inside(tracking: Tracking, method: str, path: str) -> None:
    answer = call(tracking, method, f"/api/2.0/mlflow-artifacts/artifacts/{path}", data=b"x")
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"


def test_files_of_registered_models_cannot_be_changed(tracking: Tracking) -> None:
    tail = "/api/2.0/mlflow-artifacts/artifacts/datastores/workspaceblobstore/paths/m/MLmodel"
    for method in ("PUT", "DELETE"):
        assert call(tracking, method, tail, data=b"x").status_code == 400


@pytest.mark.parametrize("name", ["../two", "a/b", "a:b", "", " ", "x" * 5000, "\U0001f600"])
def test_hostile_model_names_are_answered(tracking: Tracking, name: str) -> None:
    made = call(tracking, "POST", "/api/2.0/mlflow/registered-models/create", json={"name": name})
    assert made.status_code in (200, 400, 404, 502)
    assert made.status_code == 200 or "error_code" in made.json()


@pytest.mark.parametrize("body", [b"{", b"[1]", b"\xff\xfe", b'{"name": {"a": 1}}'])
def test_bodies_that_are_no_request(tracking: Tracking, body: bytes) -> None:
    for tail in ("registered-models/create", "model-versions/create", "runs/create"):
        answer = call(tracking, "POST", f"/api/2.0/mlflow/{tail}", data=body)
        assert answer.status_code == 400, answer.text


def test_a_body_without_end_is_cut_off(tracking: Tracking) -> None:
    pieces = (b" " * (1 << 20) for _ in range(tracking.ctx.settings.max_body_mib + 1))
    answer = call(tracking, "POST", "/api/2.0/mlflow/runs/create", data=pieces)
    assert answer.status_code == 413
    assert "error_code" in answer.json()


def test_who_may_not(tracking: Tracking) -> None:
    issue = tracking.ctx.tokens.issue
    good = tracking.token
    wrong = {
        "none": "",
        "another audience": issue("https://storage.azure.com"),
        "expired": issue("https://ml.azure.com", lifetime_s=-3600),
        "forged": good[:-8] + ("A" * 8),
        "unsigned": "eyJhbGciOiJub25lIn0." + good.split(".")[1] + ".",
    }
    paths = (
        "/api/2.0/mlflow/experiments/search?max_results=1",
        "/api/2.0/mlflow/registered-models/search",
        "/api/2.0/mlflow-artifacts/artifacts?path=1/r/artifacts",
        "/api/3.0/mlflow/server-info",
    )
    for why, token in wrong.items():
        for path in paths:
            answer = call(tracking, "GET", path, token=token)
            assert answer.status_code == 401, (why, path)
            assert "error_code" in answer.json()


def test_the_header_that_names_a_store_is_ours_alone(tracking: Tracking) -> None:
    tail = "/api/2.0/mlflow/experiments/create"
    made = call(
        tracking,
        "POST",
        tail,
        json={"name": f"mine-{time.monotonic_ns()}"},
        headers={"x-rehearsal-workspace": "elsewhere", "X-MLFLOW-WORKSPACE": "elsewhere"},
    )
    assert made.status_code == 200
    assert not (tracking.ctx.state / "mlflow" / "elsewhere.db").exists()


def test_what_is_refused_is_named(tracking: Tracking) -> None:
    answer = call(tracking, "POST", "/api/2.0/mlflow/registered-models/rename", json={})
    assert (answer.status_code, answer.json()["error_code"]) == (501, "NotEmulated")
    assert "RegisteredModels_Rename" in answer.json()["message"]


def test_history_speaks_arm(tracking: Tracking) -> None:
    url = f"{tracking.origin}/history/v1.0{tracking.arm_id()}/experiments/e/runs/r/artifacts"
    headers = {"authorization": f"Bearer {tracking.token}"}
    missing = requests.get(f"{url}/contentinfo?path=no", headers=headers, timeout=WAIT_S)
    assert missing.status_code == 404
    assert missing.json()["error"]["message"]
    bodies: list[dict[str, object]] = [
        {},
        {"paths": "a"},
        {"paths": [{}]},
        {"paths": [{"path": "../x"}]},
    ]
    for body in bodies:
        refused = requests.post(f"{url}/batch/metadata", json=body, headers=headers, timeout=WAIT_S)
        assert refused.status_code == 400
        assert "error" in refused.json()


def test_a_signed_address_opens_one_file_and_no_other(tracking: Tracking) -> None:
    door = requests.Session()
    door.trust_env = False
    door.proxies = {"https": tracking.door["HTTPS_PROXY"]}
    door.verify = tracking.door["REQUESTS_CA_BUNDLE"]
    runs = f"https://eastus.api.azureml.ms/history/v1.0{tracking.arm_id()}/experiments/e/runs"
    headers = {"authorization": f"Bearer {tracking.token}"}
    made = door.post(
        f"{runs}/r9/artifacts/batch/metadata",
        json={"paths": [{"path": "ü a.txt"}]},
        headers=headers,
        timeout=WAIT_S,
    ).json()["artifactContentInformation"]["ü a.txt"]["contentUri"]
    blob = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2023-11-03"}
    assert door.put(made, data=b"x", headers=blob, timeout=WAIT_S).status_code == 201
    other = made.replace("a.txt", "b.txt")
    assert door.put(other, data=b"x", headers=blob, timeout=WAIT_S).status_code == 403
    read = door.get(
        f"{runs}/r9/artifacts/contentinfo",
        params={"path": "ü a.txt"},
        headers=headers,
        timeout=WAIT_S,
    ).json()["contentUri"]
    assert door.get(read, timeout=WAIT_S).content == b"x"
    assert door.put(read, data=b"y", headers=blob, timeout=WAIT_S).status_code == 403
    listed = door.get(f"{runs}/r9/artifacts", headers=headers, timeout=WAIT_S).json()["value"]
    assert [artifact["path"] for artifact in listed] == ["ü a.txt"]
