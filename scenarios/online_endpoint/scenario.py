"""Train, register, release blue and green, and take a bad release back: by adapters only."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import data
from azure_adapters.ports import Adapters, Answer, Asset
from scenarios.online_endpoint import rows as table
from scenarios.report import Report

HERE = Path(__file__).parent
DATA = Path(data.__file__).parent / "attrition" / "data.yml"
MODEL = "attrition"
PROBES = 6  # requests a release must answer before it gets more traffic
SHARED = 40  # requests sent by the traffic rules to see the split
BATCH = 100  # rows a request
SAME = 0.005  # AUC of the deployed model may differ this much from the trained one's


class ProbeFailed(RuntimeError):
    """A release answered a probe wrongly; the message has the status and what it said."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What the training pipeline left behind."""

    model: Asset
    environment: Asset
    held_back: Sequence[table.Row]
    auc: float


def run(adapters: Adapters, report: Report, source: Path | None = None) -> None:
    """Go through the whole scenario, and clean up whatever happens.

    Args:
        adapters: connected to a workspace.
        report: takes the steps.
        source: a CSV of either form of the attrition table; None is the generated one.

    Raises:
        Exception: whatever a step raised; the report has it.
    """
    endpoint = f"attrition-{adapters.suffix}"
    with TemporaryDirectory(prefix="attrition-") as folder:
        trained = _train(adapters, report, source, Path(folder))
        try:
            _release(adapters, report, endpoint, trained)
            _take_back(adapters, report, endpoint, trained)
            _measure(adapters, report, endpoint, trained)
        finally:
            with report.step("clean up") as note:
                adapters.endpoints.delete(endpoint)
                note.detail = f"{endpoint} deleted; data, environment, job and model stay"


def _train(adapters: Adapters, report: Report, source: Path | None, folder: Path) -> Trained:
    with report.step("register data") as note:
        file = _adapted(source, folder) if source else None
        dataset = adapters.data.register(DATA, path=file)
        note.detail = f"{dataset.reference} from {source or 'the generated rows'}"
    with report.step("register environment") as note:
        environment = adapters.environments.register(HERE / "environment.yml")
        compute = adapters.computes.ensure(HERE / "compute.yml")
        note.detail = f"{environment.reference}; compute {compute}"
    with report.step("train by pipeline") as note:
        inputs = {"raw": dataset.reference, "model_name": MODEL}
        job = adapters.jobs.submit(HERE / "pipeline.yml", inputs)
        note.say(f"job {job}")
        adapters.jobs.wait(job, note.say)
        steps = adapters.jobs.children(job)
        note.detail = f"job {job}: {', '.join(steps) or 'no steps listed'}"
    with report.step("data-quality gate") as note:
        quality = _json(adapters.jobs.download(job, "quality", folder) / "quality.json")
        _must(bool(quality["passed"]), f"{quality['problems']}")
        note.detail = f"{quality['rows']} rows, {quality['columns']} columns, no problem"
    with report.step("model gate") as note:
        measured = adapters.jobs.download(job, "report", folder)
        metrics = _json(measured / "metrics.json")
        _must(bool(metrics["passed"]), f"AUC {metrics['held_back_auc']} is too low")
        held_back = table.read(measured / "held_back.csv")
        trained_auc = float(metrics["held_back_auc"])
        note.detail = f"AUC {trained_auc:.3f} on {len(held_back)} held-back rows"
    with report.step("register model") as note:
        named = _json(adapters.jobs.download(job, "registration", folder) / "model.json")
        model = adapters.models.get(named["name"], named["version"])
        model = adapters.models.tag(model, {"stage": "candidate", "job": job})
        note.detail = f"{model.reference} of job {job}"
    return Trained(model, environment, held_back, trained_auc)


