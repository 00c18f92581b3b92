"""The authority: made once, kept secret, and able to name Azure and loopback only."""

from __future__ import annotations

import os
import shutil
import ssl
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from emulators.kernel.azure_domains import AZURE_DOMAINS, is_azure
from emulators.kernel.tls import EXPLICIT_NAMES, Authority, open_authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = open_authority(tmp_path / "tls")
    made.write_bundles({})
    return made


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """A whole TLS handshake in memory; raises what the client would."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(6):
        for side in (theirs, ours):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return theirs


def strict_client(authority: Authority) -> ssl.SSLContext:
    client = ssl.create_default_context(cafile=str(authority.ca_file))
    client.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
    return client


@pytest.mark.parametrize(
    "name",
    [
        "management.azure.com",
        "eastus.api.azureml.ms",
        "acct.blob.core.windows.net",
        "login.microsoftonline.com",
        "a.b.c.d.e.f.eastus.inference.ml.azure.com",
        "azure.com",
        "localhost",
        "127.0.0.1",
        "::1",
        "a" * 63 + ".blob.core.windows.net",
    ],
)
def test_strict_clients_accept_permitted_names(authority: Authority, name: str) -> None:
    peer = shake_hands(authority.context(name), strict_client(authority), name)
    assert peer.version() == "TLSv1.3"


@pytest.mark.parametrize(
    "name", ["example.com", "azure.com.example.org", "notazure.com", "10.0.0.1", "::2", "com"]
)
def test_openssl_rejects_every_other_name(authority: Authority, name: str) -> None:
    """Signed with our own key, as a thief of it would: the name constraints stop it."""
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        shake_hands(authority.context(name), strict_client(authority), name)


def test_a_leaf_cannot_sign_and_a_ca_cannot_serve(authority: Authority) -> None:
    leaf = x509.load_pem_x509_certificate(authority.issue("management.azure.com"))
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not leaf.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    names = authority.certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert names.critical
    assert authority.certificate.extensions.get_extension_for_class(
        x509.BasicConstraints
    ).value == x509.BasicConstraints(ca=True, path_length=0)


def test_old_protocols_are_refused(authority: Authority) -> None:
    client = strict_client(authority)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert shake_hands(authority.context("azure.com"), client, "azure.com").version() == "TLSv1.2"
    assert authority.context("azure.com").minimum_version == ssl.TLSVersion.TLSv1_2


def test_sni_chooses_azure_names_and_ignores_others(authority: Authority) -> None:
    server, client = authority.context_by_sni(*EXPLICIT_NAMES), strict_client(authority)
    shake_hands(server, client, "localhost")
    shake_hands(server, client, "MANAGEMENT.azure.com")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"not valid for 'example\.com'"):
        shake_hands(server, client, "example.com")


def test_contexts_are_cached_and_bounded(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emulators.kernel.tls.CONTEXTS", 3)
    first = authority.context("a.azure.com")
    assert authority.context("a.azure.com") is first
    for letter in "bcd":
        authority.context(f"{letter}.azure.com")
    assert authority.context("a.azure.com") is not first


def test_the_key_is_private_and_nothing_is_left_behind(authority: Authority) -> None:
    authority.context("management.azure.com")
    kept = {p.name: stat.S_IMODE(p.stat().st_mode) for p in authority.folder.iterdir()}
    assert kept == {
        "authority.pem": 0o600,
        "ca.pem": 0o644,
        "bundle.pem": 0o644,
        "node.pem": 0o644,
    }
    assert stat.S_IMODE(authority.folder.stat().st_mode) == 0o700
    for public in ("ca.pem", "bundle.pem", "node.pem"):
        assert "PRIVATE" not in (authority.folder / public).read_text()


def test_it_survives_a_restart(authority: Authority) -> None:
    again = open_authority(authority.folder)
    assert again.certificate == authority.certificate
    shake_hands(again.context("azure.com"), strict_client(authority), "azure.com")


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: open_authority(tmp_path / "tls"), range(8)))
    assert len({a.certificate.serial_number for a in made}) == 1
    assert [p.name for p in (tmp_path / "tls").iterdir()] == ["authority.pem"]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    folder = open_authority(tmp_path / "tls").folder
    (folder / "authority.pem").write_bytes((folder / "authority.pem").read_bytes()[:400])
    with pytest.raises(ValueError, match=r"authority\.pem is damaged: delete it"):
        open_authority(folder)


def test_an_authority_about_to_expire_is_replaced(tmp_path: Path) -> None:
    old = open_authority(tmp_path / "tls", lambda: datetime.now(UTC) - timedelta(days=3640))
    new = open_authority(tmp_path / "tls")
    assert new.certificate != old.certificate
    assert open_authority(tmp_path / "tls").certificate == new.certificate


def test_bundles_keep_what_the_user_trusted(tmp_path: Path, authority: Authority) -> None:
    corporate = open_authority(tmp_path / "corporate")
    corporate.write_bundles({})
    named = {
        "SSL_CERT_FILE": str(corporate.ca_file),
        "CURL_CA_BUNDLE": str(tmp_path / "missing.pem"),
        "REQUESTS_CA_BUNDLE": str(tmp_path),
        "NODE_EXTRA_CA_CERTS": str(corporate.ca_file),
    }
    authority.write_bundles(named)
    ours, theirs = authority.ca_file.read_text().strip(), corporate.ca_file.read_text().strip()
    for bundle in (authority.bundle_file, authority.node_file):
        assert ours in bundle.read_text()
        assert theirs in bundle.read_text()
    client = ssl.create_default_context(cafile=str(authority.bundle_file))
    shake_hands(authority.context("azure.com"), client, "azure.com")
    assert len(client.get_ca_certs()) > 50


def test_bundles_do_not_grow_from_shell_to_shell(tmp_path: Path, authority: Authority) -> None:
    """`rehearse up` in a shell that another state folder's `rehearse env` set up."""
    other = open_authority(tmp_path / "other")
    named = {
        "SSL_CERT_FILE": str(authority.bundle_file),
        "NODE_EXTRA_CA_CERTS": str(authority.node_file),
    }
    other.write_bundles(named)
    foreign = authority.ca_file.read_text().strip()
    assert foreign not in other.bundle_file.read_text()
    assert other.node_file.read_text().count("BEGIN CERTIFICATE") == 1


def test_unchanged_bundles_are_left_alone(authority: Authority) -> None:
    before = authority.bundle_file.stat().st_mtime_ns
    os.utime(authority.bundle_file, ns=(before - 10**9, before - 10**9))
    authority.write_bundles({})
    assert authority.bundle_file.stat().st_mtime_ns == before - 10**9


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs the openssl command")
def test_the_openssl_command_agrees(tmp_path: Path, authority: Authority) -> None:
    def verify(name: str) -> str:
        leaf = tmp_path / "leaf.pem"
        leaf.write_bytes(authority.issue(name))
        command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver"]
        command += ["-CAfile", str(authority.ca_file), str(leaf)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    assert verify("management.azure.com").endswith("OK\n")
    assert "permitted subtree violation" in verify("example.com")


def test_domains_are_whole_labels_and_none_is_redundant() -> None:
    assert is_azure("management.azure.com")
    assert is_azure("WINDOWS.NET.")
    assert not is_azure("notazure.com")
    assert not is_azure("azure.com.example.org")
    assert not is_azure("mcr.microsoft.com")
    assert not is_azure("")
    for domain in AZURE_DOMAINS:
        parent = domain.partition(".")[2]
        assert not is_azure(parent), f"{domain} is already covered"
