"""What a new version of each kind must say, and what the service fills in before it is kept."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import yaml

from emulators.kernel.context import Context
from emulators.kernel.errors import ServiceError
from emulators.machinelearning.engine import places, storage_access
from emulators.machinelearning.engine.uris import (
    LOOPBACK,
    BlobUri,
    JobOutputUri,
    RunUri,
    parse_uri,
)
from emulators.machinelearning.errors import InvalidUri, ValidationError
from emulators.machinelearning.store.registries import Home

DATA_TYPES = ("uri_file", "uri_folder", "mltable")
MODEL_TYPES = ("custom_model", "mlflow_model", "triton_model")
Properties = dict[str, Any]


async def data(ctx: Context, ws: Home, given: Properties) -> Properties:
    """A data version: a known type, and its reference in long form.

    Raises:
        ValidationError, InvalidUri: a type or reference that cannot be.
    """
    if given.get("dataType") not in DATA_TYPES:
        raise ValidationError(
            f"The dataType '{given.get('dataType')}' is not one of {', '.join(DATA_TYPES)}.",
            target="dataType",
        )
    uri = _text(given, "dataUri")
    if uri.lower().startswith("azureml:"):
        return {**given, "dataUri": await places.canonical(ctx, ws, uri)}
    return {**given, "dataUri": _plain(ws, uri)}


async def models(ctx: Context, ws: Home, given: Properties) -> Properties:
    """A model version: its files found wherever it points, its flavors read from its MLmodel.

    Raises:
        ValidationError, InvalidUri: a type or reference that cannot be.
        AssetNotFound, ResourceMissing: what it refers to does not exist.
    """
    kind = given.get("modelType") or "custom_model"
    if kind not in MODEL_TYPES:
        raise ValidationError(
            f"The modelType '{kind}' is not one of {', '.join(MODEL_TYPES)}.", target="modelType"
        )
    source = parse_uri(_text(given, "modelUri"))
    uri = (await places.canonical(ctx, ws, given["modelUri"])).rstrip("/")
    flavors = given.get("flavors") or {}
    if kind == "mlflow_model" and not flavors:
        flavors = await read_flavors(ctx, ws, uri)
    made = {**given, "modelType": kind, "modelUri": uri, "flavors": flavors}
    if isinstance(source, JobOutputUri | RunUri) and not made.get("jobName"):
        made["jobName"] = source.job if isinstance(source, JobOutputUri) else source.run
    return made


async def read_flavors(ctx: Context, ws: Home, uri: str) -> dict[str, Any]:
    """The flavors that a model folder's MLmodel lists, as the wire has them: `{f: {"data": …}}`.

    Assumed: a folder without a readable MLmodel is registered with no flavors.
    """
    try:
        where = await places.resolve(ctx, ws, uri)
        text = await storage_access.read(ctx, where.below("MLmodel"), limit_bytes=4 << 20)
        found = yaml.safe_load(text)
    except (ServiceError, yaml.YAMLError):
        return {}
    listed = found.get("flavors") if isinstance(found, dict) else None
    if not isinstance(listed, dict):
        return {}
    return {
        str(name): {"data": {str(k): _said(v) for k, v in (facts or {}).items()}}
        for name, facts in listed.items()
        if isinstance(facts, dict | None)
    }


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


async def environments(ctx: Context, ws: Home, given: Properties) -> Properties:
    """An environment version: an image, a build context or a conda file, and only what parses.

    Raises:
        ValidationError, InvalidUri: nothing to make it from, or text that is no conda file.
    """
    image, build, conda = given.get("image"), given.get("build"), given.get("condaFile")
    if not image and not build and not conda:
        raise ValidationError("An environment needs an image, a build context or a conda file.")
    if image and build:
        raise ValidationError("An environment has either an image or a build context, not both.")
    if conda is not None:
        _check_conda(conda)
    made = {"osType": "Linux", **given, "environmentType": "UserCreated"}
    if build:
        if not isinstance(build, dict) or not isinstance(build.get("contextUri"), str):
            raise ValidationError("The field 'build.contextUri' is required.", target="build")
        made["build"] = {"dockerfilePath": "Dockerfile", **build}
        made["build"]["contextUri"] = _plain(ws, build["contextUri"])
    return made


def _check_conda(text: Any) -> None:
    try:
        found = yaml.safe_load(text) if isinstance(text, str) else None
    except yaml.YAMLError as wrong:
        raise ValidationError(f"The conda file is not YAML: {wrong}", target="condaFile") from None
    if not isinstance(found, dict):
        raise ValidationError("The conda file must be a YAML mapping.", target="condaFile")


async def components(ctx: Context, ws: Home, given: Properties) -> Properties:
    """A component version: its specification, kept as it came.

    Raises:
        ValidationError: no specification, or one without a type.
    """
    spec = given.get("componentSpec")
    if not isinstance(spec, dict):
        raise ValidationError("The field 'componentSpec' is required.", target="componentSpec")
    if not isinstance(spec.get("type"), str):
        raise ValidationError("The component has no type.", target="componentSpec.type")
    return given


async def codes(ctx: Context, ws: Home, given: Properties) -> Properties:
    """A code version: where its snapshot was uploaded to.

    Raises:
        ValidationError, InvalidUri: no reference, or one outside storage.
    """
    uri = _text(given, "codeUri")
    if not isinstance(parse_uri(uri), BlobUri) and not uri.lower().startswith("azureml:"):
        raise InvalidUri(uri, "a snapshot is in a storage account")
    return {**given, "codeUri": _plain(ws, uri)}


def _text(given: Mapping[str, Any], field: str) -> str:
    value = given.get(field)
    if not isinstance(value, str) or not value:
        raise ValidationError(f"The field '{field}' is required.", target=field)
    return value


def _plain(ws: Home, uri: str) -> str:
    """A URL of the explicit door by Azure's own host name; anything else exactly as it is."""
    found = parse_uri(uri)
    if not isinstance(found, BlobUri) or urlsplit(uri).hostname not in LOOPBACK:
        return uri
    return str(BlobUri(found.account or ws.storage_account, found.container, found.path))


Prepare = Callable[[Context, Home, Properties], Awaitable[Properties]]
PREPARE: dict[str, Prepare] = {
    "data": data,
    "models": models,
    "environments": environments,
    "components": components,
    "codes": codes,
}
