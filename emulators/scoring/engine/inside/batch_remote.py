"""Scores mini-batches on a worker of somebody's cluster: sent there as text, needs nothing of ours.

Each worker process unpacks a deployment once and keeps it initialised; files come with their
mini-batch and go with it. One mini-batch at a time, whatever threads the worker has: scripts are
written for a process of their own.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import os
import shutil
import sys
import tarfile
import tempfile
import threading
import time
import traceback
from typing import Any, Dict, List, Tuple

OK, FAILED, USELESS, UNREADY = "ok", "failed", "useless", "unready"


Files = List[Tuple[str, bytes]]


def score(package: bytes, digest: str, about: Dict[str, Any], files: Files) -> Any:
    """Score one mini-batch.

    Args:
        package: a tar of `inside` (our scoring code), `code` and `models`, those that there are.
        digest: names the package and its settings.
        about: `script`, `model`, `onnx` (paths in the package), `variables`, `level`.
        files: name and content of each file.

    Returns:
        How it came out, and: items, rows and lines; or a text that says why not.
    """
    state = _state()
    with state["lock"]:
        try:
            scorer = _scorer(state, package, digest, about)
        except BaseException:
            return UNREADY, traceback.format_exc()[-16000:]
        folder = tempfile.mkdtemp(dir=state["folder"])
        try:
            return _scored(scorer, folder, files)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _state() -> Dict[str, Any]:
    """What this process keeps between mini-batches, kept where sent code finds it again."""
    fresh = {"lock": threading.RLock(), "scorers": {}}
    state: Dict[str, Any] = sys.__dict__.setdefault("_rehearsal_batch", fresh)
    with state["lock"]:
        if "folder" not in state:
            state["folder"] = tempfile.mkdtemp(prefix="rehearsal-batch-")
    return state


def _scored(scorer: Any, folder: str, files: Files) -> Any:
    began, paths = time.perf_counter(), []
    try:
        for at, (name, content) in enumerate(files):
            # Files of one name may come from several folders.
            os.makedirs(os.path.join(folder, str(at)))
            paths.append(os.path.join(folder, str(at), name))
            with open(paths[-1], "wb") as file:
                file.write(content)
        out = io.BytesIO()
        items, rows = scorer.score(paths, out)
    except BaseException as error:
        useless = type(error).__name__ == "Useless"
        return (USELESS if useless else FAILED), traceback.format_exc()[-16000:]
    return OK, (items, rows, time.perf_counter() - began, out.getvalue())


def _scorer(state: Dict[str, Any], package: bytes, digest: str, about: Dict[str, Any]) -> Any:
    if digest in state["scorers"]:
        return state["scorers"][digest]
    root = os.path.join(state["folder"], digest)
    if not os.path.isdir(root):
        unpacked = tempfile.mkdtemp(dir=state["folder"])
        with tarfile.open(fileobj=io.BytesIO(package)) as archive:
            archive.extractall(unpacked)
        os.rename(unpacked, root)
    os.environ.update(about["variables"])
    if about["model_dir"]:
        os.environ["AZUREML_MODEL_DIR"] = os.path.join(root, about["model_dir"])
    inside = "_rehearsal_batch_" + digest
    _load(inside, os.path.join(root, "inside"))
    made = _made(inside, root, about)
    state["scorers"][digest] = made
    return made


def _made(inside: str, root: str, about: Dict[str, Any]) -> Any:
    if about["script"]:
        os.chdir(os.path.join(root, "code"))
        module = importlib.import_module(inside + ".batch_script")
        return module.BatchScript(os.path.join(root, "code"), about["script"], summary=False)
    model = os.path.join(root, about["model"])
    if about["onnx"]:
        module = importlib.import_module(inside + ".batch_onnx")
        return module.OnnxFiles(os.path.join(root, about["onnx"]), model)
    return importlib.import_module(inside + ".batch_frames").ModelFiles(model)


def _load(name: str, folder: str) -> None:
    """Make a folder a package under a name of its own."""
    spec = importlib.util.spec_from_file_location(
        name, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    spec.loader.exec_module(package)
