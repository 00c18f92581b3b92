"""Who may do what, by the unmodified clients: a staging identity cannot write production."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.estate import Estate, Identity
from tests.running import Rehearsal


@pytest.fixture(scope="module")
def estate(ml_client: Any, rehearsal: Rehearsal) -> Estate:
    return Estate(rehearsal)


@pytest.fixture(scope="module")
def staging(estate: Estate) -> str:
    return estate.workspace("staging", "ws-staging")


@pytest.fixture(scope="module")
def production(estate: Estate) -> str:
    return estate.workspace("production", "ws-production")


@pytest.fixture(scope="module")
def deployer(estate: Estate, staging: str, production: str) -> Identity:
    """Contributor of staging's group, reader of production's."""
    made = estate.identity("staging-deployer")
    estate.give(made, "Contributor", staging.partition("/providers/")[0])
    estate.give(made, "Reader", production.partition("/providers/")[0])
    return made


def register(client: Any, name: str, folder: Path) -> Any:
    from azure.ai.ml.entities import Model

    folder.mkdir(exist_ok=True)
    (folder / "weights.txt").write_text("heavy")
    return client.models.create_or_update(Model(name=name, path=str(folder), type="custom_model"))


def test_staging_writes_staging_and_only_reads_production(
    estate: Estate, deployer: Identity, staging: str, production: str, tmp_path: Path
) -> None:
    from azure.ai.ml.entities import Environment
    from azure.ai.ml.exceptions import ValidationException
    from azure.core.exceptions import HttpResponseError

    here = estate.client(deployer.credential, staging)
    assert register(here, "mine", tmp_path / "m").version == "1"
    there = estate.client(deployer.credential, production)
    assert list(there.models.list()) == []
    assert there.workspaces.get().name == "ws-production"
    with pytest.raises(ValidationException, match="permission to alter this storage account"):
        register(there, "mine", tmp_path / "m")
    with pytest.raises(HttpResponseError) as refused:
        there.environments.create_or_update(Environment(name="e", version="1", image="ubuntu"))
    assert refused.value.status_code == 403
    assert "(AuthorizationFailed)" in str(refused.value)
    said = str(refused.value.message)
    assert f"'{deployer.app_id}' with object id '{deployer.object_id}'" in said
    assert "'Microsoft.MachineLearningServices/workspaces/environments/versions/write'" in said
    assert f"over scope '{production}/environments/e/versions/1'" in said
    owner = estate.client(estate.owner, production)
    assert list(owner.models.list()) == []


def test_production_refuses_each_change(
    estate: Estate, deployer: Identity, production: str
) -> None:
    from azure.ai.ml import command
    from azure.ai.ml.entities import Environment, ManagedOnlineEndpoint
    from azure.core.exceptions import HttpResponseError

    client = estate.client(deployer.credential, production)

    def endpoint() -> None:
        client.online_endpoints.begin_create_or_update(
            ManagedOnlineEndpoint(name="not-mine", auth_mode="key")
        ).result()

    def environment() -> None:
        client.environments.create_or_update(Environment(name="e", version="1", image="ubuntu"))

    def job() -> None:
        client.jobs.create_or_update(command(command="true", environment="e:1", compute="c"))

    def role() -> None:
        estate.give(deployer, "Owner", production)

    for act in (endpoint, environment, job, lambda: client.models.archive("m", version="1")):
        with pytest.raises(HttpResponseError):
            act()
    from azure.mgmt.resource.resources import ResourceManagementClient

    estate_of = ResourceManagementClient(deployer.credential, estate.subscription)
    with pytest.raises(HttpResponseError, match="workspaces/delete"):
        estate_of.resources.begin_delete_by_id(production, api_version="2024-10-01").result()
    body = {"properties": {"roleDefinitionId": "x", "principalId": deployer.object_id}}
    for scope in (production, production.partition("/providers/")[0]):
        name = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
        with pytest.raises(HttpResponseError, match="roleAssignments/write"):
            estate_of.resources.begin_create_or_update_by_id(
                name, body, api_version="2022-04-01"
            ).result()


def test_a_workspace_is_made_where_the_role_reaches(
    estate: Estate, deployer: Identity, staging: str, production: str
) -> None:
    """The client deploys a template, and a deployment acts as its caller."""
    from azure.ai.ml.entities import Workspace
    from azure.core.exceptions import HttpResponseError

    def make(scope: str) -> Any:
        client = estate.client(deployer.credential, scope)
        return client.workspaces.begin_create(
            Workspace(name="ws-of-deployer", location="eastus")
        ).result()

    assert make(staging).name == "ws-of-deployer"
    with pytest.raises(HttpResponseError, match="does not have authorization"):
        make(production)


def test_lists_show_what_may_be_seen(estate: Estate, deployer: Identity) -> None:
    from azure.mgmt.resource.resources import ResourceManagementClient

    seen = ResourceManagementClient(deployer.credential, estate.subscription)
    assert {g.name for g in seen.resource_groups.list()} == {"staging", "production"}
    ids = {str(r.id) for r in seen.resources.list()}
    assert ids
    assert all("/resourceGroups/rehearsal" not in one for one in ids)
    nobody = estate.identity("nobody")
    empty = ResourceManagementClient(nobody.credential, estate.subscription)
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError, match="resourceGroups/read"):
        list(empty.resource_groups.list())


def test_a_role_counts_at_once_and_no_longer_when_taken(
    estate: Estate, staging: str, tmp_path: Path
) -> None:
    from azure.core.exceptions import HttpResponseError

    scientist = estate.identity("scientist")
    client = estate.client(scientist.credential, staging)
    with pytest.raises(HttpResponseError, match="AuthorizationFailed"):
        list(client.models.list())
    given = estate.give(scientist, "AzureML Data Scientist", staging)
    assert register(client, "of-scientist", tmp_path / "m").version == "1"
    from azure.ai.ml.entities import AmlCompute

    with pytest.raises(HttpResponseError, match="computes/write"):
        client.compute.begin_create_or_update(AmlCompute(name="big", size="Standard_F4")).result()
    estate.take(given)
    with pytest.raises(HttpResponseError, match="AuthorizationFailed"):
        client.models.get("of-scientist", version="1")


def test_blobs_ask_for_data_roles(estate: Estate, staging: str) -> None:
    from azure.core.exceptions import HttpResponseError
    from azure.storage.blob import BlobServiceClient

    store = estate.client(estate.owner, staging).datastores.get_default()
    url = f"https://{store.account_name}.blob.core.windows.net"
    account = f"{staging.partition('/providers/')[0]}/providers/Microsoft.Storage/storageAccounts"
    account = f"{account}/{store.account_name}"
    owner = BlobServiceClient(url, estate.owner)
    owner.get_blob_client(store.container_name, "a.txt").upload_blob(b"a", overwrite=True)
    reader, writer = estate.identity("blob-reader"), estate.identity("blob-writer")
    estate.give(reader, "Storage Blob Data Reader", account)
    container = f"{account}/blobServices/default/containers/{store.container_name}"
    estate.give(writer, "Storage Blob Data Contributor", container)
    reads = BlobServiceClient(url, reader.credential).get_container_client(store.container_name)
    assert reads.download_blob("a.txt").readall() == b"a"
    with pytest.raises(HttpResponseError) as refused:
        reads.upload_blob("b.txt", b"b")
    assert "AuthorizationPermissionMismatch" in str(refused.value)
    writes = BlobServiceClient(url, writer.credential).get_container_client(store.container_name)
    writes.upload_blob("b.txt", b"b")
    other = BlobServiceClient(url, writer.credential).get_container_client("azureml")
    with pytest.raises(HttpResponseError):
        other.upload_blob("c.txt", b"c")
    contributor = estate.identity("contributor")
    estate.give(contributor, "Contributor", account)
    manages = BlobServiceClient(url, contributor.credential)
    manages.create_container("of-contributor")
    with pytest.raises(HttpResponseError):  # managing an account is no right to its data
        manages.get_blob_client("of-contributor", "d").upload_blob(b"d")


def test_a_delegated_signature_may_what_its_giver_may(estate: Estate, staging: str) -> None:
    from datetime import UTC, datetime, timedelta

    from azure.core.exceptions import HttpResponseError
    from azure.storage.blob import BlobClient, BlobServiceClient, generate_container_sas

    store = estate.client(estate.owner, staging).datastores.get_default()
    url = f"https://{store.account_name}.blob.core.windows.net"
    owner = BlobServiceClient(url, estate.owner)
    owner.get_blob_client(store.container_name, "s.txt").upload_blob(b"s", overwrite=True)
    giver = estate.identity("giver")
    account = f"{staging.partition('/providers/')[0]}/providers/Microsoft.Storage/storageAccounts"
    estate.give(giver, "Storage Blob Data Reader", f"{account}/{store.account_name}")
    until = datetime.now(UTC) + timedelta(hours=1)
    key = BlobServiceClient(url, giver.credential).get_user_delegation_key(
        datetime.now(UTC) - timedelta(minutes=1),
        until,
    )
    sas = generate_container_sas(
        store.account_name,
        store.container_name,
        user_delegation_key=key,
        permission="rw",
        expiry=until,
    )

    def signed(name: str) -> BlobClient:
        return BlobClient(url, store.container_name, name, credential=sas)

    assert signed("s.txt").download_blob().readall() == b"s"
    with pytest.raises(HttpResponseError):
        signed("t.txt").upload_blob(b"t")


def test_sharing_needs_both_sides(estate: Estate, staging: str, tmp_path: Path) -> None:
    import io

    from azure.ai.ml import load_registry
    from azure.core.exceptions import HttpResponseError

    text = "name: guarded\nlocation: eastus\nreplication_locations:\n- location: eastus\n"
    owner = estate.client(estate.owner, staging)
    registry = owner.registries.begin_create(load_registry(io.StringIO(text))).result()
    model = register(owner, "to-share", tmp_path / "m")
    sharer = estate.identity("sharer")
    estate.give(sharer, "Reader", staging)

    def share() -> Any:
        client = estate.client(sharer.credential, staging)
        return client.models.share(
            model.name,
            model.version,
            share_with_name="shared",
            share_with_version="1",
            registry_name="guarded",
        )

    with pytest.raises(HttpResponseError, match="registries/assets"):
        share()
    estate.give(sharer, "AzureML Registry User", registry.id)
    assert share().version == "1"


def test_mlflow_is_guarded_too(estate: Estate, deployer: Identity, production: str) -> None:
    import requests

    token = deployer.credential.get_token("https://management.azure.com/.default").token
    base = f"https://eastus.api.azureml.ms/mlflow/v2.0{production}/api/2.0/mlflow"

    def ask(method: str, path: str, body: Any = None) -> int:
        answer = requests.request(
            method, f"{base}/{path}", json=body, timeout=90,
            headers={"authorization": f"Bearer {token}"},
        )  # fmt: skip
        return answer.status_code

    assert ask("POST", "experiments/search", {"max_results": 5}) == 200
    assert ask("POST", "experiments/create", {"name": "not-mine"}) == 403
    assert ask("POST", "registered-models/create", {"name": "not-mine"}) == 403
