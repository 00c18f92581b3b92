"""Node's Azure SDK against the real host, told nothing but `rehearse env`'s variables."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.frontdoor.conftest import CLEAN
from tests.frontdoor.node_peer import NODE_AZURE, node_environment
from tests.running import started

HERE = Path(__file__).parent


def test_node_signs_in_and_stores_blobs(tmp_path: Path) -> None:
    folder = node_environment("azure", NODE_AZURE)
    script = folder / "node_rehearsal.mjs"  # beside node_modules, where Node looks for packages
    script.write_text((HERE / "node_rehearsal.mjs").read_text())
    clean = {name: os.environ[name] for name in CLEAN if name in os.environ}
    with started(tmp_path, "identity", "arm", "storage") as rehearsal:
        done = subprocess.run(
            ["node", str(script)],
            env=clean | rehearsal.env, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["tenant"] == rehearsal.env["AZURE_TENANT_ID"]
    assert said["audience"].rstrip("/") == "https://management.azure.com"
    for way in ("byToken", "byKey"):
        assert said[way] == {"names": ["folder/data.bin"], "same": True}
