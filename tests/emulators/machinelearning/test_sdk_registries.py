"""Registries by the unmodified Azure ML client: made, filled, read, shared to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.running import Rehearsal

MLMODEL = "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n  sklearn: {}\n"
CONDA = {"name": "plain", "dependencies": ["python=3.11"]}
NAME = "shared-models"


def credential(rehearsal: Rehearsal) -> Any:
    from azure.identity import ClientSecretCredential

    env = rehearsal.env
    return ClientSecretCredential(
        env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"]
    )


def definition(name: str) -> Any:
    import io

    from azure.ai.ml import load_registry

    text = f"name: {name}\nlocation: eastus\nreplication_locations:\n- location: eastus\n"
    return load_registry(io.StringIO(f"{text}tags:\n  team: risk\n"))


@pytest.fixture(scope="module")
def made(ml_client: Any) -> Any:
    """A registry, made by the client from YAML as teams write it."""
    return ml_client.registries.begin_create(definition(NAME)).result()


@pytest.fixture(scope="module")
def registry(made: Any, rehearsal: Rehearsal) -> Any:
    """A client of the registry that knows nothing but its name."""
    from azure.ai.ml import MLClient

    return MLClient(credential(rehearsal), registry_name=NAME)


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "classifier"
    (folder / "data").mkdir(parents=True)
    (folder / "MLmodel").write_text(MLMODEL)
    (folder / "data/weights.bin").write_bytes(bytes(range(256)) * 20)
    return folder


def test_a_registry_is_made_listed_and_found(made: Any, ml_client: Any) -> None:
    assert made.name == NAME
    assert made.location == "eastus"
    assert [r.location for r in made.replication_locations] == ["eastus"]
    storage = made.replication_locations[0].storage_config
    assert "/azureml-rg-shared-models_" in storage.arm_resource_id
    assert made.mlflow_registry_uri.startswith("azureml://eastus.api.azureml.ms/mlflow/v1.0/")
    found = ml_client.registries.get(NAME)
    assert (found.id, found.tags) == (made.id, {"team": "risk"})
    assert NAME in {r.name for r in ml_client.registries.list()}
    assert NAME in {r.name for r in ml_client.registries.list(scope="subscription")}


def test_a_registry_goes_with_its_group_and_storage(ml_client: Any, rehearsal: Rehearsal) -> None:
    from azure.ai.ml import MLClient
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
    from azure.mgmt.resource.resources import ResourceManagementClient

    gone = ml_client.registries.begin_create(definition("short-lived"))
    group = str(gone.result().managed_resource_group["resourceId"]).rpartition("/")[2]
    resources = ResourceManagementClient(
        credential(rehearsal), rehearsal.env["AZURE_SUBSCRIPTION_ID"]
    )
    kinds = {r.type for r in resources.resources.list_by_resource_group(group)}
    assert "Microsoft.Storage/storageAccounts" in kinds
    ml_client.registries.begin_delete(name="short-lived").result()
    with pytest.raises(ResourceNotFoundError):
        ml_client.registries.get("short-lived")
    assert not resources.resource_groups.check_existence(group)
    with pytest.raises(HttpResponseError):
        MLClient(credential(rehearsal), registry_name="short-lived")


def test_a_model_goes_up_comes_down_and_keeps_its_content(
    registry: Any, model_folder: Path, tmp_path: Path
) -> None:
    from azure.ai.ml.entities import Model

    def model(path: Path = model_folder, **more: Any) -> Any:
        return Model(name="direct", version="3", path=str(path), type="mlflow_model", **more)

    made = registry.models.create_or_update(model(tags={"a": "1"}))
    assert made.id == f"azureml://registries/{NAME}/models/direct/versions/3"
    assert made.flavors.keys() == {"python_function", "sklearn"}
    assert ".blob.core.windows.net/" in made.path
    registry.models.download("direct", "3", download_path=str(tmp_path / "down"))
    back = tmp_path / "down/direct/classifier"
    assert (back / "data/weights.bin").read_bytes() == bytes(range(256)) * 20
    assert registry.models.get("direct", label="latest").version == "3"
    assert [m.version for m in registry.models.list("direct")] == ["3"]
    assert "direct" in {m.name for m in registry.models.list()}
    other = tmp_path / "other"
    other.mkdir()
    (other / "MLmodel").write_text(MLMODEL + "# changed\n")
    with pytest.raises(Exception, match=r".+"):
        registry.models.create_or_update(model(other))
    kept = registry.models.get("direct", "3")
    assert (kept.path, kept.tags) == (made.path, {"a": "1"})
    kept.tags["b"] = "2"
    assert registry.models.create_or_update(kept).tags == {"a": "1", "b": "2"}


def test_archived_is_hidden(registry: Any) -> None:
    from azure.ai.ml.entities import Environment

    for version in ("1", "2"):
        registry.environments.create_or_update(
            Environment(name="old", version=version, image="ubuntu", conda_file=CONDA)
        )
    registry.environments.archive("old", version="1")
    assert [e.version for e in registry.environments.list("old")] == ["2"]
    assert registry.environments.get("old", "1").version == "1"
    registry.environments.restore("old", version="1")
    assert [e.version for e in registry.environments.list("old")] == ["2", "1"]
    registry.environments.archive("old")
    assert "old" not in {e.name for e in registry.environments.list()}


def test_environments_data_and_components(registry: Any, tmp_path: Path) -> None:
    from azure.ai.ml import load_component
    from azure.ai.ml.entities import BuildContext, Data, Environment

    made = registry.environments.create_or_update(
        Environment(name="plain", version="1", image="ubuntu", conda_file=CONDA)
    )
    assert made.id == f"azureml://registries/{NAME}/environments/plain/versions/1"
    (tmp_path / "context").mkdir()
    (tmp_path / "context/Dockerfile").write_text("FROM ubuntu\n")
    built = registry.environments.create_or_update(
        Environment(name="built", version="1", build=BuildContext(path=str(tmp_path / "context")))
    )
    assert ".blob.core.windows.net/" in built.build.path
    assert {"plain", "built"} <= {e.name for e in registry.environments.list()}
    assert registry.environments.get("plain", label="latest").version == "1"

    (tmp_path / "t.csv").write_text("a\n1\n")
    data = registry.data.create_or_update(
        Data(name="table", version="1", path=str(tmp_path / "t.csv"), type="uri_file")
    )
    assert data.id == f"azureml://registries/{NAME}/data/table/versions/1"
    assert registry.data.get("table", label="latest").path == data.path
    assert [d.version for d in registry.data.list("table")] == ["1"]

    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.py").write_text("print('hello')\n")
    file = tmp_path / "component.yml"
    file.write_text(
        "name: say\ntype: command\nversion: '1'\ncode: ./src\ncommand: python a.py\n"
        f"environment: azureml://registries/{NAME}/environments/plain/versions/1\n"
    )
    component = registry.components.create_or_update(load_component(str(file)))
    assert component.id == f"azureml://registries/{NAME}/components/say/versions/1"
    assert component.code.startswith(f"azureml://registries/{NAME}/codes/")
    assert registry.components.get("say", version="1").command == "python a.py"
    assert "say" in {c.name for c in registry.components.list()}


def test_a_workspaces_model_is_shared_once(
    made: Any, ml_client: Any, registry: Any, model_folder: Path, tmp_path: Path
) -> None:
    from azure.ai.ml.entities import Model
    from azure.ai.ml.exceptions import ValidationException

    model = Model(name="reg-share", path=str(model_folder), type="mlflow_model", tags={"k": "v"})
    own = ml_client.models.create_or_update(model)

    def share() -> Any:
        return ml_client.models.share(
            own.name,
            own.version,
            share_with_name="shared",
            share_with_version="7",
            registry_name=NAME,
        )

    copied = share()
    assert copied.id == f"azureml://registries/{NAME}/models/shared/versions/7"
    assert (copied.tags, copied.type) == ({"k": "v"}, "mlflow_model")
    storage = made.replication_locations[0].storage_config.arm_resource_id.rpartition("/")[2]
    assert copied.path.startswith(f"https://{storage}.blob.core.windows.net/")
    ml_client.models.archive(own.name, version=own.version)
    registry.models.download("shared", "7", download_path=str(tmp_path / "down"))
    kept = tmp_path / "down/shared/classifier/data/weights.bin"
    assert kept.read_bytes() == bytes(range(256)) * 20
    with pytest.raises(ValidationException, match="already exists in registry"):
        share()


def test_environments_and_data_are_shared(ml_client: Any, registry: Any, tmp_path: Path) -> None:
    from azure.ai.ml.entities import Data, Environment
    from azure.core.exceptions import HttpResponseError

    own = ml_client.environments.create_or_update(
        Environment(name="reg-env", image="ubuntu", conda_file=CONDA)
    )
    shared = ml_client.environments.share(
        own.name, own.version, share_with_name="env", share_with_version="1", registry_name=NAME
    )
    assert (shared.image, shared.conda_file["name"]) == ("ubuntu", "plain")
    (tmp_path / "d").mkdir()
    (tmp_path / "d/a.csv").write_text("a\n1\n")
    data = ml_client.data.create_or_update(
        Data(name="reg-data", path=str(tmp_path / "d"), type="uri_folder")
    )
    told: Callable[..., Any] = ml_client.data.share
    copied = told(
        data.name, data.version, share_with_name="d", share_with_version="2", registry_name=NAME
    )
    assert copied.path != data.path
    assert registry.data.get("d", version="2").type == "uri_folder"
    with pytest.raises(HttpResponseError, match="reg-data:99 not found in workspace"):
        told("reg-data", "99", share_with_name="e", share_with_version="1", registry_name=NAME)
