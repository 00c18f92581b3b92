"""Environments of their own for programs that tests compare with; built by uv, kept in `.cache`."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

CACHE = Path(__file__).parents[1] / ".cache" / "envs"


def uv() -> str:
    """Path of uv: the one of this environment, else of PATH."""
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
        if found is None:
            pytest.skip("uv is not installed")
        return found


def peer_environment(name: str, requirements: Sequence[str], python: str = "3.11") -> Path:
    """Return the interpreter of an environment with `requirements`, made once per content.

    Skips the test when no package index can be reached.
    """
    content = json.dumps([python, *sorted(requirements)]).encode()
    folder = CACHE / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}"
    interpreter, done = folder / "bin" / "python", folder / ".complete"
    if done.exists():
        return interpreter
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _run([uv(), "venv", "-q", "-p", python, str(folder)])
            _run([uv(), "pip", "install", "-q", "--python", str(interpreter), *requirements])
            done.touch()
    return interpreter


def _run(command: list[str]) -> None:
    made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    if made.returncode:
        pytest.skip(f"the peer's environment cannot be built here: {made.stderr[-400:]}")


def interpreter(version: str) -> Path | None:
    """An installed Python of that version (`3.8`): PATH, pyenv, then what uv knows; else None."""
    found = shutil.which(f"python{version}")
    if found and _is(found, version):
        return Path(found)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for candidate in sorted(pyenv.glob(f"versions/{version}*/bin/python{version}")):
        if _is(str(candidate), version):
            return candidate
    asked = subprocess.run(
        [uv(), "python", "find", "--no-python-downloads", version],
        capture_output=True,
        text=True,
        check=False,
    )
    path = asked.stdout.strip()
    return Path(path) if asked.returncode == 0 and _is(path, version) else None


def _is(path: str, version: str) -> bool:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    told = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False)
    return told.returncode == 0 and told.stdout.strip() == version
