"""One host that strangers attack: by sockets, by HTTP, with every kind of wrong credential."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from emulators.kernel.clock import RealClock
from emulators.kernel.ids import Ids
from emulators.kernel.secrets import Secrets
from emulators.kernel.tokens import Tokens
from tests.running import Rehearsal, started

ARM = "https://management.azure.com"
ML = "https://eastus.api.azureml.ms"
LARGEST_GROWTH_MIB = 250
ANSWER_WITHIN_S = 30.0


@dataclass
class Target:
    """The host as an attacker, and as its owner who watches."""

    running: Rehearsal
    pid: int = 0
    began_mib: float = 0.0
    issued: dict[str, str] = field(default_factory=dict)  # by audience; an hour is long enough

    @property
    def env(self) -> dict[str, str]:
        return self.running.env

    @cached_property
    def secrets(self) -> Secrets:
        """The folder's secrets, to forge with and to look for."""
        return Secrets.open(self.running.state, read_only=True)

    @cached_property
    def tokens(self) -> Tokens:
        """Signs with the folder's own key."""
        return Tokens(self.secrets, RealClock(), Ids())

    @cached_property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.env["SSL_CERT_FILE"])

    @property
    def group(self) -> str:
        return f"{ARM}/subscriptions/{self.env['AZURE_SUBSCRIPTION_ID']}/resourceGroups/rehearsal"

    @property
    def workspace(self) -> str:
        return f"{self.group}/providers/Microsoft.MachineLearningServices/workspaces/rehearsal"

    @property
    def account(self) -> str:
        return f"https://{self.env['AZURE_STORAGE_ACCOUNT']}.blob.core.windows.net"

    def token(self, audience: str = ARM, **claims: Any) -> str:
        """A token of the seeded principal, properly signed."""
        if claims:
            return self.tokens.issue(audience, claims=claims)
        if audience not in self.issued:
            self.issued[audience] = self.tokens.issue(audience)
        return self.issued[audience]

    @cached_property
    def client(self) -> httpx.Client:
        """A client led through the proxy, without any credential."""
        return httpx.Client(
            proxy=self.env["HTTPS_PROXY"],
            verify=self.trust,
            trust_env=False,
            timeout=ANSWER_WITHIN_S,
        )

    def ask(
        self, method: str, url: str, *, token: str | None = None, **more: Any
    ) -> httpx.Response:
        """Send a request; what comes back must be an answer of ours, not our own failure."""
        headers = dict(more.pop("headers", {}))
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        answer = self.client.request(method, url, headers=headers, **more)
        check(answer.status_code, answer.text[:5000])
        return answer

    def arm(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """A request to Machine Learning's resources as the seeded principal."""
        url = f"{self.workspace}{path}"
        params = {"api-version": "2024-10-01-preview", **more.pop("params", {})}
        return self.ask(method, url, token=self.token(), params=params, json=body, **more)

    def ended(self, job: str) -> str:
        """The status with which a job ends."""
        deadline = time.monotonic() + 60
        while True:
            status = str(self.arm("GET", f"/jobs/{job}").json()["properties"]["status"])
            if status in ("Completed", "Failed", "Canceled"):
                return status
            assert time.monotonic() < deadline
            time.sleep(0.3)

    @contextmanager
    def socket(self, host: str = "management.azure.com") -> Iterator[ssl.SSLSocket]:
        """A raw connection to a host, inside TLS."""
        proxy = httpx.URL(self.env["HTTPS_PROXY"])
        with socket.create_connection(("127.0.0.1", proxy.port or 0), timeout=20) as raw:
            raw.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
            assert raw.recv(4096).startswith(b"HTTP/1.1 200")
            with self.trust.wrap_socket(raw, server_hostname=host) as tls:
                yield tls

    def exchange(self, data: bytes, host: str = "management.azure.com") -> bytes:
        """What comes back for raw bytes, until the host closes or is silent for a moment."""
        with self.socket(host) as tls:
            with suppress(OSError):  # it had seen enough: what it said is still to be read
                tls.sendall(data)
            tls.settimeout(1.5)
            return read_all(tls)

    def upload(self, container: str, name: str, data: bytes) -> None:
        """A blob as the account's owner writes it."""
        token = self.token("https://storage.azure.com")
        version = {"x-ms-version": "2024-11-04"}
        url = f"{self.account}/{container}"
        self.ask("PUT", f"{url}?restype=container", token=token, headers=version)
        headers = {**version, "x-ms-blob-type": "BlockBlob"}
        answer = self.ask("PUT", f"{url}/{name}", token=token, headers=headers, content=data)
        assert answer.status_code == 201, answer.text

    def memory_mib(self) -> float:
        return float(psutil.Process(self.pid).memory_info().rss) / 2**20

    def logs(self) -> dict[Path, bytes]:
        """All that the host wrote for people to read."""
        places = [*self.running.state.glob("run/*.log*"), *self.running.state.glob("ledger.db*")]
        return {place: place.read_bytes() for place in places}


def read_all(tls: ssl.SSLSocket) -> bytes:
    found = b""
    with suppress(OSError):
        while data := tls.recv(65536):
            found += data
    return found


def check(status: int, text: str) -> None:
    """No answer is our own bug, or tells how we are made."""
    assert status != 500, text
    for telling in ("Traceback", 'File "', "site-packages", "RehearsalInternalError"):
        assert telling not in text


@pytest.fixture(scope="session")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The one host of all these tests."""
    with started(tmp_path_factory.mktemp("attacked") / "state", "--runtime", "host") as running:
        target = Target(running, running.host.pid)
        target.ask("GET", target.group, token=target.token(), params={"api-version": "2021-04-01"})
        target.began_mib = target.memory_mib()
        yield target


@pytest.fixture(autouse=True)
def unharmed(attacked: Target) -> Iterator[None]:
    """After every test: the same process, of bounded size, that answers its owner."""
    yield
    assert psutil.pid_exists(attacked.pid)
    assert attacked.running.host.pid == attacked.pid
    assert attacked.memory_mib() - attacked.began_mib < LARGEST_GROWTH_MIB
    answer = attacked.ask(
        "GET", attacked.group, token=attacked.token(), params={"api-version": "2021-04-01"}
    )
    assert answer.status_code == 200


def error_code(answer: httpx.Response) -> str:
    """The error's code in whichever dialect it was answered."""
    if answer.headers.get("x-ms-error-code"):
        return str(answer.headers["x-ms-error-code"])
    body = json.loads(answer.text)
    error = body.get("error", body)
    if isinstance(error, str):
        return error
    return str(error.get("code") or error.get("error_code"))
