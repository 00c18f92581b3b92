"""Node packages for tests, installed by npm once per content and kept in `.cache`."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

NODE_AZURE = ("@azure/identity@4", "@azure/storage-blob@12", "https-proxy-agent@7")
CACHE = Path(__file__).parents[2] / ".cache" / "node-peers"


def node_environment(name: str, packages: Sequence[str]) -> Path:
    """Return a folder with `node_modules` that holds `packages`; skips where there is no npm."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    content = json.dumps(sorted(packages)).encode()
    folder = CACHE / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}"
    done = folder / ".complete"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            folder.mkdir(exist_ok=True)
            command = [npm, "install", "--no-audit", "--no-fund", "--silent", *packages]
            made = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, check=False, timeout=600
            )
            if made.returncode:
                pytest.skip(f"npm cannot install {packages} here: {made.stderr[-300:]}")
            done.touch()
    return folder
