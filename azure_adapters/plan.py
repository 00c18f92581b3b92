"""Adapters that touch nothing: they note what a scenario would make on the target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from azure_adapters.factory import names_of, place_of
from azure_adapters.plan_factory import Factories, Secrets
from azure_adapters.plan_warehouse import Warehouse
from azure_adapters.planned import Add, Planned
from azure_adapters.ports import Adapters, Answer, Asset, FactoryRun, Promoted, Say
from azure_adapters.settings import Settings


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a scenario is told in place of the cloud's answers, so that it runs to its end."""

    output: Callable[[str, Path], None]  # writes the files of a job's named output
    invoke: Callable[[str | None, Any], Answer] | None = None  # deployment asked, body
    predictions: Callable[[str | None, Path], Path] | None = None  # deployment, folder to write to
    promotes: Callable[[Asset, str], Promoted] | None = None  # model, target
    pipelines: Callable[[str, Mapping[str, Any]], FactoryRun] | None = None  # name, parameters
    rows: Callable[[str], list[Mapping[str, Any]]] | None = None  # statement, or procedure's name
    model: Callable[[Path], None] | None = None  # writes the files of a registered model


class Plan:
    """Every port at once; it answers each call with something plausible and notes it."""

    def __init__(self, rehearsed: Rehearsed, note: Callable[[Planned], None] | None = None) -> None:
        self.made: list[Planned] = []
        self._rehearsed = rehearsed
        self._note = note

    def _add(self, action: str, kind: str, name: str, detail: str = "") -> None:
        planned = Planned(action, kind, name, detail)
        self.made.append(planned)
        if self._note:
            self._note(planned)

    def promotes(self, model: Asset, target: str) -> Promoted:
        """Say what the scenario is told of a promotion."""
        if self._rehearsed.promotes is None:
            return Promoted(True, model.version, "")
        return self._rehearsed.promotes(model, target)

    def adapters(self, settings: Settings) -> Adapters:
        """Return this plan as the adapters of the workspace that the settings name."""
        return Adapters(
            suffix=names_of(settings).suffix,
            data=_Datasets(self._add),
            environments=_Environments(self._add),
            computes=_Computes(self._add),
            jobs=_Jobs(self._add, self._rehearsed),
            models=_Models(self._add, self._rehearsed),
            endpoints=_OnlineEndpoints(self._add, self._rehearsed),
            batch=_BatchEndpoints(self._add, self._rehearsed),
            schedules=_Schedules(self._add),
            stages=_Stages(self._add, self, settings),
            blobs=_Blobs(self._add),
            place=place_of(settings),
            secrets=Secrets(self._add),
            factories=Factories(self._add, settings.data_factory, self._rehearsed.pipelines),
            warehouse=Warehouse(self._add, self._rehearsed.rows),
        )


class _Noting:
    def __init__(self, add: Add) -> None:
        self._add = add


class _Datasets(_Noting):
    def register(self, file: Path, *, path: Path | None = None) -> Asset:
        asset = _read(file)
        source = path or (file.parent / str(asset["path"]))
        size = source.stat().st_size / 1024 if source.is_file() else 0.0
        self._add("create", "data", asset["name"], f"{asset['type']}, upload of {size:.0f} KiB")
        return Asset(asset["name"], "next", asset.get("tags", {}))

    def get(self, name: str, version: str | None = None) -> Asset:
        return Asset(name, version or "latest", {})


class _Environments(_Noting):
    def register(self, file: Path) -> Asset:
        asset = _read(file)
        self._add("create", "environment", asset["name"], f"{asset.get('image', 'build context')}")
        return Asset(asset["name"], "next", {})


class _Computes(_Noting):
    def ensure(self, file: Path) -> str:
        made = _read(file)
        scale = f"{made.get('min_instances', 0)} to {made.get('max_instances', 1)} x {made['size']}"
        self._add("create or update", "compute", made["name"], scale)
        return str(made["name"])


