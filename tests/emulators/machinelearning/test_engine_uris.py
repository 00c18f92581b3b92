"""Every form of reference reads back as it was written; hostile text is refused, never guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.machinelearning.engine.uris import (
    AssetUri,
    BlobUri,
    DatastoreUri,
    HttpsUri,
    JobOutputUri,
    RunUri,
    Uri,
    WorkspaceRef,
    name_in_arm_id,
    parse_uri,
)
from emulators.machinelearning.errors import InvalidUri

WS = "/subscriptions/s-1/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
AT = WorkspaceRef("s-1", "g", "w")

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}", fullmatch=True)
segments = st.text("abcXYZ019 _-=+&$~äß漢(){}", min_size=1, max_size=8)
paths = st.lists(segments, max_size=4).map("/".join)
refs = st.none() | st.builds(WorkspaceRef, names, names, names)
accounts = st.from_regex(r"[a-z0-9]{3,24}", fullmatch=True)
kinds = st.sampled_from(["data", "models", "environments", "components", "codes"])
uris: st.SearchStrategy[Uri] = st.one_of(
    st.builds(DatastoreUri, names, paths, refs),
    st.builds(JobOutputUri, names, names, paths),
    st.builds(RunUri, names, paths),
    st.builds(BlobUri, accounts, names, paths),
    st.builds(AssetUri, kinds, names, names),
    st.builds(AssetUri, kinds, names, st.none(), names),
    st.builds(
        AssetUri, kinds, names, names, workspace=st.builds(WorkspaceRef, names, names, names)
    ),
    st.builds(AssetUri, kinds, names, st.none(), names, registry=names),
    st.builds(AssetUri, kinds, names, names, workspace_guid=names, location=names),
    st.builds(AssetUri, st.just(""), names, names),
    st.builds(AssetUri, st.just(""), names, st.none(), names),
)


@given(uris)
def test_reading_what_was_written_gives_it_back(uri: Uri) -> None:
    assert parse_uri(str(uri)) == uri


@given(st.text(max_size=60) | st.from_regex(r"(azureml:|runs:|https:|/)/?[a-z/:.@]{0,40}"))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse_uri(text)
    except InvalidUri:
        return
    assert parse_uri(str(found)) == found or isinstance(found, BlobUri | HttpsUri)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("azureml://datastores/d/paths/a/b/", DatastoreUri("d", "a/b/")),
        ("azureml://datastores/d", DatastoreUri("d")),
        ("azureml://datastores/d/ExperimentRun/r/x", DatastoreUri("d", "ExperimentRun/r/x")),
        (
            "azureml://subscriptions/s-1/resourcegroups/g/workspaces/w/datastores/d/paths/p",
            DatastoreUri("d", "p", AT),
        ),
        (
            "azureml://subscriptions/s-1/resourceGroups/g/workspaces/w/datastores/d/paths/p",
            DatastoreUri("d", "p", AT),
        ),
        (f"{WS}/data/n/versions/1", AssetUri("data", "n", "1", workspace=AT)),
        (f"azureml:{WS}/codes/n/versions/1", AssetUri("codes", "n", "1", workspace=AT)),
        (f"{WS.lower()}/environments/n/labels/latest",
         AssetUri("environments", "n", label="latest", workspace=AT)),
        ("azureml:n:3", AssetUri("", "n", "3")),
        ("azureml:n@latest", AssetUri("", "n", label="latest")),
        ("azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
         AssetUri("environments", "sklearn-1.5", label="latest", registry="azureml")),
        ("azureml://locations/eastus/workspaces/guid/data/n/versions/2",
         AssetUri("data", "n", "2", workspace_guid="guid", location="eastus")),
        ("azureml://jobs/j/outputs/o", JobOutputUri("j", "o")),
        ("azureml://jobs/j/outputs/artifacts/paths/m/", JobOutputUri("j", "artifacts", "m/")),
        ("azureml://models/n/versions/1", AssetUri("models", "n", "1")),
        ("runs:/abc/model", RunUri("abc", "model")),
        ("https://acct.blob.core.windows.net/c/a%20b/x?sv=1&sig=2", BlobUri("acct", "c", "a b/x")),
        ("https://acct.dfs.core.windows.net/c/x", BlobUri("acct", "c", "x")),
        ("https://localhost:8441/acct.blob.core.windows.net/c/x", BlobUri("acct", "c", "x")),
        ("https://localhost:8441/c/x", BlobUri("", "c", "x")),
        ("abfss://c@acct.dfs.core.windows.net/x/y", BlobUri("acct", "c", "x/y")),
        ("wasbs://c@acct.blob.core.windows.net/x", BlobUri("acct", "c", "x")),
        ("https://example.com/data.csv", HttpsUri("https://example.com/data.csv")),
    ],
)  # fmt: skip
def test_known_forms(text: str, meant: Uri) -> None:
    assert parse_uri(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "./local/path",
        "azureml://",
        "azureml:",
        "azureml://datastores/",
        "azureml://nonsense/x/versions/1",
        "azureml://datastores/d/paths/../../other",
        "azureml://datastores/d/paths/%2e%2e/secret",
        "azureml://jobs/../outputs/o/paths/x",
        "runs:/../x",
        "https://",
        "https://[::1",
        "https://acct.blob.core.windows.net/",
        "abfss://acct.dfs.core.windows.net/x",
        "azureml://datastores/d/paths/a\x00b",
        "azureml://datastores/d/paths/a\nb",
        f"{WS}/unknown/n/versions/1",
        "/subscriptions/s/resourceGroups/g",
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidUri):
        parse_uri(text)


def test_names_of_children_by_id_or_name() -> None:
    assert name_in_arm_id(f"{WS}/computes/serverless", "computes") == "serverless"
    assert name_in_arm_id("azureml:cpu-cluster", "computes") == "cpu-cluster"
    assert name_in_arm_id("cpu-cluster", "computes") == "cpu-cluster"
    for wrong in (f"{WS}/datastores/d", "", "a/b", "azureml:a:1"):
        with pytest.raises(InvalidUri):
            name_in_arm_id(wrong, "computes")
