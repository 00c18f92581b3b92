"""From a trained model to a scheduled batch endpoint in production, by adapters only.

Development trains; a registry carries the model to staging, where it scores a few files, and to
production, where it scores folders, gets a second deployment, and is repeated by a schedule.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from azure_adapters.ports import Adapters, Asset, Promoted
from scenarios.batch_endpoint import files
from scenarios.batch_endpoint.training import (
    METRIC,
    MODEL,
    Trained,
    as_trained,
    must,
    prepare,
    read_json,
    train,
)
from scenarios.report import Report

HERE = Path(__file__).parent
PARTS = 9  # files in the folder that is scored
POOR = 0.02  # share of the rows that the second candidate learns from
SAME = 1e-6  # chances may differ this much from those of training


@dataclass(frozen=True, slots=True)
class Stage:
    """A workspace on the way, with what was made ready there."""

    adapters: Adapters
    name: str  # of the workspace
    endpoint: str  # name of its batch endpoint


def run(adapters: Adapters, report: Report, source: Path | None = None) -> None:
    """Go through the whole scenario, and clean up whatever happens.

    Args:
        adapters: connected to the development workspace.
        report: takes the steps.
        source: a CSV of either form of the attrition table; None is the generated one.

    Raises:
        Exception: whatever a step raised; the report has it.
    """
    with TemporaryDirectory(prefix="attrition-") as given:
        folder = Path(given)
        dataset = prepare(adapters, report, source, folder)
        trained = train(adapters, report, dataset, folder, 1.0)
        registry, staging, production = _open(adapters, report)
        try:
            _to_staging(adapters, report, trained, registry, staging, folder)
            environment = _to_production(adapters, report, registry, staging, production)
            _score(production, report, trained, environment, folder)
            _refuse_a_worse_one(adapters, report, dataset, registry, staging, folder)
            _repeat(production, report, trained, folder)
        finally:
            with report.step("clean up") as note:
                production.adapters.schedules.remove("attrition-nightly")
                for stage in (staging, production):
                    stage.adapters.batch.delete(stage.endpoint)
                note.detail = "endpoints and schedule deleted; workspaces, registry and models stay"


def _open(adapters: Adapters, report: Report) -> tuple[str, Stage, Stage]:
    with report.step("open staging and production") as note:
        suffix = adapters.suffix
        registry = adapters.stages.registry(HERE / "registry.yml", f"attrition-{suffix}")
        made = []
        for name in ("staging", "production"):
            workspace = f"attrition-{name}-{suffix}"
            there = adapters.stages.workspace(HERE / "workspace.yml", workspace)
            made.append(Stage(there, workspace, f"attrition-{name[:5]}-{suffix}"))
        note.detail = f"registry {registry}, workspaces {made[0].name} and {made[1].name}"
    return registry, made[0], made[1]


def _to_staging(
    adapters: Adapters,
    report: Report,
    trained: Trained,
    registry: str,
    staging: Stage,
    folder: Path,
) -> None:
    batch = staging.adapters.batch
    with report.step("promote to staging") as note:
        made = _promoted(adapters, trained.model, registry, ("", staging.name))
        must(made.done, made.why)
        note.detail = f"{MODEL}:{made.version} is in place in {staging.name}"
    with report.step("try it in staging") as note:
        staging.adapters.computes.ensure(HERE / "compute.yml")
        batch.create(HERE / "endpoint.yml", staging.endpoint)
        model = staging.adapters.models.get(MODEL, made.version)
        batch.default(staging.endpoint, batch.deploy(HERE / "labels.yml", staging.endpoint, model))
        note.detail = _labels(staging, trained, folder / "staging", note.say)
        batch.delete(staging.endpoint)


def _to_production(
    adapters: Adapters, report: Report, registry: str, staging: Stage, production: Stage
) -> Asset:
    """Promote, and make everything ready there; the environment for what has code."""
    there, endpoint = production.adapters, production.endpoint
    with report.step("promote to production") as note:
        here = staging.adapters.models.get(MODEL)
        made = _promoted(adapters, here, registry, (staging.name, production.name))
        must(made.done, made.why)
        note.detail = f"{MODEL}:{made.version} is in place in {production.name}"
    with report.step("create endpoint") as note:
        environment = there.environments.register(HERE / "environment.yml")
        there.computes.ensure(HERE / "compute.yml")
        note.detail = there.batch.create(HERE / "endpoint.yml", endpoint)
    with report.step("deploy the model without code") as note:
        model = there.models.get(MODEL, made.version)
        name = there.batch.deploy(HERE / "labels.yml", endpoint, model)
        there.batch.default(endpoint, name)
        note.detail = f"{model.reference} as {name}, the default"
    return environment


def _score(
    production: Stage, report: Report, trained: Trained, environment: Asset, folder: Path
) -> None:
    batch, endpoint = production.adapters.batch, production.endpoint
    with report.step("score a folder") as note:
        note.detail = _labels(production, trained, folder / "production", note.say)
    with report.step("deploy a script beside it") as note:
        model = production.adapters.models.get(MODEL)
        name = batch.deploy(HERE / "chances.yml", endpoint, model, environment)
        note.detail = f"{name}; the default stays"
    with report.step("try the script by its name") as note:
        note.detail = _chances(production, trained, folder, "chances")
    with report.step("make the script the default") as note:
        batch.default(endpoint, "chances")
        note.detail = _chances(production, trained, folder, None)


def _refuse_a_worse_one(
    adapters: Adapters, report: Report, dataset: Asset, registry: str, staging: Stage, folder: Path
) -> None:
    poor = train(adapters, report, dataset, folder, POOR)
    with report.step("refuse to promote it") as note:
        made = _promoted(adapters, poor.model, registry, ("", staging.name))
        must(not made.done, f"{poor.model.reference} with AUC {poor.auc:.3f} was promoted")
        note.detail = f"{made.why}; {MODEL}:{made.version} stays in place"


def _repeat(production: Stage, report: Report, trained: Trained, folder: Path) -> None:
    there = production.adapters
    with report.step("schedule it nightly") as note:
        export = there.data.register(HERE / "employees.yml", path=folder / "production")
        jobs = there.batch.create(HERE / "endpoint.yml", production.endpoint)
        inputs = {"jobs": jobs, "data": export.name, "version": export.version}
        schedule = there.schedules.create(HERE / "schedule.yml", inputs)
        note.detail = f"{schedule} scores {export.reference} every night"
    with report.step("let the schedule run once") as note:
        job = there.schedules.trigger(schedule)
        there.jobs.wait(job, note.say)
        said = read_json(there.jobs.download(job, "report", folder / "nightly") / "job.json")
        found = files.verdicts(there.batch.predictions(said["job"], folder / "verdicts"))
        rows = len(trained.scored)
        must(len(found) == rows, f"{len(found)} of {rows} rows were scored")
        started = there.batch.jobs(production.endpoint)
        note.detail = f"job {job} started {said['job']}: {rows} rows; {len(started)} jobs so far"


def _promoted(adapters: Adapters, model: Asset, registry: str, way: tuple[str, str]) -> Promoted:
    """Promote along the way from one workspace to another, where it must be no worse."""
    source, target = way
    return adapters.stages.promote(model, registry, source, target, metric=METRIC, min_gain=0.0)


def _labels(stage: Stage, trained: Trained, folder: Path, say: Any) -> str:
    """Score a folder by the default deployment and compare every label with training's."""
    written = files.cut(trained.held_back, folder, PARTS)
    job = stage.adapters.batch.invoke(stage.endpoint, folder, experiment="attrition-batch")
    stage.adapters.jobs.wait(job, say)
    rows = as_trained(
        trained, written, stage.adapters.batch.predictions(job, folder.with_name(job))
    )
    return f"job {job}: {len(written)} files, {rows} rows, all labels as training gave them"


def _chances(production: Stage, trained: Trained, folder: Path, deployment: str | None) -> str:
    """Score the folder by the script and compare every chance with training's."""
    batch, there = production.adapters.batch, production.adapters
    source = folder / "production"
    job = batch.invoke(production.endpoint, source, deployment=deployment, mini_batch_size=2)
    there.jobs.wait(job, lambda line: None)
    found = files.verdicts(batch.predictions(job, folder / job))
    for row in trained.scored:
        said = found.get(str(int(float(row["EmployeeNumber"]))))
        must(
            said is not None and abs(said.chance - float(row["chance"])) <= SAME,
            f"employee {row['EmployeeNumber']}: {said}, trained with {row['chance']}",
        )
    leavers = sum(one.leaves for one in found.values())
    return f"{len(found)} verdicts, {leavers} likely leavers, as trained"
