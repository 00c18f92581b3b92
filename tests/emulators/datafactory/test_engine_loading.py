"""A folder as values: what is read, what is put on top, in which order it is put."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.datafactory.engine.loading import checking, deploying, values
from emulators.datafactory.engine.loading.folder import Item, choose, read
from emulators.datafactory.engine.references import references_of

FOLDER = Path(__file__).parent / "estate"


def test_the_folder_is_found_below_the_given_one(tmp_path: Path) -> None:
    inner = tmp_path / "adf" / "pipeline"
    inner.mkdir(parents=True)
    (inner / "P.json").write_text(json.dumps({"name": "P", "properties": {"activities": []}}))
    found = read(tmp_path)
    assert [(one.kind, one.name, one.file) for one in found.items] == [
        ("pipelines", "P", "pipeline/P.json")
    ]
    with pytest.raises(ValueError, match="no factory"):
        read(inner)
    with pytest.raises(ValueError, match="not a folder"):
        read(tmp_path / "nothing")


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    for file, text in {
        "pipeline/cut.json": "{",
        "pipeline/list.json": "[]",
        "pipeline/unnamed.json": '{"properties": {}}',
        "dataset/bare.json": '{"name": "bare"}',
        "dataset/one.json": '{"name": "one", "properties": {}}',
        "dataset/two.json": '{"name": "ONE", "properties": {}}',
    }.items():
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "pipeline" / "bytes.json").write_bytes(b"\xff\xfe\x00")
    found = read(tmp_path)
    assert sorted(one.file for one in found.problems) == [
        "dataset/bare.json", "dataset/two.json", "pipeline/bytes.json", "pipeline/cut.json",
        "pipeline/list.json", "pipeline/unnamed.json",
    ]  # fmt: skip
    assert "two.json holds 'ONE'" in "".join(found.notes)


def test_the_factory_is_chosen_by_its_name() -> None:
    found = read(FOLDER)
    assert choose(found, "ADF-orchard-DEV")[0] == "adf-orchard-dev"
    for name in (None, "another"):
        with pytest.raises(ValueError, match="adf-orchard-dev, adf-orchard-test"):
            choose(found, name)
    found.factories = found.factories[:1]
    assert choose(found, None)[0] == "adf-orchard-dev"
    assert choose(found, "mine")[0] == "mine"
    found.factories = []
    assert choose(found, None) == (None, {})


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [("5", "string", "5"), ("5", "Int", 5), ("1.5", "float", 1.5), ("True", "Bool", True),
     ("[1]", "array", [1]), ('{"a": 1}', "Object", {"a": 1})],
)  # fmt: skip
def test_words_become_values_of_their_type(text: str, kind: str, value: Any) -> None:
    assert values.typed(text, kind) == value


@pytest.mark.parametrize(("text", "kind"), [("x", "int"), ("1.5", "int"), ("true", "int"),
                                            ("yes", "bool"), ("{}", "array")])  # fmt: skip
def test_words_that_are_no_values(text: str, kind: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        values.typed(text, kind)


def test_a_parameter_named_as_in_a_template_replaces_a_value() -> None:
    items = [
        Item("linkedservices", "My_Store", {"typeProperties": {"base_url": "a", "n": 1}}, "f.json")
    ]
    changed = values.replaced(
        items,
        {"my_store_properties_typeProperties_base_url": "b",
         "My_Store_properties_typeProperties_n": "2"},
    )  # fmt: skip
    assert changed[0].properties == {"typeProperties": {"base_url": "b", "n": 2}}
    assert items[0].properties == {"typeProperties": {"base_url": "a", "n": 1}}
    for name in ("My_Store_properties_typeProperties_gone", "Nobody_properties_x"):
        with pytest.raises(ValueError, match="--param"):
            values.replaced(items, {name: "x"})


def test_a_broken_trigger_is_told_with_its_file() -> None:
    body = {"type": "ScheduleTrigger", "typeProperties": {"recurrence": {"frequency": "Never"}}}
    problems = checking.check([Item("triggers", "T", body, "trigger/T.json")], [])
    assert [one.file for one in problems] == ["trigger/T.json"]


def test_expressions_of_datasets_are_checked() -> None:
    for text, count in (("@concat(dataset().day, '.csv')", 0), ("@nosuch('a')", 1), ("@{", 1)):
        body = {
            "type": "Json",
            "linkedServiceName": {"referenceName": "L", "type": "LinkedServiceReference"},
            "typeProperties": {"location": {"fileName": {"value": text, "type": "Expression"}}},
        }
        items = [
            Item("datasets", "D", body, "dataset/D.json"),
            Item("linkedservices", "L", {"type": "x"}, "linkedService/L.json"),
        ]
        problems = checking.check(items, [])
        assert [one.place for one in problems] == ["typeProperties.location.fileName.value"] * count


NAMES = [f"p{i}" for i in range(8)]


@given(st.dictionaries(st.sampled_from(NAMES), st.sets(st.sampled_from(NAMES)), min_size=1))
def test_everything_is_put_once_and_after_what_it_names(graph: dict[str, set[str]]) -> None:
    """In a graph without circles; with circles, still once."""
    acyclic = {name: {one for one in names if one < name} for name, names in graph.items()}
    for edges, ordered in ((acyclic, True), (graph, False)):
        items = [
            Item("pipelines", name, {"a": [
                {"referenceName": one, "type": "PipelineReference"} for one in sorted(names)
            ]}, f"{name}.json")
            for name, names in edges.items()
        ]  # fmt: skip
        found = [one.name for one in checking.ordered(items)]
        assert sorted(found) == sorted(edges)
        if ordered:
            for name, names in edges.items():
                for one in names & set(edges):
                    assert found.index(one) < found.index(name)


def test_running_triggers_are_stopped_and_started_around_the_change() -> None:
    asked: list[tuple[str, str]] = []

    def ask(method: str, path: str, body: object) -> Any:
        asked.append((method, path.partition("?")[0]))
        if method == "GET":
            state = {"runtimeState": "Started"}
            return {"value": [{"name": "on", "properties": state}]}
        if path.startswith("F/triggers/Custom/start"):
            raise RuntimeError("NotEmulated: custom events")
        return None

    started = {"runtimeState": "Started", "type": "x"}
    items = [Item("triggers", name, started, f"{name}.json") for name in ("On", "New", "Custom")]
    steps = [
        (step.verb, step.name)
        for step in deploying.deploy(deploying.Plan("F", {"location": "eastus"}, items), ask)
    ]
    assert ("stopped", "On") in steps
    assert ("stopped", "New") not in steps
    assert steps[-3:] == [
        ("not emulated, not started:", "Custom"), ("started", "New"), ("started", "On"),
    ]  # fmt: skip
    stop, put = ("POST", "F/triggers/On/stop"), ("PUT", "F/triggers/On")
    assert asked.index(stop) < asked.index(put)


def test_running_triggers_are_found_on_every_page() -> None:
    asked: list[str] = []

    def ask(method: str, path: str, body: object) -> Any:
        asked.append(f"{method} {path}")
        if method == "GET" and path == "more":
            return {"value": [{"name": "T", "properties": {"runtimeState": "Started"}}]}
        return {"value": [], "nextLink": "more"} if "triggers?" in path else {}

    item = Item("triggers", "t", {"type": "ScheduleTrigger"}, "trigger/t.json")
    steps = list(deploying.deploy(deploying.Plan("F", {"location": "eastus"}, [item]), ask))
    assert [step.verb for step in steps] == ["put", "stopped", "put"]
    assert "GET more" in asked


def test_references_are_found_at_any_depth_and_not_in_what_is_off() -> None:
    value = {
        "a": [{"pipeline": {"referenceName": "P", "type": "pipelinereference"}}],
        "b": {"store": {"referenceName": "L"}},
        "c": {"referenceName": "@dynamic()", "type": "DatasetReference"},
        "d": {"name": "Off", "type": "Wait", "state": "Inactive",
              "dataset": {"referenceName": "D", "type": "DatasetReference"}},
    }  # fmt: skip
    assert {(one.kind, one.name, one.place) for one in references_of(value)} == {
        ("pipelines", "P", "a[0].pipeline"),
        ("linkedservices", "L", "b.store"),
    }
