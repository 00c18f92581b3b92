"""Two Blob services that get the same calls: Azurite and this one; and what counts as equal."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import httpx
import pytest

VERSION = "2024-11-04"
NODE = Path(__file__).parents[3] / ".cache" / "node"
AZURITE = NODE / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"

SAME = {
    "content-encoding", "content-language", "content-length", "content-md5", "content-range",
    "content-type", "cache-control", "content-disposition", "x-ms-access-tier",
    "x-ms-blob-append-offset", "x-ms-blob-committed-block-count", "x-ms-blob-content-length",
    "x-ms-blob-content-md5", "x-ms-blob-public-access", "x-ms-blob-type", "x-ms-copy-status",
    "x-ms-error-code", "x-ms-lease-duration", "x-ms-lease-state", "x-ms-lease-status",
    "x-ms-copy-progress", "x-ms-version",
}  # fmt: skip
"""Headers whose values must be equal."""

PRESENT = {"etag", "last-modified", "x-ms-lease-id", "x-ms-snapshot", "x-ms-copy-id"}
"""Headers that must be there or not there alike; their values differ by nature."""


@dataclass
class Side:
    """One service: where it is, and what it answered."""

    name: str
    root: str  # http://host:port/account
    account: str
    key: str
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30))
    seen: dict[str, str] = field(default_factory=dict)  # etags and lease ids by label

    def send(self, call: Call) -> httpx.Response:
        """Sign a call with the account's key and send it."""
        path = self.root.partition("://")[2].partition("/")[2]
        path = f"/{path}" + quote(call.path, safe="/~!$&'()*+,;=:@")
        headers = {k: self._filled(v) for k, v in call.headers.items()}
        headers |= {
            "x-ms-version": VERSION,
            "x-ms-date": format_datetime(datetime.now(UTC), usegmt=True),
        }
        headers["authorization"] = (
            f"SharedKey {self.account}:{self._signature(call, path, headers)}"
        )
        query = urlencode(call.query, quote_via=quote)
        host = self.root.partition("://")[2].partition("/")[0]
        url = httpx.URL(f"http://{host}").copy_with(
            raw_path=(path + (f"?{query}" if query else "")).encode()
        )
        request = self.http.build_request(call.method, url, headers=headers, content=call.body)
        answer = self.http.send(request)
        for name in ("etag", "x-ms-lease-id", "x-ms-snapshot"):
            if name in answer.headers:
                self.seen[name] = answer.headers[name]
        return answer

    def _filled(self, value: str) -> str:
        """A header's value with what this side answered before put in."""
        for name, known in self.seen.items():
            value = value.replace(f"<{name}>", known)
        return value.replace("<root>", self.root)

    def _signature(self, call: Call, path: str, headers: dict[str, str]) -> str:
        low = {k.lower(): v for k, v in headers.items()}
        length = str(len(call.body)) if call.body else ""
        plain = [
            low.get("content-encoding", ""), low.get("content-language", ""), length,
            low.get("content-md5", ""), low.get("content-type", ""), "",
            low.get("if-modified-since", ""), low.get("if-match", ""),
            low.get("if-none-match", ""), low.get("if-unmodified-since", ""),
            low.get("range", ""),
        ]  # fmt: skip
        ms = "".join(f"{k}:{low[k]}\n" for k in sorted(low) if k.startswith("x-ms-"))
        query = "".join(f"\n{k.lower()}:{v}" for k, v in sorted(call.query.items()))
        text = f"{call.method}\n" + "\n".join(plain) + f"\n{ms}/{self.account}{path}{query}"
        digest = hmac.new(base64.b64decode(self.key), text.encode(), hashlib.sha256).digest()
        return base64.b64encode(digest).decode()


