"""Train, deploy behind a batch endpoint, score folders, and release a second deployment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import data
from azure_adapters.ports import Adapters, Asset
from scenarios.batch_endpoint import files
from scenarios.report import Report

HERE = Path(__file__).parent
DATA = Path(data.__file__).parent / "attrition" / "data.yml"
MODEL = "attrition-batch"
PARTS = 9  # files in the folder that is scored
SAME = 1e-6  # chances may differ this much from those of training


@dataclass(frozen=True, slots=True)
class Trained:
    """What training left behind."""

    model: Asset
    environment: Asset
    held_back: Path  # rows the model has not seen, a CSV without the target
    scored: list[files.Row]  # the same rows as training scored them


def run(adapters: Adapters, report: Report, source: Path | None = None) -> None:
    """Go through the whole scenario, and clean up whatever happens.

    Args:
        adapters: connected to a workspace.
        report: takes the steps.
        source: a CSV of either form of the attrition table; None is the generated one.

    Raises:
        Exception: whatever a step raised; the report has it.
    """
    endpoint = f"attrition-batch-{adapters.suffix}"
    with TemporaryDirectory(prefix="attrition-") as folder:
        trained = _train(adapters, report, source, Path(folder))
        try:
            _release(adapters, report, endpoint, trained)
            _score(adapters, report, endpoint, trained, Path(folder))
        finally:
            with report.step("clean up") as note:
                adapters.batch.delete(endpoint)
                note.detail = f"{endpoint} deleted; data, environment, jobs and model stay"


def _train(adapters: Adapters, report: Report, source: Path | None, folder: Path) -> Trained:
    with report.step("register data") as note:
        file = _adapted(source, folder) if source else None
        dataset = adapters.data.register(DATA, path=file)
        note.detail = f"{dataset.reference} from {source or 'the generated rows'}"
    with report.step("register environment") as note:
        environment = adapters.environments.register(HERE / "environment.yml")
        compute = adapters.computes.ensure(HERE / "compute.yml")
        note.detail = f"{environment.reference}; compute {compute}"
    with report.step("train") as note:
        job = adapters.jobs.submit(HERE / "training.yml", {"raw": dataset.reference})
        adapters.jobs.wait(job, note.say)
        measured = adapters.jobs.download(job, "report", folder)
        metrics = _json(measured / "metrics.json")
        _must(bool(metrics["passed"]), f"AUC {metrics['held_back_auc']} is too low")
        scored = files.read(measured / "scored.csv")
        note.detail = f"AUC {metrics['held_back_auc']:.3f} on {len(scored)} held-back rows"
    with report.step("register model") as note:
        path = f"azureml://jobs/{job}/outputs/model"
        auc = f"{metrics['held_back_auc']:.4f}"
        model = adapters.models.register(MODEL, path, {"held_back_auc": auc, "job": job})
        note.detail = f"{model.reference} of job {job}"
    return Trained(model, environment, measured / "held_back.csv", scored)


def _release(adapters: Adapters, report: Report, endpoint: str, trained: Trained) -> None:
    with report.step("create endpoint") as note:
        note.detail = adapters.batch.create(HERE / "endpoint.yml", endpoint)
    with report.step("deploy the model without code") as note:
        name = adapters.batch.deploy(HERE / "labels.yml", endpoint, trained.model)
        adapters.batch.default(endpoint, name)
        note.detail = f"{trained.model.reference} as {name}, the default"


def _score(
    adapters: Adapters, report: Report, endpoint: str, trained: Trained, folder: Path
) -> None:
    batch = adapters.batch
    with report.step("score a folder") as note:
        written = files.cut(trained.held_back, folder / "employees", PARTS)
        job = batch.invoke(endpoint, folder / "employees", experiment="attrition-nightly")
        adapters.jobs.wait(job, note.say)
        labels = files.labels(batch.predictions(job, folder / "labels"))
        note.detail = f"job {job}: {len(written)} files, {len(labels)} rows"
    with report.step("compare with training") as note:
        rows = len(trained.scored)
        wanted = files.expected(trained.scored, written, rows)
        wrong = [place for place, label in wanted.items() if labels.get(place) != label]
        _must(not wrong and len(labels) == rows, f"{len(wrong)} of {rows} rows differ")
        note.detail = f"all {rows} labels as the trained model gave them"
    with report.step("deploy a script beside it") as note:
        name = batch.deploy(HERE / "chances.yml", endpoint, trained.model, trained.environment)
        note.detail = f"{name}; the default stays"
    with report.step("try the script by its name") as note:
        note.detail = _verdicts(adapters, endpoint, trained, folder, "chances")
    with report.step("make the script the default") as note:
        batch.default(endpoint, "chances")
        note.detail = _verdicts(adapters, endpoint, trained, folder, None)
    with report.step("list jobs") as note:
        started = batch.jobs(endpoint)
        _must(len(started) == 3, f"three jobs were started, {len(started)} are listed")
        note.detail = ", ".join(f"{name} {status}" for name, status in started.items())


def _verdicts(
    adapters: Adapters, endpoint: str, trained: Trained, folder: Path, deployment: str | None
) -> str:
    """Score the folder by the script and compare every chance with training's."""
    job = adapters.batch.invoke(
        endpoint, folder / "employees", deployment=deployment, mini_batch_size=2
    )
    adapters.jobs.wait(job, lambda line: None)
    found = files.verdicts(adapters.batch.predictions(job, folder / job))
    for row in trained.scored:
        said = found.get(str(int(float(row["EmployeeNumber"]))))
        _must(
            said is not None and abs(said.chance - float(row["chance"])) <= SAME,
            f"employee {row['EmployeeNumber']}: {said}, trained with {row['chance']}",
        )
    leavers = sum(one.leaves for one in found.values())
    return f"{len(found)} verdicts, {leavers} likely leavers, as trained"


def _adapted(source: Path, folder: Path) -> Path:
    """Bring a file of either form into the one that the training code reads."""
    from data.generate import to_csv
    from data.load import load

    target = folder / "attrition.csv"
    target.write_bytes(to_csv(load(source)))
    return target


def _json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
