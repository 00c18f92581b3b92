"""The Docker Engine of this machine: found, checked, asked; knows no job and no environment."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from emulators.machinelearning.engine.runtime.problems import EnvironmentRefused
from emulators.machinelearning.engine.runtime.process import NotStarted

MARK = "rehearsal.run"  # label: which server's containers these are
CALL_TIMEOUT = 60  # seconds that one answer of the engine may take
WHAT_TO_DO = (
    "Start Docker, or say in DOCKER_HOST where it listens (unix://...), or run your code with"
    " REHEARSAL_RUNTIME=venv."
)
ENDED_EARLY = "The container ended before its command could be started."
T = TypeVar("T")


class EngineAbsent(EnvironmentRefused):
    """No Docker Engine answers, or it is none that can see this machine's folders."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The docker runtime needs a Docker Engine: {why}. {WHAT_TO_DO}", what="docker"
        )


def connect() -> tuple[Any, str]:
    """Return a client of the engine that the environment names, and who containers run as.

    That is whoever runs Rehearsal, so that what they write belongs to the same; in a rootless
    engine that user is called root.

    Raises:
        EngineAbsent: see its message.
    """
    import docker
    import requests

    try:
        client = docker.from_env(timeout=CALL_TIMEOUT)
        about = client.info()
    except (docker.errors.DockerException, requests.RequestException, OSError) as absent:
        raise EngineAbsent(f"none answers ({_shortened(absent)})") from None
    where = os.fspath(client.api.base_url)
    if not where.startswith("http+docker://") and not where.startswith("http+unix://"):
        client.close()
        raise EngineAbsent(f"the one at {where} is on another machine, which has not our folders")
    if about.get("OperatingSystem") == "Docker Desktop":
        client.close()
        raise EngineAbsent(
            "Docker Desktop's is in a virtual machine, into which Unix sockets are not passed"
        )
    rootless = any("rootless" in one for one in about.get("SecurityOptions") or ())
    return client, "0:0" if rootless else f"{os.getuid()}:{os.getgid()}"


def _shortened(problem: object) -> str:
    return str(problem).strip().rstrip(".")[-300:]


class Engine:
    """One client, made when it is first asked for; calls run beside the event loop."""

    def __init__(self) -> None:
        self._found: tuple[Any, str] | None = None
        self._turn = threading.Lock()

    def _connected(self) -> tuple[Any, str]:
        with self._turn:
            if self._found is None:
                self._found = connect()
            return self._found

    async def user(self) -> str:
        """Who containers run as: "uid:gid".

        Raises:
            EngineAbsent: no engine can be used.
        """
        return (await asyncio.to_thread(self._connected))[1]

    async def call(self, ask: Callable[[Any], T]) -> T:
        """Call `ask` with the client, in a thread.

        Raises:
            EngineAbsent: no engine can be used.
            Whatever `ask` raises.
        """
        return await asyncio.to_thread(lambda: ask(self._connected()[0]))

    def close(self) -> None:
        """Let go of the connection."""
        with self._turn:
            if self._found is not None:
                self._found[0].close()
            self._found = None


def start(client: Any, config: Mapping[str, Any]) -> str:
    """Create and start a container; its id.

    Args:
        client: the engine's.
        config: body of the engine's own create request.

    Raises:
        NotStarted: the engine refuses; nothing of it is left.
    """
    import docker
    import requests

    made = None
    try:
        made = client.api.create_container_from_config(dict(config))["Id"]
        client.api.start(made)
    except (docker.errors.DockerException, requests.RequestException) as refused:
        if made is not None:
            remove(client, made)
        raise NotStarted(f"Docker could not start the container: {explanation(refused)}") from None
    return str(made)


def remove(client: Any, container: str) -> None:
    """End a container and remove it, if it is still there."""
    import docker
    import requests

    with contextlib.suppress(docker.errors.DockerException, requests.RequestException):
        client.api.remove_container(container, force=True, v=True)


def explanation(problem: Exception) -> str:
    """The engine's own words."""
    return str(getattr(problem, "explanation", None) or problem)


def is_over(client: Any, container: str) -> bool:
    """Tell whether a container has ended or is gone."""
    import docker

    try:
        state = client.api.inspect_container(container)["State"]
    except docker.errors.NotFound:
        return True
    return not state["Running"]


def process_id(client: Any, container: str) -> int:
    """Return the machine's id of a container's first process, 0 when it has ended."""
    import docker

    with contextlib.suppress(docker.errors.NotFound):
        return int(client.api.inspect_container(container)["State"]["Pid"])
    return 0


def sweep(client: Any, mark: str) -> int:
    """Remove every container of a server that is gone; how many there were."""
    found = client.api.containers(all=True, filters={"label": f"{MARK}={mark}"})
    for one in found:
        remove(client, one["Id"])
    return len(found)


def mark_of(run_dir: Path) -> str:
    """The label's value for containers of the server that has this folder."""
    import hashlib

    return hashlib.sha256(os.fsencode(run_dir.resolve())).hexdigest()[:16]
