"""A throw-away layer over an environment, for commands that install packages while they run."""

from __future__ import annotations

import re
import shutil
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

from emulators.machinelearning.engine.runtime.builder import run_uv
from emulators.machinelearning.engine.runtime.definition import Prepared

_INSTALLS = re.compile(
    r"\b(pip3?|uv|conda|mamba|poetry)\b[^;&|\n]*\b(install|uninstall|sync|add)\b"
)
_PIP = '#!/bin/sh\nexec "{python}" -m pip "$@"\n'


def is_wanted(command: str | Sequence[str]) -> bool:
    """Tell whether a command would change the environment it runs in."""
    return bool(_INSTALLS.search(command if isinstance(command, str) else " ".join(command)))


async def make(prepared: Prepared, folder: Path) -> Path:
    """Make a virtual environment that sees everything `prepared` has, and keeps what is added.

    Args:
        prepared: the environment below; it stays as it is.
        folder: where the layer is put, in a folder of its own.

    Returns:
        The layer; the caller removes it.

    Raises:
        BuildFailed: uv could not make it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    layer = Path(tempfile.mkdtemp(prefix="layer-", dir=folder))
    try:
        words = ["venv", "--allow-existing", "--no-python-downloads"]
        words += ["--seed"] if prepared.folder is None else []  # ours may have no pip
        words += ["--python", str(prepared.python), str(layer)]
        await run_uv(words, lambda line: None)
        (_packages(layer, prepared.version) / "below.pth").write_text(
            f"{_below(prepared)}\n", encoding="utf-8"
        )
        for name in ("pip", "pip3"):
            program = layer / "bin" / name
            program.write_text(_PIP.format(python=layer / "bin" / "python"), encoding="utf-8")
            program.chmod(0o755)
    except BaseException:
        shutil.rmtree(layer, ignore_errors=True)
        raise
    return layer


def _below(prepared: Prepared) -> Path:
    if prepared.folder is None:
        return Path(sysconfig.get_path("purelib"))
    return _packages(prepared.folder, prepared.version)


def _packages(venv: Path, version: str) -> Path:
    minor = ".".join(version.split(".")[:2])
    return venv / "lib" / f"python{minor}" / "site-packages"
