"""A program that stands for a command in a container: it ends as that does, and takes it along."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from emulators.machinelearning.engine.runtime.containers import engine
from emulators.machinelearning.engine.runtime.containers.engine import EngineAbsent
from emulators.machinelearning.engine.runtime.containers.sockets import listening
from emulators.machinelearning.engine.runtime.containers.specs import LEASH
from emulators.machinelearning.engine.runtime.inside import leash
from emulators.machinelearning.engine.runtime.process import NotStarted

LOOK_EVERY = 0.5  # seconds between two looks at a container that has not spoken yet
NOT_STARTED = 125  # exit code, as of `docker run`


def main(file: str, words: list[str]) -> int:
    """Start what the JSON file says, with more words, and wait for its end.

    Returns:
        Its exit code; where a signal ended it, the same ends this process.
    """
    leash.prctl(leash.SET_PDEATHSIG, signal.SIGKILL)
    asked: dict[str, Any] = json.loads(Path(file).read_text(encoding="utf-8"))
    asked["request"]["argv"] += words
    own = Path(tempfile.mkdtemp(prefix="c-", dir=Path(file).parent))
    try:
        return _led(asked, own, words)
    except (EngineAbsent, NotStarted) as refused:
        sys.stderr.write(f"{refused}\n")
        return NOT_STARTED
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _led(asked: dict[str, Any], own: Path, words: list[str]) -> int:
    client, _ = engine.connect()
    with listening(own / LEASH.name) as server:
        container = engine.start(client, _config(asked, own, words))
        connection = _spoken(client, container, server)
        client.close()
    with connection:
        connection.sendall(json.dumps(asked["request"]).encode() + b"\n")
        event: dict[str, Any] = {}
        with contextlib.suppress(ValueError):  # it was removed from outside
            while event.get("event") != "ended":
                event = leash.receive(connection)
                if event.get("event") == "refused":
                    raise NotStarted(str(event.get("detail")))
    return _end(event, asked)


def _config(asked: dict[str, Any], own: Path, words: list[str]) -> dict[str, Any]:
    config: dict[str, Any] = asked["config"]
    mounts: list[dict[str, Any]] = config["HostConfig"]["Mounts"]
    for mount in mounts:
        if mount["Source"] == asked["own"]:
            mount["Source"] = str(own)
    if "--socket" in words:
        sockets = str(Path(words[words.index("--socket") + 1]).parent)
        mounts.append({"Type": "bind", "Source": sockets, "Target": sockets, "ReadOnly": True})
    return config


def _spoken(client: Any, container: str, server: socket.socket) -> socket.socket:
    server.settimeout(LOOK_EVERY)
    while True:
        try:
            connection, _ = server.accept()
        except TimeoutError:
            if engine.is_over(client, container):
                raise NotStarted(
                    "The container ended before its command could be started."
                ) from None
        else:
            connection.settimeout(None)
            return connection


def _end(event: dict[str, Any], asked: dict[str, Any]) -> int:
    if event.get("oom") and event.get("code") != 0:
        limit = asked["config"]["HostConfig"].get("Memory", 0) >> 20
        sys.stderr.write(f"[rehearsal] the container exceeded its memory limit of {limit} MiB\n")
        sys.stderr.flush()
    number = event.get("signal")
    if number is not None:
        signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
        os.kill(os.getpid(), number)
    return int(event.get("code", NOT_STARTED) or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
