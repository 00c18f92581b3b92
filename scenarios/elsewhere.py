"""Run one of our verbs in a process that has what `rehearse env` prints.

Those variables must be there before the SDKs are imported, so they go to a new process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from azure_adapters import settings as targets


class NotUp(RuntimeError):
    """No emulators to run on; the message is what `rehearse env` said."""


def run(module: str, words: Sequence[str], state: Path | None) -> int:
    """Run `python -m module words` on the emulators of a state folder; return its exit code.

    Raises:
        NotUp: they are not up.
    """
    where = [] if state is None else ["--state", str(state)]
    ask = [sys.executable, "-m", "emulators", "env", "--format", "json", *where]
    said = subprocess.run(ask, capture_output=True, text=True, check=False)
    if said.returncode:
        raise NotUp((said.stderr or said.stdout).strip())
    environment = {**targets.started_with(), **json.loads(said.stdout)}
    child = subprocess.Popen([sys.executable, "-m", module, *words], env=environment)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue  # the child had the same signal, and cleans up
