"""What a factory keeps: its resources, pipeline runs, activity runs, triggers and their runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emulators.kernel.store import Table

RUN_FINAL = frozenset({"Succeeded", "Failed", "Cancelled"})
"""Statuses a pipeline run ends in; before: Queued, InProgress, Canceling."""


@dataclass(frozen=True, slots=True)
class Factory:
    """A data factory, or the pipelines of a Synapse workspace.

    `id` is the ARM id in lower case; resources, runs and triggers name it as their owner.
    """

    id: str
    kind: str  # "factory" or "synapse"
    name: str  # as its creator wrote it
    location: str
    tags: dict[str, str]
    identity: dict[str, Any] | None
    properties: dict[str, Any]  # as sent: globalParameters, repoConfiguration, ...
    created: datetime
    etag: str
    arm_id: str = ""  # as its creator wrote it


@dataclass(frozen=True, slots=True)
class Resource:
    """A child of a factory: its JSON as it was sent, found by any case of its name."""

    factory: str
    kind: str  # as the wire spells it: pipelines, datasets, linkedservices, triggers, ...
    key: str  # the name in lower case
    name: str
    properties: dict[str, Any]
    etag: str
    changed: datetime


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """One run of a pipeline; its definition is that of its start."""

    factory: str
    id: str
    pipeline: str
    group: str  # runGroupId: the id of the first run of a chain of reruns
    status: str
    definition: dict[str, Any]  # the pipeline's properties when the run was made
    parameters: dict[str, Any]  # values by the spelling of the declaration, coerced
    invoked_by: dict[str, Any]  # id, name, invokedByType, pipelineName?, pipelineRunId?
    trigger: dict[str, Any]  # what trigger() and pipeline().Trigger* show; {} when by hand
    queued: datetime
    start: datetime | None = None
    end: datetime | None = None
    updated: datetime | None = None
    message: str = ""
    reference: str | None = None  # the run that this one repeats
    restart_at: str | None = None  # an activity's name, or "" from the failed ones
    is_latest: bool = True
    debug: str | None = None  # id of a sandbox run: an unpublished definition
    return_value: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ActivityRun:
    """One attempt of one activity, in one iteration.

    `path` tells it from its namesakes: container, pass and attempt, such as
    `Each[2]/Call#0`. `kept_output` is what expressions see; `output` what monitoring shows.
    """

    run: str
    id: str
    name: str
    type: str
    path: str
    sequence: int  # order of start within the run
    status: str
    start: datetime
    end: datetime | None = None
    input: Any = None
    output: Any = None
    kept_output: Any = None
    error: dict[str, Any] = field(default_factory=dict)  # errorCode, message, failureType, ...
    attempt: int = 0
    iteration: str = ""  # iterationHash
    user_properties: dict[str, Any] = field(default_factory=dict)
    linked_service: str = ""
    recovery: str = "None"
    integration_runtimes: list[str] | None = None
    child_run: str | None = None


@dataclass(frozen=True, slots=True)
class RunUnderWay:
    """A run that has not ended; what a restart continues."""

    factory: str
    id: str
    pipeline: str  # in lower case
    number: int  # in order of creation: the order of the queue


@dataclass(frozen=True, slots=True)
class RunNote:
    """A fact about a run under way that a restart needs; gone when the run has ended.

    `path` is an activity run's, or `variable:NAME`, or `return`.
    """

    run: str
    path: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TriggerState:
    """Whether a trigger runs, and how far it has come: what it fires next, exactly once."""

    factory: str
    key: str
    runtime_state: str  # Started, Stopped, Disabled
    started: datetime | None = None
    cursor: str = ""  # the kind's own mark: last firing time, next window's start, ...
    subscription: str = "Disabled"  # of event triggers: Enabled, Provisioning, ...


@dataclass(frozen=True, slots=True)
class TriggerRun:
    """One firing of a trigger; of a tumbling window, one window and all its attempts."""

    factory: str
    id: str
    trigger: str  # the trigger's name in lower case
    name: str
    type: str
    timestamp: datetime
    status: str  # Waiting, Inprogress, Succeeded, Failed, Cancelled
    message: str = ""
    properties: dict[str, Any] = field(default_factory=dict)  # TriggerTime, windowStartTime, ...
    pipelines: dict[str, str] = field(default_factory=dict)  # pipeline -> run id
    dimension: dict[str, Any] = field(default_factory=dict)
    dependencies: dict[str, Any] = field(default_factory=dict)
    window: str = ""  # key of the window that is run exactly once; "" without windows
    attempt: int = 0
    planned: list[dict[str, Any]] = field(default_factory=list)
    """What it starts: pipeline, run (the id its run has or will have), parameters as written."""
    facts: dict[str, Any] = field(default_factory=dict)  # what trigger() shows
    retry_at: datetime | None = None  # a failed window's next attempt


@dataclass(frozen=True, slots=True)
class Window:
    """A window of a tumbling window trigger that was opened: once, whatever happens."""

    factory: str
    trigger: str  # the trigger's name in lower case
    key: str  # its start, ISO 8601
    run: str  # id of its trigger run
    status: str  # of that run


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """An event that a trigger has taken: the same one again is not another firing."""

    factory: str
    trigger: str
    day: str  # of the event, however late it comes
    id: str


@dataclass(frozen=True, slots=True)
class Callback:
    """What a WebHook activity waits for."""

    id: str
    secret: str  # part of the URL that is called back
    run: str
    due: datetime  # after this it has timed out
    body: dict[str, Any] | None = None  # {"value": what came}; None before


FACTORIES = Table("datafactory_factories", Factory, key=("id",))
RESOURCES = Table("datafactory_resources", Resource, key=("factory", "kind", "key"))
RUNS = Table("datafactory_runs", PipelineRun, key=("factory", "id"))
ACTIVITY_RUNS = Table("datafactory_activity_runs", ActivityRun, key=("run", "id"))
RUNS_UNDER_WAY = Table("datafactory_runs_under_way", RunUnderWay, key=("factory", "id"))
RUN_NOTES = Table("datafactory_run_notes", RunNote, key=("run", "path"))
TRIGGER_STATES = Table("datafactory_trigger_states", TriggerState, key=("factory", "key"))
TRIGGER_RUNS = Table("datafactory_trigger_runs", TriggerRun, key=("factory", "id"))
WINDOWS = Table("datafactory_windows", Window, key=("factory", "trigger", "key"))
OPEN_WINDOWS = Table("datafactory_open_windows", Window, key=("factory", "trigger", "key"))
"""Those of WINDOWS whose runs have not ended."""
SEEN_EVENTS = Table("datafactory_seen_events", SeenEvent, key=("factory", "trigger", "day", "id"))
CALLBACKS = Table("datafactory_callbacks", Callback, key=("id",))
