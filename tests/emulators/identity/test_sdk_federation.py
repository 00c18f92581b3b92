"""Credentials that present an assertion, unmodified: GitHub Actions, Kubernetes, a certificate."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization

from tests.emulators.identity.test_wire_assertions import make_signer
from tests.running import Rehearsal

SCOPE = "https://management.azure.com/.default"
SUBJECT = "repo:contoso/models:ref:refs/heads/main"
EXCHANGE = "api://AzureADTokenExchange"
GRAPH = "https://graph.microsoft.com/v1.0"


def appid(token: str) -> str:
    found: str = jwt.decode(token, options={"verify_signature": False})["appid"]
    return found


@pytest.fixture
def app(azure_env: Rehearsal) -> dict[str, Any]:
    """An application made through Graph, with GitHub's main branch and a certificate."""
    from azure.identity import DefaultAzureCredential

    token = DefaultAzureCredential().get_token("https://graph.microsoft.com/.default").token
    headers = {"Authorization": f"Bearer {token}"}

    def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = requests.post(f"{GRAPH}/{path}", json=body, headers=headers, timeout=30)
        assert answer.ok, answer.text
        found: dict[str, Any] = answer.json()
        return found

    signer = make_signer()
    der = base64.b64encode(base64.b64decode("".join(signer.pem.split("\n")[1:-2]))).decode()
    key = {"type": "AsymmetricX509Cert", "usage": "Verify", "key": der}
    made = post("applications", {"displayName": "ci", "keyCredentials": [key]})
    post("servicePrincipals", {"appId": made["appId"]})
    federated = {"name": "main", "issuer": "https://token.actions.githubusercontent.com",
                 "subject": SUBJECT, "audiences": [EXCHANGE]}  # fmt: skip
    post(f"applications/{made['id']}/federatedIdentityCredentials", federated)
    return {**made, "signer": signer, "tenant": azure_env.env["AZURE_TENANT_ID"]}


def github_token(app: dict[str, Any]) -> str:
    """What a workflow step does: ask the runner for an ID token."""
    from azure.identity import DefaultAzureCredential

    bearer = DefaultAzureCredential().get_token(SCOPE).token
    url = f"https://login.microsoftonline.com/{app['tenant']}/discovery/github?subject={SUBJECT}"
    answer = requests.get(
        f"{url}&audience={EXCHANGE}", headers={"Authorization": f"Bearer {bearer}"}, timeout=30
    )
    value: str = answer.json()["value"]
    return value


def test_client_assertion(app: dict[str, Any]) -> None:
    from azure.identity import ClientAssertionCredential

    credential = ClientAssertionCredential(app["tenant"], app["appId"], lambda: github_token(app))
    assert appid(credential.get_token(SCOPE).token) == app["appId"]


def test_workload_identity(
    app: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from azure.identity import WorkloadIdentityCredential

    file = tmp_path / "token"
    file.write_text(github_token(app))
    monkeypatch.setenv("AZURE_CLIENT_ID", app["appId"])
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(file))
    assert appid(WorkloadIdentityCredential().get_token(SCOPE).token) == app["appId"]


def test_certificate(app: dict[str, Any]) -> None:
    from azure.identity import CertificateCredential

    private = app["signer"].key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    credential = CertificateCredential(
        app["tenant"], app["appId"], certificate_data=private + app["signer"].pem.encode()
    )
    assert appid(credential.get_token(SCOPE).token) == app["appId"]


def test_an_assertion_with_a_forged_signature(app: dict[str, Any]) -> None:
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import ClientAssertionCredential

    token = github_token(app).split(".")
    credential = ClientAssertionCredential(
        app["tenant"], app["appId"], lambda: ".".join([token[0], token[1], "AAAA"])
    )
    with pytest.raises(ClientAuthenticationError, match="AADSTS50013"):
        credential.get_token(SCOPE)
