"""A job's code and inputs brought to this machine, its outputs sent to their datastores."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit
from weakref import WeakValueDictionary

from emulators.kernel.context import Context
from emulators.machinelearning.engine import assets, places, workspaces
from emulators.machinelearning.engine.jobs import folders, web
from emulators.machinelearning.engine.jobs.placeholders import fill
from emulators.machinelearning.engine.jobs.specs import (
    FILE_TYPES,
    MODEL_TYPES,
    CommandSpec,
    Input,
    Output,
)
from emulators.machinelearning.engine.storage_access import DatastorePath, download, upload
from emulators.machinelearning.engine.uris import AssetUri, HttpsUri, parse_uri
from emulators.machinelearning.errors import InvalidJob, InvalidUri, PathNotFound, StorageFailed
from emulators.machinelearning.store.jobs import Job
from emulators.machinelearning.store.workspaces import Workspace


@dataclass(frozen=True, slots=True)
class Placed:
    """An output: where the code writes it, and where it goes from there."""

    output: Output
    local: Path
    uri: str  # azureml:// long form, what others refer to
    where: DatastorePath


@dataclass(frozen=True, slots=True)
class Values:
    """What the placeholders of a command become."""

    inputs: dict[str, str | None]  # literal, local path or URI; None: optional and absent
    outputs: dict[str, str]  # local path, or URI where the mode is direct


class Fetcher:
    """Brings data here once for all jobs below the same root, however many ask at once."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._locks: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()

    def _turn(self, path: Path) -> asyncio.Lock:
        return self._locks.setdefault(path, asyncio.Lock())

    async def inputs(self, ws: Workspace, job: Job, spec: CommandSpec) -> dict[str, str | None]:
        """The value of every input: text, a local path, or a URI for mode direct.

        Raises:
            InvalidJob: data that is not there; the message names the input.
            ServiceError: a reference that cannot be followed.
        """
        absent: dict[str, str | None] = dict.fromkeys(spec.optional)
        try:
            async with asyncio.TaskGroup() as tasks:
                found = {
                    name: tasks.create_task(self._input(ws, job, name, given))
                    for name, given in spec.inputs.items()
                }
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return {**absent, **{name: task.result() for name, task in found.items()}}

    async def _input(self, ws: Workspace, job: Job, name: str, given: Input) -> str:
        if given.literal:
            return given.value
        reference = _with_kind(given)
        if given.mode == "direct":
            return await places.canonical(self._ctx, ws, reference)
        try:
            found = await self._fetch(ws, job, reference)
        except (PathNotFound, StorageFailed) as missing:
            raise InvalidJob(f"Input '{name}': {missing.message}") from missing
        if given.mode != "download":
            return str(found)
        # What is downloaded is the job's own: it may write to it, as it may not to a mount.
        own = folders.of_job(self._ctx, job).root / "downloads" / name / found.name
        await asyncio.to_thread(_copy, found, own)
        return str(own)

    async def _fetch(self, ws: Workspace, job: Job, reference: str) -> Path:
        found = places.located(self._ctx, ws, reference)
        url = found.url if isinstance(found, HttpsUri) else None
        where = None if url else await places.resolve(self._ctx, ws, found)
        target = self._kept(job, url or (where.url if where else ""))
        async with self._turn(target):
            if not target.exists():
                if where is not None:
                    await self._whole(where, target)
                else:
                    await web.fetch(self._ctx, url or "", target)
        # Azure mounts real folders: MLflow, for one, refuses a model that is behind a link.
        return target.resolve()

    def _kept(self, job: Job, url: str) -> Path:
        """Where the data at a URL is kept; it has its own name, which code may look at."""
        digest = hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:16]
        name = PurePosixPath(unquote(urlsplit(url).path).rstrip("/")).name
        return folders.cache_of(self._ctx, job) / digest / (name or "data")

    def prime(self, job: Job, placed: Placed) -> None:
        """Let later steps read an output where it was written instead of fetching it again."""
        target = self._kept(job, placed.where.url)
        if placed.output.uri is None and placed.local.exists() and not target.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                target.symlink_to(placed.local.resolve())

    async def code(self, ws: Workspace, job: Job, reference: str | None) -> Path | None:
        """Make the working directory: a fresh copy of the code below its `codeUri`, or empty.

        Returns:
            The folder whose imports a warm runner may have made already; None without code.

        Raises:
            ServiceError: the code does not exist or cannot be read.
        """
        work = folders.of_job(self._ctx, job).work
        if not reference:
            work.mkdir(parents=True, exist_ok=True)
            return None
        version = assets.resolve_id(self._ctx, ws, reference, "codes")
        uri = parse_uri(reference)
        home = workspaces.of_asset(self._ctx, ws, uri) if isinstance(uri, AssetUri) else ws
        kept = folders.code_cache(self._ctx, ws.guid) / f"{version.name}-{version.version}"
        async with self._turn(kept):
            if not kept.exists():
                where = await places.resolve(self._ctx, home, version.properties["codeUri"])
                await self._whole(where, kept)
        await asyncio.to_thread(shutil.copytree, kept, work, dirs_exist_ok=True)
        return kept

    async def _whole(self, where: DatastorePath, target: Path) -> None:
        """Download all or nothing: what is at `target` is complete."""
        partial = target.with_name(f"{target.name}.{self._ctx.ids.hex(6)}.incomplete")
        partial.parent.mkdir(parents=True, exist_ok=True)
        try:
            await download(self._ctx, where, partial)
            partial.replace(target)
        except BaseException:
            await asyncio.to_thread(_remove, partial)
            raise


