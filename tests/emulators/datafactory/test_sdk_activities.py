"""Pipelines run end to end on the host: secrets, tokens, files, a function of the user's own."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.running import Rehearsal

FACTORY = "adf-of-activities"
NOW = datetime.now(UTC)
WINDOW = {
    "last_updated_after": NOW - timedelta(days=1),
    "last_updated_before": NOW + timedelta(days=1),
}
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
BLOB_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"


class Function(BaseHTTPRequestHandler):
    """A function of the user's own: tells what it was asked; a web hook that calls back."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        said: dict[str, Any] = {
            "path": self.path,
            "key": self.headers.get("x-functions-key"),
            "body": body.decode(),
        }
        if self.path.startswith("/hook"):
            threading.Thread(target=call_back, args=(json.loads(body),), daemon=True).start()
        raw = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(raw)))
        self.send_header("X-Mine", "yes")
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        return None


def call_back(body: Mapping[str, Any]) -> None:
    import requests

    time.sleep(0.1)
    answer = {"Output": {"seen": body["word"]}, "StatusCode": str(body.get("status", 200))}
    if body.get("status"):
        answer["Error"] = {"ErrorCode": "TooBad", "Message": "it went wrong"}
    requests.post(body["callBackUri"], json=answer, timeout=10).raise_for_status()


@pytest.fixture(scope="module")
def function() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Function)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_address[1]}"
    server.shutdown()