class _Jobs:
    def __init__(self, add: Add, rehearsed: Rehearsed) -> None:
        self._add = add
        self._rehearsed = rehearsed
        self._steps: Mapping[str, Any] = {}

    def submit(self, file: Path, inputs: Mapping[str, str | int | float]) -> str:
        job = _read(file)
        self._steps = job.get("jobs", {})
        compute = job.get("settings", {}).get("default_compute", job.get("compute", ""))
        detail = f"on {str(compute).removeprefix('azureml:')}"
        detail += f": {', '.join(self._steps)}" if self._steps else ""
        self._add("submit", f"{job.get('type', 'command')} job", job["display_name"], detail)
        for name, step in self._steps.items():
            if step.get("type") == "sweep":
                limits = step["limits"]
                trials = f"{limits['max_total_trials']} trials"
                detail = f"{trials}, {limits['max_concurrent_trials']} at a time"
                self._add("submit", "sweep", name, detail)
        return str(job["display_name"])

    def wait(self, job: str, say: Say) -> None:
        say(f"{job} is not run: this is a plan")

    def children(self, job: str) -> Mapping[str, str]:
        return dict.fromkeys(self._steps, "Planned")

    def download(self, job: str, output: str, folder: Path) -> Path:
        target = folder / "named-outputs" / output
        target.mkdir(parents=True, exist_ok=True)
        self._rehearsed.output(output, target)
        return target


class _Models(_Noting):
    def __init__(self, add: Add, rehearsed: Rehearsed) -> None:
        super().__init__(add)
        self._rehearsed = rehearsed

    def register(self, name: str, path: str, tags: Mapping[str, str]) -> Asset:
        self._add("create", "model", name, f"from {path}")
        return Asset(name, "next", dict(tags))

    def get(self, name: str, version: str | None = None) -> Asset:
        self._add("create", "model", name, "by the job")
        return Asset(name, version or "latest", {})

    def tag(self, model: Asset, tags: Mapping[str, str]) -> Asset:
        self._add("update", "model", model.name, f"tags {', '.join(sorted(tags))}")
        return Asset(model.name, model.version, {**model.tags, **tags})

    def download(self, model: Asset, folder: Path) -> Path:
        assert self._rehearsed.model is not None, "this scenario fetches no model"
        self._rehearsed.model(folder)
        return folder


class _OnlineEndpoints:
    def __init__(self, add: Add, rehearsed: Rehearsed) -> None:
        self._add = add
        self._rehearsed = rehearsed
        self._called: set[str | None] = set()

    def create(self, file: Path, name: str) -> str:
        endpoint = _read(file)
        self._add("create", "online endpoint", name, f"{endpoint.get('auth_mode', 'key')} auth")
        return f"https://{name}.REGION.inference.ml.azure.com/score"

    def deploy(self, file: Path, endpoint: str, model: Asset, environment: Asset) -> str:
        made = _read(file)
        size = f"{made.get('instance_count', 1)} x {made['instance_type']}"
        detail = f"{size}, {model.reference} in {environment.reference}"
        self._add("create", "online deployment", f"{endpoint}/{made['name']}", detail)
        return str(made["name"])

    def traffic(self, endpoint: str, shares: Mapping[str, int]) -> None:
        self._add("update", "traffic", endpoint, _shares(shares))

    def mirror(self, endpoint: str, shares: Mapping[str, int]) -> None:
        self._add("update", "mirror traffic", endpoint, _shares(shares))

    def invoke(self, endpoint: str, body: Any, deployment: str | None = None) -> Answer:
        if deployment not in self._called:
            self._called.add(deployment)
            self._add("call", "online endpoint", endpoint, deployment or "by the traffic rules")
        assert self._rehearsed.invoke is not None, "this scenario asks no online endpoint"
        return self._rehearsed.invoke(deployment, body)

    def logs(self, endpoint: str, deployment: str, lines: int = 50) -> str:
        return ""

    def remove(self, endpoint: str, deployment: str) -> None:
        self._add("delete", "online deployment", f"{endpoint}/{deployment}")

    def delete(self, endpoint: str) -> None:
        self._add("delete", "online endpoint", endpoint, "with its deployments")