def _with_kind(given: Input) -> str:
    """The reference, with what `azureml:name:version` leaves to the place of use."""
    try:
        uri = parse_uri(given.value)
    except InvalidUri:
        return given.value  # refused with its own words where it is followed
    if isinstance(uri, AssetUri) and not uri.kind:
        return str(replace(uri, kind="models" if given.kind in MODEL_TYPES else "data"))
    return given.value


def _copy(found: Path, own: Path) -> None:
    own.parent.mkdir(parents=True, exist_ok=True)
    if found.is_dir():
        shutil.copytree(found, own, dirs_exist_ok=True)
    else:
        shutil.copyfile(found, own)


def _remove(partial: Path) -> None:
    if partial.is_dir():
        shutil.rmtree(partial, ignore_errors=True)
    partial.unlink(missing_ok=True)


async def place_outputs(
    ctx: Context, ws: Workspace, job: Job, spec: CommandSpec
) -> dict[str, Placed]:
    """Where each output is written and where it goes; local folders are made.

    Raises:
        ServiceError: a path that cannot be followed.
    """
    placed = {}
    for name, output in spec.outputs.items():
        folders.check_name(name)
        default = str(places.default_output_uri(ctx, ws, job.name, name, output.datastore))
        uri = fill(output.uri, _output_words(job, name, default).get) if output.uri else default
        is_file = output.kind in FILE_TYPES
        where = await places.resolve(ctx, ws, uri.rstrip("/") if is_file else uri)
        local = folders.of_job(ctx, job).outputs / name
        if is_file:
            local = local / (PurePosixPath(where.path).name or name)
            local.parent.mkdir(parents=True, exist_ok=True)
        else:
            local.mkdir(parents=True, exist_ok=True)
        placed[name] = Placed(output, local, places.long_uri(ctx, ws, where), where)
    return placed


def _output_words(job: Job, name: str, default: str) -> dict[str, str]:
    datastore = default.split("/paths/", 1)[0].removeprefix("azureml://datastores/")
    return {"default_datastore": datastore, "name": job.name, "output_name": name}


async def send_outputs(ctx: Context, placed: dict[str, Placed]) -> list[str]:
    """Upload every output that was written; sentences about those that were not."""
    notes = []
    for name, one in placed.items():
        if one.output.mode == "direct":
            continue
        empty = not one.local.exists() or (one.local.is_dir() and not any(one.local.iterdir()))
        if empty:
            notes.append(f"Output '{name}' was not written.")
        else:
            await upload(ctx, one.local, one.where)
    return notes
