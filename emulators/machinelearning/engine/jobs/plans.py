"""What a pipeline runs: its steps checked and put in order before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine import assets
from emulators.machinelearning.engine.jobs import folders
from emulators.machinelearning.engine.jobs.dag import waits_for
from emulators.machinelearning.engine.jobs.placeholders import Binding, bindings_in
from emulators.machinelearning.engine.jobs.specs import (
    README,
    Input,
    Output,
    read_input,
    read_output,
    refuse_distribution,
    snaked,
    snaked_keys_kept,
)
from emulators.machinelearning.errors import InvalidJob
from emulators.machinelearning.store.workspaces import Workspace

SERVED = ("command", "sweep", "pipeline")
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


@dataclass(frozen=True, slots=True)
class Plan:
    """A pipeline, checked: everything it names exists and its steps have an order."""

    steps: dict[str, Step]
    waits: dict[str, set[str]]
    inputs: dict[str, Input | None]
    outputs: dict[str, Output]
    continue_on_failure: bool


def plan(ctx: Context, ws: Workspace, properties: Mapping[str, Any], depth: int = 0) -> Plan:
    """Check a pipeline's properties and put its steps in order.

    Raises:
        InvalidJob: a binding, an input or an order that cannot be.
        AssetNotFound: a component that does not exist.
        Unsupported: a kind of step that is not emulated.
    """
    if depth > MAX_DEPTH:
        raise InvalidJob(f"Pipelines are nested more than {MAX_DEPTH} deep.")
    nodes = snaked_keys_kept(properties.get("jobs"))
    if not nodes:
        raise InvalidJob("A pipeline job needs at least one step.")
    steps = {name: _step(ctx, ws, name, node, depth) for name, node in nodes.items()}
    settings = snaked(properties.get("settings"))
    return Plan(
        steps=steps,
        waits=waits_for({name: step.reads for name, step in steps.items()}),
        inputs={n: read_input(n, g) for n, g in snaked_keys_kept(properties.get("inputs")).items()},
        outputs={
            n: read_output(n, g) for n, g in snaked_keys_kept(properties.get("outputs")).items()
        },
        continue_on_failure=bool(settings.get("continue_on_step_failure", True)),
    )


def _step(ctx: Context, ws: Workspace, name: str, given: Any, depth: int) -> Step:
    folders.check_name(name)
    node = snaked(given)
    kind = str(node.get("type", "command")).lower()
    if kind not in SERVED:
        raise Unsupported(f"pipeline steps of type '{kind}' (step '{name}')", tracked=README)
    refuse_distribution(node)
    trial = snaked(node.get("trial")) if kind == "sweep" else node
    reference = trial.get("component_id") or node.get("component_id")
    if not isinstance(reference, str):
        raise InvalidJob(f"Step '{name}' names no component.")
    version = assets.resolve_id(ctx, ws, reference, "components")
    spec: dict[str, Any] = version.properties.get("componentSpec") or {}
    found = str(spec.get("type", kind)).lower().removesuffix("_component")
    if found not in ("command", "pipeline"):
        raise Unsupported(f"components of type '{found}' (step '{name}')", tracked=README)
    nested = plan(ctx, ws, spec, depth + 1) if found == "pipeline" else None
    reads = [
        bound
        for value in snaked_keys_kept(node.get("inputs")).values()
        for bound in bindings_in(value.get("value") if isinstance(value, Mapping) else value)
    ]
    return Step(name, "pipeline" if nested else kind, node, spec, reads, nested)
