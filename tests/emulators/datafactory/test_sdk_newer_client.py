"""azure-mgmt-datafactory 10.0.0, in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.peers import peer_environment
from tests.running import Rehearsal

REQUIREMENTS = ("azure-mgmt-datafactory==10.0.0", "azure-identity>=1.25")


def test_wrong_discriminators_are_rejected_with_their_cause_and_plain_dicts_work(
    rehearsal: Rehearsal,
) -> None:
    python = peer_environment("datafactory-10", REQUIREMENTS)
    done = subprocess.run(
        [str(python), str(Path(__file__).with_name("newer_client.py")), "run"],
        env={**os.environ, **rehearsal.env},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    status, code, message = found["typed pipeline"]
    assert (status, code) == (400, "InvalidTemplate")
    assert "Typed models of azure-mgmt-datafactory 10.0.0" in message
    assert found["typed linked service"][0] == 400
    assert found["raw pipeline"] is None
    assert found["names"] == ["Raw"]
    assert found["run"] == "Raw"
