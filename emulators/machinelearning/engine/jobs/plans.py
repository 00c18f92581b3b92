"""What a pipeline runs: its steps checked and put in order before anything starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine import assets, datastores
from emulators.machinelearning.engine.jobs import folders
from emulators.machinelearning.engine.jobs.dag import waits_for
from emulators.machinelearning.engine.jobs.parallels import KIND, OWN, Parallel
from emulators.machinelearning.engine.jobs.parallels import read as read_parallel
from emulators.machinelearning.engine.jobs.placeholders import Binding, binding, bindings_in
from emulators.machinelearning.engine.jobs.refusals import README, refuse_node, refuse_settings
from emulators.machinelearning.engine.jobs.specs import (
    Input,
    Output,
    declared_default,
    read_input,
    read_output,
)
from emulators.machinelearning.engine.jobs.spelling import snaked, snaked_keys_kept
from emulators.machinelearning.engine.uris import name_in_arm_id
from emulators.machinelearning.errors import InvalidJob
from emulators.machinelearning.store.workspaces import Workspace

SERVED = ("command", "sweep", "pipeline", "parallel")
MAX_DEPTH = 5


@dataclass(frozen=True, slots=True)
class Step:
    """One node: what it runs and what it was given."""

    name: str
    kind: str  # one of SERVED
    node: dict[str, Any]  # keys in snake case
    component: dict[str, Any]  # the componentSpec; for a sweep, its trial's
    reads: list[Binding]
    nested: Plan | None = None
    parallel: Parallel | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A pipeline, checked: everything it names exists and its steps have an order."""

    steps: dict[str, Step]
    waits: dict[str, set[str]]
    inputs: dict[str, Input | None]
    outputs: dict[str, Output]
    continue_on_failure: bool
    force_rerun: bool = False
    datastore: str | None = None  # where outputs go that name no place; None is the workspace's


def plan(ctx: Context, ws: Workspace, properties: Mapping[str, Any]) -> Plan:
    """Check a pipeline job's properties and put its steps in order.

    Raises:
        InvalidJob: a binding, an input or an order that cannot be.
        AssetNotFound: a component that does not exist.
        Unsupported: a kind of step that is not emulated.
    """
    settings = snaked(properties.get("settings"))
    refuse_settings(settings)
    steps = _steps(ctx, ws, properties.get("jobs"), 0)
    inputs = snaked_keys_kept(properties.get("inputs"))
    outputs = snaked_keys_kept(properties.get("outputs"))
    return _checked(
        Plan(
            steps=steps,
            waits=waits_for({name: step.reads for name, step in steps.items()}),
            inputs={name: read_input(name, given) for name, given in inputs.items()},
            outputs={name: read_output(name, given) for name, given in outputs.items()},
            continue_on_failure=_flag(settings, "continue_on_step_failure", True),
            force_rerun=_flag(settings, "force_rerun", False),
            datastore=_datastore(ctx, ws, settings.get("default_datastore")),
        )
    )


def _flag(settings: Mapping[str, Any], name: str, default: bool) -> bool:
    value = settings.get(name)
    return default if value is None else str(value).lower() == "true"


def _datastore(ctx: Context, ws: Workspace, given: Any) -> str | None:
    if not isinstance(given, str) or not given:
        return None
    return datastores.get(ctx, ws, name_in_arm_id(given, "datastores")).name


def _nested(ctx: Context, ws: Workspace, spec: Mapping[str, Any], depth: int) -> Plan:
    """A pipeline component's plan; its inputs are declarations, which have at most defaults."""
    if depth > MAX_DEPTH:
        raise InvalidJob(f"Pipelines are nested more than {MAX_DEPTH} deep.")
    steps = _steps(ctx, ws, spec.get("jobs"), depth)
    inputs = snaked_keys_kept(spec.get("inputs"))
    outputs = snaked_keys_kept(spec.get("outputs"))
    return _checked(
        Plan(
            steps=steps,
            waits=waits_for({name: step.reads for name, step in steps.items()}),
            inputs={name: declared_default(about) for name, about in inputs.items()},
            outputs={name: read_output(name, about) for name, about in outputs.items()},
            continue_on_failure=True,
        )
    )


