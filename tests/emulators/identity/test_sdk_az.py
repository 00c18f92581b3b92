"""The real `az` command makes an identity, gives it a role, and a workflow signs in as it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.peers import peer_environment
from tests.running import Rehearsal

KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
SUBJECT = "repo:contoso/models:ref:refs/heads/main"
Az = Callable[..., Any]


@pytest.fixture(scope="module")
def interpreter() -> Path:
    return peer_environment("azure-cli", ["azure-cli>=2.80"])


@pytest.fixture
def az(interpreter: Path, rehearsal: Rehearsal, tmp_path: Path) -> Az:
    """Run `az` with nothing but the printed variables; parsed output, or an assertion."""
    environment = {name: os.environ[name] for name in KEPT if name in os.environ} | rehearsal.env

    def run(*words: str, config: str = "one") -> Any:
        done = subprocess.run(
            [str(interpreter), "-m", "azure.cli", *words, "-o", "json", "--only-show-errors"],
            env=environment | {"AZURE_CONFIG_DIR": str(tmp_path / config)},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout or "null")

    return run


def test_a_workflow_s_identity(az: Az, azure_env: Rehearsal) -> None:
    env = azure_env.env
    tenant = ("--tenant", env["AZURE_TENANT_ID"])
    secret = ("-p", env["AZURE_CLIENT_SECRET"])
    az("login", "--service-principal", "-u", env["AZURE_CLIENT_ID"], *secret, *tenant)
    scope = f"/subscriptions/{env['AZURE_SUBSCRIPTION_ID']}"
    made = az(
        "ad", "sp", "create-for-rbac", "-n", "workflow", "--role", "Contributor", "--scopes", scope
    )
    client = ("--service-principal", "-u", made["appId"], *tenant)
    assert az("login", *client, "-p", made["password"], config="two")[0]["name"] == "Rehearsal"
    given = az("role", "assignment", "list", "--assignee", made["appId"])
    assert [one["roleDefinitionName"] for one in given] == ["Contributor"]
    credential = {
        "name": "main",
        "issuer": "https://token.actions.githubusercontent.com",
        "subject": SUBJECT,
        "audiences": ["api://AzureADTokenExchange"],
    }
    create = ("ad", "app", "federated-credential", "create", "--id", made["appId"])
    az(*create, "--parameters", json.dumps(credential))
    bearer = az("account", "get-access-token")["accessToken"]
    assertion = requests.get(
        f"https://login.microsoftonline.com/{env['AZURE_TENANT_ID']}/discovery/github",
        params={"subject": SUBJECT},
        headers={"Authorization": f"Bearer {bearer}"},
        timeout=30,
    ).json()["value"]
    az("login", *client, "--federated-token", assertion, config="three")
    assert "rehearsal" in [group["name"] for group in az("group", "list", config="three")]
    az("login", "--identity", config="four")
    assert az("account", "show", config="four")["user"]["name"] == "systemAssignedIdentity"
