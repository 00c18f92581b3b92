"""The real client without any proxy: by the explicit door and the cloud metadata it serves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import requests

from emulators.kernel import control
from tests.running import Rehearsal

SCRIPT = """
import sys
from pathlib import Path
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Data, Model
from azure.core.credentials import AccessToken

class Static:
    def get_token(self, *scopes, **options):
        return AccessToken(TOKENS["storage" if "storage" in scopes[0] else "arm"], 2**31)

import os, json
TOKENS = json.loads(os.environ["TOKENS"])
folder = Path(sys.argv[1])
client = MLClient(
    Static(),
    os.environ["AZURE_SUBSCRIPTION_ID"],
    os.environ["AZURE_RESOURCE_GROUP"],
    os.environ["AZUREML_WORKSPACE_NAME"],
)
made = client.data.create_or_update(Data(name="door", path=str(folder / "a"), type="uri_folder"))
client.models.create_or_update(Model(name="door", path=str(folder / "a"), type="custom_model"))
client.models.download("door", "1", download_path=str(folder / "down"))
print(made.path)
"""


def test_upload_and_download_without_a_proxy(rehearsal: Rehearsal, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x.txt").write_text("through the door")
    door = f"https://localhost:{control.find(rehearsal.state).explicit}"
    env = rehearsal.env

    def token(scope: str) -> str:
        answer = requests.post(
            f"{door}/{env['AZURE_TENANT_ID']}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": env["AZURE_CLIENT_ID"],
                "client_secret": env["AZURE_CLIENT_SECRET"],
                "scope": scope,
            },
            verify=env["REQUESTS_CA_BUNDLE"],
            timeout=30,
        )
        return str(answer.json()["access_token"])

    tokens = {
        "arm": token("https://management.azure.com/.default"),
        "storage": token("https://storage.azure.com/.default"),
    }
    plain = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    kept = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP",
            "AZUREML_WORKSPACE_NAME")  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(tmp_path)],
        env={
            **plain,
            **{name: env[name] for name in kept},
            "ARM_CLOUD_METADATA_URL": f"{door}/metadata/endpoints?api-version=2022-09-01",
            "AZUREML_CURRENT_CLOUD": "Rehearsal",
            "REGISTRY_DISCOVERY_ENDPOINT_URL": door,
            "NO_PROXY": "localhost",
            "TOKENS": json.dumps(tokens),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "/datastores/workspaceblobstore/paths/LocalUpload/" in done.stdout
    assert next((tmp_path / "down").rglob("x.txt")).read_text() == "through the door"
