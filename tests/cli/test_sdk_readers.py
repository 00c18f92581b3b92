"""Verbs that read a host: text for people, JSON for programs, the same facts in every notation."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil
import pytest
from dotenv import dotenv_values

from tests.cli.conftest import Command
from tests.running import Rehearsal

PROMISED = {
    "HTTPS_PROXY", "https_proxy", "NO_PROXY", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE", "AZURE_TENANT_ID", "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET", "AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP",
    "AZUREML_WORKSPACE_NAME", "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_CONNECTION_STRING",
    "MLFLOW_TRACKING_URI",
}  # fmt: skip
VERBS = (
    ["up"], ["down"], ["status"], ["env"], ["run"], ["promote"], ["logs"], ["reset"],
    ["snapshot", "save"], ["snapshot", "load"], ["fault", "add"], ["fault", "list"],
    ["fault", "clear"], ["doctor"],
    ["coverage"],
)  # fmt: skip
LASTING = {"MLFLOW_TRACKING_TOKEN"}
"""Made anew each time."""


@pytest.fixture(scope="module")
def env(host: Rehearsal) -> dict[str, str]:
    return dict(host.env)


def test_env_is_one_flat_object_with_all_that_is_promised(env: dict[str, str]) -> None:
    assert set(env) >= PROMISED
    assert all(isinstance(v, str) for v in env.values())
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"):
        assert Path(env[name]).is_absolute()
        assert Path(env[name]).exists()


def test_every_notation_says_the_same(on_host: Command, env: dict[str, str]) -> None:
    wanted = {k: v for k, v in env.items() if k not in LASTING}
    show = "import os, json; print(json.dumps(dict(os.environ)))"
    script = f"{on_host('env').stdout}\n{sys.executable} -c '{show}'"
    bare = {"PATH": os.environ["PATH"]}
    shell = subprocess.run(["bash", "-c", script], env=bare, capture_output=True, check=True)
    assert json.loads(shell.stdout).items() >= wanted.items()
    text = on_host("env", "--format", "dotenv").stdout
    assert dotenv_values(stream=io.StringIO(text), interpolate=False).items() >= wanted.items()
    power = on_host("env", "--format", "powershell").stdout.splitlines()
    assert {line.partition(" = ")[0] for line in power} == {f"$env:{name}" for name in env}
    assert "shell, json, dotenv, powershell" in on_host("env", "--format", "xml", code=2).stderr


CLIENTS = """
import json, os
from azure.ai.ml import MLClient
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobServiceClient

e = os.environ
ml = MLClient(DefaultAzureCredential(), e["AZURE_SUBSCRIPTION_ID"], e["AZURE_RESOURCE_GROUP"],
              e["AZUREML_WORKSPACE_NAME"])
blobs = BlobServiceClient.from_connection_string(e["AZURE_STORAGE_CONNECTION_STRING"])
print(json.dumps({"workspace": ml.workspaces.get().name,
                  "containers": len(list(blobs.list_containers())),
                  "variables": sorted(e)}))
