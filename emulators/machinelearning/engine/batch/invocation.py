"""What an invocation asks for, in either spelling of its body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine.batch.records import README
from emulators.machinelearning.engine.uris import name_in_arm_id
from emulators.machinelearning.errors import UserError, ValidationError

DATA_TYPES = {
    "urifile": "uri_file",
    "urifolder": "uri_folder",
    "mltable": "mltable",
    "mlflowmodel": "mlflow_model",
    "custommodel": "custom_model",
    "tritonmodel": "triton_model",
}
LITERAL = "literal"
OVERRIDES = ("miniBatchSize", "errorThreshold", "outputFileName", "retrySettings", "compute")
KNOWN = {
    *OVERRIDES,
    "inputData",
    "outputData",
    "outputDataset",
    "experimentName",
    "name",
    "properties",
    "tags",
    "description",
    "displayName",
}


@dataclass(frozen=True, slots=True)
class Given:
    """One input: data by its reference, or a literal."""

    kind: str  # "literal", or a data type such as "uri_folder"
    value: Any  # a reference, or the literal itself


@dataclass(frozen=True, slots=True)
class Target:
    """Where one output goes."""

    kind: str  # "uri_file" or "uri_folder"
    uri: str | None


@dataclass(frozen=True, slots=True)
class Invocation:
    """One request to a batch endpoint."""

    inputs: dict[str, Given] = field(default_factory=dict)
    outputs: dict[str, Target] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)
    experiment: str | None = None
    job: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    description: str | None = None


def read(body: Mapping[str, Any]) -> Invocation:
    """Read a request's body; keys may begin with a capital letter, as REST examples write them.

    Raises:
        ValidationError, UserError: it cannot be read.
        Unsupported: it asks for what is not emulated.
    """
    given = _lowered(_object(_lowered(body).get("properties"), "properties"))
    for key, value in given.items():
        if key not in KNOWN and value is not None:
            raise Unsupported(f"'{key}' in the invocation of a batch endpoint", tracked=README)
    own = _object(given.get("properties"), "properties.properties")
    experiment = given.get("experimentName") or own.get("experimentName")
    if not isinstance(experiment, str | None):
        raise ValidationError("experimentName must be text.", target="experimentName")
    job = given.get("name")
    if not isinstance(job, str | None):
        raise ValidationError("The job's name must be text.", target="name")
    if not isinstance(given.get("description"), str | None):
        raise ValidationError("The description must be text.", target="description")
    return Invocation(
        inputs={n: _input(n, v) for n, v in _object(given.get("inputData"), "inputData").items()},
        outputs=_outputs(given),
        overrides={
            key: _lowered(given[key]) if isinstance(given[key], Mapping) else given[key]
            for key in OVERRIDES
            if given.get(key) is not None
        },
        experiment=experiment,
        job=job,
        tags=_texts(given.get("tags"), "tags"),
        properties={k: str(v) for k, v in own.items() if k != "experimentName"},
        description=given.get("description"),
    )


def _lowered(given: Mapping[str, Any]) -> dict[str, Any]:
    return {str(k)[:1].lower() + str(k)[1:]: v for k, v in given.items()}


def _object(given: Any, name: str) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ValidationError(f"'{name}' must be an object.", target=name)
    return {str(k): v for k, v in given.items()}


def _texts(given: Any, name: str) -> dict[str, str]:
    return {k: str(v) for k, v in _object(given, name).items()}


def _input(name: str, given: Any) -> Given:
    values = _lowered(_object(given, f"inputData.{name}"))
    kind = str(values.get("jobInputType", ""))
    if kind.lower() == LITERAL:
        if values.get("value") is None:
            raise ValidationError(f"The literal input '{name}' has no value.", target=name)
        return Given(LITERAL, values["value"])
    found = DATA_TYPES.get(kind.lower().replace("_", ""))
    if found is None:
        raise ValidationError(
            f"The input '{name}' has the JobInputType '{kind}'; it may be UriFile, UriFolder,"
            " MLTable or Literal.",
            target=name,
        )
    uri = values.get("uri")
    if not isinstance(uri, str) or not uri:
        raise ValidationError(f"The input '{name}' has no uri.", target=name)
    return Given(found, uri)


def _outputs(given: Mapping[str, Any]) -> dict[str, Target]:
    found = {n: _output(n, v) for n, v in _object(given.get("outputData"), "outputData").items()}
    dataset = _object(given.get("outputDataset"), "outputDataset")
    if dataset:
        store = dataset.get("datastoreId")
        if not isinstance(store, str) or not store:
            raise ValidationError("outputDataset needs a datastoreId.", target="outputDataset")
        path = str(dataset.get("path") or "").strip("/")
        uri = f"azureml://datastores/{name_in_arm_id(store, 'datastores')}/paths/{path}"
        found.setdefault("score", Target("uri_folder", uri))
    return found


def _output(name: str, given: Any) -> Target:
    values = _lowered(_object(given, f"outputData.{name}"))
    kind = DATA_TYPES.get(str(values.get("jobOutputType", "")).lower().replace("_", ""))
    if kind is None:
        raise ValidationError(
            f"The output '{name}' has the JobOutputType '{values.get('jobOutputType')}'; it may"
            " be UriFile or UriFolder.",
            target=name,
        )
    uri = values.get("uri") or values.get("path")
    if not isinstance(uri, str | None):
        raise ValidationError(f"The uri of output '{name}' must be text.", target=name)
    return Target(kind, uri)


def data_of(asked: Invocation) -> Given:
    """The one data input of a model deployment; its name does not matter.

    Raises:
        UserError: none, several, or a literal.

    Source: learn.microsoft.com/azure/machine-learning/how-to-access-data-batch-endpoints-jobs.
    """
    literals = [name for name, one in asked.inputs.items() if one.kind == LITERAL]
    if literals:
        raise UserError(
            f"The input '{literals[0]}' is a literal; only deployments of pipeline components"
            " take literals.",
            target=literals[0],
        )
    if len(asked.inputs) != 1:
        raise UserError(
            f"A model deployment takes exactly one data input, not {len(asked.inputs)}.",
            target="inputData",
        )
    (found,) = asked.inputs.values()
    if found.kind not in ("uri_file", "uri_folder", "mltable"):
        raise UserError(f"A model deployment scores files; it cannot read a {found.kind}.")
    return found


def target_of(asked: Invocation) -> Target | None:
    """Where the one output of a model deployment goes; None is its usual place.

    Raises:
        UserError: several outputs.
    """
    if len(asked.outputs) > 1:
        raise UserError("A model deployment has exactly one output.", target="outputData")
    return next(iter(asked.outputs.values()), None)
