"""What azure-mgmt-datafactory 10.0.0 does here; run by its own interpreter, prints JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from azure.core.exceptions import HttpResponseError
from azure.identity import ClientSecretCredential
from azure.mgmt.datafactory import DataFactoryManagementClient

models: Any = import_module("azure.mgmt.datafactory.models")
GROUP, FACTORY = os.environ["AZURE_RESOURCE_GROUP"], "adf-newer-client"


def refused(call: Callable[[], object]) -> list[Any] | None:
    """Code and message of what was refused; None when it was not."""
    try:
        call()
    except HttpResponseError as error:
        return [error.status_code, error.error.code if error.error else "", error.message]
    return None


def main() -> None:
    credential = ClientSecretCredential(
        *(os.environ[f"AZURE_{name}"] for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"))
    )
    client: Any = DataFactoryManagementClient(credential, os.environ["AZURE_SUBSCRIPTION_ID"])
    found: dict[str, Any] = {}
    client.factories.create_or_update(GROUP, FACTORY, models.Factory(location="eastus"))
    typed = models.PipelineResource(
        activities=[models.WaitActivity(name="Rest", wait_time_in_seconds=0)]
    )
    found["typed pipeline"] = refused(
        lambda: client.pipelines.create_or_update(GROUP, FACTORY, "Typed", typed)
    )
    linked = models.LinkedServiceResource(
        properties=models.AzureKeyVaultLinkedService(base_url="https://v.vault.azure.net/")
    )
    found["typed linked service"] = refused(
        lambda: client.linked_services.create_or_update(GROUP, FACTORY, "Vault", linked)
    )
    raw = {
        "properties": {
            "activities": [
                {"name": "Rest", "type": "Wait", "typeProperties": {"waitTimeInSeconds": 0}}
            ]
        }
    }
    found["raw pipeline"] = refused(
        lambda: client.pipelines.create_or_update(GROUP, FACTORY, "Raw", raw)
    )
    found["names"] = [one.name for one in client.pipelines.list_by_factory(GROUP, FACTORY)]
    if "run" in sys.argv:
        run_id = client.pipelines.create_run(GROUP, FACTORY, "Raw").run_id
        found["run"] = client.pipeline_runs.get(GROUP, FACTORY, run_id).pipeline_name
    client.factories.delete(GROUP, FACTORY)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