class _BatchEndpoints:
    def __init__(self, add: Add, rehearsed: Rehearsed) -> None:
        self._add = add
        self._rehearsed = rehearsed
        self._default: str | None = None
        self._jobs: dict[str, str | None] = {}

    def create(self, file: Path, name: str) -> str:
        endpoint = _read(file)
        self._add(
            "create", "batch endpoint", name, f"{endpoint.get('auth_mode', 'aad_token')} auth"
        )
        return f"https://{name}.REGION.inference.ml.azure.com/jobs"

    def deploy(
        self, file: Path, endpoint: str, model: Asset, environment: Asset | None = None
    ) -> str:
        made = _read(file)
        count = made.get("resources", {}).get("instance_count", 1)
        where = f"in {environment.reference}" if environment else "without code"
        detail = f"{count} x {str(made['compute']).removeprefix('azureml:')}, {model.reference}"
        self._add("create", "batch deployment", f"{endpoint}/{made['name']}", f"{detail} {where}")
        return str(made["name"])

    def default(self, endpoint: str, deployment: str) -> None:
        self._default = deployment
        self._add("update", "batch endpoint", endpoint, f"default {deployment}")

    def invoke(
        self,
        endpoint: str,
        source: Path | str,
        *,
        deployment: str | None = None,
        experiment: str | None = None,
        mini_batch_size: int | None = None,
    ) -> str:
        del experiment, mini_batch_size
        name = f"batchjob-{len(self._jobs) + 1}"
        self._jobs[name] = deployment or self._default
        size = ""
        if isinstance(source, Path):
            files = [one for one in source.rglob("*") if one.is_file()]
            kib = sum(one.stat().st_size for one in files) / 1024
            size = f", upload of {len(files)} files, {kib:.0f} KiB"
        self._add("submit", "batch job", endpoint, f"{deployment or 'by default'}{size}")
        return name

    def predictions(self, job: str, folder: Path) -> Path:
        assert self._rehearsed.predictions is not None, "this scenario asks no batch endpoint"
        folder.mkdir(parents=True, exist_ok=True)
        return self._rehearsed.predictions(self._jobs.get(job), folder)

    def jobs(self, endpoint: str, deployment: str | None = None) -> Mapping[str, str]:
        return {name: "Planned" for name, by in self._jobs.items() if deployment in (None, by)}

    def remove(self, endpoint: str, deployment: str) -> None:
        self._add("delete", "batch deployment", f"{endpoint}/{deployment}")

    def delete(self, endpoint: str) -> None:
        self._add("delete", "batch endpoint", endpoint, "with its deployments")


class _Schedules(_Noting):
    def create(self, file: Path, inputs: Mapping[str, str | int | float]) -> str:
        made = _read(file)
        trigger = made["trigger"]
        when = trigger.get("expression") or f"each {trigger.get('frequency')}"
        self._add("create", "schedule", made["name"], f"{when}, {trigger.get('time_zone', 'UTC')}")
        return str(made["name"])

    def trigger(self, schedule: str) -> str:
        self._add("submit", "job", schedule, "by the schedule, once")
        return f"{schedule}-1"

    def remove(self, schedule: str) -> None:
        self._add("delete", "schedule", schedule)


class _Stages:
    def __init__(self, add: Add, plan: Plan, settings: Settings) -> None:
        self._add, self._plan, self._settings = add, plan, settings

    def registry(self, file: Path, name: str) -> str:
        self._add("create", "registry", name, "unless it is there")
        return name

    def workspace(self, file: Path, name: str) -> Adapters:
        self._add("create", "workspace", name, "unless it is there")
        return self._plan.adapters(self._settings.model_copy(update={"workspace": name}))

    def promote(
        self, model: Asset, registry: str, source: str, target: str, *, metric: str, min_gain: float
    ) -> Promoted:
        said = self._plan.promotes(model, target)
        by = f"{metric} must gain {min_gain:g}"
        self._add("create", "model", model.name, f"in {target} through {registry}, {by}")
        return said


class _Blobs(_Noting):
    def write(self, container: str, name: str, data: bytes) -> str:
        self._add("create", "blob", f"{container}/{name}", f"{len(data)} bytes")
        return f"https://ACCOUNT.blob.core.windows.net/{container}/{name}"

    def signed(self, container: str, minutes: int) -> str:
        self._add("create", "signature", container, f"reads for {minutes} minutes")
        return "signature"

    def fetch(self, url: str) -> bytes:
        return b""


def _read(file: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return loaded


def _shares(shares: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {share} %" for name, share in shares.items()) or "none"
