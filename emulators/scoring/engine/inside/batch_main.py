"""Load what a batch deployment scores with, then score one mini-batch after the other."""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import time
import traceback
from typing import Any, Dict, List

from .batch_logs import Logs
from .batch_table import Useless
from .channel import Channel, frames

INIT_FAILED = 3
OK, FAILED, USELESS = 200, 500, 422
"""How a mini-batch came out; after USELESS no other try would do better."""


def main(argv: List[str]) -> int:
    options = _options(argv)
    logs = Logs(options.logs, options.process, options.level)
    logs.redirect()
    faulthandler.enable()
    channel = Channel(options.socket, options.worker)
    try:
        scorer = load(options)
    except BaseException:
        text = traceback.format_exc()
        logs.keep("The entry script could not be loaded, or its init() failed", text)
        channel.failed(text)
        return INIT_FAILED
    channel.hello({})
    serve(channel, scorer, logs)
    return 0


def _options(argv: List[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="batch_worker.py")
    parser.add_argument("--socket", required=True)
    parser.add_argument("--worker", type=int, required=True)
    parser.add_argument("--process", required=True, help="NODE/processNNN: names its logs")
    parser.add_argument("--logs", required=True, help="folder of the job's user logs")
    parser.add_argument("--level", default="info")
    parser.add_argument("--script", default="", help="scoring script; its folder is searched")
    parser.add_argument("--argument", action="append", default=[], help="one of the script's own")
    parser.add_argument("--root", default="", help="folder of the code")
    parser.add_argument("--mlflow-model", default="")
    parser.add_argument("--onnx", default="", help="folder made by the converter")
    parser.add_argument("--summary", action="store_true", help="the script writes its own files")
    return parser.parse_args(argv)


def load(options: argparse.Namespace) -> Any:
    """Make what scores: an object with `score(files, out)` that returns items and rows."""
    if options.script:
        from .batch_script import BatchScript

        return BatchScript(
            options.root, options.script, summary=options.summary, arguments=options.argument
        )
    if options.onnx:
        from .batch_onnx import OnnxFiles

        return OnnxFiles(options.onnx, options.mlflow_model)
    from .batch_frames import ModelFiles

    return ModelFiles(options.mlflow_model)


def serve(channel: Channel, scorer: Any, logs: Logs) -> None:
    """Answer until the other end is closed."""
    while True:
        requests = channel.receive()
        if requests is None:
            return
        for frame in requests:
            asked = json.loads(frame.body)
            status, said = _scored(scorer, asked, logs)
            logs.flush()
            body = json.dumps(said).encode("utf-8", "replace")
            channel.send(frames.encode(frames.RESPONSE, frame.id, status, b"", body))


def _scored(scorer: Any, asked: Dict[str, Any], logs: Logs) -> Any:
    """Score one mini-batch into its own file."""
    began = time.perf_counter()
    try:
        # A second try begins anew: what the first wrote is cut off.
        with open(asked["out"], "wb", buffering=1 << 20) as out:
            items, rows = scorer.score(asked["files"], out)
    except BaseException as error:
        text = traceback.format_exc()
        names = ", ".join(os.path.basename(file) for file in asked["files"][:5])
        logs.keep("mini-batch %s (%s) failed" % (asked["number"], names), text)
        said: Dict[str, Any] = {"error": text[-16000:], "kind": type(error).__name__}
        return (USELESS if isinstance(error, Useless) else FAILED), said
    seconds = time.perf_counter() - began
    return OK, {"items": items, "rows": rows, "seconds": seconds}
