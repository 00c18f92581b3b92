"""What a job's container sees and reaches, and how this host makes containers at all."""

from __future__ import annotations

from pathlib import Path

from emulators.kernel.client_env import led_names
from emulators.kernel.context import Context
from emulators.kernel.settings import client_environment_of_process
from emulators.machinelearning.engine.jobs.data import Values
from emulators.machinelearning.engine.jobs.folders import Folders
from emulators.machinelearning.engine.jobs.specs import CommandSpec
from emulators.machinelearning.engine.runtime.containers.options import ContainerOptions
from emulators.machinelearning.engine.runtime.launch import Mount, Network
from emulators.machinelearning.errors import InvalidJob
from emulators.machinelearning.store.jobs import Job

NETWORK = "rehearsal.network"
"""A job's own property, which Azure keeps and does not look at."""


def options(ctx: Context) -> ContainerOptions:
    """How the containers of a host are made."""
    settings = ctx.settings
    return ContainerOptions(
        base=settings.docker_base,
        network=settings.docker_network,
        memory=settings.job_memory_mib << 20 or None,
        cores=settings.docker_cpus or None,
        pull=not settings.offline,
        machine=_machines_own(),
        open_doors=ctx.peers.open_doors,
    )


def mounts(folder: Folders, spec: CommandSpec, values: Values) -> tuple[Mount, ...]:
    """A job's own folder, and its inputs, which it may only read, as from a mount in Azure.

    What it downloads is below its own folder, and its own.
    """
    read = [
        Mount(Path(value))
        for name, given in spec.inputs.items()
        if not given.literal
        and given.mode not in ("direct", "download")
        and (value := values.inputs.get(name))
    ]
    return (Mount(folder.root, writable=True), *read)


def network(job: Job) -> Network | None:
    """What a job asks to reach by its property; None is the usual.

    Raises:
        InvalidJob: no such network.
    """
    asked = (job.properties.get("properties") or {}).get(NETWORK)
    if asked in (None, "home", "bridge"):
        return asked
    raise InvalidJob(f"The property {NETWORK} is 'home' or 'bridge', not '{asked}'.")


def _machines_own() -> dict[str, str]:
    """This machine's variables, but for those that lead home: a shell may have them by `env`."""
    led = led_names()
    return {n: v for n, v in client_environment_of_process().items() if n not in led}
