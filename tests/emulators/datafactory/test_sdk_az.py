"""The unmodified `az` deploys what Azure publishes of a factory, and works in a workspace."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.peers import peer_environment
from tests.running import Rehearsal

PUBLISHED = Path(__file__).parent / "published"
Az = Callable[..., Any]


@pytest.fixture(scope="module")
def az(rehearsal: Rehearsal, tmp_path_factory: pytest.TempPathFactory) -> Az:
    """One `az` command, signed in as the seeded principal; its answer as JSON."""
    interpreter = peer_environment("azure-cli", ["azure-cli>=2.80"])
    kept = {k: os.environ[k] for k in ("PATH", "HOME", "LANG", "TMPDIR") if k in os.environ}
    own = {"AZURE_CONFIG_DIR": str(tmp_path_factory.mktemp("az"))}

    def run(*words: str) -> Any:
        done = subprocess.run(
            [str(interpreter), "-m", "azure.cli", *words, "-o", "json", "--only-show-errors"],
            env=kept | rehearsal.env | own,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout or "null")

    env = rehearsal.env
    run("login", "--service-principal", "-u", env["AZURE_CLIENT_ID"],
        "-p", env["AZURE_CLIENT_SECRET"], "--tenant", env["AZURE_TENANT_ID"])  # fmt: skip
    return run


def test_a_published_factory_deploys(az: Az, factories: Any, group: str) -> None:
    az("resource", "create", "-g", group, "-n", "adf-orchard-az", "--resource-type",
       "Microsoft.DataFactory/factories", "--location", "eastus", "--properties", "{}")  # fmt: skip
    parameters = PUBLISHED / "ARMTemplateParametersForFactory.json"
    made = az(
        "deployment", "group", "create", "-g", group, "-n", "az", "-f",
        str(PUBLISHED / "ARMTemplateForFactory.json"), "--parameters", f"@{parameters}",
        "factoryName=adf-orchard-az",
    )  # fmt: skip
    assert made["properties"]["provisioningState"] == "Succeeded"
    names = [one.name for one in factories.pipelines.list_by_factory(group, "adf-orchard-az")]
    assert names == ["Gather", "Pause"]
    factories.factories.delete(group, "adf-orchard-az")


def test_a_workspace_and_its_pipelines(az: Az, group: str, tmp_path: Path) -> None:
    az("synapse", "workspace", "create", "-g", group, "-n", "syn-az", "--storage-account",
       "https://lake.dfs.core.windows.net", "--file-system", "files", "--sql-admin-login-user",
       "admin1", "--sql-admin-login-password", "P@ssw0rd-of-tests", "-l", "eastus")  # fmt: skip
    where = ("--workspace-name", "syn-az", "--name", "Short")
    activity = {"name": "W", "type": "Wait", "typeProperties": {"waitTimeInSeconds": 0}}
    file = tmp_path / "pipeline.json"
    file.write_text(json.dumps({"properties": {"activities": [activity]}}))
    az("synapse", "pipeline", "create", *where, "--file", f"@{file}")
    run_id = az("synapse", "pipeline", "create-run", *where)["runId"]
    shown = az("synapse", "pipeline-run", "show", "--workspace-name", "syn-az", "--run-id", run_id)
    assert shown["pipelineName"] == "Short"
    az("synapse", "workspace", "delete", "-g", group, "-n", "syn-az", "--yes")
