"""Data Factory by azure-mgmt-datafactory: a git folder published, its pipelines run and watched."""

from __future__ import annotations

import copy
import io
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure_adapters.machinelearning import text_of
from azure_adapters.ports import FactoryRun, PublishedFactory, RunActivity, Say
from azure_adapters.target import Target

if TYPE_CHECKING:
    from azure.mgmt.datafactory import DataFactoryManagementClient

ENDED = frozenset({"Succeeded", "Failed", "Cancelled"})
POLL_S = 1.0
SLOWEST_POLL_S = 15.0
CLOCKS_APART = timedelta(minutes=1)
"""More than two machines' clocks differ by."""
# In the order in which they need each other; a folder is named after the kind.
KINDS = {
    "credential": "credential_operations",
    "integrationRuntime": "integration_runtimes",
    "linkedService": "linked_services",
    "dataset": "datasets",
    "dataflow": "data_flows",
    "pipeline": "pipelines",
}


class SdkFactories:
    """The data factory that the settings name."""

    def __init__(self, target: Target, name: str) -> None:
        self._target, self._name = target, name
        self._group = target.names.resource_group
        self._known: DataFactoryManagementClient | None = None
        self._triggers: dict[str, dict[str, Any]] = {}  # as they were published
        self._latest: datetime | None = None  # what the factory's clock has shown

    @property
    def _client(self) -> DataFactoryManagementClient:
        if self._known is None:
            from azure.mgmt.datafactory import DataFactoryManagementClient

            names = self._target.names
            self._known = DataFactoryManagementClient(
                self._target.credential, names.subscription_id
            )
        return self._known

    def publish(self, folder: Path, values: Mapping[str, str | int]) -> PublishedFactory:
        """Publish a folder in git mode; `values` take the place of its global parameters' own."""
        if not self._name:
            raise LookupError("no data factory is named: set AZURE_DATA_FACTORY_NAME")
        principal = self._publish_factory(folder, values)
        for kind, operations in KINDS.items():
            bodies = _read(folder / kind)
            for name in _named_first(bodies):
                getattr(self._client, operations).create_or_update(
                    self._group, self._name, name, _json(bodies[name])
                )
        pipelines = _read(folder / "pipeline")
        self._triggers = triggers = _read(folder / "trigger")
        for name, body in triggers.items():
            self.stop(name)
            self._put_trigger(name, body)
        return PublishedFactory(self._name, principal, (*pipelines,), (*triggers,))

    def _publish_factory(self, folder: Path, values: Mapping[str, str | int]) -> str:
        (file,) = (folder / "factory").glob("*.json")
        body = json.loads(file.read_text(encoding="utf-8"))
        parameters = body["properties"].get("globalParameters", {})
        if unknown := values.keys() - parameters.keys():
            raise LookupError(f"{file.name} declares no global parameter {', '.join(unknown)}")
        for name, value in values.items():
            parameters[name]["value"] = value
        existing = self._existing()
        if existing is not None:
            body["location"] = existing.location  # a factory cannot move
        body.pop("name", None)
        made = self._client.factories.create_or_update(self._group, self._name, _json(body))
        identity = made.identity
        return str(identity.principal_id) if identity and identity.principal_id else ""

    def _existing(self) -> Any:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return self._client.factories.get(self._group, self._name)
        except ResourceNotFoundError:
            return None

    def _put_trigger(self, name: str, body: Mapping[str, Any]) -> None:
        sent = {**body, "properties": {**body["properties"]}}
        sent["properties"].pop("runtimeState", None)
        self._client.triggers.create_or_update(self._group, self._name, name, _json(sent))

    def run(self, pipeline: str, parameters: Mapping[str, Any]) -> str:
        """Start a run; return its id."""
        made = self._client.pipelines.create_run(
            self._group, self._name, pipeline, parameters=dict(parameters)
        )
        return str(made.run_id)

    def wait(self, run: str, say: Say) -> FactoryRun:
        """Wait until a run has ended, telling each activity that ends; return what came of it."""
        told: set[str] = set()
        pause = POLL_S
        while True:
            state = self._client.pipeline_runs.get(self._group, self._name, run)
            self._latest = state.last_updated
            activities = self._activities(run)
            for one in activities:
                key = f"{one.name} {one.status} {one.seconds}"
                if one.status != "InProgress" and key not in told:
                    told.add(key)
                    say(f"{one.name}: {one.status} after {one.seconds:.1f} s")
            status = text_of(state.status)
            if status in ENDED:
                message = str(state.message or "")
                return FactoryRun(run, str(state.pipeline_name), status, message, activities)
            time.sleep(pause)
            pause = min(SLOWEST_POLL_S, pause * 1.3)

    def _activities(self, run: str) -> tuple[RunActivity, ...]:
        found = self._client.activity_runs.query_by_pipeline_run(
            self._group, self._name, run, _lately()
        )
        rows = sorted(found.value, key=lambda row: str(row.activity_run_start))
        return tuple(
            RunActivity(
                str(row.activity_name),
                str(row.activity_type),
                text_of(row.status),
                (row.duration_in_ms or 0) / 1000,
                row.output if isinstance(row.output, dict) else {},
                row.error if isinstance(row.error, dict) else {},
            )
            for row in rows
        )

    def start(self, trigger: str, in_seconds: float) -> None:
        """Start a trigger that was published, with its first firing `in_seconds` from now.

        Raises:
            RuntimeError: the factory has another time than this machine.
        """
        if self._latest is not None and self._latest - datetime.now(UTC) > CLOCKS_APART:
            raise RuntimeError(
                f"the factory's clock is at {self._latest:%Y-%m-%d %H:%M}, ahead of this machine's:"
                " no trigger can be timed. Start the emulators without --time-scale."
            )
        body = copy.deepcopy(self._triggers[trigger])
        first = datetime.now(UTC) + timedelta(seconds=in_seconds)
        recurrence = body["properties"]["typeProperties"]["recurrence"]
        recurrence["startTime"] = first.strftime("%Y-%m-%dT%H:%M:%SZ")
        self._put_trigger(trigger, body)
        self._client.triggers.begin_start(self._group, self._name, trigger).result()

    def fired(self, trigger: str, timeout_s: float = 300) -> str:
        """Wait until a trigger has started a run of its pipeline; return the run's id.

        Raises:
            TimeoutError: it did not.
        """
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            found = self._client.trigger_runs.query_by_factory(self._group, self._name, _lately())
            for run in found.value:
                if run.trigger_name == trigger and run.triggered_pipelines:
                    return str(next(iter(run.triggered_pipelines.values())))
            time.sleep(POLL_S)
        raise TimeoutError(f"trigger {trigger} did not fire within {timeout_s:.0f} s")

    def stop(self, trigger: str) -> None:
        """Stop a trigger; one that does not run, or is not there, is no error."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            state: Any = self._client.triggers.get(self._group, self._name, trigger)
        except ResourceNotFoundError:
            return
        if text_of(state.properties.runtime_state) == "Started":
            self._client.triggers.begin_stop(self._group, self._name, trigger).result()


def _lately() -> Any:
    """A filter for everything of the last day; its bounds must both be there."""
    from azure.mgmt.datafactory.models import RunFilterParameters

    now = datetime.now(UTC)
    return RunFilterParameters(
        last_updated_after=now - timedelta(days=1), last_updated_before=now + timedelta(days=1)
    )


def _read(folder: Path) -> dict[str, dict[str, Any]]:
    files = sorted(folder.glob("*.json"))
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


def _json(body: Mapping[str, Any]) -> io.BytesIO:
    """The body as it lies in git: the SDK's models would drop what they do not know."""
    return io.BytesIO(json.dumps({k: v for k, v in body.items() if k != "name"}).encode())


def _named_first(files: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Names of one kind in an order in which each comes after those that it names."""
    order: list[str] = []

    def visit(name: str) -> None:
        if name in order or name not in files:
            return
        for named in _references(files[name]):
            if named != name:
                visit(named)
        order.append(name)

    for name in files:
        visit(name)
    return order


def _references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [name for one in value for name in _references(one)]
    if not isinstance(value, dict):
        return []
    here = [str(value["referenceName"])] if "referenceName" in value else []
    return here + [name for one in value.values() for name in _references(one)]
