"""Rules of runs that the shared corpus does not state: containers, values, policies, words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from emulators.datafactory.engine.activities.base import ActivityFailed, Call, Done
from emulators.datafactory.engine.runs.recorder import Recorder
from emulators.datafactory.store import ACTIVITY_RUNS, PipelineRun
from emulators.kernel.store import Table
from emulators.kernel.store_memory import MemoryStore
from tests.emulators.datafactory.running import (
    Desk,
    activity,
    after,
    desk,
    fails,
    sets,
    wait,
)

VARIABLES = {
    "s": {"type": "string"},
    "b": {"type": "Boolean"},
    "l": {"type": "Array"},
    "n": {"type": "Integer"},
    "d": {"type": "String", "defaultValue": "first"},
}


def played(*activities: dict[str, Any], **properties: Any) -> tuple[Desk, PipelineRun]:
    """A pipeline of these activities, run; its desk is closed but can be asked."""
    parameters = properties.pop("given", {})
    with desk() as d:
        d.publish("p", *activities, variables=VARIABLES, **properties)
        return d, d.run(parameters=parameters)


def seconds(run: PipelineRun) -> float:
    assert run.start is not None
    assert run.end is not None
    return (run.end - run.start).total_seconds()


# Values


def test_variables_before_anything_sets_them() -> None:
    _, run = played(wait("W", 0))
    assert run.variables == {"s": "", "b": False, "l": [], "n": 0, "d": "first"}


@pytest.mark.parametrize(
    ("variable", "value", "got"),
    [
        ("s", "@add(1, 2)", "Integer"),
        ("s", "@createArray('a')", "Array"),
        ("s", "@null", "Null"),
        ("b", "true", "String"),
        ("l", "[1]", "String"),
        ("n", "@string(1)", "String"),
    ],
)
def test_a_variable_takes_values_of_its_type_only(variable: str, value: str, got: str) -> None:
    d, run = played(sets("S", variable, value))
    assert run.status == "Failed"
    assert f"cannot be initialized or updated with value of type '{got}'" in run.message
    assert d.row(run, "S").error["failureType"] == "UserError"


def test_names_of_variables_are_found_in_any_case() -> None:
    _, run = played(sets("S", "S", "x"), sets("T", "d", "@variables('S')", after("S")))
    assert run.variables["s"] == "x"
    assert run.variables["d"] == "x"


def test_parameters_are_made_to_fit_their_types() -> None:
    declared = {
        "i": {"type": "Int"},
        "b": {"type": "bool"},
        "l": {"type": "Array"},
        "o": {"type": "Object"},
        "s": {"type": "String"},
        "f": {"type": "Float", "defaultValue": 1.5},
    }
    given = {"I": "5", "b": "True", "l": "[1, 2]", "o": '{"a": 1}', "s": {"x": True}}
    _, run = played(wait("W", 0), parameters=declared, given=given)
    assert run.parameters == {
        "i": 5, "b": True, "l": [1, 2], "o": {"a": 1}, "s": '{"x":true}', "f": 1.5,
    }  # fmt: skip
    for wrong in ({"i": "five"}, {"i": 1.5}, {"b": "1"}, {"l": "{}"}, {"l": "x"}):
        with pytest.raises(Exception, match="is not of its type"):
            played(wait("W", 0), parameters=declared, given={**given, "I": 1, **wrong})


def test_what_a_pipeline_returns_keeps_its_types() -> None:
    values = [
        {"key": "t", "value": {"type": "String", "content": "text"}},
        {"key": "i", "value": {"type": "Int", "content": "7"}},
        {"key": "b", "value": {"type": "Boolean", "content": True}},
        {"key": "z", "value": {"type": "Null"}},
        {"key": "e", "value": {"type": "Expression", "content": "@createArray(1, 'a')"}},
        {"key": "l", "value": {"type": "Array", "content": [{"type": "Int", "content": 1}]}},
    ]
    give = activity(
        "Give",
        "SetVariable",
        variableName="pipelineReturnValue",
        setSystemVariable=True,
        value=values,
    )
    _, run = played(give)
    assert run.return_value == {
        "t": "text", "i": 7, "b": True, "z": None, "e": [1, "a"], "l": [1],
    }  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [
        "text",
        ["text"],
        [{"key": "a", "value": {"type": "Array", "content": 5}}],
        [{"key": "a", "value": {"type": "Object", "content": [1]}}],
        [{"key": "a", "value": {"type": "Int", "content": "x"}}],
    ],
)
def test_what_a_pipeline_cannot_return_fails_the_activity(value: object) -> None:
    give = activity(
        "Give", "SetVariable", variableName="pipelineReturnValue", setSystemVariable=True,
        value=value,
    )  # fmt: skip
    d, run = played(give)
    assert run.status == "Failed"
    assert d.row(run, "Give").error["errorCode"] == "InvalidReturnValue"


# Containers


def test_a_failed_pass_does_not_stop_a_sequential_loop() -> None:
    each = activity(
        "Each",
        "ForEach",
        items="@createArray(1, 0, 2)",
        isSequential="true",
        activities=[
            activity("Add", "AppendVariable", variableName="l", value="@div(2, item())"),
            wait("W", 10, after("Add")),
        ],
    )
    d, run = played(each)
    assert run.variables["l"] == [2, 1]
    assert seconds(run) == 20
    assert run.message.startswith(
        "Operation on target Each failed: Activity failed because an inner activity failed;"
        " Inner activity name: Add, Error: "
    )
    row = d.row(run, "Each")
    assert row.error["errorCode"] == "ActionFailed"
    assert row.input == {"itemsCount": 3}
    hashes = {r.iteration for r in d.rows(run) if r.name == "Add"}
    assert len(hashes) == 3
    assert row.iteration == ""


@pytest.mark.parametrize("items", ["text", "@string(1)", "@json('{}')"])
def test_a_loop_needs_an_array(items: str) -> None:
    d, run = played(activity("Each", "ForEach", items=items, activities=[wait("W", 1)]))
    assert run.status == "Failed"
    assert "array" in d.row(run, "Each").error["message"]


def test_batch_counts_may_be_expressions_and_have_a_bound() -> None:
    def each(count: Any) -> dict[str, Any]:
        return activity(
            "Each", "ForEach", items="@range(0, 6)", batchCount=count, activities=[wait("W", 10)]
        )

    _, run = played(each("@add(1, 2)"))
    assert seconds(run) == 20
    _, run = played(each(51))
    assert "from 1 to 50" in run.message


def test_a_loop_goes_on_after_a_failed_pass_and_succeeds_by_its_test() -> None:
    body = [
        activity("Add", "AppendVariable", variableName="l", value="x"),
        activity(
            "If",
            "IfCondition",
            after("Add"),
            expression="@equals(length(variables('l')), 2)",
            ifTrueActivities=[wait("Ok", 1)],
            ifFalseActivities=[fails("Bad")],
        ),
    ]
    loop = activity(
        "Loop", "Until", expression="@equals(activity('If').status, 'Succeeded')", activities=body
    )
    d, run = played(loop)
    assert run.status == "Succeeded"
    assert [r.status for r in d.rows(run) if r.name == "If"] == ["Failed", "Succeeded"]


def test_out_of_time_a_loop_cancels_what_is_inside() -> None:
    loop = activity(
        "Loop", "Until", expression="@equals(1, 2)", timeout="00:01:00", activities=[wait("W", 600)]
    )
    d, run = played(loop, wait("H", 1, after("Loop", "Failed")))
    assert run.status == "Succeeded"
    assert d.statuses(run) == {"Loop": "Failed", "W": "Cancelled", "H": "Succeeded"}
    assert seconds(run) == 61
    assert d.row(run, "Loop").error["errorCode"] == "ActivityTimedOut"


def test_what_is_inside_a_container_is_not_seen_outside() -> None:
    inner = activity(
        "If",
        "IfCondition",
        expression="@equals(1, 1)",
        ifTrueActivities=[sets("In", "s", "x")],
    )
    _, run = played(inner, sets("Out", "d", "@activity('In').output.value", after("If")))
    assert run.status == "Failed"
    assert "In" in run.message


def test_each_pass_sees_its_own_results_and_the_outer_ones() -> None:
    each = activity(
        "Each",
        "ForEach",
        after("Out"),
        items="@range(1, 3)",
        activities=[
            wait("W", 1),
            activity("F", "Filter", after("W"), items="@range(0, 5)", condition="@less(item(), 2)"),
            activity(
                "Add",
                "AppendVariable",
                after("F"),
                variableName="l",
                value="@{activity('Out').output.value}@{item()}@{activity('F').output.FilteredItemsCount}",
            ),
        ],
    )
    _, run = played(sets("Out", "s", "o"), each)
    assert sorted(run.variables["l"]) == ["o12", "o22", "o32"]


@pytest.mark.parametrize(
    ("on", "ran"), [("b", "B"), ("@json('1')", "One"), ("B", "Def"), ("@equals(1, 1)", "Yes")]
)
def test_a_switch_compares_texts(on: str, ran: str) -> None:
    cases = [("b", "B"), ("1", "One"), ("True", "Yes")]
    switch = activity(
        "Sw",
        "Switch",
        on=on,
        cases=[{"value": value, "activities": [wait(name, 1)]} for value, name in cases],
        defaultActivities=[wait("Def", 1)],
    )
    d, run = played(switch)
    assert d.statuses(run) == {"Sw": "Succeeded", ran: "Succeeded"}


def test_a_condition_must_be_true_or_false() -> None:
    _, run = played(activity("If", "IfCondition", expression="@string('true')"))
    assert "must be a boolean" in run.message
    _, run = played(activity("U", "Until", expression="@json('1')", activities=[wait("W", 1)]))
    assert "must be a boolean" in run.message


def test_loops_without_a_pause_are_paced() -> None:
    loop = activity(
        "Loop",
        "Until",
        expression="@greaterOrEquals(length(variables('l')), 150)",
        activities=[activity("A", "AppendVariable", variableName="l", value="x")],
    )
    _, run = played(loop)
    assert run.status == "Succeeded"
    assert 40 <= seconds(run) <= 60


# Policies


async def _slow(call: Call) -> Done:
    await call.ctx.clock.sleep(100)
    return Done({"id": 1}, {"secret": "in"})


def test_a_policy_may_be_expressions_and_each_attempt_has_a_row() -> None:
    policy = {
        "timeout": "@concat('00:00:', '20')",
        "retry": "@pipeline().parameters.r",
        "retryIntervalInSeconds": "40",
    }
    with desk() as d:
        d.stubs = {"A": _slow}
        declared = {"r": {"type": "int", "defaultValue": 2}}
        d.publish("p", {**activity("A", "Web"), "policy": policy}, parameters=declared)
        run = d.run()
    rows = d.rows(run)
    assert [row.attempt for row in rows] == [0, 1, 2]
    assert [row.error["errorCode"] for row in rows] == ["ActivityTimedOut"] * 3
    assert seconds(run) == 20 * 3 + 40 * 2
    assert run.status == "Failed"


def test_an_expression_that_fails_is_not_tried_again() -> None:
    one = {
        **activity("A", "WebActivity", url="@variables('nope')", method="GET"),
        "policy": {"retry": 3},
    }
    d, run = played(one)
    assert len(d.rows(run)) == 1
    assert d.row(run, "A").error["errorCode"] == "InvalidTemplate"


def test_a_bug_of_ours_fails_the_activity_and_says_so() -> None:
    async def broken(call: Call) -> Done:
        raise ZeroDivisionError("oops")

    with desk() as d:
        d.stubs = {"A": broken}
        d.publish("p", activity("A", "Web"))
        run = d.run()
    error = d.row(run, "A").error
    assert (error["errorCode"], error["failureType"]) == ("InternalError", "SystemError")
    assert "ZeroDivisionError" in error["message"]


def test_an_unknown_type_fails_by_its_name() -> None:
    _, run = played(activity("A", "Nonsense"))
    assert "no activity type 'Nonsense'" in run.message


def test_a_failed_activity_s_output_and_error_are_seen() -> None:
    async def failing(call: Call) -> Done:
        raise ActivityFailed("E7", "words", output={"id": 3})

    with desk() as d:
        d.stubs = {"A": failing}
        d.publish(
            "p",
            activity("A", "Web"),
            sets(
                "S",
                "s",
                "@{activity('A').output.id}/@{activity('a').error.errorCode}/@{activity('A').status}",
                after("A", "Failed"),
            ),
            sets("T", "d", "@string(activity('S').error?.message)", after("S")),
            variables=VARIABLES,
        )
        run = d.run()
    assert run.variables["s"] == "3/E7/Failed"
    assert run.variables["d"] == ""


def test_user_properties_are_evaluated_and_fail_the_activity_when_they_cannot_be() -> None:
    one = {**wait("W", 1), "userProperties": [{"name": "run", "value": "@pipeline().Pipeline"}]}
    d, run = played(one)
    assert d.row(run, "W").user_properties == {"run": "p"}
    bad = {**wait("W", 1), "userProperties": [{"name": "run", "value": "@variables('nope')"}]}
    d, run = played(bad)
    assert run.status == "Failed"


def test_several_failures_are_all_told() -> None:
    _, run = played(fails("A", message="one"), fails("B", message="two"))
    assert run.message == "Operation on target A failed: one\nOperation on target B failed: two"


def test_fail_tells_the_author_s_words_or_that_they_cannot_be_had() -> None:
    d, run = played(activity("F", "Fail", message="@string('')", errorCode=" "))
    error = d.row(run, "F").error
    assert error["errorCode"] == "ErrorCodeNotString"
    assert error["message"].startswith("Failed to interpret")
    assert error["target"] == "F"


def test_a_wait_needs_a_whole_number() -> None:
    for given in ("x", -1, "1.5"):
        _, run = played(activity("W", "Wait", waitTimeInSeconds=given))
        assert "whole number" in run.message
    _, run = played(activity("W", "Wait", waitTimeInSeconds="@mul(2, 30)"))
    assert seconds(run) == 60


def test_what_a_pipeline_knows_of_itself() -> None:
    said = "@{pipeline().DataFactory}/@{pipeline().Pipeline}/@{pipeline().TriggerType}"
    d, run = played(
        sets("S", "s", said),
        sets("T", "d", "@pipeline().RunId", after("S")),
        sets("N", "s", "@coalesce(pipeline()?.TriggeredByPipelineName, 'nobody')", after("T")),
    )
    assert d.row(run, "S").output["value"] == "f/p/Manual"
    assert run.variables["d"] == run.id
    assert run.variables["s"] == "nobody"


def test_activities_with_a_timeout_of_their_own_are_not_cut_short_nor_tried_again() -> None:
    async def long(call: Call) -> Done:
        await call.ctx.clock.sleep(20 * 3600)
        raise ActivityFailed("1", "at last")

    with desk() as d:
        d.stubs = {"A": long}
        policy = {"retry": 3, "timeout": "00:01:00"}
        d.publish("p", {**activity("A", "Validation"), "policy": policy})
        run = d.run()
    assert [row.error["message"] for row in d.rows(run)] == ["at last"]


def test_secure_inputs_are_not_shown_while_an_activity_runs_either() -> None:
    shown: list[Any] = []

    async def looks(call: Call) -> Done:
        rows = {row.name: row for row in d.rows(call.run)}
        shown.append((rows["Run"].input, rows["Each"].input))
        return Done({})

    secure = {"policy": {"secureInput": True}}
    with desk() as d:
        call = activity("Run", "ExecutePipeline", pipeline={"referenceName": "c"}, parameters={})
        each = activity("Each", "ForEach", items="@range(0, 1)", activities=[wait("W", 5)])
        d.stubs = {"Look": looks}
        d.publish("p", {**call, **secure}, each, wait("A", 1), activity("Look", "X", after("A")))
        d.publish("c", wait("W", 5))
        run = d.run()
    assert shown == [({}, {"itemsCount": 1})]
    assert d.row(run, "Run").input == {}


def test_what_json_cannot_hold_is_kept_as_near_as_can_be_and_hurts_nobody_else() -> None:
    deep: Any = 1
    for _ in range(600):
        deep = [deep]

    async def odd(call: Call) -> Done:
        return Done(
            {"big": 10**30, "huge": 10**400, "half": "\ud800", "n": float("nan"), "deep": deep}
        )

    with desk() as d:
        d.stubs = {"A": odd}
        d.publish(
            "p",
            activity("A", "Web"),
            sets("S", "s", "@concat('x', activity('A').output.half)", after("A")),
            wait("W", 5, after("S")),
            variables={"s": {"type": "String"}, "odd\nname": {"type": "String"}},
        )
        run = d.run()
    output = d.row(run, "A").output
    assert output["big"] == 1e30
    assert output["huge"].startswith("1000")
    assert output["half"] == "?"
    assert d.row(run, "W").status == "Succeeded"
    assert d.stored(run).status == "Succeeded"


def test_what_could_not_be_written_is_written_when_it_can_be() -> None:
    class Full(MemoryStore):
        """A store whose disk is full for a while."""

        full = False

        def put(self, table: Table[Any], record: Any) -> None:
            if self.full:
                raise OSError("no space left")
            super().put(table, record)

    store = Full()
    with desk(store) as d:
        d.publish("p", wait("W", 5), wait("X", 5, after("W")))

        async def work() -> None:
            recorder = Recorder(store)
            rows = [replace(run_row, id=str(at)) for at in range(3)]
            store.full = True
            recorder.put(ACTIVITY_RUNS, rows[0], "r", "0")
            with pytest.raises(OSError, match="no space"):
                await recorder.committed()
            with pytest.raises(OSError, match="no space"):
                await recorder.committed()
            store.full = False
            recorder.put(ACTIVITY_RUNS, rows[1], "r", "1")
            await recorder.committed()
            assert [row.id for row in store.scan(ACTIVITY_RUNS, "r")] == ["0", "1"]
            recorder.put(ACTIVITY_RUNS, rows[2], "r", "2")
            recorder.delete(ACTIVITY_RUNS, "r", "0")
            recorder.flush()
            await recorder.committed()
            assert [row.id for row in store.scan(ACTIVITY_RUNS, "r")] == ["1", "2"]

        run_row = replace(d.rows(d.run())[0], run="r")
        d.time.run(work())
