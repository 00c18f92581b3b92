"""From a job's environment reference to what the runtimes are asked for."""

from __future__ import annotations

from pathlib import Path

from emulators.kernel.context import Context
from emulators.machinelearning.engine import assets, places, workspaces
from emulators.machinelearning.engine.runtime.definition import Definition
from emulators.machinelearning.engine.storage_access import download
from emulators.machinelearning.engine.uris import AssetUri, parse_uri
from emulators.machinelearning.errors import AssetNotFound, InvalidJob
from emulators.machinelearning.store.workspaces import Workspace

SYSTEM_REGISTRY = "azureml"


async def definition_of(
    ctx: Context, ws: Workspace, reference: str | None, scratch: Path
) -> Definition:
    """What an environment id, `azureml:name:version` or curated environment asks for.

    Args:
        scratch: where a build context is put.

    Raises:
        InvalidJob: no reference, or an environment without image and build context.
        AssetNotFound, ResourceMissing: it does not exist.
    """
    if not reference:
        raise InvalidJob("The job names no environment.")
    uri = parse_uri(reference)
    if isinstance(uri, AssetUri) and (uri.registry or "").lower() == SYSTEM_REGISTRY:
        return Definition(curated=uri.name)
    try:
        version = assets.resolve_id(ctx, ws, reference, "environments")
    except AssetNotFound:
        # Older samples name curated environments as if they were the workspace's own.
        if isinstance(uri, AssetUri) and uri.name.lower().startswith("azureml-"):
            return Definition(curated=uri.name)
        raise
    home = workspaces.of_asset(ctx, ws, uri) if isinstance(uri, AssetUri) else ws
    values = version.properties
    build = values.get("build") or {}
    context = None
    if build.get("contextUri"):
        context = scratch / "context"
        await download(ctx, await places.resolve(ctx, home, build["contextUri"]), context)
    image, conda = values.get("image"), values.get("condaFile")
    if not image and not conda and context is None:
        raise InvalidJob(f"Environment {version.name}:{version.version} has no image and no build.")
    return Definition(
        conda=conda,
        image=image,
        context=context,
        dockerfile=build.get("dockerfilePath") or "Dockerfile",
    )
