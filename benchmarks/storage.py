"""Blob throughput here and in Azurite, both over TLS, in one interleaved run; and memory for 1 GiB.

    python -m benchmarks.storage [--rounds 5] [--big-mib 1024]

The client is a bare http.client with a SAS, so that what is measured is the servers. Here the
explicit door of `rehearse up` answers; Azurite keeps its bytes in memory, this one on disk.
"""

from __future__ import annotations

import argparse
import http.client
import os
import ssl
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from azure.storage.blob import generate_account_sas

from emulators.kernel.secrets import Secrets
from emulators.kernel.tls import open_authority
from tests.emulators.storage.sides import azurite
from tests.running import Rehearsal, started

VERSION = {"x-ms-version": "2024-11-04", "x-ms-blob-type": "BlockBlob"}
MIB = 1 << 20


@dataclass
class Server:
    """A Blob service, and a connection to it."""

    name: str
    root: str
    sas: str
    context: ssl.SSLContext
    http: http.client.HTTPSConnection | None = None

    def connect(self) -> None:
        """Open a connection that is used for every call of a round."""
        place = urlsplit(self.root)
        assert place.hostname
        self.http = http.client.HTTPSConnection(
            place.hostname, place.port, context=self.context, timeout=300
        )

    def call(self, method: str, path: str, query: str = "", body: bytes = b"") -> int:
        """Send a request and read the whole answer; its size in bytes."""
        assert self.http is not None
        where = f"{urlsplit(self.root).path}{path}?{query}&{self.sas}"
        self.http.request(
            method, where, body or None, {**VERSION, "content-length": str(len(body))}
        )
        answer = self.http.getresponse()
        size = 0
        while chunk := answer.read(MIB):
            size += len(chunk)
        if answer.status >= 300:
            raise RuntimeError(f"{self.name}: {method} {path}: {answer.status}")
        return size


BIG, BLOCK, SMALL = os.urandom(64 * MIB), os.urandom(4 * MIB), os.urandom(4096)


def put_big(server: Server) -> None:
    server.call("PUT", "/bench/big", "", BIG)


def get_big(server: Server) -> None:
    assert server.call("GET", "/bench/big") == len(BIG)


def put_blocks(server: Server) -> None:
    names = [f"AAAA{n:04}" for n in range(16)]
    for name in names:
        server.call("PUT", "/bench/staged", f"comp=block&blockid={name}", BLOCK)
    listed = "".join(f"<Latest>{name}</Latest>" for name in names)
    body = f"<BlockList>{listed}</BlockList>".encode()
    server.call("PUT", "/bench/staged", "comp=blocklist", body)


def put_small(server: Server) -> None:
    for n in range(200):
        server.call("PUT", f"/bench/small/{n:04}", "", SMALL)


def get_small(server: Server) -> None:
    for n in range(200):
        server.call("GET", f"/bench/small/{n:04}")


def listing(server: Server) -> None:
    for _ in range(5):
        server.call("GET", "/bench", "restype=container&comp=list&prefix=small/")


# Name: what a round does, how much of it, the unit.
ACTIONS: dict[str, tuple[Callable[[Server], None], float, str]] = {
    "put one blob of 64 MiB": (put_big, 64, "MiB/s"),
    "put it in blocks of 4 MiB": (put_blocks, 64, "MiB/s"),
    "get it": (get_big, 64, "MiB/s"),
    "put blobs of 4 KiB": (put_small, 200, "per s"),
    "get them": (get_small, 200, "per s"),
    "list 200 blobs": (listing, 5, "per s"),
}


def compare(servers: list[Server], rounds: int) -> list[str]:
    """A row an action: medians of both, taken in turns, and their ratio."""
    rows = ["| | here | Azurite | ratio |", "| --- | --- | --- | --- |"]
    for server in servers:
        server.connect()
        server.call("PUT", "/bench", "restype=container")
    for name, (act, amount, unit) in ACTIONS.items():
        rates: dict[str, list[float]] = {server.name: [] for server in servers}
        for number in range(rounds + 1):
            for server in servers if number % 2 else servers[::-1]:
                began = time.perf_counter()
                act(server)
                if number:
                    rates[server.name].append(amount / (time.perf_counter() - began))
        here, there = (statistics.median(rates[server.name]) for server in servers)
        rows.append(f"| {name} | {here:.0f} {unit} | {there:.0f} {unit} | {here / there:.2f} |")
    return rows


def memory(server: Server, process: psutil.Process, mib: int) -> list[str]:
    """How much larger the server grows while one blob of `mib` MiB goes up and down."""
    before = process.memory_info().rss
    peak, done = [before], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    chunk = os.urandom(MIB)
    server.connect()
    assert server.http is not None
    where = f"{urlsplit(server.root).path}/bench/huge?{server.sas}"
    began = time.perf_counter()
    size = str(mib * MIB)
    body = (chunk for _ in range(mib))
    server.http.request("PUT", where, body, {**VERSION, "content-length": size})
    answer = server.http.getresponse()
    answer.read()
    assert answer.status == 201, answer.status
    up = time.perf_counter() - began
    began = time.perf_counter()
    assert server.call("GET", "/bench/huge") == mib * MIB
    down = time.perf_counter() - began
    done.set()
    watcher.join()
    grown = (peak[0] - before) / MIB
    return [
        f"| one blob of {mib} MiB up, then down | {mib / up:.0f} and {mib / down:.0f} MiB/s | | |",
        f"| memory the server grows by meanwhile | {grown:.0f} MiB | target 100 MiB | |",
    ]


def _here(running: Rehearsal) -> tuple[Server, str, str]:
    secrets = Secrets.open(running.state)
    account = secrets.values["default_account"]
    key = secrets.key(f"storage/{account}/key1")
    context = ssl.create_default_context(cafile=str(running.state / "tls" / "ca.pem"))
    port = running.host.explicit
    root = f"https://localhost:{port}/{account}.blob.core.windows.net"
    return Server("here", root, _sas(account, key), context), account, key


def _sas(account: str, key: str) -> str:
    expiry = datetime.now(UTC) + timedelta(hours=2)
    return str(generate_account_sas(account, key, "sco", "rwdlac", expiry, services="b"))


def main() -> None:
    """Print the table."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--big-mib", type=int, default=1024)
    options = words.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running = stack.enter_context(started(folder / "state"))
        here, account, key = _here(running)
        authority = open_authority(folder / "azurite-tls")
        authority.write_bundles({})
        pem = folder / "azurite.pem"
        pem.write_bytes(authority.issue("localhost", "127.0.0.1"))
        there = stack.enter_context(azurite(account, key, certificate=pem))
        trusting = ssl.create_default_context(cafile=str(authority.ca_file))
        other = Server("Azurite", there.root, _sas(account, key), trusting)
        rows = compare([here, other], options.rounds)
        rows += memory(here, psutil.Process(running.host.pid), options.big_mib)
    print("\n".join(rows))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
