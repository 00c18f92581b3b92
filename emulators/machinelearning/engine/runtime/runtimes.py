"""The façade: make an environment ready, start commands in it, end everything at close."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from emulators.machinelearning.engine.runtime import overlay
from emulators.machinelearning.engine.runtime.commands import PythonCommand, python_command
from emulators.machinelearning.engine.runtime.containers.options import ContainerOptions
from emulators.machinelearning.engine.runtime.containers.runtime import Containers
from emulators.machinelearning.engine.runtime.definition import (
    Definition,
    Kind,
    Prepared,
    Progress,
)
from emulators.machinelearning.engine.runtime.environments import Environments
from emulators.machinelearning.engine.runtime.imports import third_party
from emulators.machinelearning.engine.runtime.launch import Launch, Limits, Outcome, Running
from emulators.machinelearning.engine.runtime.problems import BuildFailed, EnvironmentRefused
from emulators.machinelearning.engine.runtime.process import (
    LeashedProcess,
    NotStarted,
    start_cold,
)
from emulators.machinelearning.engine.runtime.warm import WarmRunners

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
    """What runs the user's code."""

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
    """Environments and processes of one server: `host`, `venv` (cold and warm) and `docker`.

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
        containers: ContainerOptions | None = None,
    ) -> None:
        """Make a façade; nothing is started or built.

        Args:
            cache_dir: environments are kept below it, shared by all state folders.
            run_dir: this server's own folder for what lives as long as it does.
            runtime: what definitions that do not say run in.
            cold: never fork from a warm runner.
            relax: take the nearest that fits where Python or a pin cannot be had.
            containers: how those of `docker` are made.
        """
        self._runtime: Kind = runtime
        self._relax = relax
        options = containers or ContainerOptions()
        self._containers = Containers(cache_dir, run_dir, options)
        self.cold = cold
        # What may not be pulled for containers may not be fetched for environments either.
        self._environments = Environments(cache_dir, relax=relax, offline=not options.pull)
        self._run = run_dir
        self.warm_runners = WarmRunners(run_dir)
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
        """
        kind = definition.runtime or self._runtime
        if kind == "docker":
            relax = self._relax if definition.relax is None else definition.relax
            return await self._containers.prepare(definition, progress, relax=relax)
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
        process: LeashedProcess | None
        if prepared.runtime == "docker":
            process = await self._containers.start(prepared, launch, env)
        else:
            process = await self._start_warm(prepared, launch, env, warm_imports_from)
            process = process or await self._start_cold(prepared, launch, env)
        self._running.add(process)
        process.on_end(self._running.discard)
        return process

    async def _start_cold(
        self, prepared: Prepared, launch: Launch, env: dict[str, str]
    ) -> LeashedProcess:
        if not overlay.is_wanted(launch.command):
            return await start_cold(launch, env)
        try:
            layer = await overlay.make(prepared, self._run / "layers")
        except BuildFailed as failed:
            raise NotStarted(str(failed)) from None
        env["PATH"] = os.pathsep.join([str(layer / "bin"), env["PATH"]])
        env["VIRTUAL_ENV"] = str(layer)
        process = await start_cold(launch, env)
        process.on_end(lambda _: shutil.rmtree(layer, ignore_errors=True))
        return process

    async def _start_warm(
        self, prepared: Prepared, launch: Launch, env: dict[str, str], folder: Path | None
    ) -> LeashedProcess | None:
        """Fork it from a warm runner; None when it is to be started cold."""
        if self.cold or folder is None:
            return None
        line = launch.command if isinstance(launch.command, str) else tuple(launch.command)
        command = python_command(line, prepared.python)
        if command is None or not _is_there(launch.cwd, command):
            return None
        modules = await asyncio.to_thread(third_party, folder)
        if not modules:
            return None
        try:
            return await self.warm_runners.start(prepared, launch, command, env, modules)
        except NotStarted:
            return None

    async def words(self, prepared: Prepared, launch: Launch) -> list[str]:
        """What another supervisor starts on this machine for a launch, which is words, not text.

        Without Docker they are the launch's own. In a container, a program that stands for it.

        Raises:
            EnvironmentRefused: there is no Docker Engine.
        """
        if prepared.runtime != "docker":
            return list(launch.command)
        return await self._containers.attached(prepared, launch, environment(prepared, launch))

    async def sweep(self) -> None:
        """End what an earlier server, killed, may have left in an engine that is used again."""
        if self._runtime == "docker":
            await self._containers.sweep()

    async def warm(self, prepared: Prepared, env: Mapping[str, str], folder: Path) -> bool:
        """Have a warm runner ready for the code in `folder` before it is needed.

        Args:
            prepared: its environment.
            env: the variables that its launches will have; those of one job only do not matter.
            folder: the code.

        Returns:
            Whether there is one now.
        """
        modules = await asyncio.to_thread(third_party, folder)
        if self.cold or not modules or prepared.runtime == "docker":
            return False
        launch = Launch("python", folder, env, folder)
        try:
            await self.warm_runners.ready(prepared, environment(prepared, launch), modules)
        except NotStarted:
            return False
        return True

    def processes(self) -> list[tuple[str, int]]:
        """Return name and process id of everything that was started and still runs."""
        jobs = [("job process", process.pid) for process in self._running]
        return jobs + [("warm runner", pid) for pid in self.warm_runners.processes()]

    async def close(self) -> None:
        """End everything that was started, at once."""
        await asyncio.gather(*(process.cancel(grace=0) for process in self._running))
        await self.warm_runners.close()
        self._containers.close()


def _is_there(cwd: Path, command: PythonCommand) -> bool:
    return command.script is None or (cwd / command.script).is_file()


def environment(prepared: Prepared, launch: Launch) -> dict[str, str]:
    """Return the environment variables of a process: the launch's, led to the interpreter."""
    threads = str(launch.limits.cores or 1)
    env = dict.fromkeys(THREADS, threads) | {"PYTHONUNBUFFERED": "1"} | dict(launch.env)
    env["PATH"] = os.pathsep.join([str(prepared.python.parent), env.get("PATH", os.defpath)])
    if prepared.folder is not None:
        env["VIRTUAL_ENV"] = str(prepared.folder)
    return env
