"""Files of a registry's assets: containers to upload to, signatures to read with, copies."""

from __future__ import annotations

from emulators.kernel.context import Context
from emulators.kernel.peers import SYSTEM_OBJECT
from emulators.machinelearning.engine import accounts, assets, codes, places, storage_access
from emulators.machinelearning.engine.codes import Granted
from emulators.machinelearning.engine.storage_access import DatastorePath
from emulators.machinelearning.engine.uris import AssetUri, BlobUri, parse_uri
from emulators.machinelearning.errors import AssetExists, InvalidUri, PathNotFound, ValidationError
from emulators.machinelearning.store.assets import VERSIONS
from emulators.machinelearning.store.registries import Home, Registry

WITH_FILES = ("models", "data", "codes", "environments")


def kind_of(registry: Registry, asset_id: object, name: str, version: str) -> str:
    """The kind of asset that an upload's or a download's `assetId` is of.

    Raises:
        ValidationError: it is not the id of this name and version in this registry.
    """
    found = parse_uri(asset_id) if isinstance(asset_id, str) else None
    if (
        not isinstance(found, AssetUri)
        or (found.registry or "").lower() != registry.key
        or (found.name.lower(), found.version) != (name.lower(), version)
        or found.kind not in assets.KINDS
    ):
        raise ValidationError(
            f"'{asset_id}' is not the id of {name}:{version} in {registry.spoken}.",
            target="assetId",
        )
    return found.kind


async def start_upload(
    ctx: Context, registry: Registry, kind: str, name: str, version: str
) -> Granted:
    """A container of the registry's storage for the files of a version that is not there yet.

    Raises:
        AssetExists: it is; the client takes that for "nothing to upload".
        ValidationError: a name or version Azure ML does not take.
        StorageFailed: the storage account refuses.
    """
    if ctx.store.get(VERSIONS, registry.guid, kind, name.lower(), version) is not None:
        word = assets.KINDS[kind].word
        raise AssetExists(f"{word} {name}:{version} already exists in {registry.spoken}.")
    return await codes.start_upload(ctx, registry, kind, name, version)


async def read_signature(ctx: Context, registry: Registry, uri: object) -> tuple[str, str]:
    """Container and signature by which the file or folder at a blob URL can be read.

    Raises:
        InvalidUri: not a place in the registry's storage.
        StorageFailed: the account's key cannot be had.
    """
    found = in_registry(registry, uri)
    return found.container, await accounts.container_sas(ctx, registry, found.container, "rl")


def in_registry(registry: Registry, uri: object) -> BlobUri:
    """The place that a URL names, where that is in the registry's own storage.

    Raises:
        InvalidUri: it is anything else.
    """
    found = parse_uri(uri) if isinstance(uri, str) else None
    if not isinstance(found, BlobUri) or found.account not in ("", registry.storage_account):
        raise InvalidUri(
            str(uri),
            "files of a registry's assets are in its own storage: upload them, or share the asset"
            " from a workspace",
        )
    return BlobUri(registry.storage_account, found.container, found.path)


async def copy_in(ctx: Context, source: Home, uri: str, granted: Granted) -> str:
    """Copy a file or folder into a container of a registry; the URL of the copy.

    Args:
        source: the workspace that `uri` is of.

    Raises:
        PathNotFound: nothing is there.
        StorageFailed: one of the storage accounts refuses.
    """
    where = await places.resolve(ctx, source, uri)
    found = await storage_access.list_paths(ctx, where)
    if not found:
        raise PathNotFound(f"'{where.url}' holds no files.")
    folder = where.path.rstrip("/")
    entry = folder.rpartition("/")[2] or "data"
    upload = granted.upload
    target = DatastorePath(upload.account, upload.container, entry)
    bearer = ctx.tokens.issue("https://storage.azure.com", object_id=SYSTEM_OBJECT)
    pairs = []
    for one in found:
        if not one.path.endswith("/"):
            rest = one.path[len(folder) :].lstrip("/")
            pairs.append((one, target.below(rest) if rest else target))
    await storage_access.copy(ctx, where, pairs, bearer)
    return target.url + ("/" if uri.endswith("/") else "")