@dataclass
class Call:
    """One request, the same to both."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


DROPPED = {
    "Etag", "Last-Modified", "Creation-Time", "AccessTierChangeTime", "CopyId", "CopySource",
    "Snapshot", "CopyCompletionTime", "NextMarker", "Marker", "DefaultEncryptionScope",
    "DenyEncryptionScopeOverride", "HasImmutabilityPolicy", "HasLegalHold", "ServerEncrypted",
    "ImmutableStorageWithVersioningEnabled", "OrMetadata", "AccessTierInferred", "MaxResults",
    "RemainingRetentionDays", "Content-MD5", "AccessTier", "CopyProgress", "CopyStatus",
    "IncrementalCopy", "Sealed",
}  # fmt: skip
"""Elements whose values differ by nature, or that one of the two leaves out."""


UNORDERED = {
    "Blob", "BlobPrefix", "BlockList", "Blobs", "EnumerationResults", "Metadata", "Properties",
    "UncommittedBlocks",
}  # fmt: skip
"""Elements whose children may come in any order, or be empty."""


def plain_xml(text: str) -> object:
    """A document as nested tuples in an order of their own, without what differs by nature."""
    return _plain(ElementTree.fromstring(text.lstrip("\ufeff").encode()))


def _plain(item: ElementTree.Element) -> object:
    children = [_plain(child) for child in item if child.tag not in DROPPED]
    if item.tag in UNORDERED:
        children = sorted((c for c in children if c), key=repr)
    said = (item.text or "").strip()
    return (item.tag, said, *children) if said or children or item.tag == "Blobs" else ()


ORDERS = {
    # Two things are wrong, and each names another first.
    ("LeaseNotPresentWithBlobOperation", "InvalidBlockList"),
    # Azurite lets a blob that has only staged blocks have a lease.
    ("BlobNotFound", "LeaseIdMismatchWithLeaseOperation"),
    ("BlobNotFound", "LeaseNotPresentWithLeaseOperation"),
}


def forgiven(call: Call, here: dict[str, Any], there: dict[str, Any]) -> bool:
    """Differences where Azurite is known not to answer as Azure does."""
    codes = (here["headers"].get("x-ms-error-code"), there["headers"].get("x-ms-error-code"))
    if codes in ORDERS:
        return True
    if here["status"] != there["status"]:
        return False
    if here["status"] >= 400:
        # Azurite's own parser refuses without a code.
        return "x-ms-error-code" not in there["headers"]
    if call.query.get("comp") == "blocklist" and not here["present"]:
        there = {**there, "present": []}  # a blob with nothing committed has no version
    # Azurite computes an MD5 for reads of blobs that Azure holds none for, and repeats it.
    ours, theirs = dict(here["headers"]), dict(there["headers"])
    if call.method in ("GET", "HEAD"):
        theirs.pop("x-ms-blob-content-md5", None)
        ours.pop("x-ms-blob-content-md5", None)
        if "content-md5" not in ours:
            theirs.pop("content-md5", None)
    if call.query.get("comp") in ("block", "blocklist"):
        # It returns an MD5 that was not asked for.
        theirs.pop("content-md5", None)
    return {**here, "headers": ours} == {**there, "headers": theirs}


def outcome(answer: httpx.Response) -> dict[str, Any]:
    """What of an answer must be equal."""
    said = {k: answer.headers[k] for k in SAME if k in answer.headers}
    is_xml = answer.headers.get("content-type", "").startswith("application/xml")
    is_error = answer.status_code >= 400
    if is_xml:
        said.pop("content-length", None)
        said["content-type"] = "application/xml"
    body: object = answer.content
    if is_xml and answer.request.method != "HEAD":
        body = "" if is_error or answer.status_code == 304 else plain_xml(answer.text)
    if is_error and answer.request.method == "HEAD":
        said.pop("content-type", None)
    if answer.status_code == 304:
        body = b""
        said.pop("content-type", None)
    if answer.request.method == "HEAD" and "x-ms-blob-type" not in answer.headers:
        said.pop("content-length", None)
    if not is_xml and answer.status_code not in (200, 206):
        body = b""
        said.pop("content-length", None)
        said.pop("content-type", None)
    return {
        "status": answer.status_code,
        "headers": {k: v for k, v in said.items() if k != "x-ms-version"},
        "meta": {k: v for k, v in answer.headers.items() if k.startswith("x-ms-meta-")},
        "present": sorted(k for k in PRESENT if k in answer.headers),
        "body": body,
    }


@contextmanager
def azurite(account: str, key: str, certificate: Path | None = None) -> Iterator[Side]:
    """Azurite in a process of its own; installed once, skipped where it cannot be had.

    `certificate`: a PEM file with a certificate and its key; Azurite then speaks TLS only.
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not here")
    if not AZURITE.exists():
        _install()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        node, str(AZURITE), "--inMemoryPersistence", "--blobPort", str(port), "--silent",
        "--skipApiVersionCheck", "--disableTelemetry",
    ]  # fmt: skip
    if certificate is not None:
        command += ["--cert", str(certificate), "--key", str(certificate)]
    env = {**os.environ, "AZURITE_ACCOUNTS": f"{account}:{key}"}
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(port, process)
        scheme = "http" if certificate is None else "https"
        yield Side("azurite", f"{scheme}://127.0.0.1:{port}/{account}", account, key)
    finally:
        process.terminate()
        process.wait(10)


def _install() -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not here")
    NODE.mkdir(parents=True, exist_ok=True)
    if not (NODE / "package.json").exists():
        (NODE / "package.json").write_text(json.dumps({}))
    words = [npm, "install", "--no-audit", "--no-fund", "--no-save", "--prefix", str(NODE)]
    done = subprocess.run([*words, "azurite@3"], capture_output=True, timeout=240, check=False)
    if done.returncode or not AZURITE.exists():
        pytest.skip("Azurite could not be installed")


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "Azurite ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("Azurite did not come up")
