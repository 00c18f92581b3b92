"""Faults as the official clients meet them."""

from __future__ import annotations

import json
import time

import pytest

from emulators.kernel.folder import holder
from tests.cli.conftest import Command
from tests.running import Rehearsal


@pytest.fixture
def on(host: Rehearsal, on_host: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    for name, value in host.env.items():
        monkeypatch.setenv(name, value)
    on_host("fault", "clear")
    return on_host


def statuses(command: Command, needle: str) -> list[int]:
    lines = command("logs", "--json", "-n", "50").stdout.splitlines()
    entries = [json.loads(line) for line in lines]
    return [e["status"] for e in entries if e["kind"] == "request" and needle in e["path"]]


def test_the_storage_client_retries_what_was_broken_on_purpose(
    on: Command, host: Rehearsal
) -> None:
    from azure.storage.blob import BlobServiceClient, ExponentialRetry

    with BlobServiceClient.from_connection_string(
        host.env["AZURE_STORAGE_CONNECTION_STRING"],
        retry_policy=ExponentialRetry(initial_backoff=0, increment_base=1),
    ) as client:
        on(
            "fault",
            "add",
            "--host",
            "*.blob.*",
            "--path",
            "/faulty*",
            "--status",
            "503",
            "--count",
            "2",
        )
        client.create_container("faulty")
        assert statuses(on, "/faulty") == [503, 503, 201]
        on("fault", "add", "--path", "/faulty/*", "--drop", "--count", "1", "--method", "PUT")
        client.get_blob_client("faulty", "b").upload_blob(b"x")
        assert statuses(on, "/faulty/b") == [0, 201]


def test_the_resource_client_sees_the_fault_and_its_name(on: Command, host: Rehearsal) -> None:
    from azure.core.exceptions import HttpResponseError
    from azure.identity import ClientSecretCredential
    from azure.mgmt.resource.resources import ResourceManagementClient

    env = host.env
    credential = ClientSecretCredential(
        env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"]
    )
    with ResourceManagementClient(credential, env["AZURE_SUBSCRIPTION_ID"]) as client:
        name = on(
            "fault", "add", "--host", "management.azure.com", "--status", "409"
        ).stdout.strip()
        with pytest.raises(HttpResponseError) as refused:
            list(client.resource_groups.list())
        assert refused.value.status_code == 409
        assert name in str(refused.value)
        on("fault", "clear", name)
        on("fault", "add", "--host", "management.azure.com", "--latency", "600ms", "--count", "1")
        began = time.monotonic()
        assert [group.name for group in client.resource_groups.list()]
        assert time.monotonic() - began > 0.5


def test_a_fault_outlives_a_restart_with_what_is_left_of_it(rehearse: Command) -> None:
    rehearse("up", "identity", "arm", "--detach", "--ports", "auto")
    name = rehearse("fault", "add", "--status", "500", "--count", "3").stdout.strip()
    Rehearsal(rehearse.state).kill()
    while holder(rehearse.state) is not None:
        time.sleep(0.02)
    rehearse("up", "identity", "arm", "--detach", "--ports", "auto")
    found = json.loads(rehearse("fault", "list", "--json").stdout)
    assert [(f["id"], f["count"]) for f in found] == [(name, 3)]
