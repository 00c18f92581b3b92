"""A server that says again what another said: what a client does in it is the client's own work.

python -m benchmarks.tds_replay FILE      (port on standard output; ends with its standard input)
"""

from __future__ import annotations

import pickle
import socket
import sys
import threading
from pathlib import Path


def message(connection: socket.socket) -> bytes:
    """A whole message of TDS with its packets' headers; empty at the end."""
    held = bytearray()
    while True:
        start = len(held)
        while len(held) < start + 8:
            data = connection.recv(1 << 16) if len(held) == start else connection.recv(8)
            if not data:
                return b""
            held += data
        while True:
            size = int.from_bytes(held[start + 2 : start + 4], "big")
            while len(held) < start + size:
                data = connection.recv(1 << 20)
                if not data:
                    return b""
                held += data
            if held[start + 1] & 1:
                return bytes(held)
            start += size
            if len(held) < start + 8:
                break


class Recorder:
    """Stands between a client and a server, and keeps what the server says to each request."""

    def __init__(self, port: int) -> None:
        self.answers: list[bytes] = []
        self._server = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        client, _ = self._listener.accept()
        with socket.create_connection(("127.0.0.1", self._server)) as server, client:
            while request := message(client):
                server.sendall(request)
                self.answers.append(message(server))
                client.sendall(self.answers[-1])


def replay(answers: list[bytes]) -> None:
    """Answer every request with the next of `answers`, then the last again and again."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)

    def serve(client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        at = 0
        with client:
            while message(client):
                client.sendall(answers[min(at, len(answers) - 1)])
                at += 1

    def accept() -> None:
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    replay(pickle.loads(Path(sys.argv[1]).read_bytes()))
