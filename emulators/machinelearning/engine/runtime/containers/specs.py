"""From a launch to the container it becomes: mounts, variables, limits. Pure: asks no engine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from emulators.machinelearning.engine.runtime import overlay
from emulators.machinelearning.engine.runtime.containers.engine import MARK
from emulators.machinelearning.engine.runtime.containers.options import ContainerOptions
from emulators.machinelearning.engine.runtime.definition import Prepared
from emulators.machinelearning.engine.runtime.launch import Launch, Mount, Network
from emulators.machinelearning.engine.runtime.process import request_of

INSIDE = Path(__file__).parents[1] / "inside"
OURS = PurePosixPath("/run/rehearsal")  # in every container
LEASH = OURS / "own" / "leash.s"
HOME = OURS / "home"
PROCESSES = 4096  # at most, in one container
SHARED_MEMORY = 2 << 30  # bytes of /dev/shm; Azure ML's default
LOG_BYTES = "1m"  # of what is said before the command's own log is open
FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
"""Variables that name certificates of ours."""

OF_THE_MACHINE = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "PWD", "OLDPWD", "SHLVL", "TERM", "TMPDIR"),
        *("VIRTUAL_ENV", "LD_LIBRARY_PATH", "LD_PRELOAD", "_"),
    }
)


@dataclass(frozen=True, slots=True)
class Shared:
    """What containers of one server have in common."""

    mark: str  # label that tells this server's from others'
    user: str  # "uid:gid"
    home: Path | None = None  # folder with the front door's sockets
    ports: Mapping[int, str] | None = None  # loopback port -> name of its socket in `home`


def network_of(launch: Launch, options: ContainerOptions) -> Network:
    """What a container reaches: what it asks for, else what a command that installs needs."""
    if launch.network is not None:
        return launch.network
    return "bridge" if overlay.is_wanted(launch.command) else options.network


def variables(
    env: Mapping[str, str], asked: frozenset[str], options: ContainerOptions
) -> dict[str, str]:
    """The variables that a launch adds to an image's.

    The machine's own stay outside: the image has a PATH, a HOME and a package index of its own.

    Args:
        env: all that a process of this machine would have.
        asked: names that are given whatever this machine has.
        options: say what this machine has.
    """

    def machines(name: str, value: str) -> bool:
        own = name in OF_THE_MACHINE or name.startswith("REHEARSAL_")
        return own or options.machine.get(name) == value

    return {n: v for n, v in env.items() if n in asked or not machines(n, v)}


def request(launch: Launch, env: Mapping[str, str], shared: Shared) -> dict[str, Any]:
    """What the container's first process is asked to lead."""
    asked = request_of(launch, dict(env))
    asked["memory"] = None  # the engine's affair
    ports = shared.ports or {}
    asked["doors"] = {str(port): str(HOME / name) for port, name in ports.items()}
    return asked


def config(
    prepared: Prepared, launch: Launch, own: Path, shared: Shared, options: ContainerOptions
) -> dict[str, Any]:
    """The body of the engine's create request.

    Args:
        prepared: whose image.
        launch: what it is for; its log exists.
        own: folder with this container's leash socket.
        shared: what all have.
        options: limits where the launch has none, and the network.
    """
    limits = launch.limits
    memory = limits.memory or options.memory
    cores = limits.cores or options.cores
    network = network_of(launch, options)
    host: dict[str, Any] = {
        "Mounts": [_bind(mount) for mount in _mounts(launch, own, shared)],
        "NetworkMode": "bridge" if network == "bridge" else "none",
        "AutoRemove": True,
        "PidsLimit": PROCESSES,
        "ShmSize": limits.shared_memory or SHARED_MEMORY,
        # SELinux, where it is, keeps containers from folders that are not labelled as theirs.
        "SecurityOpt": ["no-new-privileges", "label=disable"],
        "LogConfig": {"Type": "json-file", "Config": {"max-size": LOG_BYTES}},
    }
    if memory:
        host |= {"Memory": memory, "MemorySwap": memory}  # that is: no swap
    if cores:
        host["NanoCpus"] = round(cores * 1_000_000_000)
    return {
        "Image": prepared.image,
        "Entrypoint": [str(prepared.python), "-I", "-S", str(OURS / "inside" / "container.py")],
        "Cmd": [str(LEASH)],
        "User": shared.user,
        "Labels": {MARK: shared.mark},
        "HostConfig": host,
    }


@dataclass(frozen=True, slots=True)
class _Bind:
    source: Path
    target: str
    writable: bool = False


def _mounts(launch: Launch, own: Path, shared: Shared) -> list[_Bind]:
    ours = [_Bind(INSIDE, str(OURS / "inside")), _Bind(own, str(OURS / "own"))]
    if shared.home is not None:
        ours.append(_Bind(shared.home, str(HOME)))
    wanted: dict[Path, bool] = {}
    named = [Path(launch.env[name]) for name in FILES if name in launch.env]
    for mount in (
        *(Mount(file) for file in named if file.is_file()),
        Mount(launch.cwd, writable=True),
        Mount(launch.log, writable=True),
        *launch.mounts,
    ):
        path = Path(os.path.abspath(mount.path))
        wanted[path] = mount.writable or wanted.get(path, False)
    return ours + [_Bind(path, str(path), writable) for path, writable in wanted.items()]


def _bind(mount: _Bind) -> dict[str, Any]:
    return {
        "Type": "bind",
        "Source": str(mount.source),
        "Target": mount.target,
        "ReadOnly": not mount.writable,
    }
