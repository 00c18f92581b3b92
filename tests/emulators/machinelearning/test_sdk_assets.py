"""Assets by the unmodified Azure ML client, in the order of the measured wire facts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

CONDA = "name: e\ndependencies:\n- python=3.11\n- pip:\n  - pandas\n"
MLMODEL = "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n  sklearn: {}\n"
COMPONENT = """
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
name: {name}
type: command
version: "1"
inputs:
  x: {{type: integer, default: 3}}
  d: {{type: uri_folder, optional: true}}
outputs:
  o: {{type: uri_folder}}
code: ./src
environment: azureml:{environment}@latest
command: >-
  python a.py --x ${{{{inputs.x}}}} $[[--d ${{{{inputs.d}}}}]] --o ${{{{outputs.o}}}}
"""


@pytest.fixture(scope="module")
def environment(ml_client: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    from azure.ai.ml.entities import Environment

    file = tmp_path_factory.mktemp("conda") / "conda.yml"
    file.write_text(CONDA)
    made = ml_client.environments.create_or_update(
        Environment(name="sdk-env", image="ubuntu", conda_file=str(file))
    )
    assert made.version == "1"
    return str(made.name)


def test_a_file_is_uploaded_once_and_versioned(ml_client: Any, tmp_path: Path) -> None:
    from azure.ai.ml.entities import Data

    (tmp_path / "a.csv").write_text("a,b\n1,2\n")

    def register() -> Any:
        return ml_client.data.create_or_update(
            Data(name="sdk-file", path=str(tmp_path / "a.csv"), type="uri_file")
        )

    first, second = register(), register()
    assert (first.version, second.version) == ("1", "2")
    assert first.path == second.path
    assert "/datastores/workspaceblobstore/paths/LocalUpload/" in first.path
    assert ml_client.data.get("sdk-file", label="latest").version == "2"
    from azure.ai.ml._artifacts._artifact_utilities import download_artifact_from_aml_uri

    down = tmp_path / "down"
    download_artifact_from_aml_uri(first.path, str(down), ml_client.datastores)
    assert next(down.rglob("a.csv")).read_text() == "a,b\n1,2\n"


def test_a_folder_a_table_and_a_path_in_a_datastore(ml_client: Any, tmp_path: Path) -> None:
    from azure.ai.ml.entities import Data

    (tmp_path / "t").mkdir()
    (tmp_path / "t/MLTable").write_text("paths:\n  - file: ./x.csv\n")
    (tmp_path / "t/x.csv").write_text("a\n1\n")
    folder = Data(name="sdk-folder", version="7", path=str(tmp_path / "t"), type="uri_folder")
    assert ml_client.data.create_or_update(folder).version == "7"
    table = Data(name="sdk-table", path=str(tmp_path / "t"), type="mltable", skip_validation=True)
    assert ml_client.data.create_or_update(table).type == "mltable"
    there = "azureml://datastores/workspaceblobstore/paths/data/there/"
    kept = ml_client.data.create_or_update(Data(name="sdk-there", path=there, type="uri_folder"))
    assert kept.path.endswith("/datastores/workspaceblobstore/paths/data/there/")
    names = {found.name: found.latest_version for found in ml_client.data.list()}
    assert names["sdk-folder"] == "7"


def test_archive_hides_and_restore_shows(ml_client: Any) -> None:
    from azure.ai.ml.constants import ListViewType
    from azure.ai.ml.entities import Data

    there = "azureml://datastores/workspaceblobstore/paths/x"
    for _ in range(2):
        ml_client.data.create_or_update(Data(name="sdk-arch", path=there, type="uri_file"))
    ml_client.data.archive("sdk-arch", version="1")
    assert [d.version for d in ml_client.data.list("sdk-arch")] == ["2"]
    both = ml_client.data.list("sdk-arch", list_view_type=ListViewType.ALL)
    assert [d.version for d in both] == ["2", "1"]
    ml_client.data.restore("sdk-arch", version="1")
    assert [d.version for d in ml_client.data.list("sdk-arch")] == ["2", "1"]
    ml_client.data.archive("sdk-arch")
    assert "sdk-arch" not in {d.name for d in ml_client.data.list()}
    ml_client.data.restore("sdk-arch")
    assert "sdk-arch" in {d.name for d in ml_client.data.list()}


def test_a_version_keeps_its_content(ml_client: Any) -> None:
    from azure.ai.ml.entities import Data
    from azure.core.exceptions import HttpResponseError

    there = "azureml://datastores/workspaceblobstore/paths/"
    ml_client.data.create_or_update(
        Data(name="sdk-fixed", version="1", path=f"{there}one", type="uri_file")
    )
    with pytest.raises(HttpResponseError, match="Asset paths cannot be updated"):
        ml_client.data.create_or_update(
            Data(name="sdk-fixed", version="1", path=f"{there}two", type="uri_file")
        )
    changed = ml_client.data.create_or_update(
        Data(
            name="sdk-fixed",
            version="1",
            path=f"{there}one",
            type="uri_file",
            tags={"stage": "raw"},
        )
    )
    assert changed.tags == {"stage": "raw"}


def test_an_environment_from_a_conda_file(ml_client: Any, environment: str) -> None:
    found = ml_client.environments.get(environment, label="latest")
    assert found.version == "1"
    assert found.conda_file["dependencies"][0] == "python=3.11"
    assert environment in {e.name for e in ml_client.environments.list()}


def test_an_environment_from_a_build_context(ml_client: Any, tmp_path: Path) -> None:
    from azure.ai.ml.entities import BuildContext, Environment

    (tmp_path / "Dockerfile").write_text("FROM ubuntu\n")
    made = ml_client.environments.create_or_update(
        Environment(name="sdk-build", build=BuildContext(path=str(tmp_path)))
    )
    assert made.build.dockerfile_path == "Dockerfile"
    assert ".blob.core.windows.net/azureml-blobstore-" in made.build.path


def test_a_model_of_mlflow_goes_up_and_comes_down(ml_client: Any, tmp_path: Path) -> None:
    from azure.ai.ml.entities import Model

    folder = tmp_path / "mdl"
    folder.mkdir()
    (folder / "MLmodel").write_text(MLMODEL)
    (folder / "model.pkl").write_bytes(b"\x80" * 2000)
    made = ml_client.models.create_or_update(
        Model(name="sdk-model", path=str(folder), type="mlflow_model")
    )
    assert made.version == "1"
    assert made.flavors["python_function"] == {"loader_module": "mlflow.sklearn"}
    ml_client.models.download("sdk-model", "1", download_path=str(tmp_path / "down"))
    assert next((tmp_path / "down").rglob("model.pkl")).stat().st_size == 2000
    two = ml_client.models.create_or_update(
        Model(name="sdk-model", path=str(folder / "model.pkl"), type="custom_model")
    )
    assert two.version == "2"
    assert ml_client.models.get("sdk-model", label="latest").version == "2"
    assert [m.version for m in ml_client.models.list("sdk-model")] == ["2", "1"]
    two.tags, two.description = {"promoted": "yes"}, "better"
    again = ml_client.models.create_or_update(two)
    assert (again.version, again.tags, again.description) == ("2", {"promoted": "yes"}, "better")


@pytest.mark.parametrize(
    "path",
    [
        "azureml://jobs/some-job/outputs/model/paths/mdl",
        "runs:/some-run/model",
        "azureml://datastores/workspaceblobstore/paths/m/n",
    ],
)
def test_models_from_jobs_runs_and_datastores(ml_client: Any, path: str) -> None:
    from azure.ai.ml.entities import Model

    made = ml_client.models.create_or_update(
        Model(name="sdk-elsewhere", path=path, type="custom_model")
    )
    assert "/datastores/workspace" in made.path


def test_a_component_with_its_code(ml_client: Any, environment: str, tmp_path: Path) -> None:
    from azure.ai.ml import load_component

    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.py").write_text("print('hello')\n")
    for name in ("sdk_one", "sdk_two"):
        (tmp_path / f"{name}.yml").write_text(COMPONENT.format(name=name, environment=environment))
    one = ml_client.components.create_or_update(load_component(str(tmp_path / "sdk_one.yml")))
    two = ml_client.components.create_or_update(load_component(str(tmp_path / "sdk_two.yml")))
    assert one.version == "1"
    assert one.code == two.code  # found by its hash, not uploaded again
    assert one.code.endswith("/versions/1")
    assert one.environment.endswith(f"/environments/{environment}/versions/1")
    assert "${{inputs.x}}" in one.command
    again = ml_client.components.create_or_update(load_component(str(tmp_path / "sdk_one.yml")))
    assert again.version == "1"
    assert {"sdk_one", "sdk_two"} <= {c.name for c in ml_client.components.list()}
    assert ml_client.components.get("sdk_one").version == "1"


def test_names_that_azure_does_not_take(ml_client: Any) -> None:
    from azure.ai.ml.entities import Model
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    with pytest.raises(HttpResponseError):
        ml_client.models.create_or_update(
            Model(name="a b", version="1", path="runs:/r/m", type="custom_model")
        )
    with pytest.raises(ResourceNotFoundError):
        ml_client.models.get("never-made", "1")


def test_every_kind_is_archived_and_restored(ml_client: Any, tmp_path: Path) -> None:
    from azure.ai.ml import load_component
    from azure.ai.ml.entities import Environment, Model

    conda = tmp_path / "conda.yml"
    conda.write_text(CONDA)
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.py").write_text("print('archived')\n")
    ml_client.environments.create_or_update(
        Environment(name="sdk_shelf", version="1", image="ubuntu", conda_file=str(conda))
    )
    ml_client.models.create_or_update(
        Model(name="sdk_shelf", version="1", path="runs:/r/m", type="custom_model")
    )
    (tmp_path / "c.yml").write_text(COMPONENT.format(name="sdk_shelf", environment="sdk_shelf"))
    ml_client.components.create_or_update(load_component(str(tmp_path / "c.yml")))
    for shelf in (ml_client.environments, ml_client.models, ml_client.components):
        assert [one.version for one in shelf.list("sdk_shelf")] == ["1"]
        shelf.archive("sdk_shelf", version="1")
        assert list(shelf.list("sdk_shelf")) == []
        shelf.restore("sdk_shelf", version="1")
        assert [one.version for one in shelf.list("sdk_shelf")] == ["1"]
        shelf.archive("sdk_shelf")
        assert "sdk_shelf" not in {one.name for one in shelf.list()}
        shelf.restore("sdk_shelf")
        assert "sdk_shelf" in {one.name for one in shelf.list()}
