"""What Azure's driver offers a batch script to import: `azureml_user.parallel_run.EntryScript`.

Source: learn.microsoft.com/azure/machine-learning, debugging of parallel runs: the helper's logger
writes to the entry script's log. Where the environment has the real one, that is taken.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from types import ModuleType

PACKAGE = "azureml_user"


class EntryScript:
    """A logger for the entry script's log, and the folders of the job."""

    def __init__(self) -> None:
        self.logger = logging.getLogger("EntryScript")

    @property
    def working_dir(self) -> str:
        """The folder of the code."""
        return os.getcwd()

    @property
    def output_dir(self) -> str:
        """Where a script that writes its own files puts them."""
        return os.environ.get("AZUREML_BI_OUTPUT_PATH", ".")


def install() -> None:
    """Make the helper importable, unless the environment has it."""
    if PACKAGE in sys.modules or importlib.util.find_spec(PACKAGE) is not None:
        return
    package, module = ModuleType(PACKAGE), ModuleType(PACKAGE + ".parallel_run")
    package.__path__ = []
    module.EntryScript = EntryScript  # type: ignore[attr-defined]
    package.parallel_run = module  # type: ignore[attr-defined]
    sys.modules[PACKAGE], sys.modules[module.__name__] = package, module
