"""A command in a container, led by the leash inside it; when either side is gone, both end."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

from emulators.machinelearning.engine.runtime.containers import engine as engines
from emulators.machinelearning.engine.runtime.containers.engine import Engine
from emulators.machinelearning.engine.runtime.containers.sockets import listening
from emulators.machinelearning.engine.runtime.containers.specs import LEASH
from emulators.machinelearning.engine.runtime.launch import Launch, Outcome
from emulators.machinelearning.engine.runtime.process import (
    LONGEST,
    LeashedProcess,
    NotStarted,
    Stream,
)

START_TIMEOUT = 120.0  # seconds from the engine's word that it runs to the leash's
LOOK_EVERY = 0.5  # seconds between two looks at a container that has not spoken yet
PATIENCE = 10.0  # seconds beyond its grace that a leash has to end everything


class ContainerProcess(LeashedProcess):
    """One container, seen through the connection to its leash."""

    def __init__(self, stream: Stream, launch: Launch, engine: Engine, container: str) -> None:
        super().__init__(stream, launch, warm=False)
        self._engine = engine
        self.container = container

    async def located(self) -> None:
        """Find its process id on this machine: the one that its leash tells is the container's."""
        found = await self._engine.call(lambda client: engines.process_id(client, self.container))
        self._pid = found or self._pid

    async def cancel(self, grace: float = 3.0) -> Outcome:
        """End it; by the engine where its leash does not, as when it is paused."""
        try:
            async with asyncio.timeout(grace + PATIENCE):
                return await super().cancel(grace)
        except TimeoutError:
            await self._engine.call(lambda client: engines.remove(client, self.container))
            return await self.wait()


async def start(
    engine: Engine, folder: Path, launch: Launch, config: Any, request: dict[str, Any]
) -> ContainerProcess:
    """Start a container and hand its leash the request.

    Args:
        engine: which engine.
        folder: for the socket; a folder of its own is made in it.
        launch: what it is for.
        config: makes the engine's create request from that folder.
        request: what the leash is to lead.

    Raises:
        NotStarted: it could not be; nothing of it is left.
        EngineAbsent: no engine answers.
    """
    own = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="c-", dir=folder))
    arrived: asyncio.Future[Stream] = asyncio.get_running_loop().create_future()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if arrived.done():
            writer.close()
        else:
            arrived.set_result(Stream(reader, writer))

    server = await asyncio.start_unix_server(
        connected, sock=listening(own / LEASH.name), limit=LONGEST
    )
    try:
        container = await engine.call(lambda client: engines.start(client, config(own)))
        try:
            stream = await _spoken(engine, container, arrived)
            process = ContainerProcess(stream, launch, engine, container)
            await stream.send(request)
            await process.begin(timeout=60)
        except BaseException:
            await asyncio.shield(engine.call(lambda client: engines.remove(client, container)))
            raise
    except BaseException:
        shutil.rmtree(own, ignore_errors=True)
        raise
    finally:
        server.close()
    process.on_end(lambda _: shutil.rmtree(own, ignore_errors=True))
    await process.located()
    return process


async def _spoken(engine: Engine, container: str, arrived: asyncio.Future[Stream]) -> Stream:
    """Wait for the leash of a started container.

    Raises:
        NotStarted: it has ended, or is silent for too long.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + START_TIMEOUT
    while not arrived.done():
        await asyncio.wait([arrived], timeout=LOOK_EVERY)
        if arrived.done():
            break
        if await engine.call(lambda client: engines.is_over(client, container)):
            raise NotStarted(engines.ENDED_EARLY)
        if loop.time() > until:
            raise NotStarted(f"The container did not answer within {START_TIMEOUT:g} s.")
    return arrived.result()
