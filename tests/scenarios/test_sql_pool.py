"""Scenario 4: its decisions against adapters that answer from memory, then for real."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from azure_adapters.plan import Plan
from azure_adapters.settings import Settings
from azure_adapters.warehouse import batches
from data import schema
from scenarios.report import Outcome, perform
from scenarios.sql_pool import rehearsed, scenario
from tests.running import Rehearsal
from tests.scenarios import performing

SETTINGS = Settings(subscription_id="s", resource_group="g", workspace="w", data_factory="f")
STEPS = [
    "register data",
    "register environment",
    "train",
    "export the model to ONNX",
    "keep the scorer's password",
    "export employees",
    "deploy the T-SQL",
    "count what was loaded",
    "store the model",
    "score by the procedure",
    "compare with training",
    "score only what is new",
    "publish a factory that scores",
    "score by the pipeline",
]
Rows = Callable[[str], list[Mapping[str, Any]]]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # of importing mlflow


def run_with(change: Callable[[str, list[Mapping[str, Any]]], Any] | None = None) -> Outcome:
    told = rehearsed.rehearsed()
    answers = told.rows
    assert answers is not None

    def rows(asked: str) -> list[Mapping[str, Any]]:
        said = answers(asked)
        return said if change is None else change(asked, said)

    adapters = Plan(replace(told, rows=rows)).adapters(SETTINGS)
    return perform("x", "local", lambda report: scenario.run(adapters, report))


def test_a_good_run_goes_through_every_step_in_order() -> None:
    made = run_with()
    assert made.status == "succeeded", made
    assert [step.name for step in made.steps] == STEPS


@pytest.mark.parametrize(
    ("asked", "column", "value", "step"),
    [
        ("SELECT COUNT(*)", "n", 1, "count what was loaded"),
        (scenario.PROCEDURE, "scored", 7, "score by the procedure"),
        (scenario.FOUND, "label", "Yes", "compare with training"),
        (scenario.FOUND, "chance", 0.6, "compare with training"),
    ],
)
def test_what_differs_stops_the_run(asked: str, column: str, value: Any, step: str) -> None:
    def change(statement: str, said: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        if not statement.startswith(asked) or not said:
            return said
        return [{**said[0], column: value}, *said[1:]]

    made = run_with(change)
    assert [one.name for one in made.steps if one.status == "failed"] == [step]


def test_the_tables_have_the_columns_of_the_data() -> None:
    text = (scenario.SQL / "010_tables.sql").read_text(encoding="utf-8")
    view = (scenario.SQL / "030_features.sql").read_text(encoding="utf-8")
    for column in schema.COLUMNS:
        if column.name == schema.TARGET:
            assert f"[{column.name}]" not in text + view
            continue
        assert f"    [{column.name}] {'int' if column.is_number else 'varchar('}" in text
        kept = f"CAST(e.[{column.name}] AS real)" in view
        assert kept == (column.is_number and column.name != schema.KEY)
        for category in column.categories:
            width = text.split(f"[{column.name}] varchar(")[1].partition(")")[0]
            assert len(category) <= int(width)


def test_batches_are_cut_as_sqlcmd_cuts_them() -> None:
    text = "SELECT '$(a)'\nGO\n-- GO is no separator here\nSELECT 2\n go ;\n\nGO\n"
    made = batches(text, {"a": "it's"})
    assert made == ["SELECT 'it''s'", "-- GO is no separator here\nSELECT 2"]
    with pytest.raises(LookupError, match=r"\$\(b\) has no value"):
        batches("SELECT '$(b)'", {})


def test_from_zero_to_rows_scored_in_the_pool(rehearsal: Rehearsal) -> None:
    done = performing.perform(rehearsal, "sql-pool")
    assert done.said["status"] == "succeeded", done.shown
    assert done.steps == STEPS
    details = done.details
    assert details["score by the procedure"] == "500 rows by PREDICT"
    assert details["score by the pipeline"].startswith("501 rows")
