"""Where a data reference lies: from any URI to an account, a container and a path."""

from __future__ import annotations

from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine import assets, datastores, workspaces
from emulators.machinelearning.engine.storage_access import DatastorePath
from emulators.machinelearning.engine.uris import (
    ARTIFACTS,
    AssetUri,
    BlobUri,
    DatastoreUri,
    HttpsUri,
    JobOutputUri,
    RunUri,
    Uri,
    parse_uri,
)
from emulators.machinelearning.errors import InvalidUri
from emulators.machinelearning.store.assets import JOB_OUTPUTS
from emulators.machinelearning.store.registries import Home

ARTIFACT_STORE = "workspaceartifactstore"


def artifacts_uri(run: str, path: str = "") -> DatastoreUri:
    """Where a run's own files (MLflow artifacts, logs) are."""
    return DatastoreUri(ARTIFACT_STORE, f"ExperimentRun/dcid.{run}/{path}")


def default_output_uri(
    ctx: Context, ws: Home, job: str, output: str, datastore: str | None = None
) -> DatastoreUri:
    """Where a job's output goes when nobody says otherwise: `azureml/{job}/{output}/`.

    Args:
        datastore: the one that a pipeline's settings name; None is the workspace's default.
    """
    store = datastore or datastores.default(ctx, ws).name
    return DatastoreUri(store, f"azureml/{job}/{output}/")


def located(ctx: Context, ws: Home, uri: str | Uri) -> DatastoreUri | BlobUri | HttpsUri:
    """Follow assets, job outputs and runs to where their files are.

    Raises:
        InvalidUri: none of the known forms, or an asset without files (an environment).
        AssetNotFound, ResourceMissing: something on the way does not exist.
        Unsupported: it lives in a registry.
    """
    found = parse_uri(uri) if isinstance(uri, str) else uri
    for _ in range(8):
        if isinstance(found, DatastoreUri | BlobUri | HttpsUri):
            return found
        found = _step(ctx, ws, found)
    raise InvalidUri(str(uri), "it refers to itself")


def _step(ctx: Context, ws: Home, uri: AssetUri | JobOutputUri | RunUri) -> Uri:
    if isinstance(uri, RunUri):
        return artifacts_uri(uri.run, uri.path)
    if isinstance(uri, JobOutputUri):
        return _output(ctx, ws, uri)
    version = assets.resolve_id(ctx, ws, str(uri))
    field = assets.KINDS[version.kind].uri
    where = version.properties.get(field) if field else None
    if not where:
        raise InvalidUri(str(uri), "the asset has no files")
    home = workspaces.of_asset(ctx, ws, uri)
    next_uri = parse_uri(where)
    if isinstance(next_uri, DatastoreUri) and next_uri.workspace is None:
        return DatastoreUri(next_uri.datastore, next_uri.path, workspaces.ref_of(home))
    return next_uri


def _output(ctx: Context, ws: Home, uri: JobOutputUri) -> Uri:
    known = ctx.store.get(JOB_OUTPUTS, ws.guid, uri.job, uri.output)
    if known is None and uri.output in (ARTIFACTS, "default"):
        return artifacts_uri(uri.job, uri.path)
    base = parse_uri(known.uri) if known else default_output_uri(ctx, ws, uri.job, uri.output)
    path = uri.path.strip("/")
    if not path:
        return base
    if isinstance(base, DatastoreUri):
        return DatastoreUri(base.datastore, f"{base.path.rstrip('/')}/{path}", base.workspace)
    if isinstance(base, BlobUri):
        return BlobUri(base.account, base.container, f"{base.path.rstrip('/')}/{path}")
    raise InvalidUri(str(uri), "the output it names is not in a datastore")


async def resolve(ctx: Context, workspace: Home, uri: str | Uri) -> DatastorePath:
    """The storage place that any data reference stands for; nothing need be there yet.

    Raises:
        InvalidUri: none of the known forms, a web address outside storage, an asset without
            files.
        AssetNotFound, ResourceMissing: a datastore, asset or workspace on the way is missing.
        Unsupported: a datastore of a kind that is not served, or a registry.
    """
    found = located(ctx, workspace, uri)
    if isinstance(found, HttpsUri):
        raise InvalidUri(found.url, "it is not in a storage account")
    if isinstance(found, BlobUri):
        account = found.account or workspace.storage_account
        return DatastorePath(account, found.container, found.path)
    home = workspaces.named_by(ctx, workspace, found.workspace)
    store = datastores.get(ctx, home, found.datastore)
    kind = store.properties.get("datastoreType")
    if kind not in datastores.SERVED:
        raise Unsupported(
            f"reading or writing a datastore of type {kind} ('{store.name}')",
            tracked="emulators/machinelearning/README.md, datastores",
        )
    account, container = datastores.place_of(store)
    return DatastorePath(account, container, found.path)


def long_uri(ctx: Context, ws: Home, where: DatastorePath) -> str:
    """The long datastore form of a place; its https form when no datastore covers it."""
    for store in datastores.every(ctx, ws):
        served = store.properties.get("datastoreType") in datastores.SERVED
        if served and datastores.place_of(store) == (where.account, where.container):
            return str(DatastoreUri(store.name, where.path, workspaces.ref_of(ws)))
    return where.url


async def canonical(ctx: Context, ws: Home, uri: str) -> str:
    """The form in which the service gives a data reference back.

    Short datastore forms become long ones, job outputs and runs the place they stand for, blob
    URLs a datastore's path where one covers them; web addresses stay.

    Raises:
        InvalidUri, AssetNotFound, ResourceMissing, Unsupported: as `resolve`.
    """
    found = located(ctx, ws, uri)
    if isinstance(found, HttpsUri):
        return found.url
    if isinstance(found, BlobUri):
        return long_uri(ctx, ws, await resolve(ctx, ws, found))
    home = workspaces.named_by(ctx, ws, found.workspace)
    store = datastores.get(ctx, home, found.datastore)
    return str(DatastoreUri(store.name, found.path, workspaces.ref_of(home)))
