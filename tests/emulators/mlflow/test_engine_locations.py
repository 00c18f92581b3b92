"""Every way to name an artifact leads to one place, and no name leads out of the workspace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.kernel.errors import ServiceError
from emulators.mlflow.engine import locations
from emulators.mlflow.engine.locations import Place, of_proxy_path, of_source
from emulators.mlflow.errors import InvalidParameter

RUN = Place("workspaceartifactstore", "ExperimentRun/dcid.calm_pen/model")
BASE = "azureml://eastus.api.azureml.ms/mlflow/v2.0/subscriptions/s/x"


@pytest.mark.parametrize(
    "source",
    [
        "runs:/calm_pen/model",
        "mlflow-artifacts:/1/calm_pen/artifacts/model",
        "mlflow-artifacts://host/1/calm_pen/artifacts/model",
        f"https://h/mlflow/v2.0/x/api/2.0{locations.PROXY_PATH}/1/calm_pen/artifacts/model",
        f"{BASE}/experiments/1/runs/calm_pen/artifacts/model",
        f"{BASE}/experiments/jobs/runs/calm_pen/artifacts/model/",
        "azureml://artifacts/ExperimentRun/dcid.calm_pen/model",
        "azureml://jobs/calm_pen/outputs/artifacts/paths/model/",
    ],
)
def test_a_source_is_a_place(source: str) -> None:
    assert of_source(source) == RUN


def test_logged_models_keep_their_files_as_runs_do() -> None:
    whole = Place("workspaceartifactstore", "ExperimentRun/dcid.m-1f")
    assert of_source("models:/m-1f") == whole
    assert of_source("mlflow-artifacts:/1/models/m-1f/artifacts/") == whole


def test_a_datastore_path_is_itself() -> None:
    short = "azureml://datastores/workspaceblobstore/paths/LocalUpload/a/b"
    long = short.replace("//", "//subscriptions/s/resourcegroups/g/workspaces/w/", 1)
    for source in (short, long):
        assert of_source(source) == Place("workspaceblobstore", "LocalUpload/a/b", False)


@pytest.mark.parametrize("source", ["azureml://jobs/j/outputs/o/paths/p", "models:/name/3"])
def test_only_azure_ml_knows(source: str) -> None:
    assert of_source(source) is None


@pytest.mark.parametrize(
    "source",
    [
        "file:///etc",
        "/etc/passwd",
        "s3://b/k",
        "runs:/r/../../other",
        "mlflow-artifacts:/1/r/artifacts/%2e%2e/x",
        "azureml://artifacts/ExperimentRun/dcid.r/..",
        "azureml://datastores/d/paths/a/../../b",
        "",
    ],
)
def test_nothing_leads_out(source: str) -> None:
    with pytest.raises(InvalidParameter):
        of_source(source)


segments = st.text(
    st.characters(blacklist_characters="/\\\x00?#%", blacklist_categories=["Cs", "Cc"]),
    min_size=1,
    max_size=12,
).filter(lambda s: s not in (".", ".."))
paths = st.lists(segments, min_size=1, max_size=4).map("/".join)


@given(st.sampled_from(["workspaceblobstore", "workspaceartifactstore", "mine"]), paths)
def test_both_clients_are_led_back_to_the_same_place(datastore: str, path: str) -> None:
    place = Place(datastore, path)
    proxied = locations.proxy_uri(place).removeprefix("mlflow-artifacts:/")
    assert of_proxy_path(proxied) == Place(datastore, path, writable=False)
    plugin = locations.plugin_uri(place).removeprefix("azureml://artifacts/")
    origin, container, rest = plugin.split("/", 2)
    found = locations.of_artifact(origin, container, rest)
    assert (found.datastore, found.path) == (datastore, path)


@given(st.text(max_size=40))
def test_any_text_is_a_place_inside_or_refused(text: str) -> None:
    for read in (of_proxy_path, of_source, lambda t: locations.of_artifact("Datastore.d", t, t)):
        try:
            place = read(text)
        except ServiceError:
            continue
        if place is not None:
            assert not place.path.startswith("/")
            assert not {".", ".."} & set(place.path.split("/"))


@given(st.integers(0, 999), segments, paths)
def test_the_plugin_s_address_of_an_artifact_root_reads_back(
    experiment: int, run: str, path: str
) -> None:
    uri = locations.plugin_artifact_uri(BASE, f"mlflow-artifacts:/{experiment}/{run}/artifacts")
    if run != "models":
        assert uri == f"{BASE}/experiments/{experiment}/runs/{run}/artifacts"
        assert of_source(f"{uri}/{path}") == locations.of_run(run, path.strip("/"))


def test_addresses_of_others_stay() -> None:
    for uri in ("s3://b/k", "mlflow-artifacts:/1", "mlflow-artifacts:/x/y/z", ""):
        assert locations.plugin_artifact_uri(BASE, uri) == uri