class World:
    """A factory of this file's own, and what its identity may do."""

    def __init__(self, client: Any, group: str, env: Mapping[str, str], credential: Any) -> None:
        from azure.mgmt.datafactory.models import Factory, FactoryIdentity

        self.client, self.group, self.env, self.credential = client, group, env, credential
        made = client.factories.create_or_update(
            group,
            FACTORY,
            Factory(location="eastus", identity=FactoryIdentity(type="SystemAssigned")),
        )
        self.principal = made.identity.principal_id
        self.scope = f"/subscriptions/{env['AZURE_SUBSCRIPTION_ID']}/resourceGroups/{group}"

    def allow(self, role: str) -> None:
        """Give the factory's identity a role in its resource group."""
        import uuid

        import requests

        name = f"{self.scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
        definition = f"/providers/Microsoft.Authorization/roleDefinitions/{role}"
        token = self.credential.get_token("https://management.azure.com/.default").token
        answer = requests.put(
            f"https://management.azure.com{name}?api-version=2022-04-01",
            json={"properties": {"principalId": self.principal, "roleDefinitionId": definition}},
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )
        assert answer.status_code in (201, 409), answer.text  # 409: it has the role

    def publish(self, kind: str, name: str, properties: Mapping[str, Any]) -> None:
        operations = getattr(self.client, kind)
        operations.create_or_update(self.group, FACTORY, name, {"properties": dict(properties)})

    def run(
        self, name: str, *activities: Mapping[str, Any], wait_s: float = 30, **more: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Run a pipeline of these activities; the run and its activity runs by name."""
        self.publish("pipelines", name, {"activities": list(activities), **more})
        run_id = self.client.pipelines.create_run(self.group, FACTORY, name).run_id
        deadline = time.monotonic() + wait_s
        run = self.client.pipeline_runs.get(self.group, FACTORY, run_id)
        while run.status not in ("Succeeded", "Failed", "Cancelled"):
            assert time.monotonic() < deadline, f"{run.status} after {wait_s} s"
            time.sleep(0.05)
            run = self.client.pipeline_runs.get(self.group, FACTORY, run_id)
        rows = self.client.activity_runs.query_by_pipeline_run(
            self.group, FACTORY, run_id, WINDOW
        ).value
        return run, {row.activity_name: row for row in rows}


@pytest.fixture(scope="module")
def world(factories: Any, group: str, rehearsal: Rehearsal, credential: Any) -> Iterator[World]:
    made = World(factories, group, rehearsal.env, credential)
    text = rehearsal.env["AZURE_STORAGE_CONNECTION_STRING"]
    made.publish(
        "linked_services",
        "Store",
        {"type": "AzureBlobStorage", "typeProperties": {"connectionString": text}},
    )
    yield made
    factories.factories.delete(group, FACTORY)


def web(name: str, url: str, method: str = "GET", **properties: Any) -> dict[str, Any]:
    body = {"url": url, "method": method, **properties}
    return {"name": name, "type": "WebActivity", "typeProperties": body}


def after(name: str, activity: dict[str, Any]) -> dict[str, Any]:
    depends = [{"activity": name, "dependencyConditions": ["Succeeded"]}]
    return {**activity, "dependsOn": depends}


def test_the_factorys_identity_may_do_what_its_roles_allow(world: World) -> None:
    url = (
        f"https://management.azure.com/{world.scope}"  # two slashes: Azure takes them for one
        f"/providers/Microsoft.DataFactory/factories/{FACTORY}?api-version=2018-06-01"
    )
    msi = {"type": "MSI", "resource": "https://management.azure.com/"}
    without, rows = world.run("Bare", web("W", url))
    assert without.status == "Failed"
    assert rows["W"].error["errorCode"] == "2108"
    assert "'401 : Unauthorized'" in rows["W"].error["message"]
    refused, rows = world.run("Before", web("W", url, authentication=msi))
    assert refused.status == "Failed"
    assert "'403 : Forbidden'" in rows["W"].error["message"]
    world.allow(CONTRIBUTOR)
    run, rows = world.run("Allowed", web("W", url, authentication=msi))
    assert run.status == "Succeeded"
    assert rows["W"].output["name"] == FACTORY
    assert "Content-Type" in rows["W"].output["ADFWebActivityResponseHeaders"]


def test_a_secret_becomes_a_token_becomes_a_call(world: World, function: str) -> None:
    from azure.keyvault.secrets import SecretClient

    env, vault = world.env, world.env["AZURE_KEY_VAULT_URL"]
    SecretClient(vault, world.credential).set_secret("spn", env["AZURE_CLIENT_SECRET"])
    world.allow(SECRETS_USER)
    msi = {"type": "MSI", "resource": "https://vault.azure.net"}
    secret = web("Secret", f"{vault.rstrip('/')}/secrets/spn?api-version=7.4", authentication=msi)
    form = (
        f"grant_type=client_credentials&client_id={env['AZURE_CLIENT_ID']}"
        "&client_secret=@{activity('Secret').output.value}"
        "&resource=https://management.azure.com/"
    )
    login = web(
        "Token",
        f"https://login.microsoftonline.com/{env['AZURE_TENANT_ID']}/oauth2/token",
        "POST",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body=form,
    )
    listed = web(
        "List",
        f"https://management.azure.com{world.scope}/resources?api-version=2021-04-01",
        headers={"Authorization": "@concat('Bearer ', activity('Token').output.access_token)"},
    )
    told = web(
        "Tell", f"{function}/told", "POST", body={"n": "@length(activity('List').output.value)"}
    )
    run, rows = world.run(
        "Chain", secret, after("Secret", login), after("Token", listed), after("List", told)
    )
    assert run.status == "Succeeded", run.message
    assert json.loads(rows["Tell"].output["body"])["n"] > 0
    assert rows["Tell"].output["ADFWebActivityResponseHeaders"]["X-Mine"] == "yes"


def test_a_web_hook_waits_for_its_callback(
    world: World, function: str, rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in rehearsal.env.items():
        monkeypatch.setenv(name, value)
    hook = {
        "name": "Hook",
        "type": "WebHook",
        "typeProperties": {
            "method": "POST",
            "url": f"{function}/hook",
            "headers": {"Content-Type": "application/json"},
            "body": {"word": "@pipeline().Pipeline"},
            "timeout": "00:00:20",
            "reportStatusOnCallBack": True,
        },
    }
    run, rows = world.run("Hooked", hook)
    assert run.status == "Succeeded", run.message
    assert rows["Hook"].output["Output"] == {"seen": "Hooked"}
    hook["typeProperties"]["body"] = {"word": "w", "status": 500}  # type: ignore[index]
    run, rows = world.run("HookedBadly", hook)
    assert run.status == "Failed"
    assert rows["Hook"].error["errorCode"] == "TooBad"
    assert rows["Hook"].error["message"] == "it went wrong"


def test_a_function_gets_its_key(world: World, function: str) -> None:
    key = {"type": "SecureString", "value": "k1"}
    world.publish(
        "linked_services",
        "App",
        {
            "type": "AzureFunction",
            "typeProperties": {"functionAppUrl": function, "functionKey": key},
        },
    )
    activity = {
        "name": "F",
        "type": "AzureFunctionActivity",
        "linkedServiceName": {"referenceName": "App", "type": "LinkedServiceReference"},
        "typeProperties": {"functionName": "Score", "method": "POST", "body": {"a": 1}},
    }
    run, rows = world.run("Functions", activity)
    assert run.status == "Succeeded", run.message
    assert rows["F"].output["path"] == "/api/Score"
    assert rows["F"].output["key"] == "k1"


def test_files_are_listed_copied_and_looked_up(world: World) -> None:
    from azure.storage.blob import BlobServiceClient

    service = BlobServiceClient.from_connection_string(world.env["AZURE_STORAGE_CONNECTION_STRING"])
    blobs = service.create_container("adf-files")
    blobs.upload_blob("in/a.csv", b"id,name\n1,Ada\n2,Grace\n")
    blobs.upload_blob("in/b.csv", b"id,name\n3,Edsger\n")
    linked = {"referenceName": "Store", "type": "LinkedServiceReference"}
    text = {
        "type": "DelimitedText",
        "linkedServiceName": linked,
        "parameters": {"folder": {"type": "String"}, "file": {"type": "String"}},
        "typeProperties": {
            "location": {
                "type": "AzureBlobStorageLocation",
                "container": "adf-files",
                "folderPath": {"value": "@dataset().folder", "type": "Expression"},
                "fileName": {"value": "@dataset().file", "type": "Expression"},
            },
            "columnDelimiter": ",",
            "firstRowAsHeader": True,
        },
    }
    world.publish("datasets", "Text", text)

    def of(folder: str, file: str) -> dict[str, Any]:
        parameters = {"folder": folder, "file": file}
        return {"referenceName": "Text", "type": "DatasetReference", "parameters": parameters}

    copy = {
        "name": "Merge",
        "type": "Copy",
        "inputs": [of("in", "")],
        "outputs": [of("out", "all.csv")],
        "typeProperties": {
            "source": {
                "type": "DelimitedTextSource",
                "storeSettings": {"type": "AzureBlobStorageReadSettings", "recursive": True},
            },
            "sink": {
                "type": "DelimitedTextSink",
                "storeSettings": {
                    "type": "AzureBlobStorageWriteSettings",
                    "copyBehavior": "MergeFiles",
                },
                "formatSettings": {"type": "DelimitedTextWriteSettings", "fileExtension": ".csv"},
            },
        },
    }
    look = {
        "name": "Rows",
        "type": "Lookup",
        "typeProperties": {
            "source": {"type": "DelimitedTextSource"},
            "dataset": of("out", "all.csv"),
            "firstRowOnly": False,
        },
    }
    listing = {
        "name": "Names",
        "type": "GetMetadata",
        "typeProperties": {"dataset": of("in", ""), "fieldList": ["childItems"]},
    }
    run, rows = world.run("Files", copy, after("Merge", look), listing)
    assert run.status == "Succeeded", run.message
    assert rows["Merge"].output["rowsCopied"] == 3
    assert rows["Rows"].output["value"][2] == {"id": "3", "name": "Edsger"}
    assert [one["name"] for one in rows["Names"].output["childItems"]] == ["a.csv", "b.csv"]
    assert blobs.download_blob("out/all.csv").readall().count(b"\r\n") == 4


def test_a_linked_service_takes_its_secret_from_the_vault(world: World) -> None:
    from azure.keyvault.secrets import SecretClient
    from azure.storage.blob import BlobServiceClient

    text, vault = world.env["AZURE_STORAGE_CONNECTION_STRING"], world.env["AZURE_KEY_VAULT_URL"]
    SecretClient(vault, world.credential).set_secret("store", text)
    world.allow(SECRETS_USER)
    world.allow(BLOB_CONTRIBUTOR)
    service = BlobServiceClient.from_connection_string(text)
    service.create_container("adf-vault").upload_blob("a.json", b'{"a": 1}')
    world.publish(
        "linked_services", "Vault", {"type": "AzureKeyVault", "typeProperties": {"baseUrl": vault}}
    )
    secret = {
        "type": "AzureKeyVaultSecret",
        "store": {"referenceName": "Vault", "type": "LinkedServiceReference"},
        "secretName": "store",
    }
    endpoint = f"https://{service.account_name}.blob.core.windows.net/"
    ways = {"ByVault": {"connectionString": secret}, "ByRole": {"serviceEndpoint": endpoint}}
    looks = []
    for name, properties in ways.items():
        body = {"type": "AzureBlobStorage", "typeProperties": properties}
        world.publish("linked_services", name, body)
        dataset = {
            "type": "Json",
            "linkedServiceName": {"referenceName": name, "type": "LinkedServiceReference"},
            "typeProperties": {
                "location": {
                    "type": "AzureBlobStorageLocation",
                    "container": "adf-vault",
                    "fileName": "a.json",
                }
            },
        }
        world.publish("datasets", name, dataset)
        reference = {"referenceName": name, "type": "DatasetReference"}
        source = {"type": "JsonSource"}
        asked = {"source": source, "dataset": reference}
        looks.append({"name": name, "type": "Lookup", "typeProperties": asked})
    run, rows = world.run("Ways", *looks)
    assert run.status == "Succeeded", run.message
    assert [rows[name].output["firstRow"] for name in ways] == [{"a": 1}] * 2


def test_what_is_not_run_fails_when_it_is_reached(world: World) -> None:
    notebook = {
        "name": "N",
        "type": "DatabricksNotebook",
        "typeProperties": {"notebookPath": "/x"},
    }
    run, rows = world.run("Notebook", notebook)
    assert run.status == "Failed"
    assert rows["N"].error["errorCode"] == "NotEmulated"
    assert os.environ["HTTPS_PROXY"]


STEP = """
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
name: adf_step
version: "1"
type: command
inputs:
  factor: {type: integer}
environment:
  image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04
command: test ${{inputs.factor}} = 7
"""
PIPELINE = """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineComponent.schema.json
name: adf_pipeline
version: "1"
type: pipeline
inputs:
  factor: {type: integer, default: 5}
jobs:
  check:
    type: command
    component: ./step.yml
    inputs:
      factor: ${{parent.inputs.factor}}
settings:
  default_compute: azureml:cpu-cluster
"""


def test_a_pipeline_component_of_a_workspace_runs(
    world: World, ml_client: Any, tmp_path: Path
) -> None:
    from azure.ai.ml import load_component

    (tmp_path / "step.yml").write_text(STEP)
    (tmp_path / "pipeline.yml").write_text(PIPELINE)
    ml_client.components.create_or_update(load_component(tmp_path / "pipeline.yml"))
    world.allow(CONTRIBUTOR)
    place = {
        "subscriptionId": world.env["AZURE_SUBSCRIPTION_ID"],
        "resourceGroupName": world.group,
        "mlWorkspaceName": world.env["AZUREML_WORKSPACE_NAME"],
        "authentication": "MSI",
    }
    world.publish("linked_services", "Ml", {"type": "AzureMLService", "typeProperties": place})
    activity = {
        "name": "Train",
        "type": "AzureMLExecutePipeline",
        "linkedServiceName": {"referenceName": "Ml", "type": "LinkedServiceReference"},
        "typeProperties": {
            "mlPipelineId": "adf_pipeline",
            "experimentName": "from-adf",
            "mlPipelineParameters": {"factor": 7},
        },
    }
    run, rows = world.run("Training", activity, wait_s=120)
    assert run.status == "Succeeded", run.message
    job = ml_client.jobs.get(rows["Train"].output["runId"])
    assert (job.status, job.experiment_name) == ("Completed", "from-adf")
    parameters: dict[str, Any] = activity["typeProperties"]  # type: ignore[assignment]
    parameters["mlPipelineParameters"] = {"factor": 8}
    run, rows = world.run("TrainingBadly", activity, wait_s=120)
    assert run.status == "Failed"
    assert rows["Train"].error["errorCode"] == "4126"
