"""A scenario run as a user runs it: by the command, on the emulators that are up."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from tests.running import Rehearsal


@dataclass(frozen=True, slots=True)
class Performed:
    """How the command ended: its code, its one JSON object, and what it showed on the way."""

    code: int
    said: dict[str, Any]
    shown: str

    @property
    def steps(self) -> list[str]:
        """The names of the steps after the first, which connects."""
        first, *rest = [step["name"] for step in self.said["steps"]]
        assert first == "connect"
        return rest

    @property
    def details(self) -> dict[str, str]:
        """What each step said."""
        return {step["name"]: step["detail"] for step in self.said["steps"]}


def perform(rehearsal: Rehearsal, scenario: str, *words: str) -> Performed:
    """Run `rehearse run` with `--json`."""
    verb = [sys.executable, "-m", "emulators", "run", scenario, "--json"]
    ended = subprocess.run(
        [*verb, "--state", str(rehearsal.state), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=290,
    )
    lines = ended.stdout.strip().splitlines()
    assert len(lines) == 1, ended.stderr
    return Performed(ended.returncode, json.loads(lines[0]), ended.stderr)
