"""Clients that know nothing of us but the environment: Python's, curl, Node's Azure SDK."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.frontdoor.node_peer import NODE_AZURE, node_environment
from tests.frontdoor.tiny import Door

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def python(environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(HERE / "python_clients.py")],
        env=environment, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.mark.parametrize(
    "client",
    [
        "requests", "requests_session", "urllib", "urllib3", "httpx", "httpx_async", "aiohttp",
    ],
)  # fmt: skip
def test_python_clients(python: dict[str, Any], client: str) -> None:
    said = python[f"with_{client}"]
    assert "failed" not in said, said
    assert said["path"] == "/from/" + client.replace("_", "-")
    assert (said["size"], said["scheme"], said["door"]) == (300_000, "https", "proxy")
    assert said["headers"]["host"] == "management.azure.com"


def test_a_refusal_reaches_the_user(python: dict[str, Any]) -> None:
    assert python["refused"]["status"] == 501
    assert python["refused"]["code"] == "NotEmulated"
    assert "myvault.vault.azure.net" in python["refused"]["message"]


def test_loopback_stays_direct(python: dict[str, Any]) -> None:
    assert python["direct_to_loopback"] == {"proxies": {}}


def curl(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    found = shutil.which("curl")
    if found is None:
        pytest.skip("curl is not installed")
    command = [found, "--silent", "--show-error", "--max-time", "20", *words]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_curl(environment: dict[str, str]) -> None:
    done = curl(environment, "--data", "hello", "https://management.azure.com/from/curl?x=1")
    said = json.loads(done.stdout)
    assert (said["path"], said["query"], said["size"]) == ("/from/curl", "x=1", 5)


def test_curl_shows_why_plain_http_is_refused(environment: dict[str, str]) -> None:
    done = curl(environment, "http://management.azure.com/")
    assert json.loads(done.stdout)["error"]["code"] == "HttpsRequired"


def test_curl_does_not_trust_us_beyond_azure(environment: dict[str, str], door: Door) -> None:
    """A leaf for example.com signed with our own key, as a thief of it would sign one."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        client, _ = server.accept()
        with contextlib.suppress(OSError):
            door.authority.context("example.com").wrap_socket(client, server_side=True)

    threading.Thread(target=serve, daemon=True).start()
    target = f"example.com:443:127.0.0.1:{server.getsockname()[1]}"
    direct = {**environment, "HTTPS_PROXY": "", "https_proxy": ""}
    done = curl(direct, "--connect-to", target, "https://example.com/")
    server.close()
    assert done.returncode == 60
    assert "permitted subtree violation" in done.stderr


@pytest.mark.skipif(not shutil.which("wget"), reason="wget is not installed")
def test_wget_trusts_us_by_another_tls_library(environment: dict[str, str]) -> None:
    """Debian's wget is built on GnuTLS, which reads name constraints by itself."""
    command = ["wget", "-qO-", "--tries=1", "--timeout=20"]
    command += [f"--ca-certificate={environment['SSL_CERT_FILE']}"]
    done = subprocess.run(
        [*command, "https://management.azure.com/from/wget"],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["path"] == "/from/wget"


@pytest.mark.skipif(not shutil.which("javac"), reason="the Java compiler is not installed")
def test_java_trusts_us(door: Door) -> None:
    """Java checks certificate paths by itself; other names are refused by it, too."""
    command = ["java", str(HERE / "JavaClient.java"), str(door.authority.ca_file)]
    done = subprocess.run(
        [*command, str(door.ports.proxy)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["path"] == "/from/java"


@pytest.fixture(scope="module")
def node(environment: dict[str, str]) -> dict[str, Any]:
    folder = node_environment("azure", NODE_AZURE)
    script = folder / "node_clients.mjs"  # beside node_modules, where Node looks for packages
    script.write_text((HERE / "node_clients.mjs").read_text())
    done = subprocess.run(
        ["node", str(script)],
        env=environment, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_node_https(node: dict[str, Any]) -> None:
    assert node["https"]["path"] == "/from/node"
    assert node["https"]["headers"]["host"] == "management.azure.com"


def test_node_identity_reaches_the_token_service(node: dict[str, Any]) -> None:
    """The tiny app is none, so the SDK fails on its answer: past proxy, trust and TLS."""
    said = node["identity"]["failed"]
    assert "CredentialUnavailable" not in said
    for network_failure in ("ENOTFOUND", "ECONNREFUSED", "certificate", "CERT_"):
        assert network_failure not in said


def test_node_storage_uploads(node: dict[str, Any]) -> None:
    assert node["blob"]["status"] == 200, node["blob"]


def test_node_storage_reads_a_refusal(node: dict[str, Any]) -> None:
    assert node["queueHost"]["status"] == 501
    assert node["queueHost"]["code"] == "NotEmulated"
