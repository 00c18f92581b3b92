"""The first process of a container: leads one command, and its calls home by Unix sockets."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sys
import threading
from typing import Any, Sequence

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import leash  # type: ignore[import-not-found]

CHUNK = 1 << 16
NO_HOME = "/tmp"  # writable in every image
FIRST_TO_GO = "500"  # of 1000: when memory runs out, the command is ended, not what watches it
LOOPBACK = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
OOM_COUNTS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
"""Where cgroups, version 2 and 1, count what they ended; both have a line `oom_kill N`."""


class Contained(leash.Leash):  # type: ignore[misc]
    """Watches the command; its doors are open as long as that."""

    doors: Sequence[Door] = ()

    def run(self, wake: int) -> None:
        for door in self.doors:
            threading.Thread(target=door.serve, daemon=True).start()
        super().run(wake)

    def _starved(self) -> bool:
        return oom_kills() > 0


class Door:
    """A loopback port of this container that leads to a Unix socket of the machine outside."""

    def __init__(self, family: int, address: str, port: int, path: str) -> None:
        self._path = path
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((address, port))
        self._socket.listen(256)

    def serve(self) -> None:
        """Take every caller through, for as long as this process lives."""
        while True:
            caller, _ = self._socket.accept()
            threading.Thread(target=self._through, args=(caller,), daemon=True).start()

    def _through(self, caller: socket.socket) -> None:
        far = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with caller, far:
            try:
                far.connect(self._path)
            except OSError as problem:
                os.write(2, ("[rehearsal] no way home: %s\n" % problem).encode())
                return
            back = threading.Thread(target=pump, args=(far, caller), daemon=True)
            back.start()
            pump(caller, far)
            back.join()


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Carry bytes one way until their source has no more, or their sink wants none."""
    try:
        while True:
            data = source.recv(CHUNK)
            if not data:
                break
            sink.sendall(data)
    except OSError:
        with contextlib.suppress(OSError):
            source.shutdown(socket.SHUT_RD)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def open_doors(ports: dict[str, str]) -> list[Door]:
    """Listen on loopback; an address family that the container lacks is left out."""
    doors = []
    for port, path in ports.items():
        for family, address in LOOPBACK:
            try:
                doors.append(Door(family, address, int(port), path))
            except OSError:
                if family == socket.AF_INET:
                    raise
    return doors


def oom_kills() -> int:
    """Count the processes of this container that the system ended for want of memory."""
    for path in OOM_COUNTS:
        try:
            with open(path) as lines:
                for line in lines:
                    name, _, count = line.partition(" ")
                    if name == "oom_kill":
                        return int(count)
        except (OSError, ValueError):
            continue
    return 0


def environment(given: dict[str, str]) -> dict[str, str]:
    """Return the command's variables: the image's, then those given, then what any user has."""
    env = dict(os.environ, **given)
    if not os.access(env.get("HOME", ""), os.W_OK):
        env["HOME"] = NO_HOME
    try:
        import pwd

        name = pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        name = "azureml"  # a user number without an entry: getpass.getuser() would fail
    env.setdefault("USER", name)
    env.setdefault("LOGNAME", name)
    return env


def command(argv: list[str]) -> list[str]:
    """Return the words to start; an image without bash has another shell."""
    if argv[0] == "bash" and shutil.which("bash") is None:
        return ["sh", *argv[1:]]
    return argv


def main() -> None:
    """Serve one request, which comes over the Unix socket named in argv[1]."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(sys.argv[1])
    except OSError:
        sys.exit(3)  # whoever wanted this is gone
    request: dict[str, Any] = leash.receive(connection)
    try:
        Contained.doors = open_doors(request.get("doors") or {})
    except OSError as problem:
        leash.tell(connection, event="refused", detail="no way home: %s" % problem)
        return
    request["env"] = environment(request["env"])
    request["argv"] = command(request["argv"])
    if leash.lead(connection, request, Contained):
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
            score.write(FIRST_TO_GO)
        leash.execute(request)


if __name__ == "__main__":
    main()
