"""Boot the worker as the inference server boots, then answer frames until the pool goes away."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import faulthandler
import itertools
import logging
import os
import signal
import sys
import traceback
from typing import Any, Iterator, List

from . import collecting, collector, logs, script, shims
from .channel import Channel
from .routes import Server
from .settings import SERVER_VERSION, BadSettings, Settings
from .swagger import Swagger

logger = logging.getLogger("azmlinfsrv")
BOOT_ERROR = 3  # gunicorn's code for an app that cannot boot
TREE_LINES = 200
PR_SET_PDEATHSIG = 1
LAST_S = 0.7  # for what was collected and not sent yet; the pool gives an idle process a second
WINDOW = 32  # requests this process may hold: they are begun one after the other


class CannotBoot(Exception):
    """The deployment cannot serve; the text is what its owner should read."""


def main(argv: List[str]) -> int:
    options = _options(argv)
    _die_with_parent()
    faulthandler.enable()
    channel = Channel(options.socket, options.worker)
    try:
        server = boot(options)
    except CannotBoot as error:
        logs.requests.flush()
        sys.stdout.flush()
        channel.failed(str(error))
        return BOOT_ERROR
    channel.hello({"window": server.window, "merges": server.merges})
    server.serve(channel)
    collecting.flush(LAST_S)
    return 0


def _options(argv: List[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="worker.py")
    parser.add_argument("--socket", required=True, help="Unix socket of the pool")
    parser.add_argument("--worker", type=int, required=True, help="this process's place in it")
    parser.add_argument("--mlflow-model", default="", help="folder with an MLmodel: no script")
    parser.add_argument(
        "--onnx", default="", help="folder made by the converter; or with just model.onnx"
    )
    return parser.parse_args(argv)


def _die_with_parent() -> None:
    """Ask the kernel to kill this process when the one that started it dies (Linux)."""
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class ScriptServer:
    """One request, one call of run(), in the order they came."""

    window = WINDOW
    merges = False

    def __init__(self, server: Server) -> None:
        self._server = server

    def serve(self, channel: Channel) -> None:
        """Answer until the pool goes away."""
        handle = self._server.handle
        while True:
            requests = channel.receive()
            if requests is None:
                break
            for frame in requests:
                reply = handle(frame.head, frame.body)
                channel.reply(frame.id, reply.status, reply.head, reply.body)
            if channel.idle():
                logs.requests.flush()
        logs.requests.flush()


def boot(options: argparse.Namespace) -> Any:
    """Do what the inference server does before its first request.

    Raises:
        CannotBoot: with the text for the log.
    """
    try:
        settings = Settings()
        _paths(settings)
        shims.install()
        logs.configure(settings.app_root, settings.entry_script)
    except BadSettings as error:
        raise CannotBoot(_critical(str(error))) from None
    except Exception:
        raise CannotBoot(_critical(f"Invalid config file!: {traceback.format_exc()}")) from None
    print(f"\nAzure ML Inferencing HTTP server v{SERVER_VERSION}\n")
    print("Initializing logger")
    logs.capture_print()
    logger.info("Starting up app insights client")
    collector.prepare()
    if options.mlflow_model or options.onnx:
        from . import nocode

        loaded = _load(lambda: nocode.load(options.mlflow_model, options.onnx), settings)
    else:
        loaded = _load(lambda: script.load(settings.app_root, settings.entry_script), settings)
    _init(loaded, settings)
    server = Server(settings, loaded, Swagger(settings, loaded))
    logger.info("Scoring timeout is set to %s", settings.scoring_timeout_ms)
    logger.info("Worker with pid %s ready for serving traffic", os.getpid())
    if options.mlflow_model or options.onnx:
        return nocode.served(loaded, server)
    return _script_server(loaded, settings, server)


def _script_server(loaded: script.Script, settings: Settings, server: Server) -> Any:
    """The loop for a script: rows are merged only if it says so and proves it."""
    from .merging import MergingServer
    from .script_batch import DECLARATION, ScriptBatch

    if not getattr(loaded.module, DECLARATION, False):
        return ScriptServer(server)
    try:
        batch = ScriptBatch.of(loaded, settings.scoring_timeout_ms)
    except Exception as error:
        logger.warning("%s is set, but rows are not merged: %r", DECLARATION, error)
        return ScriptServer(server)
    logger.info("Rows of waiting requests are scored together")
    return MergingServer(server, batch)


def _paths(settings: Settings) -> None:
    sys.path.insert(0, os.getcwd())
    sys.path.append(settings.app_root)
    if settings.source_dir:
        sys.path.append(os.path.join(settings.app_root, settings.source_dir))


def _critical(text: str) -> str:
    line = "===================================================="
    print(f"\n{line}\n{text}\n{line}", file=sys.stderr)
    return text


def _load(load: Any, settings: Settings) -> script.Script:
    try:
        loaded: script.Script = load()
        return loaded
    except script.ScriptError:
        text = traceback.format_exc()
        if "No module named 'main'" in text:
            logger.error("No score script found. Expected score script main.py.")
            logger.error("Expected script to be found in PYTHONPATH: %s", sys.path)
            if os.path.isdir(settings.app_root):
                found = os.listdir(settings.app_root)
                logger.error("Current contents of AML_APP_ROOT: %s", found)
            else:
                logger.error(
                    "The directory %s not an accessible directory in the container.",
                    settings.app_root,
                )
        else:
            if "FileNotFoundError" in text:
                logger.error("No such file or directory.")
            logger.error(text)
        raise CannotBoot(text) from None


def _init(loaded: script.Script, settings: Settings) -> None:
    try:
        loaded.init()
    except script.ScriptError:
        text = traceback.format_exc()
        logger.error("User's init function failed")
        logger.error("Encountered Exception %s", text)
        if settings.model_dir and os.path.exists(settings.model_dir):
            logger.info("Model Directory Contents:")
            tree = _tree(settings.model_dir)
            for line in itertools.islice(tree, TREE_LINES):
                logger.info(line)
            if next(tree, None):
                logger.info("Output Truncated. First %s lines shown.", TREE_LINES)
        raise CannotBoot(text) from None


def _tree(path: str, depth: int = 0) -> Iterator[str]:
    path = os.path.normpath(path)
    name = " " * 4 * depth + os.path.basename(path)
    if not os.path.isdir(path):
        yield name
        return
    yield name + os.sep
    for child in sorted(os.listdir(path)):
        yield from _tree(os.path.join(path, child), depth + 1)
