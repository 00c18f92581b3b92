"""The façade: make an environment ready, start commands in it, end everything at close."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from emulators.machinelearning.engine.runtime.definition import (
    Definition,
    Kind,
    Prepared,
    Progress,
)
from emulators.machinelearning.engine.runtime.environments import Environments
from emulators.machinelearning.engine.runtime.launch import Launch, Limits, Outcome, Running
from emulators.machinelearning.engine.runtime.problems import BuildFailed, EnvironmentRefused
from emulators.machinelearning.engine.runtime.process import (
    LeashedProcess,
    NotStarted,
    start_cold,
)

__all__ = [
    "BuildFailed",
    "Definition",
    "EnvironmentRefused",
    "Launch",
    "Limits",
    "NotStarted",
    "Outcome",
    "Prepared",
    "Running",
    "Runtime",
    "Runtimes",
]

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def _silent(line: str) -> None:
    del line


class Runtime(Protocol):
    """What runs the user's code; `Runtimes` is the one without Docker."""

    async def prepare(self, definition: Definition, progress: Progress = ...) -> Prepared:
        """Make an environment ready."""
        ...

    async def start(
        self, prepared: Prepared, launch: Launch, warm_imports_from: Path | None = None
    ) -> Running:
        """Start a command in it."""
        ...

    async def close(self) -> None:
        """End everything that was started."""
        ...


class Runtimes:
    """Environments and processes of one server: `host` and `venv`, cold and warm.

    Lives in one event loop. Whatever it started dies with it, also when it is killed.
    """

    def __init__(
        self,
        cache_dir: Path,
        run_dir: Path,
        *,
        runtime: Kind = "venv",
        cold: bool = False,
        relax: bool = False,
        allow_download: bool = False,
    ) -> None:
        """Make a façade; nothing is started or built.

        Args:
            cache_dir: environments are kept below it, shared by all state folders.
            run_dir: this server's own folder for what lives as long as it does.
            runtime: what definitions that do not say run in.
            cold: never fork from a warm runner.
            relax: take the nearest that fits where Python or a pin cannot be had.
            allow_download: uv may fetch a Python that this machine lacks.
        """
        self._run = run_dir
        self._runtime: Kind = runtime
        self._cold = cold
        self._environments = Environments(cache_dir, relax=relax, allow_download=allow_download)
        self._running: set[LeashedProcess] = set()

    async def prepare(self, definition: Definition, progress: Progress = _silent) -> Prepared:
        """Return a ready interpreter; built once, then found in milliseconds.

        Cancelling the call ends the build and leaves nothing half-made.

        Args:
            definition: what is asked for.
            progress: gets each line for the job's log, notes on what differs among them.

        Raises:
            EnvironmentRefused: it cannot be had as asked; the message names what is in the way
                and, where that can help, offers `relax`.
            Unsupported: the runtime is `docker`.
        """
        kind = definition.runtime or self._runtime
        return await self._environments.prepare(definition, kind, progress)

    async def start(
        self, prepared: Prepared, launch: Launch, warm_imports_from: Path | None = None
    ) -> Running:
        """Start a command as a session of its own, with the environment's programs first in PATH.

        Args:
            prepared: where.
            launch: what.
            warm_imports_from: the code folder whose imports a warm runner may already have; None
                starts cold. The outcome is the same.

        Raises:
            NotStarted: the machine cannot start another process.
        """
        env = environment(prepared, launch)
        process = await start_cold(launch, env)
        self._running.add(process)
        process.on_end(self._running.discard)
        return process

    async def close(self) -> None:
        """End everything that was started, at once."""
        for process in tuple(self._running):
            await process.cancel(grace=0)


def environment(prepared: Prepared, launch: Launch) -> dict[str, str]:
    """Return the environment variables of a process: the launch's, led to the interpreter."""
    threads = str(launch.limits.cores or 1)
    env = dict.fromkeys(THREADS, threads) | {"PYTHONUNBUFFERED": "1"} | dict(launch.env)
    env["PATH"] = os.pathsep.join([str(prepared.python.parent), env.get("PATH", os.defpath)])
    if prepared.folder is not None:
        env["VIRTUAL_ENV"] = str(prepared.folder)
    return env
