"""A user's batch script: `init()` once, `run(mini_batch)` for each list of files."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Any, BinaryIO, List, Sequence, Tuple

from . import batch_shims
from .batch_rows import lines_of


class BatchScript:
    """The script, loaded and initialised."""

    def __init__(
        self, root: str, script: str, *, summary: bool, arguments: Sequence[str] = ()
    ) -> None:
        """Import the script and call its init().

        Args:
            root: the folder of the code; searched for modules, as is the script's own.
            script: path of the script below `root`.
            summary: the script writes its own files; what run() returns is only counted.
            arguments: what its command line has, as a parallel job gives it.

        Raises:
            Exception: whatever the script raises.
        """
        path = os.path.join(root, *script.split("/"))
        for folder in (root, os.path.dirname(path)):
            if folder not in sys.path:
                sys.path.insert(0, folder)
        sys.argv = [path, *arguments]
        batch_shims.install()
        spec = importlib.util.spec_from_file_location("entry_module", path)
        if spec is None or spec.loader is None or not os.path.isfile(path):
            raise FileNotFoundError("the scoring script %r is not in the code" % script)
        module = importlib.util.module_from_spec(spec)
        sys.modules["entry_module"] = module
        spec.loader.exec_module(module)
        self._run = getattr(module, "run", None)
        if not callable(self._run):
            raise AttributeError("the scoring script %r has no run() function" % script)
        self._summary = summary
        init = getattr(module, "init", None)
        if init is not None:
            init()

    def score(self, files: List[str], out: BinaryIO) -> Tuple[int, int]:
        """Call run() and write what it returned.

        Returns:
            How many of the files count as scored, and how many rows were written.

        Raises:
            Exception: run() raised, or returned what it may not.
        """
        returned: Any = self._run(list(files))  # type: ignore[misc]
        if self._summary:
            return min(len(returned), len(files)), 0
        count, data = lines_of(returned)
        out.write(data)
        return min(count, len(files)), count
