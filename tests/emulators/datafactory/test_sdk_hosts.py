"""Azure's own host names in a pipeline reach the emulators, and no real cloud."""

from __future__ import annotations

import time
from typing import Any

from tests.running import Rehearsal


def web(name: str, method: str, url: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "WebActivity",
            "typeProperties": {"method": method, "url": url, **more}}  # fmt: skip


def test_a_pipeline_signs_in_and_asks_the_resource_manager(
    rehearsal: Rehearsal, factories: Any, group: str
) -> None:
    from azure.mgmt.datafactory.models import Factory

    env = rehearsal.env
    sign_in = web(
        "Sign in", "POST", f"https://login.microsoftonline.com/{env['AZURE_TENANT_ID']}/oauth2/token",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body={
            "value": "@concat('grant_type=client_credentials&resource=https://management.azure.com/"
            "&client_id=', pipeline().parameters.client_id, '&client_secret=',"
            " pipeline().parameters.client_secret)",
            "type": "Expression",
        },
    )  # fmt: skip
    sign_in["policy"] = {"secureInput": True, "secureOutput": True}
    ask = web(
        "Ask", "GET",
        "@concat('https://management.azure.com/', '/subscriptions/',"
        " pipeline().parameters.subscription, '/resourceGroups?api-version=2021-04-01')",
        headers={
            "Authorization": "@concat('Bearer ', activity('Sign in').output.access_token)",
        },
    )  # fmt: skip
    ask["dependsOn"] = [{"activity": "Sign in", "dependencyConditions": ["Succeeded"]}]
    names = ("client_id", "client_secret", "subscription")
    pipeline = {
        "properties": {
            "parameters": {name: {"type": "string"} for name in names},
            "activities": [sign_in, ask],
        }
    }
    factories.factories.create_or_update(group, "adf-of-hosts", Factory(location="eastus"))
    factories.pipelines.create_or_update(group, "adf-of-hosts", "Ask", pipeline)
    given = {
        "client_id": env["AZURE_CLIENT_ID"],
        "client_secret": env["AZURE_CLIENT_SECRET"],
        "subscription": env["AZURE_SUBSCRIPTION_ID"],
    }
    run_id = factories.pipelines.create_run(group, "adf-of-hosts", "Ask", parameters=given).run_id
    for _ in range(200):
        run = factories.pipeline_runs.get(group, "adf-of-hosts", run_id)
        if run.status not in ("Queued", "InProgress"):
            break
        time.sleep(0.05)
    window = {
        "lastUpdatedAfter": "2000-01-01T00:00:00Z",
        "lastUpdatedBefore": "2100-01-01T00:00:00Z",
    }
    rows = factories.activity_runs.query_by_pipeline_run(group, "adf-of-hosts", run_id, window)
    assert run.status == "Succeeded", run.message
    asked = next(row for row in rows.value if row.activity_name == "Ask")
    assert group in [one["name"] for one in asked.output["value"]]
    factories.factories.delete(group, "adf-of-hosts")
