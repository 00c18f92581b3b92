"""The real `az` command against the real host, told nothing but `rehearse env`'s variables."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.frontdoor.conftest import CLEAN
from tests.peers import peer_environment
from tests.running import Rehearsal, started

Az = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def interpreter() -> Path:
    return peer_environment("azure-cli", ["azure-cli>=2.80"])


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    with started(
        tmp_path_factory.mktemp("az"), "identity", "arm", "keyvault", "keyvault-management"
    ) as running:
        yield running


@pytest.fixture(scope="module")
def az(interpreter: Path, rehearsal: Rehearsal) -> Az:
    """Run one `az` command; its configuration is its own, and it starts signed in."""
    clean = {name: os.environ[name] for name in CLEAN if name in os.environ}
    own = {"AZURE_CONFIG_DIR": str(rehearsal.state / "azure-config"), "AZURE_CORE_NO_COLOR": "1"}
    environment = clean | rehearsal.env | own

    def run(*words: str, config: str = "") -> subprocess.CompletedProcess[str]:
        command = [str(interpreter), "-m", "azure.cli", *words]
        chosen = environment | ({"AZURE_CONFIG_DIR": config} if config else {})
        return subprocess.run(
            command, env=chosen, capture_output=True, text=True, timeout=120, check=False
        )

    done = run(*_login(rehearsal.env, rehearsal.env["AZURE_CLIENT_SECRET"]))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [s["id"] for s in found] == [rehearsal.env["AZURE_SUBSCRIPTION_ID"]]
    return run


def _login(env: dict[str, str], secret: str) -> list[str]:
    tenant = ["--tenant", env["AZURE_TENANT_ID"]]
    return ["login", "--service-principal", "-u", env["AZURE_CLIENT_ID"], "-p", secret, *tenant]


def said(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_account_show(az: Az, rehearsal: Rehearsal) -> None:
    account = said(az("account", "show"))
    assert account["id"] == rehearsal.env["AZURE_SUBSCRIPTION_ID"]
    assert account["tenantId"] == rehearsal.env["AZURE_TENANT_ID"]
    assert account["environmentName"] == "AzureCloud"  # the public cloud, nothing registered


def test_groups(az: Az) -> None:
    said(az("group", "create", "--name", "made-by-az", "--location", "eastus"))
    names = {group["name"] for group in said(az("group", "list"))}
    assert names >= {"rehearsal", "made-by-az"}


def test_rest(az: Az, rehearsal: Rehearsal) -> None:
    url = f"/subscriptions/{rehearsal.env['AZURE_SUBSCRIPTION_ID']}/resourcegroups"
    listed = said(az("rest", "--method", "get", "--url", f"{url}?api-version=2021-04-01"))
    assert "rehearsal" in {group["name"] for group in listed["value"]}


def test_access_token(az: Az) -> None:
    token = said(az("account", "get-access-token", "--resource", "https://ml.azure.com"))
    assert token["tokenType"] == "Bearer"
    assert token["accessToken"].count(".") == 2


def test_a_host_that_is_not_emulated_is_explained(az: Az) -> None:
    url = "https://elsewhere.search.windows.net/indexes?api-version=2024-07-01"
    done = az("rest", "--url", url, "--resource", "https://management.azure.com")
    assert done.returncode != 0
    assert "NotEmulated" in done.stderr
    assert "elsewhere.search.windows.net" in done.stderr


def test_secrets(az: Az, rehearsal: Rehearsal) -> None:
    vault = rehearsal.env["AZURE_KEY_VAULT_URL"].removeprefix("https://").partition(".")[0]
    where = ("--vault-name", vault, "--name", "by-az")
    said(az("keyvault", "secret", "set", *where, "--value", "v1"))
    assert said(az("keyvault", "secret", "show", *where))["value"] == "v1"
    assert vault in {one["name"] for one in said(az("keyvault", "list"))}
    missing = az("keyvault", "secret", "list", "--vault-name", "elsewhere")
    assert "VaultNotFound" in missing.stderr


def test_vaults(az: Az) -> None:
    made = said(az("keyvault", "create", "-g", "rehearsal", "-n", "by-az", "-l", "eastus"))
    assert made["properties"]["vaultUri"] == "https://by-az.vault.azure.net/"
    az("keyvault", "delete", "-n", "by-az")
    assert "by-az" in {one["name"] for one in said(az("keyvault", "list-deleted"))}
    assert az("keyvault", "purge", "-n", "by-az").returncode == 0


def test_a_wrong_secret_is_entras_error(az: Az, rehearsal: Rehearsal, tmp_path: Path) -> None:
    done = az(*_login(rehearsal.env, "wrong"), config=str(tmp_path))  # no token cached there
    assert done.returncode != 0
    assert "AADSTS7000215" in done.stderr
