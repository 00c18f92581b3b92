"""Unix sockets in folders whose paths may be longer than a socket's address can be."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def listening(path: Path) -> socket.socket:
    """Listen at a path, however long, reachable by this user only."""
    path.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.bind(f"/proc/self/fd/{folder}/{path.name}")
        path.chmod(0o600)
        made.listen(128)
    finally:
        os.close(folder)
    return made
