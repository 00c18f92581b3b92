"""Code snapshots: a container of its own for each upload, found again by content."""

from __future__ import annotations

from dataclasses import dataclass

from emulators.kernel.context import Context
from emulators.machinelearning.engine import accounts, names, storage_access
from emulators.machinelearning.store.assets import UPLOADS, Upload
from emulators.machinelearning.store.registries import Home


@dataclass(frozen=True, slots=True)
class Granted:
    """Where the files of a version go, and the signature that lets them in."""

    upload: Upload
    sas: str


async def start_upload(ctx: Context, ws: Home, kind: str, name: str, version: str) -> Granted:
    """A container for the files of a version; asking again gives the same one, signed anew.

    Raises:
        ValidationError: a name or version Azure ML does not take.
        StorageFailed: the workspace's storage account refuses.
    """
    names.check("asset", name)
    names.check("version", version)
    upload = ctx.store.get(UPLOADS, ws.guid, kind, name.lower(), version)
    if upload is None:
        fresh = Upload(
            ws.guid, kind, name.lower(), version, ctx.ids.guid(), ws.storage_account,
            f"{ws.guid[:8]}-{ctx.ids.guid()}",
        )  # fmt: skip
        if not ctx.store.insert(UPLOADS, fresh):
            fresh = ctx.store.get(UPLOADS, ws.guid, kind, name.lower(), version) or fresh
        upload = fresh
    await storage_access.ensure_container(ctx, upload.account, upload.container)
    return Granted(upload, await accounts.container_sas(ctx, ws, upload.container))
