"""What a step's inputs and outputs are, once the pipeline's and other steps' are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from emulators.machinelearning.engine.jobs.placeholders import Binding, binding, bindings_in, fill
from emulators.machinelearning.engine.jobs.specs import (
    LITERALS,
    Input,
    Output,
    declared_default,
    read_input,
    read_output,
)
from emulators.machinelearning.engine.jobs.spelling import snaked, snaked_keys_kept
from emulators.machinelearning.errors import InvalidJob
from emulators.machinelearning.store.jobs import Job


@dataclass(frozen=True, slots=True)
class Bound:
    """What bindings can refer to."""

    inputs: Mapping[str, Input | None]  # of the pipeline
    outputs: Mapping[str, Output]  # of the pipeline
    over: Mapping[str, Job]  # steps that completed, by name
    datastore: str | None = None  # where outputs go that name no place


def bind_inputs(
    step: str,
    component: Mapping[str, Any],
    node: Mapping[str, Any],
    bound: Bound,
    swept: frozenset[str] = frozenset(),
) -> tuple[dict[str, Input], frozenset[str]]:
    """A step's inputs, with the component's defaults, and the optional ones that are absent.

    Args:
        swept: inputs that a search space draws.

    Raises:
        InvalidJob: a required input without a value, or a value the component does not know.
    """
    declared = snaked_keys_kept(component.get("inputs"))
    given = snaked_keys_kept(node.get("inputs"))
    unknown = set(given) - set(declared)
    if unknown:
        raise InvalidJob(f"Step '{step}' gives '{sorted(unknown)[0]}', no input of its component.")
    values: dict[str, Input] = {}
    absent: set[str] = set()
    for name, about in declared.items():
        words = snaked(about) if isinstance(about, Mapping) else {"type": str(about)}
        value = _value(name, given.get(name), str(words.get("type", "")).lower(), bound)
        value = value or declared_default(about)
        if value is not None:
            values[name] = replace(value, mode=value.mode or str(words.get("mode") or "").lower())
        elif str(words.get("optional", "")).lower() == "true":
            absent.add(name)
        elif name not in swept:
            raise InvalidJob(f"Step '{step}' gives no value for the required input '{name}'.")
    return values, frozenset(absent)


def _value(name: str, given: Any, declared: str, bound: Bound) -> Input | None:
    found = read_input(name, given)
    if found is None or not found.literal:
        return found
    whole = binding(found.value)
    if whole is not None:
        value = _follow(whole, declared, bound)
        return replace(value, mode=found.mode or value.mode) if value is not None else None
    if not bindings_in(found.value):
        return found

    def text(expression: str) -> str | None:
        inner = binding(f"${{{{{expression}}}}}")
        value = _follow(inner, declared, bound) if inner is not None else None
        return None if value is None else value.value

    return Input("literal", fill(found.value, text))


def _follow(to: Binding, declared: str, bound: Bound) -> Input | None:
    """The value a binding stands for; None for an optional input that the pipeline lacks."""
    if to.step is None:
        if to.direction != "inputs" or to.name not in bound.inputs:
            raise InvalidJob(f"The pipeline has no input '{to.name}'.")
        return bound.inputs[to.name]
    made = bound.over[to.step].outputs.get(to.name)
    if made is None:
        raise InvalidJob(f"Step '{to.step}' made no output '{to.name}'.")
    kind = declared if declared and declared not in LITERALS else str(made["type"])
    return Input(kind, str(made["uri"]))


def bind_outputs(
    component: Mapping[str, Any], node: Mapping[str, Any], bound: Bound
) -> dict[str, Output]:
    """A step's outputs: the component's types, the places and names of node and pipeline.

    Raises:
        InvalidJob: bound to an output that the pipeline lacks.
    """
    given = snaked_keys_kept(node.get("outputs"))
    made = {}
    for name, about in snaked_keys_kept(component.get("outputs")).items():
        words = snaked(about) if isinstance(about, Mapping) else {"type": str(about)}
        kind = str(words.get("type") or "uri_folder").lower()
        value = given.get(name)
        to = binding(value.get("value") if isinstance(value, Mapping) else value)
        if to is None:
            output = read_output(name, value)
        elif to.step is None and to.name in bound.outputs:
            output = bound.outputs[to.name]
        else:
            raise InvalidJob(f"The pipeline has no output '{to.name}'.")
        made[name] = replace(output, kind=kind, datastore=bound.datastore)
    return made
