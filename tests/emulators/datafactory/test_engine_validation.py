"""What publishing rejects: each rule, its place, and what must pass all the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.datafactory.engine.validation import Problem, Rules, validate


class Shelf:
    """Published resources by kind and name."""

    def __init__(self, **kinds: dict[str, Any]) -> None:
        self._kinds = kinds

    def find(self, kind: str, name: str) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self._kinds.get(kind, {}).get(name.lower())
        return found


def wait(name: str, *after: str, **more: Any) -> dict[str, Any]:
    depends = [{"activity": one, "dependencyConditions": ["Succeeded"]} for one in after]
    return {
        "name": name, "type": "Wait", "dependsOn": depends,
        "typeProperties": {"waitTimeInSeconds": 1}, **more,
    }  # fmt: skip


def of(kind: str, name: str = "A", /, **properties: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "typeProperties": properties}


def told(
    *activities: Any, rules: Rules | None = None, shelf: Shelf | None = None, **more: Any
) -> list[Problem]:
    pipeline = {"name": "main", "properties": {"activities": list(activities), **more}}
    return validate(pipeline, shelf, rules)


def place(problems: list[Problem]) -> str:
    assert len(problems) == 1, [str(one) for one in problems]
    return problems[0].place


LOOP = {"items": "@createArray(1)", "activities": [wait("W")]}
IF = {"expression": {"value": "@bool(1)", "type": "Expression"}, "ifTrueActivities": [wait("W")]}
STRINGS = {"x": {"type": "String"}}


@pytest.mark.parametrize(
    ("activities", "where"),
    [
        ([wait("A"), wait("B", "a")], None),
        ([wait("A", "Nope")], "activities[0].dependsOn[0].activity"),
        ([wait("A", "A")], "activities[0].dependsOn[0].activity"),
        ([wait("A"), wait("a")], "activities[1].name"),
        ([wait("A"), of("ForEach", "L", items="@createArray(1)", activities=[wait("a")])],
         "activities[1].typeProperties.activities[0].name"),
        ([wait("A", "B"), wait("B", "A")], "activities[0].dependsOn"),
        ([wait("A", "B"), wait("B", "C"), wait("C", "B")], "activities[1].dependsOn"),
        ([of("Nonsense")], "activities[0].type"),
        ([wait("a.b")], "activities[0].name"),
        ([wait("x" * 56)], "activities[0].name"),
        ([of("ForEach", "L", **LOOP, batchCount=51)], "activities[0].typeProperties.batchCount"),
        ([of("ForEach", "L", **LOOP, batchCount="50")], None),
        ([of("ForEach", "L", items="@createArray(1)", activities=[])],
         "activities[0].typeProperties.activities"),
        ([of("Until", "U", **IF, activities=[wait("W")], timeout="91.00:00:00")],
         "activities[0].typeProperties.timeout"),
        ([of("Until", "U", **IF, activities=[wait("W")], timeout="soon")],
         "activities[0].typeProperties.timeout"),
        ([of("ForEach", "L", items="@createArray(1)", activities=[of("IfCondition", "I", **IF)])],
         None),
        ([of("IfCondition", "I", expression=IF["expression"],
             ifTrueActivities=[of("IfCondition", "J", **IF)])],
         "activities[0].typeProperties.ifTrueActivities[0].type"),
        ([of("ForEach", "L", items="@createArray(1)",
             activities=[of("Validation", "V", dataset={"referenceName": "d"})])],
         "activities[0].typeProperties.activities[0].type"),
        ([of("WebActivity", "W", method="GET")], "activities[0].typeProperties.url"),
        ([wait("A", policy={"retry": 1, "retryIntervalInSeconds": 29})],
         "activities[0].policy.retryIntervalInSeconds"),
        ([wait("A", policy={"retry": "@int('2')"})], None),
        ([wait("A", userProperties=[{"name": str(i), "value": ""} for i in range(6)])],
         "activities[0].userProperties"),
        ([of("Switch", "S", on="@string(1)",
             cases=[{"value": str(i), "activities": []} for i in range(26)])],
         "activities[0].typeProperties.cases"),
        ([of("Script", "S", scripts=[])], "activities[0].linkedServiceName"),
    ],
)  # fmt: skip
def test_shape_and_nesting(activities: list[Any], where: str | None) -> None:
    problems = told(*activities)
    assert [one.place for one in problems] == ([] if where is None else [where])


def test_if_in_if_is_let_through_when_told_so() -> None:
    inner = of("IfCondition", "J", **IF)
    outer = of("IfCondition", "I", expression=IF["expression"], ifTrueActivities=[inner])
    assert told(outer, rules=Rules(nested_choices=True)) == []


def sets(value: Any, name: str = "x") -> dict[str, Any]:
    return of("SetVariable", "Set", variableName=name, value=value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("@concat('a')", ""),
        ("plain@example.com", ""),
        ("@@variables('nothing')", ""),
        ("@concat('a'", "expected token"),
        ("text @{concat(} more", "parse"),
        ("@variables('y')", "'y' cannot be found"),
        ("@variables('X')", "self-referencing"),
        ({"value": "@concat(variables('x'), 'a')", "type": "Expression"}, "self-referencing"),
        ("@pipeline().parameters.q", "no parameter 'q'"),
        ("@pipeline().parameters.P", ""),
        ("@activity('Gone').output", "does not exist"),
        ("@nosuch('a')", "'nosuch' is not defined"),
        ("@pipeline().globalParameters.g", ""),
    ],
)
def test_expressions(value: Any, words: str) -> None:
    problems = told(sets(value), variables=STRINGS, parameters={"p": {"type": "string"}})
    assert len(problems) == bool(words), [str(one) for one in problems]
    if words:
        assert words in problems[0].message
        assert problems[0].place.startswith("activities[0].typeProperties.value")
        assert problems[0].activity == "Set"


def test_global_parameters_are_held_against_what_is_known() -> None:
    activity = sets("@pipeline().globalParameters.g")
    for known, count in (({"G"}, 0), (set(), 1)):
        rules = Rules(global_parameters=known)
        assert len(told(activity, variables=STRINGS, rules=rules)) == count


def test_reading_what_one_does_not_wait_for() -> None:
    activities = (wait("A"), sets("@activity('A').output"))
    assert told(*activities, variables=STRINGS) == []
    strict = told(*activities, variables=STRINGS, rules=Rules(ancestors=True))
    assert "not an ancestor" in strict[0].message


def test_inside_a_loop_its_own_and_what_the_loop_waits_for_is_seen() -> None:
    inner = [wait("W"), {**sets("@activity('A').output"), "dependsOn": []}]
    loop = {**of("Until", "U", expression="@equals(activity('W').status, 'x')", activities=inner)}
    loop["dependsOn"] = [{"activity": "A", "dependencyConditions": ["Succeeded"]}]
    assert told(wait("A"), loop, variables=STRINGS, rules=Rules(ancestors=True)) == []


def test_what_is_switched_off_is_not_looked_into() -> None:
    off = {**of("WebActivity", "W", url="@concat("), "state": "Inactive"}
    assert told(off, wait("B", "W")) == []
    assert place(told({**off, "dependsOn": [{"activity": "Q"}]})).endswith("dependsOn[0].activity")


def test_a_variable_that_is_set_is_declared() -> None:
    assert "cannot be found" in told(sets("v", "z"), variables=STRINGS)[0].message
    append = of("AppendVariable", variableName="x", value="v")
    assert "no Array" in told(append, variables=STRINGS)[0].message
    assert told(append, variables={"X": {"type": "array"}}) == []
    back = of(
        "SetVariable", variableName="pipelineReturnValue", setSystemVariable=True,
        value=[{"key": "a", "value": {"type": "Expression", "content": "@nosuch()"}}],
    )  # fmt: skip
    assert [one.place for one in told(back)] == [
        "activities[0].typeProperties.value[0].value.content"
    ]


def calls(name: str, activity: str = "Call") -> dict[str, Any]:
    reference = {"referenceName": name, "type": "PipelineReference"}
    return of("ExecutePipeline", activity, pipeline=reference)


def test_what_is_named_is_published() -> None:
    shelf = Shelf(datasets={"here": {}}, pipelines={"other": {"activities": [wait("A")]}})
    found = of(
        "GetMetadata", "G", dataset={"referenceName": "Here", "type": "DatasetReference"},
        fieldList=["exists"],
    )  # fmt: skip
    assert told(found, calls("Other"), shelf=shelf) == []
    found["typeProperties"]["dataset"]["referenceName"] = "Gone"
    problems = told(found, shelf=shelf)
    assert place(problems) == "activities[0].typeProperties.dataset.referenceName"
    assert problems[0].missing == "Gone"
    found["typeProperties"]["dataset"]["referenceName"] = "@pipeline().RunId"
    assert told(found, shelf=shelf) == []


def test_pipelines_do_not_call_each_other_in_circles() -> None:
    shelf = Shelf(
        pipelines={
            "b": {"activities": [of("IfCondition", "I", expression="@bool(1)",
                                    ifFalseActivities=[calls("C")])]},
            "c": {"activities": [calls("MAIN")]},
        }
    )  # fmt: skip
    problems = told(calls("B"), shelf=shelf)
    assert "main -> B -> C -> MAIN" in problems[0].message
    assert "circle" in told(calls("main"), shelf=shelf)[0].message


def test_declarations_and_limits() -> None:
    assert place(told(variables={"v": {"type": "Date"}})) == "variables.v.type"
    assert place(told(parameters={"v": {}})) == "parameters.v.type"
    assert place(told(parameters={f"p{i}": {"type": "int"} for i in range(51)})) == "parameters"
    assert place(told(concurrency=0)) == "concurrency"
    assert place(told(annotations=["@utcNow()"])) == "annotations[0]"
    assert place(told(*(wait(f"A{i}") for i in range(121)))) == "activities"
    assert told(*(wait(f"A{i}") for i in range(120))) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["name", "type", "typeProperties", "dependsOn", "activity", "activities", "policy",
             "dependencyConditions", "cases", "value", "expression", "pipeline", "referenceName",
             "state", "variables", "userProperties", "ifTrueActivities", "retry", "timeout"]
        ),
        inner | st.sampled_from(["ForEach", "Switch", "Until", "ExecutePipeline", "@concat(", "A"]),
        max_size=5,
    ),
    max_leaves=25,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["activities", "variables", "parameters"]), JSON))
def test_no_json_breaks_the_checks(properties: dict[str, Any]) -> None:
    for problem in validate({"name": "main", "properties": properties}, Shelf()):
        assert str(problem)
