"""The docker runtime: images for environments, a container for every command."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from emulators.machinelearning.engine.runtime.containers import engine as engines
from emulators.machinelearning.engine.runtime.containers import process, specs
from emulators.machinelearning.engine.runtime.containers.engine import Engine, EngineAbsent
from emulators.machinelearning.engine.runtime.containers.images import Images
from emulators.machinelearning.engine.runtime.containers.options import ContainerOptions
from emulators.machinelearning.engine.runtime.containers.specs import Shared
from emulators.machinelearning.engine.runtime.definition import Definition, Prepared, Progress
from emulators.machinelearning.engine.runtime.launch import Launch
from emulators.machinelearning.engine.runtime.process import NotStarted

log = logging.getLogger("rehearsal.docker")

ATTACHED = "emulators.machinelearning.engine.runtime.containers.attached"


class Containers:
    """Images and containers of one server. Whatever it started ends with it, also when killed."""

    def __init__(self, cache: Path, run_dir: Path, options: ContainerOptions) -> None:
        """Make it; no engine is asked yet.

        Args:
            cache: what was found in images is kept below it.
            run_dir: this server's own folder.
            options: how containers are made.
        """
        self._options = options
        self._folder = run_dir / "docker"
        self._engine = Engine()
        self._mark = engines.mark_of(run_dir)
        self._images = Images(cache, self._engine, options, mark=self._mark)
        self._first = asyncio.Lock()
        self._swept = False
        self._doors: dict[str, Shared] = {}

    async def sweep(self) -> None:
        """Remove what a killed server left; without an engine there is nothing."""
        try:
            await self._ready()
        except EngineAbsent as absent:
            log.info("%s", absent)

    async def _ready(self) -> None:
        async with self._first:
            if self._swept:
                return
            found = await self._engine.call(lambda client: engines.sweep(client, self._mark))
            if found:
                log.info("%d containers of an earlier run are removed", found)
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            self._swept = True

    async def prepare(self, definition: Definition, progress: Progress, *, relax: bool) -> Prepared:
        """Return an image that is ready.

        Raises:
            EnvironmentRefused: it cannot be had as asked, or no engine answers.
        """
        await self._ready()
        return await self._images.prepare(definition, progress, relax=relax)

    async def start(
        self, prepared: Prepared, launch: Launch, env: dict[str, str]
    ) -> process.ContainerProcess:
        """Start a command in a container of its own.

        Args:
            prepared: its image.
            launch: what.
            env: the launch's variables, with the defaults that every process has.

        Raises:
            NotStarted: the engine refuses, or there is none.
        """
        try:
            await self._ready()
            shared = await self._shared(launch)
            launch.log.touch()
            return await process.start(
                self._engine,
                self._folder,
                launch,
                lambda own: specs.config(prepared, launch, own, shared, self._options),
                self._request(launch, env, shared),
            )
        except EngineAbsent as absent:
            raise NotStarted(str(absent)) from None

    def _request(self, launch: Launch, env: dict[str, str], shared: Shared) -> dict[str, Any]:
        return specs.request(launch, specs.variables(env, launch.asked, self._options), shared)

    async def attached(self, prepared: Prepared, launch: Launch, env: dict[str, str]) -> list[str]:
        """The words of a program of this machine that stands for the command in its container.

        It says nothing, ends as the command does, and takes it along when it is ended itself.
        Words added at its end are the command's; `--socket PATH` among them is mounted.

        Raises:
            EnvironmentRefused: no engine answers.
        """
        await self._ready()
        shared = await self._shared(launch)
        launch.log.touch()
        placeholder = self._folder / "own"
        asked = {
            "config": specs.config(prepared, launch, placeholder, shared, self._options),
            "own": str(placeholder),
            "request": self._request(launch, env, shared),
        }
        with tempfile.NamedTemporaryFile(
            "w", prefix="a-", suffix=".json", dir=self._folder, delete=False, encoding="utf-8"
        ) as file:  # 0600: it holds tokens
            json.dump(asked, file)
        return [sys.executable, "-I", "-m", ATTACHED, file.name]

    async def _shared(self, launch: Launch) -> Shared:
        """What a container has in common with others of its network; the doors are opened once."""
        network = specs.network_of(launch, self._options)
        async with self._first:
            if network not in self._doors:
                self._doors[network] = await self._opened(network)
            return self._doors[network]

    async def _opened(self, network: str) -> Shared:
        user = await self._engine.user()
        if self._options.open_doors is None:
            return Shared(self._mark, user)
        home = self._folder / network
        home.mkdir(exist_ok=True)
        ports = await self._options.open_doors(home, network == "bridge")
        return Shared(self._mark, user, home, ports)

    def close(self) -> None:
        """Let go of the engine; the containers were ended before."""
        self._engine.close()
