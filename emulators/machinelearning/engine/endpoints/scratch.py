"""Folders with short paths for as long as a host runs: sockets, and where models are shown."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from emulators.kernel.folder import holder

SHORT = Path("/tmp")
OWNER = ".state"  # file with the path of the state folder


class Scratch:
    """What one state folder has in the system's temporary folder.

    A state folder's own path may be longer than a Unix socket's can be (about 100 bytes), and
    code that splits AZUREML_MODEL_DIR counts on four parts before the model's name. All folders
    carry the state folder's mark, so that the next host finds what a killed one left.
    """

    def __init__(self, state: Path) -> None:
        self._state = state
        self._mark = f"rehearsal-{hashlib.sha256(os.fsencode(state)).hexdigest()[:10]}-"
        usable = SHORT.is_dir() and os.access(SHORT, os.W_OK)
        self._parent = SHORT if usable else Path(tempfile.gettempdir())

    def new(self) -> Path:
        """A new folder, private to this user."""
        made = Path(tempfile.mkdtemp(prefix=self._mark, dir=self._parent))
        (made / OWNER).write_bytes(os.fsencode(self._state))
        return made

    def every(self) -> list[Path]:
        """The folders there are; another user's with such a name are not ours."""
        return self._own(f"{self._mark}*")

    def sweep(self) -> None:
        """Remove them all, and what killed hosts of other state folders left.

        Only the one host of the state folder may.
        """
        left = [one for one in self._own("rehearsal-*-*") if _abandoned(one)]
        for folder in {*self.every(), *left}:
            shutil.rmtree(folder, ignore_errors=True)

    def _own(self, pattern: str) -> list[Path]:
        found = []
        for one in self._parent.glob(pattern):
            with suppress(OSError):  # others come and go
                if one.lstat().st_uid == os.getuid():
                    found.append(one)
        return found


def _abandoned(folder: Path) -> bool:
    """Whether the state folder it belongs to is gone, or was served and is no more."""
    try:
        state = Path(os.fsdecode((folder / OWNER).read_bytes()))
    except OSError:
        return False
    return not state.is_dir() or ((state / "run/lock").exists() and holder(state) is None)
