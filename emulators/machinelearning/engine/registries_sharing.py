"""Sharing: a workspace's model, environment or data becomes a version of its own in a registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine import assets, registries_files, workspaces
from emulators.machinelearning.engine.registries import TRACKED
from emulators.machinelearning.engine.uris import AssetUri, HttpsUri, parse_uri
from emulators.machinelearning.errors import ValidationError
from emulators.machinelearning.store.assets import AssetVersion
from emulators.machinelearning.store.registries import Home, Registry

SHARED = ("models", "environments", "data")
NOT_COPIED = ("provisioningState", "autoDeleteSetting", "stage")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be shared, and under which name."""

    source: Home
    version: AssetVersion
    name: str  # in the registry
    number: str  # version in the registry


def asked(ctx: Context, registry: Registry, given: Mapping[str, Any]) -> Wanted:
    """What the `properties` of an import ask for.

    Raises:
        ValidationError, InvalidUri: it is no reference to an asset of a workspace.
        AssetNotFound, ResourceMissing: the asset or its workspace does not exist.
        Unsupported: a kind that cannot be shared.
    """
    text = given.get("sourceAssetId")
    if given.get("referenceType", "Id") != "Id" or not isinstance(text, str):
        raise ValidationError("The field 'sourceAssetId' is required.", target="sourceAssetId")
    uri = parse_uri(text)
    if not isinstance(uri, AssetUri) or uri.version is None or uri.registry is not None:
        raise ValidationError(
            f"'{text}' is not the versioned asset of a workspace.", target="sourceAssetId"
        )
    if uri.kind not in SHARED:
        raise Unsupported(f"sharing {uri.kind} with a registry", tracked=TRACKED)
    if uri.workspace is None and uri.workspace_guid is None:
        raise ValidationError(f"'{text}' names no workspace.", target="sourceAssetId")
    source = workspaces.of_asset(ctx, registry, uri)
    version = assets.get_version(ctx, source, uri.kind, uri.name, uri.version)
    return Wanted(
        source,
        version,
        _text(given, "destinationName", version.name),
        _text(given, "destinationVersion", version.version),
    )


def _text(given: Mapping[str, Any], field: str, default: str) -> str:
    value = given.get(field)
    if value is None:
        return default
    if not isinstance(value, str) or not value:
        raise ValidationError(f"The field '{field}' must be text.", target=field)
    return value


async def share(ctx: Context, registry: Registry, wanted: Wanted, by: str) -> AssetVersion:
    """Copy the asset with its files into the registry; it does not change with the source.

    Raises:
        AssetExists: the registry has that version.
        PathNotFound: the asset's files are gone.
        StorageFailed: one of the storage accounts refuses.
    """
    old = wanted.version
    granted = await registries_files.start_upload(
        ctx, registry, old.kind, wanted.name, wanted.number
    )
    values = {k: v for k, v in old.properties.items() if k not in NOT_COPIED}
    values["isAnonymous"] = values["isArchived"] = False
    field = assets.KINDS[old.kind].uri
    if field is not None and not isinstance(parse_uri(values[field]), HttpsUri):
        values[field] = await registries_files.copy_in(ctx, wanted.source, values[field], granted)
    build = values.get("build")
    if isinstance(build, dict):
        copied = await registries_files.copy_in(ctx, wanted.source, build["contextUri"], granted)
        values["build"] = {**build, "contextUri": copied}
    draft = assets.Draft(old.kind, wanted.name, values, wanted.number, by)
    return assets.create_version(ctx, registry, draft).version
