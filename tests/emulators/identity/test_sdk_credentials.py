"""Microsoft's own credential classes, unmodified, against the embedded host."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

import jwt
import pytest

from emulators.kernel.secrets import Secrets
from tests.running import Rehearsal

SCOPE = "https://management.azure.com/.default"


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


@pytest.fixture
def env(azure_env: Rehearsal) -> dict[str, str]:
    return azure_env.env


def test_client_secret(env: dict[str, str]) -> None:
    from azure.identity import ClientSecretCredential

    credential = ClientSecretCredential(
        env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"]
    )
    token = credential.get_token(SCOPE)
    found = claims(token.token)
    assert found["aud"] == "https://management.azure.com"
    assert found["tid"] == env["AZURE_TENANT_ID"]
    assert found["appid"] == env["AZURE_CLIENT_ID"]
    assert 3500 < token.expires_on - time.time() <= 3600


def test_client_secret_of_another_tenant(env: dict[str, str]) -> None:
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import ClientSecretCredential

    for tenant, client, secret, number in (
        ("11111111-2222-3333-4444-555555555555", "AZURE_CLIENT_ID", "x", None),
        (env["AZURE_TENANT_ID"], "AZURE_TENANT_ID", "x", "AADSTS700016"),
        (env["AZURE_TENANT_ID"], "AZURE_CLIENT_ID", "x", "AADSTS7000215"),
    ):
        credential = ClientSecretCredential(tenant, env[client], secret)
        with pytest.raises((ClientAuthenticationError, ValueError)) as refused:
            credential.get_token(SCOPE)
        assert number is None or number in str(refused.value)


def test_default_credential_reads_the_environment(env: dict[str, str]) -> None:
    from azure.identity import DefaultAzureCredential

    found = claims(DefaultAzureCredential().get_token("https://ml.azure.com/.default").token)
    assert found["aud"] == "https://ml.azure.com"


def test_managed_identity_of_app_service(
    env: dict[str, str], azure_env: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

    secrets = Secrets.open(azure_env.state, read_only=True)
    port = azure_env.host.explicit
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"https://localhost:{port}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", secrets.token("msi"))
    found = claims(ManagedIdentityCredential().get_token(SCOPE).token)
    assert found["appid"] == secrets.guid("managed_client_id")
    for name in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"):
        monkeypatch.delenv(name)
    assert claims(DefaultAzureCredential().get_token(SCOPE).token)["oid"] == found["oid"]


def test_managed_identity_of_a_virtual_machine(env: dict[str, str]) -> None:
    from azure.identity import ManagedIdentityCredential

    assert claims(ManagedIdentityCredential().get_token(SCOPE).token)["idtyp"] == "app"


def test_msal_with_instance_discovery(env: dict[str, str]) -> None:
    import msal

    app = msal.ConfidentialClientApplication(
        env["AZURE_CLIENT_ID"],
        client_credential=env["AZURE_CLIENT_SECRET"],
        authority=f"https://login.microsoftonline.com/{env['AZURE_TENANT_ID']}",
        instance_discovery=True,
    )
    answer = app.acquire_token_for_client([SCOPE])
    assert "access_token" in answer, answer
    again = app.acquire_token_for_client([SCOPE])
    assert again["token_source"] == "cache"


def test_msal_at_another_alias(env: dict[str, str]) -> None:
    import msal

    app = msal.ConfidentialClientApplication(
        env["AZURE_CLIENT_ID"],
        client_credential=env["AZURE_CLIENT_SECRET"],
        authority="https://login.windows.net/rehearsal.onmicrosoft.com",
    )
    assert "access_token" in app.acquire_token_for_client([SCOPE])


def test_the_explicit_door_by_the_adfs_form(env: dict[str, str], azure_env: Rehearsal) -> None:
    from azure.identity import ClientSecretCredential

    door = f"https://localhost:{azure_env.host.explicit}"
    credential = ClientSecretCredential(
        "adfs", env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"], authority=door
    )
    assert claims(credential.get_token(f"{door}/.default").token)["aud"] == door


ASYNC = """
import asyncio, os
from azure.identity.aio import ClientSecretCredential

async def go():
    names = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
    async with ClientSecretCredential(*(os.environ[n] for n in names)) as credential:
        print((await credential.get_token("https://management.azure.com/.default")).token)

asyncio.run(go())
"""


def test_async_client_secret(env: dict[str, str]) -> None:
    """In a process of its own: aiohttp keeps the roots that were trusted when it was imported."""
    done = subprocess.run(
        [sys.executable, "-c", ASYNC],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert claims(done.stdout.strip())["aud"] == "https://management.azure.com"
