"""An ONNX model stored in a dedicated SQL pool and run by PREDICT in a procedure, by adapters only.

The model is trained and registered as elsewhere, converted with one input a column, and stored in a
table; a procedure scores who has no prediction yet, called here and by a Data Factory pipeline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from tempfile import TemporaryDirectory
from typing import Any

from azure_adapters import onnx_export
from azure_adapters.ports import Adapters, Asset
from scenarios.batch_endpoint import files
from scenarios.batch_endpoint.training import MODEL, Trained, must, prepare, train
from scenarios.report import Note, Report

HERE = Path(__file__).parent
SQL = HERE / "sql"
PIPELINE = "score-in-pool"
PROCEDURE = "attrition.score"
CONTAINER = "attrition-sql"
SECRET = "attrition-scorer"
VALID_MINUTES = 60
SAME = 1e-5  # chances may differ this much from those of training
NEWCOMER = 900_001
FOUND = "SELECT [EmployeeNumber], label, chance FROM attrition.predictions"


@dataclass(frozen=True, slots=True)
class Kept:
    """The model as the pool keeps it."""

    name: str
    version: int


def run(adapters: Adapters, report: Report, source: Path | None = None) -> None:
    """Go through the whole scenario.

    Args:
        adapters: connected to the workspace, the SQL pool, the factory and the vault.
        report: takes the steps.
        source: a CSV of either form of the attrition table; None is the generated one.

    Raises:
        Exception: whatever a step raised; the report has it.
    """
    with TemporaryDirectory(prefix="attrition-") as given:
        folder = Path(given)
        trained = train(adapters, report, prepare(adapters, report, source, folder), folder, 1.0)
        exported = _export(adapters, report, trained, folder)
        _deploy(adapters, report, trained)
        kept = _store(adapters, report, trained.model, exported)
        _score(adapters, report, trained, kept)
        _score_new_rows(adapters, report, kept)
        _score_by_pipeline(adapters, report, trained, kept)


def _export(
    adapters: Adapters, report: Report, trained: Trained, folder: Path
) -> onnx_export.Exported:
    with report.step("export the model to ONNX") as note:
        import pandas as pd

        registered = adapters.models.get(MODEL, trained.model.version)
        fetched = adapters.models.download(registered, folder / "model")
        estimator, columns = onnx_export.load(fetched)
        made = onnx_export.export(estimator, columns, pd.read_csv(trained.held_back))
        note.detail = (
            f"{len(made.inputs)} inputs, {len(made.content) / 1024:.0f} KiB; within"
            f" {made.difference:.1g} of the original on {made.rows} rows"
        )
    return made


def _deploy(adapters: Adapters, report: Report, trained: Trained) -> None:
    with report.step("keep the scorer's password") as note:
        password = f"aA1-{token_urlsafe(24)}"
        version = adapters.secrets.keep(SECRET, password)
        note.detail = f"{SECRET} version {version}"
    with report.step("export employees") as note:
        export = files.as_exported(trained.held_back)
        url = adapters.blobs.write(CONTAINER, "employees.csv", export)
        note.detail = f"{len(trained.scored)} rows in {url}"
    with report.step("deploy the T-SQL") as note:
        values = {
            "scorer_password": password,
            "employees": url,
            "signature": adapters.blobs.signed(CONTAINER, VALID_MINUTES),
        }
        ran = [
            *adapters.warehouse.deploy(SQL / "master", values, "master"),
            *adapters.warehouse.deploy(SQL, values),
        ]
        adapters.warehouse.deploy(SQL, values)  # it may be run again
        note.detail = f"{', '.join(ran)}; and once more"
    with report.step("count what was loaded") as note:
        (row,) = adapters.warehouse.execute("SELECT COUNT(*) AS n FROM attrition.employees")
        must(row["n"] == len(trained.scored), f"{row['n']} of {len(trained.scored)} rows")
        note.detail = f"{row['n']} employees"


def _store(
    adapters: Adapters, report: Report, model: Asset, exported: onnx_export.Exported
) -> Kept:
    with report.step("store the model") as note:
        kept = Kept(model.name, int(model.version) if model.version.isdigit() else 0)
        pool = adapters.warehouse
        pool.execute(
            "DELETE FROM attrition.models WHERE name = %s AND version = %s", kept.name, kept.version
        )
        pool.execute(
            "INSERT INTO attrition.models (name, version, content) VALUES (%s, %s, %s)",
            kept.name,
            kept.version,
            exported.content,
        )
        pool.execute("DELETE FROM attrition.predictions")
        note.detail = f"{kept.name} version {kept.version}"
    return kept


def _score(adapters: Adapters, report: Report, trained: Trained, kept: Kept) -> None:
    with report.step("score by the procedure") as note:
        made = adapters.warehouse.call(PROCEDURE, {"model": kept.name, "version": kept.version})
        must(made.status == 0, f"the procedure returned {made.status}")
        scored = int(made.rows[-1]["scored"])
        must(scored == len(trained.scored), f"{scored} of {len(trained.scored)} rows")
        note.detail = f"{scored} rows by PREDICT"
    with report.step("compare with training") as note:
        found = {int(row["EmployeeNumber"]): row for row in adapters.warehouse.execute(FOUND)}
        far = max(_difference(row, found) for row in trained.scored)
        note.detail = f"{len(found)} labels the same, chances within {far:.1g}"


def _difference(row: files.Row, found: Mapping[int, Mapping[str, Any]]) -> float:
    """How far a chance in the pool is from training's; the labels must be equal."""
    number = int(float(row["EmployeeNumber"]))
    said = found.get(number)
    must(said is not None, f"employee {number} was not scored")
    assert said is not None
    far = abs(float(said["chance"]) - float(row["chance"]))
    must(
        said["label"] == row["label"] and far <= SAME,
        f"employee {number}: {said['label']} {said['chance']}, trained {row['chance']}",
    )
    return far