def _steps(ctx: Context, ws: Workspace, given: Any, depth: int) -> dict[str, Step]:
    nodes = snaked_keys_kept(given)
    if not nodes:
        raise InvalidJob("A pipeline needs at least one step.")
    return {name: _step(ctx, ws, name, node, depth) for name, node in nodes.items()}


def _step(ctx: Context, ws: Workspace, name: str, given: Any, depth: int) -> Step:
    folders.check_name(name)
    node = snaked(given)
    kind = str(node.get("type", "command")).lower()
    if kind not in SERVED:
        raise Unsupported(f"pipeline steps of type '{kind}' (step '{name}')", tracked=README)
    trial = snaked(node.get("trial")) if kind == "sweep" else node
    reference = trial.get("component_id") or node.get("component_id")
    if not isinstance(reference, str):
        raise InvalidJob(f"Step '{name}' names no component.")
    version = assets.resolve_id(ctx, ws, reference, "components")
    spec: dict[str, Any] = version.properties.get("componentSpec") or {}
    found = str(spec.get("type", kind)).lower().removesuffix("_component")
    if found not in ("command", "pipeline", KIND) or (found != "command" and kind == "sweep"):
        raise Unsupported(f"components of type '{found}' (step '{name}')", tracked=README)
    if (found == KIND) != (kind == KIND):
        raise InvalidJob(f"Step '{name}' of type {kind} has a component of type {found}.")
    parallel = read_parallel(name, node, spec) if found == KIND else None
    for part in (node, snaked(spec)):
        refuse_node({k: v for k, v in part.items() if parallel is None or k not in OWN})
    nested = _nested(ctx, ws, spec, depth + 1) if found == "pipeline" else None
    reads = [
        bound
        for value in snaked_keys_kept(node.get("inputs")).values()
        for bound in bindings_in(value.get("value") if isinstance(value, Mapping) else value)
    ]
    return Step(name, "pipeline" if nested else kind, node, spec, reads, nested, parallel)


def _checked(wanted: Plan) -> Plan:
    """Refuse at once what would fail only when its step starts.

    Raises:
        InvalidJob: a name that nothing has, or a required input that nothing gives.
    """
    for step in wanted.steps.values():
        _check_inputs(step)
        for bound in step.reads:
            _check_source(wanted, step, bound)
        for output, to in _targets(step):
            if output not in snaked_keys_kept(step.component.get("outputs")):
                raise InvalidJob(f"Step '{step.name}' has no output '{output}'.")
            if to is not None and (to.step is not None or to.name not in wanted.outputs):
                raise InvalidJob(f"The pipeline has no output '{to.name}' (step '{step.name}').")
    return wanted


def _check_inputs(step: Step) -> None:
    declared = snaked_keys_kept(step.component.get("inputs"))
    given = {n for n, v in snaked_keys_kept(step.node.get("inputs")).items() if v is not None}
    given |= set(snaked_keys_kept(step.node.get("search_space")))
    unknown = sorted(given - set(declared))
    if unknown:
        raise InvalidJob(f"Step '{step.name}' gives '{unknown[0]}', no input of its component.")
    for name in declared.keys() - given:
        about = declared[name]
        words = snaked(about) if isinstance(about, Mapping) else {}
        optional = str(words.get("optional", "")).lower() == "true"
        if not optional and words.get("default") is None:
            raise InvalidJob(f"Step '{step.name}' gives no value for the required input '{name}'.")


def _check_source(wanted: Plan, step: Step, bound: Binding) -> None:
    if bound.step is None:
        if bound.direction != "inputs" or bound.name not in wanted.inputs:
            raise InvalidJob(f"The pipeline has no input '{bound.name}' (step '{step.name}').")
        return
    source = wanted.steps[bound.step]
    made = snaked_keys_kept(source.component.get("outputs"))
    if bound.direction != "outputs" or bound.name not in made:
        raise InvalidJob(
            f"Step '{step.name}' reads '{bound.name}' of step '{bound.step}', which is none of"
            " its outputs."
        )


def _targets(step: Step) -> Iterator[tuple[str, Binding | None]]:
    for output, given in snaked_keys_kept(step.node.get("outputs")).items():
        yield output, binding(given.get("value") if isinstance(given, Mapping) else given)
