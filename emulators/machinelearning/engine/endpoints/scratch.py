"""Folders with short paths for as long as a host runs: sockets, and where models are shown."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

SHORT = Path("/tmp")


class Scratch:
    """What one state folder has in the system's temporary folder.

    A state folder's own path may be longer than a Unix socket's can be (about 100 bytes), and
    code that splits AZUREML_MODEL_DIR counts on four parts before the model's name. All folders
    carry the state folder's mark, so that the next host finds what a killed one left.
    """

    def __init__(self, state: Path) -> None:
        self._mark = f"rehearsal-{hashlib.sha256(os.fsencode(state)).hexdigest()[:10]}-"
        usable = SHORT.is_dir() and os.access(SHORT, os.W_OK)
        self._parent = SHORT if usable else Path(tempfile.gettempdir())

    def new(self) -> Path:
        """A new folder, private to this user."""
        return Path(tempfile.mkdtemp(prefix=self._mark, dir=self._parent))

    def every(self) -> list[Path]:
        """The folders there are; another user's with such a name are not ours."""
        found = self._parent.glob(f"{self._mark}*")
        return [one for one in found if one.lstat().st_uid == os.getuid()]

    def sweep(self) -> None:
        """Remove them all. Only the one host of the state folder may."""
        for folder in self.every():
            shutil.rmtree(folder, ignore_errors=True)
