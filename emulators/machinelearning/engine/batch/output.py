"""The file that `append_row` makes: one writer, whole mini-batches, never part of one."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from emulators.machinelearning.engine.batch.scoring import Scored

CHUNK = 1 << 20


class AppendRows:
    """Appends the rows of mini-batches in the order they are done.

    Nobody sees the file under its own name before `close`.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._partial = target.with_name(f".{target.name}.partial")
        self._partial.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._partial.open("wb")
        self._turn = asyncio.Lock()

    async def take(self, scored: Scored) -> None:
        """Append one mini-batch's part, and remove that."""
        if scored.part is None:
            return
        async with self._turn:
            await asyncio.to_thread(self._append, scored.part)

    def _append(self, part: Path) -> None:
        with part.open("rb") as source:
            shutil.copyfileobj(source, self._file, CHUNK)
        part.unlink()

    def close(self) -> None:
        """Everything is there: show it."""
        self._file.close()
        self._partial.replace(self._target)

    def discard(self) -> None:
        """Leave nothing; harmless after `close`."""
        self._file.close()
        self._partial.unlink(missing_ok=True)


class Nothing:
    """For `summary_only`: the script has written its own files."""

    async def take(self, scored: Scored) -> None:
        """Drop what was returned."""
        if scored.part is not None:
            scored.part.unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing was written."""

    def discard(self) -> None:
        """Nothing was written."""