"""


def test_a_client_needs_only_these_variables(env: dict[str, str]) -> None:
    """No home folder, no locale, nothing but PATH beside them."""
    given = {**env, "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CLIENTS],
        env=given, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["workspace"] == env["AZUREML_WORKSPACE_NAME"]


def test_status_tells_processes_and_refusals(on_host: Command, host: Rehearsal) -> None:
    said = json.loads(on_host("status", "--json").stdout)
    assert said["ready"] is True
    assert said["processes"][0]["name"] == "host"
    assert said["processes"][0]["pid"] == said["pid"] == host.host.pid
    for process in said["processes"]:
        assert isinstance(process["name"], str)
        assert psutil.pid_exists(process["pid"])
    text = on_host("status").stdout
    assert str(host.state) in text
    assert str(said["pid"]) in text


def test_logs_show_the_newest_and_go_on(on_host: Command, host: Rehearsal) -> None:
    for _ in range(3):
        on_host("fault", "list")  # of ours: not a request of a client
    said = [json.loads(line) for line in on_host("logs", "--json").stdout.splitlines()]
    assert not any("_emulator" in entry.get("path", "") for entry in said)
    with subprocess.Popen(
        on_host.words("logs", "-f", "--json", "-n", "0"),
        stdout=subprocess.PIPE, text=True, env=on_host.environment,
    ) as following:  # fmt: skip
        assert following.stdout is not None
        time.sleep(2)
        ask(host, "/subscriptions/followed?api-version=2022-01-01")
        entry = json.loads(following.stdout.readline())
        following.terminate()
    assert (entry["kind"], entry["path"]) == ("request", "/subscriptions/followed")
    last = json.loads(on_host("logs", "--json", "-n", "1").stdout)
    assert last["number"] == entry["number"]
    assert "/subscriptions/followed" in on_host("logs", "-n", "1").stdout


def ask(host: Rehearsal, path: str) -> int:
    import ssl

    import httpx

    answer = httpx.get(
        f"https://localhost:{host.host.explicit}{path}",
        verify=ssl.create_default_context(cafile=host.env["SSL_CERT_FILE"]),
        trust_env=False,
    )
    return answer.status_code


def test_coverage_and_doctor_in_both_forms(on_host: Command) -> None:
    rows = json.loads(on_host("coverage", "--json").stdout)
    assert {"emulator", "name", "method", "path", "status", "why"} <= set(rows[0])
    own = json.loads(on_host("coverage", "storage", "--json").stdout)
    assert {row["emulator"] for row in own} == {"storage"}
    assert (
        f"{sum(r['status'] == 'served' for r in own)} served"
        in on_host("coverage", "storage").stdout
    )
    assert "no emulator 'nothing'" in on_host.fails("coverage", "nothing")
    found = json.loads(on_host("doctor", "--json").stdout)
    assert all(finding["ok"] for finding in found)
    assert {"host", "state folder", "variables"} <= {finding["check"] for finding in found}


def test_doctor_names_what_is_wrong_and_how_to_mend_it(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    strange = Command(tmp_path / "open", {
        "REHEARSAL_OFLINE": "1", "REHEARSAL_PROXY_PORT": "1", "REHEARSAL_UPSTREAM_HTTPS_PROXY": "",
        "HTTPS_PROXY": "http://127.0.0.1:9",
    })  # fmt: skip
    said = strange("doctor", code=1).stdout
    assert "REHEARSAL_OFLINE" in said
    assert f"chmod 700 {tmp_path / 'open'}" in said
    assert "nothing answers" in said


def test_run_lists_the_scenarios(on_host: Command) -> None:
    assert "online-endpoint" in json.loads(on_host("run", "--list", "--json").stdout)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_help_teaches_by_example(verb: list[str]) -> None:
    """In process: the texts are the same, and starting fourteen processes is not."""
    from typer.testing import CliRunner

    from emulators.cli import app

    if verb in (["run"], ["promote"]):  # they explain their own options
        module = {"run": "scenarios.cli", "promote": "scenarios.promoting"}[verb[0]]
        own = import_module(module).app
        said = CliRunner().invoke(own, ["--help"], env={"COLUMNS": "200"}).output
    else:
        said = CliRunner().invoke(app, [*verb, "--help"], env={"COLUMNS": "200"}).output
    assert "Example" in said
    assert f"rehearse {' '.join(verb)}" in " ".join(said.split())
    assert "--state" in said


def test_faults_are_added_listed_and_lifted(on_host: Command) -> None:
    name = on_host(
        "fault", "add", "--host", "*.blob.*", "--status", "503", "--count", "2"
    ).stdout.strip()
    on_host(
        "fault",
        "add",
        "--path",
        "/never/*",
        "--latency",
        "0.2s",
        "--rate",
        "0.5",
        "--method",
        "put",
    )
    found: list[dict[str, Any]] = json.loads(on_host("fault", "list", "--json").stdout)
    seen = {(f["status"], f["count"], f["latency_ms"], f["method"]) for f in found}
    assert seen == {(503, 2, 0, "*"), (None, None, 200, "PUT")}
    text = on_host("fault", "list").stdout
    assert "answers 503, 2 times more" in text
    assert "waits 200 ms, 50% of them" in text
    assert "1 lifted" in on_host("fault", "clear", name).stdout
    assert f"no fault {name}" in on_host.fails("fault", "clear", name)
    assert "1 lifted" in on_host("fault", "clear").stdout
    assert "No fault in force" in on_host("fault", "list").stdout


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--latency", "5"],
        ["--status", "42"],
        ["--rate", "2", "--drop"],
        ["--count", "0", "--drop"],
    ],
    ids=lambda words: " ".join(words) or "nothing",
)
def test_a_fault_that_means_nothing_is_refused(on_host: Command, words: list[str]) -> None:
    on_host("fault", "add", *words, code=2 if words else 1)


def test_without_a_host_every_reader_says_how_to_start_one(rehearse: Command) -> None:
    for verb in (["status"], ["env"], ["logs"], ["fault", "list"]):
        assert "Start it with `rehearse up --detach`" in rehearse.fails(*verb)
    assert "There is no log of a job nothing" in rehearse.fails("logs", "nothing")
    assert "holds no state" in rehearse.fails("snapshot", "save", str(rehearse.state) + ".tgz")
