"""The worker's end of the Unix socket: blocking, one thread."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import select
import socket
import sys
from types import ModuleType
from typing import Any, Dict, List, Optional

RECEIVE_BYTES = 1 << 18
_FRAMES = "_rehearsal_frames"


def _load_frames() -> ModuleType:
    """Load the kernel's frames by path: this interpreter may not have the package installed."""
    if _FRAMES in sys.modules:
        return sys.modules[_FRAMES]
    root = os.path.dirname(os.path.abspath(__file__))
    for _ in range(3):
        root = os.path.dirname(root)
    path = os.path.join(root, "kernel", "frames.py")
    spec = importlib.util.spec_from_file_location(_FRAMES, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_FRAMES] = module
    spec.loader.exec_module(module)
    return module


frames: Any = _load_frames()


class Channel:
    """Frames to and from the pool that started this process."""

    def __init__(self, path: str, worker: int) -> None:
        self._worker = worker
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(path)
        self._reader = frames.FrameReader()

    def receive(self) -> Optional[List[Any]]:
        """Wait for requests; None when the pool has gone."""
        while True:
            try:
                data = self._socket.recv(RECEIVE_BYTES)
            except InterruptedError:
                continue
            except OSError:
                return None
            if not data:
                return None
            received: List[Any] = self._reader.feed(data)
            if received:
                return received

    def more(self) -> List[Any]:
        """Take what has arrived meanwhile, without waiting."""
        received: List[Any] = []
        while select.select((self._socket,), (), (), 0)[0]:
            data = self._socket.recv(RECEIVE_BYTES)
            if not data:
                break
            received += self._reader.feed(data)
        return received

    def idle(self) -> bool:
        """True when nothing has arrived."""
        return not select.select((self._socket,), (), (), 0)[0]

    def reply(self, id_: int, status: int, head: bytes, body: bytes) -> None:
        """Answer one request; an answer too large for a frame becomes a 500."""
        try:
            data = frames.encode(frames.RESPONSE, id_, status, head, body)
        except frames.BadFrame as error:
            print(f"the answer was not sent: {error}", file=sys.stderr)
            data = frames.encode(frames.RESPONSE, id_, 500, b"", b"")
        self._socket.sendall(data)

    def send(self, data: bytes) -> None:
        """Send frames that are encoded already."""
        self._socket.sendall(data)

    def hello(self, info: Dict[str, Any]) -> None:
        """Say that requests can come."""
        head = json.dumps(dict(info, worker=self._worker, pid=os.getpid())).encode()
        self._socket.sendall(frames.encode(frames.HELLO, 0, 0, head, b""))

    def failed(self, reason: str) -> None:
        """Say that they cannot, and why."""
        head = json.dumps({"worker": self._worker, "pid": os.getpid()}).encode()
        body = reason.encode("utf-8", "replace")[-65536:]
        with contextlib.suppress(OSError):
            self._socket.sendall(frames.encode(frames.FAILED, 0, 0, head, body))
