"""Models turned to ONNX and proven over files, once for the same content, on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import emulators
from emulators.kernel.context import Context
from emulators.machinelearning.engine.endpoints import contents

SCORING = Path(emulators.__file__).parent / "scoring" / "engine"
PROOF, VERDICT = "batch.json", "verdict.json"
PROVE_TIMEOUT_S = 180.0
MADE_BY = (
    "scikit-learn",
    "skl2onnx",
    "onnx",
    "onnxruntime",
    "mlflow",
    "pandas",
    "pyarrow",
    "numpy",
)
"""Packages whose versions a conversion and its proof depend on."""

Say = Callable[[str], None]


class Converted:
    """The models of one host; the folder is shared by all state folders."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._root = ctx.settings.cache_dir.expanduser() / "onnx"
        self._turns: dict[str, asyncio.Lock] = {}
        self._gone: dict[str, str] = {}  # what took too long: another try by the next host

    async def of(self, served: Path, say: Say) -> Path | None:
        """The model in folder `served` as ONNX, where files scored by it give the same rows."""
        digest = await asyncio.to_thread(digest_of, served)
        kept = self._root / digest
        async with self._turns.setdefault(digest, asyncio.Lock()):
            if digest in self._gone:
                say(f"model served as it is: {self._gone[digest]}")
                return None
            if not kept.is_dir():
                say("comparing the model as ONNX with the original, once for this content")
                await self._make(served, kept, digest)
        return _told(kept, say) if kept.is_dir() else None

    async def _make(self, served: Path, kept: Path, digest: str) -> None:
        """Convert and prove; what is at `kept` afterwards is complete."""
        partial = kept.with_name(f"{digest}.{self._ctx.ids.hex(6)}.partial")
        partial.parent.mkdir(parents=True, exist_ok=True)
        said: list[str] = []
        try:
            if await contents.converted(served, partial, said.append) is not None:
                proof = await _proven(served, partial)
                (partial / PROOF).write_text(json.dumps(proof), encoding="utf-8")
                said.append(str(proof.get("reason", "")))
            if any("no answer within" in line for line in said):
                self._gone[digest] = said[-1]
                return
            with contextlib.suppress(OSError):  # another host was faster
                partial.rename(kept)
        finally:
            await asyncio.to_thread(shutil.rmtree, partial, ignore_errors=True)


def _told(kept: Path, say: Say) -> Path | None:
    verdict = json.loads((kept / VERDICT).read_text(encoding="utf-8"))
    if not verdict.get("converted"):
        say(f"model served as it is: {verdict.get('reason')}")
        return None
    proof = json.loads((kept / PROOF).read_text(encoding="utf-8"))
    if not proof.get("proven"):
        say(f"files are scored by the model as it is: {proof.get('reason')}")
        return None
    say(f"model served as ONNX: equal on {verdict.get('rows')} rows, and on files")
    return kept


def digest_of(served: Path) -> str:
    """Names a model's content, and everything that has a say in its conversion."""
    found = hashlib.sha256(json.dumps([sys.version_info[:3], _versions()]).encode())
    for folder, pattern in ((SCORING, "*.py"), (served, "*")):
        for file in _files(folder, pattern):
            found.update(f"{file.relative_to(folder).as_posix()}\0{file.stat().st_size}\0".encode())
            with file.open("rb") as content:
                for chunk in iter(lambda: content.read(1 << 20), b""):
                    found.update(chunk)
    return found.hexdigest()[:32]


def _files(folder: Path, pattern: str) -> Iterator[Path]:
    if folder.is_file():
        raise ValueError(f"{folder} is no folder")
    for at, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(at, name) for name in sorted(names) if Path(name).match(pattern))


def _versions() -> list[str]:
    found = []
    for name in MADE_BY:
        try:
            found.append(version(name))
        except PackageNotFoundError:
            found.append("")
    return found


async def _proven(model: Path, onnx: Path) -> dict[str, Any]:
    """Compare the converted model with the original on files, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "emulators.scoring", "prove-files", str(model), str(onnx)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        text, errors = await asyncio.wait_for(process.communicate(), PROVE_TIMEOUT_S)
        said: dict[str, Any] = json.loads(text.decode().strip().splitlines()[-1])
    except TimeoutError:
        return {"proven": False, "reason": f"no answer within {PROVE_TIMEOUT_S:g} s"}
    except (ValueError, IndexError):
        return {"proven": False, "reason": errors.decode(errors="replace")[-400:]}
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
    return said
