"""What the docker runtime is told: plain values, and the way home if there is one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from emulators.machinelearning.engine.runtime.launch import Network

BASE = "python:{python}-slim-bookworm"

OpenDoors = Callable[[Path, bool], Awaitable[Mapping[int, str]]]
"""Opens the front door on Unix sockets in a folder; True lets callers through to other hosts, too.

Returns which loopback port of ours each socket, by its name in the folder, stands for.
"""


@dataclass(frozen=True, slots=True)
class ContainerOptions:
    """How containers are made, for all of one server."""

    base: str = BASE  # image to build on where none is named or can be had; {python} is "3.11"
    network: Network = "home"  # what containers reach that do not say
    memory: int | None = None  # bytes, of containers whose launch has no limit
    cores: float | None = None  # processors' worth of time, of the same
    pull: bool = True  # images that are not here are fetched
    machine: Mapping[str, str] = field(default_factory=dict)  # this machine's own variables
    open_doors: OpenDoors | None = None  # None: nothing of ours is reached
