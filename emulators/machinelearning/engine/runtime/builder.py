"""Virtual environments built by uv: whole or not at all, one builder each, found by content."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from emulators.kernel.settings import client_environment_of_process
from emulators.kernel.upstream import before_ours
from emulators.machinelearning.engine.runtime.definition import Progress
from emulators.machinelearning.engine.runtime.problems import BuildFailed

RECORD = "env.json"  # written last; a folder without it is no environment
_LOCK_POLL = 0.2  # seconds between two tries to become the builder
_KEPT_LINES = 40  # of what uv said, for the error
_INSTALLED = (
    "import importlib.metadata as m, json;"
    "print(json.dumps({str(d.metadata['Name']): d.version for d in m.distributions()}))"
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Exactly what to build, and what to say about it."""

    interpreter: str  # path of a Python, or a version for uv to fetch
    requirements: tuple[str, ...]
    options: tuple[str, ...] = ()  # index options of a requirements file
    download: bool = False  # uv may fetch the interpreter
    restrictions: tuple[str, ...] = ()  # further options of `uv pip install`
    notes: tuple[str, ...] = ()
    offline: bool = False  # only what uv's own cache holds


@dataclass(frozen=True, slots=True)
class Built:
    """What a finished environment's record says."""

    python_version: str
    requirements: tuple[str, ...]
    notes: tuple[str, ...]
    restrictions: tuple[str, ...] = ()
    packages: dict[str, str] = field(default_factory=dict)


def uv_program() -> str:
    """Return the path of the uv that Rehearsal's own environment holds."""
    import uv

    return str(uv.find_uv_bin())


def python_of(folder: Path) -> Path:
    """Return the interpreter of a virtual environment."""
    return folder / "bin" / "python"


def read_record(folder: Path) -> Built | None:
    """Return what is known of a finished environment; None when there is none that works."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        python = python_of(folder)
        if not os.access(python, os.X_OK):  # also when the base interpreter was removed
            return None
        record["requirements"] = tuple(record["requirements"])
        record["notes"] = tuple(record["notes"])
        record["restrictions"] = tuple(record["restrictions"])
        return Built(**record)
    except (OSError, ValueError, TypeError, KeyError):
        return None


@contextlib.asynccontextmanager
async def sole_builder(folder: Path, progress: Progress) -> AsyncIterator[None]:
    """Be the only builder of `folder` on this machine; the system frees a dead one's place."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as file:
        waited = False
        while not _locked(file):
            if not waited:
                progress("Waiting for the same environment, which is being built already.")
            waited = True
            await asyncio.sleep(_LOCK_POLL)
        yield


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def build(folder: Path, recipe: Recipe, progress: Progress) -> Built:
    """Build an environment beside `folder` and move it there when it is whole.

    The caller is the sole builder.

    Raises:
        BuildFailed: uv refused; its words are in the message and nothing is left behind.
    """
    for rubbish in folder.parent.glob(f"{folder.name}.building-*"):  # of builders that were killed
        await asyncio.to_thread(shutil.rmtree, rubbish, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=f"{folder.name}.building-", dir=folder.parent))
    try:
        built = await _fill(work / "env", recipe, progress)
        record = json.dumps(asdict(built), indent=1, sort_keys=True)
        (work / "env" / RECORD).write_text(record, encoding="utf-8")
        if folder.exists():  # unusable, or the caller would not be here
            await asyncio.to_thread(shutil.rmtree, folder)
        (work / "env").rename(folder)
    finally:
        await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)
    return built


async def _fill(venv: Path, recipe: Recipe, progress: Progress) -> Built:
    fetching = () if recipe.download else ("--no-python-downloads",)
    # Relocatable: programs in bin/ find their interpreter after the folder is moved.
    await run_uv(
        ["venv", "--relocatable", "--python", recipe.interpreter, *fetching, str(venv)], progress
    )
    wanted = venv.parent / "requirements.txt"
    wanted.write_text("\n".join([*recipe.options, *recipe.requirements]) + "\n", encoding="utf-8")
    if recipe.requirements:
        target = ["--python", str(python_of(venv)), "-r", str(wanted)]
        cut_off = ["--offline"] if recipe.offline else []
        await run_uv(["pip", "install", *target, *recipe.restrictions, *cut_off], progress)
    version, packages = await asyncio.to_thread(_inspect, python_of(venv))
    return Built(version, recipe.requirements, recipe.notes, recipe.restrictions, packages)


def _inspect(python: Path) -> tuple[str, dict[str, str]]:
    """Ask an environment what it holds."""
    ask = f"{_INSTALLED}; import sys; print('%d.%d.%d' % sys.version_info[:3])"
    done = subprocess.run([str(python), "-I", "-c", ask], capture_output=True, check=True)
    packages, version = done.stdout.decode().splitlines()[-2:]
    return version, dict(sorted(json.loads(packages).items()))


async def run_uv(arguments: Sequence[str], progress: Progress) -> list[str]:
    """Run uv with the machine's own configuration and return the lines it said.

    Raises:
        BuildFailed: it exited with another code than 0.
    """
    words = [uv_program(), *arguments, "--no-progress", "--color", "never"]
    code, lines = await run(words, progress)
    if code:
        said = last_of(lines)
        raise BuildFailed(f"uv could not make the environment:\n{said}\n", what=said)
    return lines


def last_of(lines: Sequence[str]) -> str:
    """The end of what a program said, for an error."""
    return "\n".join(lines[-_KEPT_LINES:])


async def run(words: Sequence[str], progress: Progress) -> tuple[int, list[str]]:
    """Run a program that makes something; its exit code and the lines it said.

    Cancelling the call ends the program and what it started.
    """
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=tempfile.gettempdir(),  # no project's own settings
        env=before_ours(client_environment_of_process()),
        start_new_session=True,
    )
    assert process.stdout is not None
    lines: list[str] = []
    try:
        async for raw in process.stdout:
            line = raw.decode("utf-8", "replace").rstrip()
            lines.append(line)
            progress(line)
        return await process.wait(), lines
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
