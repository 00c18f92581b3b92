"""The front door under load, as a process of its own: memory, throughput, floods."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

SIZE = 256 << 20
CHUNK = bytes(256 << 10)
ROOT = Path(__file__).parents[2]


@dataclass
class Served:
    """A front door in another process."""

    process: psutil.Process
    port: int
    ca: str

    @property
    def rss_mib(self) -> float:
        return float(self.process.memory_info().rss) / 2**20

    def client(self) -> httpx.Client:
        return httpx.Client(
            proxy=f"http://127.0.0.1:{self.port}",
            verify=ssl.create_default_context(cafile=self.ca),
            trust_env=False,
            timeout=60,
        )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("load")) as running:
        yield running


@contextmanager
def serve(state: Path) -> Iterator[Served]:
    command = [sys.executable, "-m", "tests.frontdoor.tiny", str(state)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = json.loads(process.stdout.readline())
    try:
        yield Served(psutil.Process(process.pid), said["proxy"], said["ca"])
    finally:
        process.communicate("", timeout=20)


def test_a_large_upload_is_streamed(served: Served) -> None:
    before = served.rss_mib
    peak = before
    digest = hashlib.sha256()

    def parts() -> Iterator[bytes]:
        nonlocal peak
        for number in range(SIZE // len(CHUNK)):
            if number % 32 == 0:
                peak = max(peak, served.rss_mib)
            digest.update(CHUNK)
            yield CHUNK

    with served.client() as client:
        said = client.put("https://acct.blob.core.windows.net/c/b", content=parts()).json()
    assert (said["size"], said["sha256"]) == (SIZE, digest.hexdigest())
    assert peak < 100, f"{peak:.0f} MiB, {before:.0f} MiB before"


def test_a_large_download_is_streamed_even_to_a_slow_reader(served: Served) -> None:
    peak = got = 0.0
    url = f"https://acct.blob.core.windows.net/zeros/{SIZE}"
    with served.client() as client, client.stream("GET", url) as answer:
        for number, part in enumerate(answer.iter_raw(256 << 10)):
            got += len(part)
            if number % 64 == 0:
                peak = max(peak, served.rss_mib)
                time.sleep(0.02)  # the server is faster: its buffers must stay bounded
    assert got == SIZE
    assert peak < 100


def test_slow_clients_do_not_slow_the_others(served: Served) -> None:
    """2,000 connections that trickle a head, half of them already inside a tunnel."""
    with ExitStack() as stack:
        for number in range(2000):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", served.port)))
            if number % 2:
                sock.sendall(b"CONNECT management.azure.com:443 HTTP/1.1\r\n\r\n")
            else:
                sock.sendall(b"CONNECT management.azure.com:443 HTTP/1.1\r\nX-Slow: ")
        started = time.perf_counter()
        with served.client() as client:
            answer = client.get("https://management.azure.com/subscriptions")
        took = time.perf_counter() - started
        assert answer.status_code == 200
        assert took < 1.0
        assert served.rss_mib < 300
    with served.client() as client:
        assert client.get("https://management.azure.com/").status_code == 200


def test_many_requests_on_many_connections(served: Served) -> None:
    with served.client() as client:
        for number in range(50):
            host = f"account{number}.blob.core.windows.net"
            said = client.get(f"https://{host}/c/b").json()
            assert said["headers"]["host"] == host
