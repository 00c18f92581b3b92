"""Which environment variables a warm parent and its jobs must have in common; starts nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_OF_ONE_JOB = re.compile(
    r"^(AZUREML_(RUN_|ROOT_RUN_ID|PARENT_RUN_ID|CR_|DATAREFERENCE_|EXPERIMENT_|ARM_PROJECT_NAME)"
    r"|AZURE_ML_(INPUT|OUTPUT)_"
    r"|MLFLOW_(TRACKING_(URI|TOKEN|USERNAME|PASSWORD)|REGISTRY_URI|RUN_ID|EXPERIMENT_(ID|NAME))$"
    r"|(RANK|WORLD_SIZE|NODE_RANK|LOCAL_RANK|PWD|OLDPWD|TMPDIR|_)$"
    r"|\w*(TOKEN|SECRET|PASSWORD))",
    re.ASCII,
)
"""Variables of one job: no parent has them while it imports."""

_READ_BY_LIBRARIES = re.compile(
    r"^(OMP|GOMP|KMP|OPENBLAS|GOTO|MKL|BLIS|VECLIB|NUMEXPR|NVPL|CUDA|NVIDIA|TF|XLA|LD|MALLOC|GLIBC"
    r"|JE|MIMALLOC|ARROW|PYTHON|LC)_?|^(LANG|LANGUAGE)$"
)
"""Variables that native libraries or the interpreter read before Python code can be watched."""

_NEVER_LISTED = frozenset({"azure", "azureml", "mlflow"})
"""Packages that ask for their variables by name only, so that those they asked for are known."""

_SET_AGAIN = frozenset({"PWD"})
"""Read at import for a folder that the runner corrects in each job (see `_refresh` there)."""

_MOVES_MODULES = frozenset({"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONSAFEPATH"})

_WITHOUT_THREADS = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""Keeps pyarrow's allocator, which pandas brings along, from starting a thread while loading."""


def unfit(env: Mapping[str, str]) -> str:
    """Say why a job with these variables cannot be forked; "" when it can."""
    moving = sorted(_MOVES_MODULES & env.keys())
    return f"{', '.join(moving)} changes where modules come from" if moving else ""


def parents(env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for a parent that is to serve jobs such as the one with `env`."""
    kept = {name: value for name, value in env.items() if not _OF_ONE_JOB.match(name)}
    return _WITHOUT_THREADS | kept


@dataclass(frozen=True, slots=True)
class ParentVariables:
    """A parent's variables, and what its imports made of them."""

    env: Mapping[str, str]
    read: frozenset[str]  # by name, present or not
    listed: bool  # an import went through all of them, surely for a prefix of its own
    packages: frozenset[str]  # top-level names of what is imported

    def in_the_way(self, env: Mapping[str, str]) -> frozenset[str]:
        """Return the variables for whose sake a job would have imported something else."""
        names = (self.env.keys() | env.keys()) - _WITHOUT_THREADS.keys()
        differing = {name for name in names if self.env.get(name) != env.get(name)}
        return frozenset(name for name in differing if self._matters(name))

    def _matters(self, name: str) -> bool:
        if name in _SET_AGAIN:
            return False
        if name in self.read or _READ_BY_LIBRARIES.match(name):
            return True
        prefix = name.partition("_")[0].lower()
        return self.listed and prefix in self.packages and prefix not in _NEVER_LISTED
