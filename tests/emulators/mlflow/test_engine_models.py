"""One model table in two vocabularies."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.mlflow.engine import models
from emulators.mlflow.errors import InvalidParameter

STAMP = "2026-11-24T08:00:00.500000Z"


def resource(**inside: Any) -> dict[str, Any]:
    system = {"createdAt": STAMP, "lastModifiedAt": STAMP, "createdBy": "dev"}
    return {"name": "3", "properties": inside, "systemData": system}


text = st.text(max_size=10)


@given(st.dictionaries(text, text), text, text, text)
def test_what_a_client_registered_it_reads_back(
    tags: dict[str, str], source: str, run_id: str, description: str
) -> None:
    given_ = {
        "source": source,
        "run_id": run_id,
        "description": description,
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }
    body = models.new_version("azureml://datastores/d/paths/p", "mlflow_model", given_)
    found = models.version_of("m", {**resource(), **body})
    assert (found.source, found.run_id, found.description) == (source, run_id, description)
    assert found.tags == tags
    assert found.created == found.updated == 1795507200500


def test_what_azure_ml_registered_has_all_that_mlflow_reads() -> None:
    found = models.version_of(
        "m",
        resource(
            modelUri="azureml://datastores/workspaceblobstore/paths/LocalUpload/h/dir",
            modelType="custom_model",
            stage="Production",
            jobName="calm_pen",
            tags=None,
            properties=None,
        ),
    )
    plain = models.version_json(found, None, plugin=False)
    assert plain["source"] == (
        "mlflow-artifacts:/datastores/workspaceblobstore/paths/LocalUpload/h/dir"
    )
    assert (plain["current_stage"], plain["run_id"]) == ("Production", "calm_pen")
    assert models.version_json(found, None, plugin=True)["source"].startswith(
        "azureml://artifacts/Datastore.workspaceblobstore/"
    )


def test_an_arm_answer_with_next_to_nothing_is_enough() -> None:
    version = models.version_of("m", {"name": "1"})
    assert (version.number, version.stage, version.created) == (1, "None", 0)
    assert models.model_of({}).next_version == "1"
    assert models.version_of("m", {"name": "v1-beta"}).number == -1


def test_the_newest_of_each_stage() -> None:
    def version(number: str, stage: str) -> models.Version:
        return models.version_of("m", {**resource(stage=stage), "name": number})

    versions = [version("2", "Production"), version("10", "Production"), version("9", "none")]
    assert [v.version for v in models.latest(versions)] == ["9", "10"]
    assert [v.version for v in models.latest(versions, ["production"])] == ["10"]
    with pytest.raises(InvalidParameter):
        models.latest(versions, ["blue"])


def test_tags_that_are_none_are_refused() -> None:
    for wrong in ({"a": "b"}, ["a"], [{"value": "b"}], "a"):
        with pytest.raises(InvalidParameter):
            models.tags_of(wrong)
    assert models.tags_of([{"key": "a"}]) == {"a": ""}