def _release(adapters: Adapters, report: Report, endpoint: str, trained: Trained) -> None:
    ends = adapters.endpoints
    with report.step("create endpoint") as note:
        note.detail = ends.create(HERE / "endpoint.yml", endpoint)
    with report.step("deploy blue") as note:
        ends.deploy(HERE / "blue.yml", endpoint, trained.model, trained.environment)
        ends.traffic(endpoint, {"blue": 100})
        note.detail = f"{trained.model.reference}, all traffic"
    with report.step("smoke-test blue") as note:
        sample = _json(HERE / "requests" / "sample.json")
        answer = ends.invoke(endpoint, sample)
        chances = _chances(answer, len(sample["input_data"]["data"]))
        note.detail = f"sample request: chances {chances}, {answer.ms:.0f} ms"
    with report.step("deploy green at 10 %") as note:
        ends.deploy(HERE / "green.yml", endpoint, trained.model, trained.environment)
        ends.traffic(endpoint, {"blue": 90, "green": 10})
        note.detail = _split(adapters, endpoint, trained)
    with report.step("probe green") as note:
        note.detail = _probe(adapters, endpoint, "green", trained)
    with report.step("shift traffic to green") as note:
        ends.traffic(endpoint, {"blue": 0, "green": 100})
        adapters.models.tag(trained.model, {"stage": "production"})
        note.detail = _split(adapters, endpoint, trained)


def _take_back(adapters: Adapters, report: Report, endpoint: str, trained: Trained) -> None:
    """Release a build with a mistake in it; the probe must notice, and the traffic go back."""
    ends = adapters.endpoints
    with report.step("deploy red at 10 %") as note:
        ends.deploy(HERE / "red.yml", endpoint, trained.model, trained.environment)
        ends.traffic(endpoint, {"green": 90, "blue": 0, "red": 10})
        note.detail = "a release with a wrong threshold in its settings"
    with report.step("roll back on a failing probe") as note:
        try:
            _probe(adapters, endpoint, "red", trained)
        except ProbeFailed as noticed:
            ends.traffic(endpoint, {"green": 100, "blue": 0, "red": 0})
            ends.remove(endpoint, "red")
            note.detail = f"{noticed}; all traffic back on green, red deleted"
        else:
            raise ProbeFailed("red is broken by design, and its probe did not notice")


def _measure(adapters: Adapters, report: Report, endpoint: str, trained: Trained) -> None:
    with report.step("AUC of the deployed model") as note:
        chances: list[float] = []
        for part in table.batches(trained.held_back, BATCH):
            answer = adapters.endpoints.invoke(endpoint, table.body(part))
            chances += _chances(answer, len(part))
            note.say(f"{len(chances)} of {len(trained.held_back)} rows")
        auc = table.auc(table.leavers(trained.held_back), chances)
        _must(abs(auc - trained.auc) <= SAME, f"AUC {auc:.3f}, trained with {trained.auc:.3f}")
        note.detail = f"AUC {auc:.4f} on {len(chances)} held-back rows"


def _split(adapters: Adapters, endpoint: str, trained: Trained) -> str:
    """Send requests by the traffic rules and say who answered."""
    request = table.body(trained.held_back[:1])
    answers = [adapters.endpoints.invoke(endpoint, request) for _ in range(SHARED)]
    for answer in answers:
        _chances(answer, 1)
    count = Counter(str(answer.body["release"]) for answer in answers)
    return f"of {SHARED} requests " + ", ".join(f"{who} {n}" for who, n in sorted(count.items()))


def _probe(adapters: Adapters, endpoint: str, deployment: str, trained: Trained) -> str:
    """Ask one release past the traffic rules.

    Raises:
        ProbeFailed: an answer that is not right.
    """
    times = []
    for part in list(table.batches(trained.held_back, 10))[:PROBES]:
        answer = adapters.endpoints.invoke(endpoint, table.body(part), deployment)
        _chances(answer, len(part))
        times.append(answer.ms)
    return f"{len(times)} requests right, the slowest in {max(times):.0f} ms"


def _chances(answer: Answer, count: int) -> list[float]:
    """Take the chances out of an answer that must hold `count` of them.

    Raises:
        ProbeFailed: another status, another count, or something that is no chance.
    """
    if not answer.ok:
        raise ProbeFailed(f"status {answer.status}: {answer.body}")
    chances = answer.body.get("chances") if isinstance(answer.body, dict) else None
    if not isinstance(chances, list) or len(chances) != count:
        raise ProbeFailed(f"expected {count} chances, got {answer.body}")
    if not all(isinstance(c, int | float) and 0 <= c <= 1 for c in chances):
        raise ProbeFailed(f"not chances: {chances}")
    return [float(chance) for chance in chances]


def _adapted(source: Path, folder: Path) -> Path:
    """Write a file of either form as the adapted one."""
    from data.generate import to_csv
    from data.load import load

    target = folder / "attrition.csv"
    target.write_bytes(to_csv(load(source)))
    return target


def _must(passed: bool, otherwise: str) -> None:
    if not passed:
        raise RuntimeError(otherwise)


def _json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))
