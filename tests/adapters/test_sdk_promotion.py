"""`rehearse promote` from development through a registry to staging and production, for real."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azure_adapters.machinelearning import text_of
from tests.estate import Estate, Identity
from tests.running import Rehearsal

NAME = "credit"
TRAIN = """
import json, os, pathlib, sys, time, urllib.request
table, auc, out = sys.argv[1:4]
pathlib.Path(out).mkdir(parents=True, exist_ok=True)
(pathlib.Path(out) / "weights.txt").write_text(open(table).read() + auc)
body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "auc", "value": float(auc),
        "timestamp": int(time.time() * 1000), "step": 0}
urllib.request.urlopen(urllib.request.Request(
    os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric",
    json.dumps(body).encode(),
    {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"],
     "Content-Type": "application/json"}))
"""
Promote = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def estate(ml_client: Any, rehearsal: Rehearsal) -> Estate:
    """Development is the seeded workspace; staging and production have groups of their own."""
    from azure.ai.ml import load_registry

    made = Estate(rehearsal)
    made.workspace("rg-staging", "credit-staging")
    made.workspace("rg-production", "credit-production")
    text = "name: promoted\nlocation: eastus\nreplication_locations:\n- location: eastus\n"
    ml_client.registries.begin_create(load_registry(io.StringIO(text))).result()
    return made


@pytest.fixture(scope="module")
def train(ml_client: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[float], str]:
    """Train in development and register what came out; the version."""
    from azure.ai.ml import Input, Output, command
    from azure.ai.ml.entities import Data, Environment, Model

    folder = tmp_path_factory.mktemp("train")
    (folder / "code").mkdir()
    (folder / "code/train.py").write_text(TRAIN)
    (folder / "table.csv").write_text("a\n1\n")
    ml_client.environments.create_or_update(
        Environment(
            name="promotion",
            version="1",
            image="mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04",
            conda_file={"name": "p", "dependencies": ["python=3.11"]},
        )
    )
    ml_client.data.create_or_update(
        Data(name="credit-table", version="4", path=str(folder / "table.csv"), type="uri_file")
    )

    def trained(auc: float) -> str:
        job = command(
            code=str(folder / "code"),
            command=f"python train.py ${{{{inputs.table}}}} {auc} ${{{{outputs.model}}}}",
            inputs={"table": Input(type="uri_file", path="azureml:credit-table:4")},
            outputs={"model": Output(type="uri_folder")},
            environment="promotion:1",
            compute="cpu-cluster",
            experiment_name="promotion",
            properties={"mlflow.source.git.commit": "0123abc"},
        )
        name = ml_client.jobs.create_or_update(job).name
        deadline = time.monotonic() + 120
        while (status := text_of(ml_client.jobs.get(name).status)) not in ("Completed", "Failed"):
            assert time.monotonic() < deadline, status
            time.sleep(0.2)
        assert status == "Completed"
        model = Model(
            name=NAME, path=f"azureml://jobs/{name}/outputs/model/paths/", type="custom_model"
        )
        return str(ml_client.models.create_or_update(model).version)

    return trained


@pytest.fixture(scope="module")
def promote(estate: Estate) -> Promote:
    """The verb as a user calls it, in a shell that `rehearse env` has set up."""
    group = estate.env["AZURE_RESOURCE_GROUP"]
    places = {
        "dev": f"{group}/{estate.env['AZUREML_WORKSPACE_NAME']}",
        "staging": "rg-staging/credit-staging",
        "production": "rg-production/credit-production",
    }

    def run(
        *words: str, who: Identity | None = None, apart: bool = False
    ) -> subprocess.CompletedProcess[str]:
        env = {
            **estate.env,
            "AZUREML_WORKSPACES": json.dumps(places),
            "AZUREML_REGISTRY_NAME": "promoted",
        }
        if who is not None:
            env |= {"AZURE_CLIENT_ID": who.app_id, "AZURE_CLIENT_SECRET": who.secret}
        if apart:
            return subprocess.run(
                [sys.executable, "-m", "emulators", "promote", NAME, *words],
                env={**os.environ, **env},
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
        return _here(env, [NAME, *words])

    return run


def _here(env: dict[str, str], words: list[str]) -> subprocess.CompletedProcess[str]:
    """The same verb in this process, which has imported the SDK already."""
    from scenarios.promoting import main

    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(words)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def in_place(estate: Estate, group: str, workspace: str) -> list[str]:
    scope = (
        f"/subscriptions/{estate.subscription}/resourceGroups/{group}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
    )
    client = estate.client(estate.owner, scope)
    return [
        m.version
        for m in client.models.list(NAME)
        if client.models.get(NAME, m.version).tags.get("promotion") == "in-place"
    ]


def test_a_model_goes_to_production_with_gates_evidence_and_a_way_back(
    estate: Estate, train: Callable[[float], str], promote: Promote, tmp_path: Path
) -> None:
    assert train(0.8) == "1"
    gate = ("--metric", "auc", "--min-gain", "0.01")
    first = promote("--from", "dev", "--to", "staging", *gate, "--json", apart=True)
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout)
    assert (told["status"], told["version"], told["before"]) == ("promoted", "1", None)
    evidence = told["evidence"]
    assert evidence["metrics"] == {"auc": 0.8}
    assert (evidence["data"], evidence["commit"]) == (["credit-table:4"], "0123abc")
    assert len(evidence["code"]) == 64
    assert in_place(estate, "rg-staging", "credit-staging") == ["1"]

    onward = promote("--from", "staging", "--to", "production", "--json")
    assert onward.returncode == 0, onward.stderr
    assert json.loads(onward.stdout)["registry"] == told["registry"]

    assert train(0.805) == "2"
    worse = promote("--from", "dev", "--to", "staging", *gate)
    assert worse.returncode == 1
    assert "Refused: auc is 0.805, in place it is 0.8" in worse.stderr
    assert in_place(estate, "rg-staging", "credit-staging") == ["1"]

    better = promote("--from", "dev", "--to", "staging", "--metric", "auc", "--min-gain=0.005")
    assert better.returncode == 0, better.stderr
    assert "credit:2 is in place in staging (before: 1)" in better.stdout
    again = promote("--from", "dev", "--to", "staging")
    assert "Nothing to do" in again.stdout

    scope = estate.workspace("rg-staging", "credit-staging")
    staging = estate.client(estate.owner, scope)
    tags = staging.models.get(NAME, "2").tags
    assert tags["lineage.data"] == "credit-table:4"
    assert tags["metrics.auc"] == "0.805"
    assert tags["promotion.replaces"] == "1"
    staging.models.download(NAME, "2", download_path=str(tmp_path))
    assert next(tmp_path.rglob("weights.txt")).read_text() == "a\n1\n0.805"

    back = promote("--to", "staging", "--undo")
    assert back.returncode == 0, back.stderr
    assert "credit:1 is in place in staging; 2 is withdrawn" in back.stdout
    assert in_place(estate, "rg-staging", "credit-staging") == ["1"]


def test_an_identity_of_staging_cannot_promote_to_production(
    estate: Estate, train: Callable[[float], str], promote: Promote, ml_client: Any
) -> None:
    deployer = estate.identity("deployer-of-staging")
    group = estate.group("rg-staging")
    estate.give(deployer, "Contributor", group)
    estate.give(deployer, "Reader", estate.group("rg-production"))
    dev = estate.group(estate.env["AZURE_RESOURCE_GROUP"])
    estate.give(deployer, "Reader", dev)
    estate.give(deployer, "AzureML Registry User", str(ml_client.registries.get("promoted").id))
    version = train(0.9)
    ok = promote("--from", "dev", "--to", "staging", who=deployer)
    assert ok.returncode == 0, ok.stderr
    assert f"credit:{version} is in place in staging" in ok.stdout
    before = in_place(estate, "rg-production", "credit-production")
    refused = promote("--from", "staging", "--to", "production", who=deployer)
    assert refused.returncode == 1
    assert "permission" in refused.stderr or "AuthorizationFailed" in refused.stderr
    assert in_place(estate, "rg-production", "credit-production") == before


def test_what_is_missing_is_said_in_one_line(promote: Promote) -> None:
    for words, said in (
        (("--from", "nowhere", "--to", "staging"), "no workspace nowhere"),
        (("--from", "dev", "--to", "staging", "--registry", "none"), "no registry none"),
        (("--to", "staging"), "--from names the workspace"),
        (("--to", "dev", "--undo"), "no version of credit is in place in dev"),
    ):
        failed = promote(*words)
        assert failed.returncode == 1
        assert said in failed.stderr
        assert "Traceback" not in failed.stderr
