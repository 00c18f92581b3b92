"""The executor on an existing Dask cluster: mini-batches sent there with their files.

Needs the extra `rehearsal[dask]` here, and on the workers what the deployment's script or model
imports. Nothing else is shared: no file system, no package of ours.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any

import emulators
from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine import computes
from emulators.machinelearning.engine.batch.content import Content
from emulators.machinelearning.engine.batch.records import README
from emulators.machinelearning.engine.batch.scoring import (
    JobFailed,
    MiniBatch,
    MiniBatchFailed,
    Scored,
)
from emulators.machinelearning.engine.uris import name_in_arm_id
from emulators.machinelearning.store.workspaces import CHILDREN, Workspace

INSIDE = Path(emulators.__file__).parent / "scoring" / "engine" / "inside"
REMOTE = INSIDE / "batch_remote.py"
CONNECT_S = 10.0
AHEAD = 2  # mini-batches a worker: one is scored, one waits
TAG = "dask"
OK, FAILED, USELESS, UNREADY = "ok", "failed", "useless", "unready"


@dataclass(frozen=True, slots=True)
class About:
    """What a worker is to make of the package."""

    script: str  # below `code`; "" without one
    model: str  # folder of the MLflow model in the package; "" for a script
    onnx: str  # folder of the converted model in the package; "" without one
    model_dir: str  # what AZUREML_MODEL_DIR becomes; "" without a model
    variables: dict[str, str]


def packed(folders: Sequence[tuple[str, Path]]) -> bytes:
    """A tar of some folders, each under its name, with our scoring code as `inside`.

    The same content gives the same bytes.
    """
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, folder in [*folders, ("inside", INSIDE)]:
            for file in sorted(one for one in folder.rglob("*") if one.is_file()):
                if "__pycache__" in file.parts:
                    continue
                entry = tarfile.TarInfo(f"{name}/{file.relative_to(folder).as_posix()}")
                content = file.read_bytes()
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return data.getvalue()


class DaskExecutor:
    """Mini-batches on the workers of a cluster. Use as an async context manager.

    Dask itself starts a mini-batch again when its worker dies; its result comes here once. A
    mini-batch that takes too long is given up here, but its worker cannot be made to stop it.
    """

    def __init__(
        self, address: str, package: bytes, about: About, *, parts: Path, timeout_s: float
    ) -> None:
        """Nothing is connected yet.

        Args:
            address: of the scheduler, such as `tcp://10.0.0.5:8786`.
            package: what `packed` made.
            about: how the workers use it.
            parts: existing folder for mini-batches' rows.
            timeout_s: a mini-batch that takes longer, from its start, has failed.
        """
        self._address, self._package, self._told = address, package, asdict(about)
        settings = repr(sorted(self._told.items())).encode()
        self._digest = hashlib.sha256(package + settings).hexdigest()[:16]
        self._parts, self._timeout_s = parts, timeout_s
        self._client: Any = None
        self._sent: Any = None
        self._score: Callable[..., Any] = _function()
        self.started = 0

    async def __aenter__(self) -> DaskExecutor:
        try:
            from distributed import Client
        except ImportError:
            raise Unsupported(
                "computes on a Dask cluster without the extra rehearsal[dask]", tracked=README
            ) from None
        try:
            self._client = await Client(  # type: ignore[no-untyped-call]
                self._address, asynchronous=True, timeout=CONNECT_S, set_as_default=False
            )
        except (OSError, TimeoutError) as error:
            raise JobFailed(f"There is no Dask cluster at {self._address}: {error}") from None
        # As a task, not as scattered data: what a dead worker held is made again.
        self._sent = self._client.submit(bytes, self._package, pure=True)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._client is not None:
            await self._client.close(timeout=5)

    @property
    def width(self) -> int:
        """Mini-batches that keep every worker busy."""
        workers = self._client.scheduler_info().get("workers", {})
        self.started = max(self.started, len(workers))
        return max(1, AHEAD * len(workers))

    def consider(self, waiting: int, each_s: float) -> None:
        """The cluster has the workers it has."""

    async def submit(self, batch: MiniBatch) -> Scored:
        """Send one mini-batch with its files, and take its rows.

        Raises:
            MiniBatchFailed: run() raised or was too slow, or its workers died again and again.
            JobFailed: the script cannot be loaded there, or an input can never be scored.
        """
        files = await asyncio.to_thread(
            lambda: [(Path(file).name, Path(file).read_bytes()) for file in batch.files]
        )
        future = self._client.submit(
            self._score, self._sent, self._digest, self._told, files, pure=False
        )
        try:
            how, said = await self._result(future)
        finally:
            future.release()
        if how in (USELESS, UNREADY):
            raise JobFailed(str(said))
        if how != OK:
            raise MiniBatchFailed(str(said))
        items, rows, seconds, lines = said
        part = self._parts / f"{batch.number}.part"
        await asyncio.to_thread(part.write_bytes, lines)
        return Scored(batch, items, rows, seconds, part)

    async def _result(self, future: Any) -> Any:
        """Wait for it; the time runs from when a worker has it.

        Raises:
            MiniBatchFailed: it took too long, or its workers died.
        """
        from distributed import KilledWorker

        waits = self._timeout_s * AHEAD
        try:
            return await asyncio.wait_for(asyncio.shield(future.result()), waits)
        except TimeoutError:
            await future.cancel()
            raise MiniBatchFailed(
                f"run() took longer than the timeout of {self._timeout_s:g} s"
            ) from None
        except KilledWorker as killed:
            raise MiniBatchFailed(f"Its workers died with the mini-batch: {killed}") from None


def package_of(content: Content) -> bytes:
    """All that a deployment's workers need."""
    folders = [("code", content.code), ("models", content.models), ("onnx", content.onnx)]
    return packed([(name, folder) for name, folder in folders if folder is not None])


def about_of(content: Content, variables: dict[str, str]) -> About:
    """How its workers use the package."""
    model = content.served
    inside = ""
    if model is not None and content.models is not None:
        inside = f"models/{model.relative_to(content.models).as_posix()}"
    return About(
        script=content.script or "",
        model="" if content.script else inside,
        onnx="onnx" if content.onnx else "",
        model_dir=str(PurePosixPath(inside).parent) if inside else "",
        variables=variables,
    )


def address_of(ctx: Context, ws: Workspace, compute: Any) -> str | None:
    """The cluster that a compute stands for: its tag `dask`; None for a compute without one.

    Args:
        compute: name or id of the deployment's compute.
    """
    if not isinstance(compute, str) or not compute:
        return None
    name = name_in_arm_id(compute, "computes")
    found = ctx.store.get(CHILDREN, ws.guid, computes.KIND, name.lower())
    return found.tags.get(TAG) if found is not None else None


def _function() -> Callable[..., Any]:
    """The worker's function, in a form that is sent whole: workers need not have our packages."""
    space: dict[str, Any] = {"__name__": "__main__", "__file__": str(REMOTE)}
    exec(compile(REMOTE.read_text(encoding="utf-8"), str(REMOTE), "exec"), space)
    found: Callable[..., Any] = space["score"]
    return found
