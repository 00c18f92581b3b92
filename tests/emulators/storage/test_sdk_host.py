"""Azure's own host names, through the front door: tokens, delegation, public access, aio, adlfs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import ClientSecretCredential
from azure.storage.blob import (
    BlobServiceClient,
    ContainerClient,
    ContainerSasPermissions,
    PublicAccess,
    generate_container_sas,
)

from tests.running import Rehearsal


def _credential(env: dict[str, str]) -> ClientSecretCredential:
    return ClientSecretCredential(
        env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"]
    )


@pytest.fixture
def service(azure_env: Rehearsal) -> Iterator[BlobServiceClient]:
    account = azure_env.env["AZURE_STORAGE_ACCOUNT"]
    with BlobServiceClient(
        f"https://{account}.blob.core.windows.net",
        credential=_credential(azure_env.env),
        retry_total=0,
    ) as client:
        yield client


@pytest.fixture
def container(service: BlobServiceClient) -> Iterator[ContainerClient]:
    client = service.create_container(f"c{os.urandom(6).hex()}")
    yield client
    client.delete_container()


def test_bearer_round_trip_keeps_the_case_of_metadata(container: ContainerClient) -> None:
    data = os.urandom(5 << 20)
    blob = container.upload_blob("dir/file", data, metadata={"HelloWorld": "Yes"})
    assert blob.download_blob().readall() == data
    assert blob.get_blob_properties().metadata == {"HelloWorld": "Yes"}
    assert next(iter(container.list_blobs(include=["metadata"]))).metadata == {"HelloWorld": "Yes"}


def test_user_delegation(container: ContainerClient, service: BlobServiceClient) -> None:
    container.upload_blob("a", b"1")
    now = datetime.now(UTC)
    key = service.get_user_delegation_key(now - timedelta(minutes=5), now + timedelta(hours=1))
    sas = generate_container_sas(
        str(service.account_name),
        container.container_name,
        user_delegation_key=key,
        permission=ContainerSasPermissions(read=True, list=True),
        expiry=now + timedelta(minutes=30),
    )
    with ContainerClient.from_container_url(f"{container.url}?{sas}", retry_total=0) as client:
        assert [b.name for b in client.list_blobs()] == ["a"]
        assert client.download_blob("a").readall() == b"1"
        with pytest.raises(HttpResponseError):
            client.upload_blob("b", b"2")


def test_public_containers_and_private_ones(container: ContainerClient) -> None:
    container.upload_blob("p", b"open")
    with ContainerClient.from_container_url(container.url, retry_total=0) as anyone:
        with pytest.raises(ClientAuthenticationError) as private:
            anyone.download_blob("p")
        challenge = getattr(private.value.response, "headers", {})["WWW-Authenticate"]
        assert "authorization_uri=" in challenge
        container.set_container_access_policy({}, public_access=PublicAccess.BLOB)
        assert anyone.download_blob("p").readall() == b"open"
        with pytest.raises(ClientAuthenticationError):
            list(anyone.list_blobs())
        container.set_container_access_policy({}, public_access=PublicAccess.CONTAINER)
        assert [b.name for b in anyone.list_blobs()] == ["p"]
        with pytest.raises(HttpResponseError):
            anyone.upload_blob("q", b"1")


def test_connection_string(azure_env: Rehearsal, container: ContainerClient) -> None:
    container.upload_blob("k", b"1")
    text = azure_env.env["AZURE_STORAGE_CONNECTION_STRING"]
    with BlobServiceClient.from_connection_string(text) as client:
        blob = client.get_blob_client(container.container_name, "k")
        assert blob.download_blob().readall() == b"1"


@pytest.mark.parametrize("what", ["aio", "adlfs", "datalake", "mlflow"])
def test_clients_that_read_their_certificates_at_import(
    azure_env: Rehearsal, container: ContainerClient, what: str
) -> None:
    script = Path(__file__).with_name("clients_apart.py")
    done = subprocess.run(
        [sys.executable, str(script), what, container.container_name],
        env={**os.environ, **azure_env.env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
