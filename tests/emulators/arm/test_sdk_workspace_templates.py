"""The Machine Learning SDK makes a workspace, which it does by deploying a template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azure.ai.ml")


def test_a_workspace_is_created_used_and_deleted(ml_client: Any, tmp_path: Path) -> None:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Data, Workspace
    from azure.core.exceptions import ResourceNotFoundError

    wanted = Workspace(name="second", display_name="The second", tags={"team": "risk"})
    made = ml_client.workspaces.begin_create(wanted).result()
    assert (made.name, made.display_name, made.location) == ("second", "The second", "eastus")
    assert made.tags["team"] == "risk"
    assert made.tags["createdByToolkit"].startswith("sdk-v2-")
    assert made.hbi_workspace is False
    assert made.storage_account.split("/")[-1].startswith("second")
    assert "second" in {one.name for one in ml_client.workspaces.list()}

    client = MLClient(
        ml_client._credential,
        ml_client.subscription_id,
        ml_client.resource_group_name,
        "second",
    )
    file = tmp_path / "rows.csv"
    file.write_text("a,b\n1,2\n")
    data = client.data.create_or_update(Data(name="rows", path=str(file), type="uri_file"))
    assert (data.name, data.version) == ("rows", "1")
    assert client.data.get("rows", version="1").path.endswith("rows.csv")

    ml_client.workspaces.begin_delete("second", delete_dependent_resources=True).result()
    with pytest.raises(ResourceNotFoundError):
        ml_client.workspaces.get("second")


def test_a_workspace_on_what_is_there(ml_client: Any) -> None:
    from azure.ai.ml.entities import Workspace

    first = ml_client.workspaces.get("rehearsal")
    wanted = Workspace(
        name="third",
        storage_account=first.storage_account,
        key_vault=first.key_vault,
        application_insights=first.application_insights,
        hbi_workspace=True,
        public_network_access="Enabled",
    )
    made = ml_client.workspaces.begin_create(wanted).result()
    assert made.storage_account == first.storage_account
    assert made.key_vault == first.key_vault
    assert made.hbi_workspace is True
    ml_client.workspaces.begin_delete("third", delete_dependent_resources=False).result()
    assert ml_client.workspaces.get("rehearsal").storage_account == first.storage_account


def test_a_hub_is_refused_by_name(ml_client: Any) -> None:
    from azure.ai.ml.entities import Hub
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError) as refused:
        ml_client.workspaces.begin_create(Hub(name="hub")).result()
    assert "NotEmulated" in str(refused.value)
    assert "Hub" in str(refused.value) or "hub" in str(refused.value)