def _score_new_rows(adapters: Adapters, report: Report, kept: Kept) -> None:
    with report.step("score only what is new") as note:
        asked = {"model": kept.name, "version": kept.version}
        again = adapters.warehouse.call(PROCEDURE, asked)
        must(int(again.rows[-1]["scored"]) == 0, "rows were scored twice")
        _hire(adapters)
        made = adapters.warehouse.call(PROCEDURE, asked)
        must(int(made.rows[-1]["scored"]) == 1, f"{made.rows[-1]['scored']} rows, not one")
        (row,) = adapters.warehouse.execute(f"{FOUND} WHERE [EmployeeNumber] = %s", NEWCOMER)
        note.detail = f"one newcomer: {row['label']}, {float(row['chance']):.2f}"


def _hire(adapters: Adapters) -> None:
    """Copy one employee under a new number."""
    known = adapters.warehouse.execute(
        "SELECT TOP 1 * FROM attrition.employees ORDER BY [EmployeeNumber]"
    )[0]
    names = ", ".join(f"[{name}]" for name in known)
    marks = ", ".join("%s" for _ in known)
    values = {**known, "EmployeeNumber": NEWCOMER}.values()
    adapters.warehouse.execute(
        f"INSERT INTO attrition.employees ({names}) VALUES ({marks})", *values
    )


def _score_by_pipeline(adapters: Adapters, report: Report, trained: Trained, kept: Kept) -> None:
    place = adapters.place
    with report.step("publish a factory that scores") as note:
        made = adapters.factories.publish(
            HERE / "factory",
            {
                "vault_url": place.vault_url,
                "sql_server": place.sql_server,
                "sql_database": place.sql_database,
            },
        )
        adapters.secrets.let_read(made.principal)
        note.detail = f"{', '.join(made.pipelines)} in {made.name}"
    with report.step("score by the pipeline") as note:
        adapters.warehouse.execute("DELETE FROM attrition.predictions")
        note.detail = _ran(adapters, trained, kept, note)


def _ran(adapters: Adapters, trained: Trained, kept: Kept, note: Note) -> str:
    factories = adapters.factories
    parameters = {"model": kept.name, "version": kept.version}
    ran = factories.wait(factories.run(PIPELINE, parameters), note.say)
    must(ran.status == "Succeeded", f"run {ran.id} {ran.status}: {ran.message}")
    row = ran.activity("Count").output["resultSets"][0]["rows"][0]
    rows = len(trained.scored) + 1  # with the newcomer
    must(int(row["scored"]) == rows, f"{row['scored']} of {rows} rows")
    return f"{row['scored']} rows, {row['leavers']} likely leavers; as a login that may do no more"
