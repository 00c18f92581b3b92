"""A deployment of a pipeline component, with an invocation's inputs, as a pipeline job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulators.kernel.context import Context
from emulators.machinelearning.engine import assets
from emulators.machinelearning.engine.batch.deployments import component_of
from emulators.machinelearning.engine.batch.invocation import LITERAL, Given, Invocation
from emulators.machinelearning.engine.jobs.spelling import snaked, snaked_keys_kept, text_of
from emulators.machinelearning.errors import UserError
from emulators.machinelearning.store.batch import BatchDeployment
from emulators.machinelearning.store.workspaces import Workspace

PREFIX = "ComponentDeployment.Settings."
TEXTS = {"string": str, "integer": int, "number": float}
TRUTHS = ("true", "false")


def pipeline_properties(
    ctx: Context, ws: Workspace, deployment: BatchDeployment, asked: Invocation
) -> dict[str, Any]:
    """The properties of the pipeline job that an invocation starts.

    Raises:
        UserError: an input or output that the component does not have, does not get, or cannot be.
        AssetNotFound: the component is gone.
    """
    reference = component_of(deployment.properties)
    version = assets.resolve_id(ctx, ws, reference, "components")
    spec: dict[str, Any] = version.properties.get("componentSpec") or {}
    configuration = deployment.properties["deploymentConfiguration"]
    given = {
        str(k).removeprefix(PREFIX).removeprefix(PREFIX[:1].lower() + PREFIX[1:]): v
        for k, v in (configuration.get("settings") or {}).items()
    }
    return {
        "displayName": spec.get("display_name") or version.name,
        "jobs": spec.get("jobs"),
        "inputs": _inputs(snaked_keys_kept(spec.get("inputs")), asked),
        "outputs": _outputs(snaked_keys_kept(spec.get("outputs")), asked),
        "settings": given,
    }


def _inputs(declared: Mapping[str, Any], asked: Invocation) -> dict[str, Any]:
    unknown = sorted(set(asked.inputs) - set(declared))
    if unknown:
        raise UserError(f"The pipeline component has no input '{unknown[0]}'.", target=unknown[0])
    found: dict[str, Any] = {}
    for name, about in declared.items():
        words = snaked(about) if isinstance(about, Mapping) else {"type": str(about)}
        kind = str(words.get("type") or "string").lower()
        given = asked.inputs.get(name)
        if given is not None:
            found[name] = _given(name, kind, given)
        elif words.get("default") is not None:
            found[name] = {"jobInputType": LITERAL, "value": text_of(words["default"])}
        elif str(words.get("optional", "")).lower() == "true":
            found[name] = None
        else:
            raise UserError(f"The required input '{name}' is missing.", target=name)
    return found


def _given(name: str, kind: str, given: Given) -> dict[str, Any]:
    literal = kind in TEXTS or kind == "boolean"
    if literal != (given.kind == LITERAL):
        raise UserError(
            f"The input '{name}' is of type {kind}, so it cannot be a {given.kind}.", target=name
        )
    if not literal:
        return {"jobInputType": given.kind, "uri": given.value}
    text = text_of(given.value)
    try:
        fits = text.lower() in TRUTHS if kind == "boolean" else TEXTS[kind](text) is not None
    except ValueError:
        fits = False
    if not fits:
        raise UserError(f"The input '{name}' must be of type {kind}, not '{text}'.", target=name)
    return {"jobInputType": LITERAL, "value": text}


def _outputs(declared: Mapping[str, Any], asked: Invocation) -> dict[str, Any]:
    unknown = sorted(set(asked.outputs) - set(declared))
    if unknown:
        raise UserError(f"The pipeline component has no output '{unknown[0]}'.", target=unknown[0])
    found: dict[str, Any] = {}
    for name, about in declared.items():
        words = snaked(about) if isinstance(about, Mapping) else {"type": str(about)}
        target = asked.outputs.get(name)
        kind = target.kind if target else str(words.get("type") or "uri_folder").lower()
        found[name] = {"jobOutputType": kind}
        if target and target.uri:
            found[name]["uri"] = target.uri
    return found
