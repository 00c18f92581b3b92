"""A factory whose pipeline scores employees by the batch endpoint, by adapters only.

The pipeline fetches a secret from the vault as the factory's identity, gets tokens for it, asks the
endpoint, waits for the job in another pipeline, and branches on how it ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from azure_adapters.ports import Adapters, Asset, FactoryRun, PublishedFactory
from scenarios.batch_endpoint import files
from scenarios.batch_endpoint.training import Trained, as_trained, must, prepare, train
from scenarios.report import Note, Report

FACTORY = Path(__file__).parent / "factory"
BATCH = Path(__file__).parents[1] / "batch_endpoint"
PIPELINE = "score-attrition"
TRIGGER = "weekly-scoring"
SECRET = "attrition-scoring"
PARTS = 3  # files in the folder that is scored
SOON_S = 5.0  # until the trigger fires first
NOWHERE = "attrition-nowhere"


@dataclass(frozen=True, slots=True)
class Scoring:
    """The endpoint that the pipeline asks, and what it is asked to score."""

    endpoint: str
    uri: str
    employees: Asset
    written: list[Path]


def run(adapters: Adapters, report: Report, source: Path | None = None) -> None:
    """Go through the whole scenario, and clean up whatever happens.

    Args:
        adapters: connected to the workspace; its group has the factory and the vault.
        report: takes the steps.
        source: a CSV of either form of the attrition table; None is the generated one.

    Raises:
        Exception: whatever a step raised; the report has it.
    """
    endpoint = f"attrition-factory-{adapters.suffix}"
    with TemporaryDirectory(prefix="attrition-") as given:
        folder = Path(given)
        trained = train(adapters, report, prepare(adapters, report, source, folder), folder, 1.0)
        try:
            scoring = _deploy(adapters, report, endpoint, trained, folder)
            _publish(adapters, report, scoring)
            _score(adapters, report, trained, scoring, folder)
            _take_the_other_branch(adapters, report)
            _repeat(adapters, report, trained, scoring, folder)
        finally:
            with report.step("clean up") as note:
                adapters.factories.stop(TRIGGER)
                adapters.batch.delete(endpoint)
                note.detail = "trigger stopped, endpoint deleted; factory, secret and model stay"


def _deploy(
    adapters: Adapters, report: Report, endpoint: str, trained: Trained, folder: Path
) -> Scoring:
    with report.step("deploy the batch endpoint") as note:
        uri = adapters.batch.create(BATCH / "endpoint.yml", endpoint)
        name = adapters.batch.deploy(BATCH / "labels.yml", endpoint, trained.model)
        adapters.batch.default(endpoint, name)
        note.detail = f"{trained.model.reference} at {uri}"
    with report.step("export employees") as note:
        written = files.cut(trained.held_back, folder / "employees", PARTS)
        employees = adapters.data.register(BATCH / "employees.yml", path=folder / "employees")
        note.detail = f"{employees.reference}: {PARTS} files, {len(trained.scored)} rows"
    return Scoring(endpoint, uri, employees, written)


def _publish(adapters: Adapters, report: Report, scoring: Scoring) -> PublishedFactory:
    place = adapters.place
    with report.step("keep the secret") as note:
        version = adapters.secrets.keep_credential(SECRET)
        note.detail = f"{SECRET} version {version} in {place.vault_url}"
    with report.step("publish the factory") as note:
        made = adapters.factories.publish(
            FACTORY,
            {
                "tenant_id": place.tenant_id,
                "client_id": place.client_id,
                "vault_url": place.vault_url,
                "secret_name": SECRET,
                "workspace_id": place.workspace_id.lstrip("/"),
                "scoring_uri": scoring.uri,
                "data": _id(adapters, scoring.employees),
            },
        )
        adapters.secrets.let_read(made.principal)
        note.detail = f"{', '.join(made.pipelines)} in {made.name}, whose identity reads the vault"
    return made


def _score(
    adapters: Adapters, report: Report, trained: Trained, scoring: Scoring, folder: Path
) -> None:
    with report.step("run the pipeline") as note:
        ran = adapters.factories.wait(adapters.factories.run(PIPELINE, {}), note.say)
        note.detail = _scored(adapters, ran, trained, scoring, folder)
    with report.step("see that no secret shows"):
        shown = [one for one in ran.activities if one.name == "Get secret" and one.output]
        must(not any("value" in one.output for one in shown), "the monitor shows the secret")


def _scored(
    adapters: Adapters, ran: FactoryRun, trained: Trained, scoring: Scoring, folder: Path
) -> str:
    """Check a run that should have scored everything, and its predictions."""
    must(ran.status == "Succeeded", f"run {ran.id} {ran.status}: {ran.message}")
    job = str(ran.activity("Invoke endpoint").output["name"])
    rows = as_trained(trained, scoring.written, adapters.batch.predictions(job, folder / job))
    return f"job {job}: {rows} rows, all labels as training gave them"


def _take_the_other_branch(adapters: Adapters, report: Report) -> None:
    with report.step("run it on data that is not there") as note:
        parameters = {"data": f"{adapters.place.workspace_id}/data/{NOWHERE}/versions/1"}
        ran = adapters.factories.wait(adapters.factories.run(PIPELINE, parameters), note.say)
        must(ran.status == "Failed", f"run {ran.id} {ran.status}")
        said = ran.activity("Not scored").error.get("errorCode")
        must(said == "NotScored", f"the failure branch said {said}")
        note.detail = f"failed as it should: {ran.message.partition(chr(10))[0][:120]}"


def _repeat(
    adapters: Adapters, report: Report, trained: Trained, scoring: Scoring, folder: Path
) -> None:
    with report.step("let the trigger fire once") as note:
        note.detail = _fired(adapters, note, trained, scoring, folder)


def _fired(adapters: Adapters, note: Note, trained: Trained, scoring: Scoring, folder: Path) -> str:
    factories = adapters.factories
    factories.start(TRIGGER, SOON_S)
    ran = factories.wait(factories.fired(TRIGGER), note.say)
    return f"{TRIGGER} started run {ran.id}; {_scored(adapters, ran, trained, scoring, folder)}"


def _id(adapters: Adapters, data: Asset) -> str:
    return f"{adapters.place.workspace_id}/data/{data.name}/versions/{data.version}"
