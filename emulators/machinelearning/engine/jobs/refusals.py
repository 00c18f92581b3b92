"""What a job may ask for that is not done here: refused by name when it is submitted."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine.jobs.spelling import snaked, snaked_keys_kept

README = "emulators/machinelearning/README.md, jobs"
OURS = ("tracking", "studio")
"""Services that every job has; a job that is read and submitted again brings them along."""

# Without a container a job has the machine's own shared memory and inter-process communication.
HARMLESS = re.compile(r"--(ipc(=host)?|shm-size(=\S+)?)\Z|host\Z|\d+[bkmg]?\Z", re.IGNORECASE)
BEHAVIOURS = {
    "autologger_settings": "autologging that the service switches on",
    "notification_setting": "notifications about jobs",
    "secrets_configuration": "secrets of a job",
    "retry_settings": "retries of a command",
    "mini_batch_size": "mini-batches of a command",
    "parameters": "legacy parameters of a job",
}


def refuse_node(values: Mapping[str, Any]) -> None:
    """Refuse what a command, a sweep or a component cannot have here.

    Args:
        values: keys in snake case.

    Raises:
        Unsupported: the first such thing, by name.
    """
    distribution = snaked(values.get("distribution"))
    if distribution:
        kind = distribution.get("distribution_type") or distribution.get("type")
        raise Unsupported(f"distributed jobs (distribution {kind})", tracked=README)
    _refuse_resources(snaked(values.get("resources")))
    for name, what in BEHAVIOURS.items():
        asked = values.get(name)
        if asked and "disabled" not in str(asked).lower():
            raise Unsupported(f"{what} ({name})", tracked=README)
    for name, about in snaked_keys_kept(values.get("services")).items():
        words = snaked(about) if isinstance(about, Mapping) else {}
        kind = str(words.get("job_service_type") or words.get("type") or "")
        if kind.lower() not in OURS:
            raise Unsupported(f"interactive services of a job ('{name}', {kind})", tracked=README)


def _refuse_resources(resources: Mapping[str, Any]) -> None:
    for name in ("instance_count", "max_instance_count"):
        count = resources.get(name)
        if count is not None and str(count) not in ("", "0", "1"):
            raise Unsupported(f"jobs on several instances ({name} {count})", tracked=README)
    arguments = shlex.split(str(resources.get("docker_args") or ""))
    arguments += [str(one) for one in resources.get("docker_args_list") or ()]
    for argument in arguments:
        if not HARMLESS.match(argument):
            raise Unsupported(
                f"docker_args without a container ('{argument}')",
                tracked=README,
            )


def refuse_settings(settings: Mapping[str, Any]) -> None:
    """Refuse a pipeline's settings that change what runs when.

    Raises:
        Unsupported: the first such setting, by name.
    """
    for name in ("on_init", "on_finalize"):
        if settings.get(name):
            raise Unsupported(f"steps before or after all others ({name})", tracked=README)


def refuse_sampling(words: Mapping[str, Any]) -> None:
    """Refuse what a sampling algorithm may ask for beyond rule and seed.

    Raises:
        Unsupported: it does.
    """
    if words.get("logbase") is not None:
        raise Unsupported("sampling to another base (logbase)", tracked=README)
