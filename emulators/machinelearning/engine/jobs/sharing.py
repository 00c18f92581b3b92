"""How much shared memory a job asks for, which only a container bounds."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from emulators.machinelearning.engine.jobs.spelling import snaked
from emulators.machinelearning.errors import InvalidJob

UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SIZE = re.compile(r"(\d+)([bkmg]?)\Z", re.IGNORECASE)
_ARGUMENT = re.compile(r"--shm-size[=\s]+(\S+)|(--ipc[=\s]+host)")


def shared_memory(resources: Any) -> int | None:
    """Bytes of /dev/shm that a job's resources ask for; None is the usual.

    The host's own, which `--ipc=host` would give, is as much as there is memory.

    Raises:
        InvalidJob: no such size.
    """
    words = snaked(resources) if isinstance(resources, Mapping) else {}
    arguments = [str(words.get("docker_args") or "")]
    arguments += [str(one) for one in words.get("docker_args_list") or ()]
    named = _ARGUMENT.search(" ".join(arguments))
    if named and named[2]:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    given = named[1] if named else words.get("shm_size")
    if given is None or given == "":
        return None
    size = _SIZE.match(str(given).strip())
    if size is None or int(size[1]) == 0:
        raise InvalidJob(f"The shm_size '{given}' is not valid: a number and b, k, m or g.")
    return int(size[1]) * UNITS[size[2].lower()]
