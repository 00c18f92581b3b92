"""What a job asks for, in one form, whichever of the API's two spellings it came in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine.jobs.refusals import README, refuse_node, refuse_sampling
from emulators.machinelearning.engine.jobs.sampling import Distribution, parse_space
from emulators.machinelearning.engine.jobs.sharing import shared_memory
from emulators.machinelearning.engine.jobs.spelling import seconds as seconds  # noqa: PLC0414  (endpoints)
from emulators.machinelearning.engine.jobs.spelling import snaked, snaked_keys_kept, text_of
from emulators.machinelearning.engine.jobs.termination import Policy, parse_policy
from emulators.machinelearning.errors import InvalidJob

LITERALS = {"literal", "string", "integer", "number", "boolean"}
INPUT_MODES = {"readonlymount", "ro_mount", "download", "direct", ""}
OUTPUT_MODES = {"readwritemount", "rw_mount", "upload", "direct", ""}
FILE_TYPES = {"uri_file"}
MODEL_TYPES = {"mlflow_model", "custom_model", "triton_model"}
DEFAULT_TRIALS = 1_000
"""Azure's bound on trials where `max_total_trials` is not given."""


@dataclass(frozen=True, slots=True)
class Input:
    """A value or data. A literal's `value` is its text; data's is a reference of any form."""

    kind: str  # "literal" or a data type such as "uri_folder"
    value: str
    mode: str = ""  # lower case; "" is the service's default

    @property
    def literal(self) -> bool:
        return self.kind in LITERALS


@dataclass(frozen=True, slots=True)
class Output:
    """Where a result goes and as what it is registered."""

    kind: str = "uri_folder"
    uri: str | None = None  # with placeholders; None is the default place
    mode: str = ""
    asset_name: str | None = None
    asset_version: str | None = None
    datastore: str | None = None  # where it goes without a `uri`; None is the workspace's default


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """A command with all that determines a run of it."""

    command: str
    environment: str | None
    code: str | None = None
    inputs: dict[str, Input] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()  # declared inputs that may be absent
    outputs: dict[str, Output] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    timeout_s: float | None = None
    shared_memory: int | None = None  # bytes of /dev/shm in a container; None: Azure's default
    point: dict[str, str] = field(default_factory=dict)  # a trial's drawn values, as text


@dataclass(frozen=True, slots=True)
class SweepSpec:
    """Trials of one command over a search space."""

    trial: CommandSpec
    space: dict[str, Distribution]
    algorithm: str
    rule: str | None
    seed: int | None
    metric: str
    maximize: bool
    max_trials: int
    max_concurrent: int
    timeout_s: float | None
    policy: Policy | None


def read_input(name: str, given: Any) -> Input | None:
    """One input in either spelling; None where it is absent (an optional one).

    Raises:
        InvalidJob, Unsupported: see the message.
    """
    if given is None:
        return None
    if not isinstance(given, Mapping):
        return Input("literal", text_of(given))
    values = snaked(given)
    kind = str(values.get("job_input_type") or values.get("type") or "literal").lower()
    if kind in LITERALS:
        value = values.get("value")
        return None if value is None else Input("literal", text_of(value), _mode(values))
    uri = values.get("uri") or values.get("path")
    if not isinstance(uri, str):
        raise InvalidJob(f"Input '{name}' of type {kind} has no uri.")
    mode = _mode(values)
    if mode not in INPUT_MODES:
        raise Unsupported(f"the input mode '{mode}' (input '{name}')", tracked=README)
    return Input(kind, uri, mode)


def read_output(name: str, given: Any) -> Output:
    """One output in either spelling.

    Raises:
        Unsupported: a mode that is not served.
    """
    values = snaked(given)
    mode = _mode(values)
    if mode not in OUTPUT_MODES:
        raise Unsupported(f"the output mode '{mode}' (output '{name}')", tracked=README)
    kind = str(values.get("job_output_type") or values.get("type") or "uri_folder").lower()
    return Output(
        "uri_folder" if kind in LITERALS else kind,
        values.get("uri") or values.get("path"),
        mode,
        values.get("asset_name") or values.get("name"),
        text_of(values["asset_version"]) if values.get("asset_version") else values.get("version"),
    )


def declared_default(about: Any) -> Input | None:
    """The value an input of a component has when nobody gives one."""
    words = snaked(about) if isinstance(about, Mapping) else {}
    default = words.get("default")
    return None if default is None else Input("literal", text_of(default))


def _mode(values: Mapping[str, Any]) -> str:
    return str(values.get("mode") or "").lower()


def read_command(properties: Mapping[str, Any]) -> CommandSpec:
    """A command job's properties.

    Raises:
        InvalidJob, Unsupported: see the message.
    """
    values = snaked(properties)
    refuse_node(values)
    command = values.get("command")
    if not isinstance(command, str) or not command.strip():
        raise InvalidJob("A command job needs a command.")
    limits = snaked(values.get("limits"))
    inputs = {n: read_input(n, g) for n, g in snaked_keys_kept(values.get("inputs")).items()}
    return CommandSpec(
        command=command,
        environment=values.get("environment_id") or values.get("environment"),
        code=values.get("code_id") or values.get("code"),
        inputs={n: i for n, i in inputs.items() if i is not None},
        optional=frozenset(n for n, i in inputs.items() if i is None),
        outputs={n: read_output(n, g) for n, g in snaked_keys_kept(values.get("outputs")).items()},
        variables={
            str(k): text_of(v)
            for k, v in snaked_keys_kept(values.get("environment_variables")).items()
        },
        timeout_s=seconds(limits.get("timeout")),
        shared_memory=shared_memory(values.get("resources")),
    )


def read_sweep(properties: Mapping[str, Any], trial: CommandSpec) -> SweepSpec:
    """A sweep's own part, in either spelling, around the command of its trials.

    Raises:
        InvalidJob, Unsupported: see the message.
    """
    values = snaked(properties)
    sampling: Any = values.get("sampling_algorithm") or "random"
    words: dict[str, Any] = (
        snaked(sampling) if isinstance(sampling, Mapping) else {"type": str(sampling)}
    )
    refuse_sampling(words)
    objective, limits = snaked(values.get("objective")), snaked(values.get("limits"))
    goal, metric = str(objective.get("goal", "")).lower(), objective.get("primary_metric")
    if goal not in ("maximize", "minimize") or not isinstance(metric, str):
        raise InvalidJob("A sweep needs an objective: goal (maximize, minimize), primary_metric.")
    trials = int(limits.get("max_total_trials") or DEFAULT_TRIALS)
    return SweepSpec(
        trial=trial,
        space=parse_space(snaked_keys_kept(values.get("search_space"))),
        algorithm=str(words.get("sampling_algorithm_type") or words.get("type") or "random"),
        rule=words.get("rule"),
        seed=words.get("seed"),
        metric=metric,
        maximize=goal == "maximize",
        max_trials=trials,
        max_concurrent=int(limits.get("max_concurrent_trials") or trials),
        timeout_s=seconds(limits.get("timeout")),
        policy=parse_policy(snaked_keys_kept(values.get("early_termination"))),
    )
