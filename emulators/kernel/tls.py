"""The state folder's own certificate authority: it can name Azure and loopback, nothing else."""

from __future__ import annotations

import os
import re
import ssl
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from emulators.kernel.azure_domains import AZURE_DOMAINS, is_azure
from emulators.kernel.clock import RealClock

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

CA_DAYS = 3650
LEAF_DAYS = 397  # the longest that every client accepts (Apple's limit for servers is 398)
CONTEXTS = 256  # TLS contexts kept, one a host name; a context costs some tens of kB
LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
BUNDLE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
EXPLICIT_NAMES = ("localhost", "127.0.0.1", "::1")

_PEM = re.compile(
    r"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+?-----END CERTIFICATE-----", re.ASCII
)
# A bundle that another `rehearse up` wrote may be named by the shell this one is started from;
# its authority is cut out by these two lines.
_OURS_BEGIN, _OURS_END = "# Rehearsal authority: begin", "# Rehearsal authority: end"
_OURS = re.compile(f"{_OURS_BEGIN}.*?{_OURS_END}", re.DOTALL)


class Authority:
    """One state folder's certificate authority and the TLS contexts made with it.

    Made by `open_authority`. The private key stays in the folder, mode 0600. Leaf keys and
    certificates live in memory; every host name shares one leaf key.
    """

    def __init__(
        self,
        folder: Path,
        certificate: x509.Certificate,
        key: EllipticCurvePrivateKey,
        now: Callable[[], datetime],
    ) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec

        self.folder = folder
        self.certificate = certificate
        self._key = key
        self._now = now
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())
        self._contexts: OrderedDict[tuple[str, ...], ssl.SSLContext] = OrderedDict()

    @property
    def ca_file(self) -> Path:
        """The authority's certificate alone, PEM."""
        return self.folder / "ca.pem"

    @property
    def bundle_file(self) -> Path:
        """Public roots and the authority, PEM: for clients whose variable replaces their roots."""
        return self.folder / "bundle.pem"

    @property
    def node_file(self) -> Path:
        """The authority and what NODE_EXTRA_CA_CERTS named; Node adds it to its own roots. PEM."""
        return self.folder / "node.pem"

    def context(self, *names: str) -> ssl.SSLContext:
        """Return the server context that presents a certificate for `names` (hosts, addresses)."""
        found = self._contexts.get(names)
        if found is None:
            found = self._contexts[names] = self._make_context(names)
            while len(self._contexts) > CONTEXTS:
                self._contexts.popitem(last=False)
        else:
            self._contexts.move_to_end(names)
        return found

    def context_by_sni(self, *fallback: str) -> ssl.SSLContext:
        """Return a context that follows the client's SNI, and presents `fallback` without one."""
        context = self._make_context(fallback)

        def choose(tls: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: object) -> None:
            # A name that the constraints forbid is never signed: the fallback is shown instead.
            if name and name not in fallback and is_azure(name):
                tls.context = self.context(name.lower())

        context.sni_callback = choose
        return context

    def issue(self, *names: str) -> bytes:
        """Sign a leaf for `names`; return certificate and key, PEM. Clients enforce the limits."""
        from cryptography.hazmat.primitives import serialization as ser

        certificate = self._sign_leaf(names)
        return certificate.public_bytes(ser.Encoding.PEM) + self._leaf_key.private_bytes(
            ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption()
        )

    def write_bundles(self, named: Mapping[str, str]) -> None:
        """Write ca.pem, bundle.pem and node.pem where they changed.

        Args:
            named: the user's environment; the bundles it names already stay trusted. What cannot
                be read is left out.
        """
        from cryptography.hazmat.primitives import serialization as ser

        ours = self.certificate.public_bytes(ser.Encoding.PEM).decode("ascii")
        section = f"{_OURS_BEGIN}\n{ours}{_OURS_END}\n"
        _write_if_changed(self.ca_file, ours)
        users = [Path(named[name]) for name in BUNDLE_VARIABLES if named.get(name)]
        roots = _pem_blocks([*_public_roots(), *users])
        _write_if_changed(self.bundle_file, "\n".join([*roots, section]))
        more = _pem_blocks([Path(p) for p in [named.get("NODE_EXTRA_CA_CERTS")] if p])
        _write_if_changed(self.node_file, "\n".join([*more, section]))

    def _make_context(self, names: tuple[str, ...]) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        # The ssl module reads files only; this one is 0600 and gone before anything else runs.
        handle, path = tempfile.mkstemp(prefix=".leaf-", dir=self.folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self.issue(*names))
            context.load_cert_chain(path)
        finally:
            os.unlink(path)
        return context

    def _sign_leaf(self, names: tuple[str, ...]) -> x509.Certificate:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.x509.oid import ExtendedKeyUsageOID

        now = self._now()
        until = min(now + timedelta(days=LEAF_DAYS), self.certificate.not_valid_after_utc)
        authority_id = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        public = self._leaf_key.public_key()
        return (
            x509.CertificateBuilder()
            # Without a DNS name beside it, OpenSSL would hold a host-like common name against the
            # constraints; this one is no host.
            .subject_name(_name("Rehearsal server"))
            .issuer_name(self.certificate.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))  # clocks of containers lag
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([_alternative(n) for n in names]), False)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority_id), False
            )
            .sign(self._key, hashes.SHA256())
        )


def open_authority(folder: Path, now: Callable[[], datetime] | None = None) -> Authority:
    """Load the folder's authority, or make it once; safe when two processes start together.

    Args:
        folder: made if missing, mode 0700.
        now: true time, UTC, never scaled: clients check certificates against their own clocks.

    Raises:
        ValueError: the authority file is damaged; the message says what to do.
    """
    now = now or RealClock().now
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    path = folder / "authority.pem"
    found = _load(path) if path.exists() else None
    if found is not None and found[0].not_valid_after_utc <= now() + timedelta(days=30):
        path.unlink(missing_ok=True)  # worthless within a month: make the next one now
        found = None
    if found is None:
        _publish_once(path, _new_authority(now()))
        found = _load(path)
    return Authority(folder, *found, now)


def _new_authority(now: datetime) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives import serialization as ser
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    name = _name(f"Rehearsal authority {serial % 16**8:08x} (Azure names on this machine only)")
    permitted: list[x509.GeneralName] = [x509.DNSName(d) for d in (*AZURE_DOMAINS, "localhost")]
    permitted += [x509.IPAddress(network) for network in LOOPBACK]
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False
        )
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(ser.Encoding.PEM) + key.private_bytes(
        ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption()
    )


def _load(path: Path) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = path.read_bytes()
    path.chmod(0o600)
    advice = f"{path} is damaged: delete it (a new authority is made; renew `rehearse env`)"
    try:
        certificate, key = x509.load_pem_x509_certificate(data), load_pem_private_key(data, None)
    except ValueError:
        raise ValueError(advice) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or (
        key.public_key() != certificate.public_key()
    ):
        raise ValueError(advice)
    return certificate, key


def _publish_once(path: Path, data: bytes) -> None:
    """Make `path` with `data` unless it exists: whole or not at all, and never twice."""
    temporary = _durable_temporary(path, data)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass  # another process was first; its authority is the folder's
    except OSError:  # a file system without links
        os.replace(temporary, path)
        return
    os.unlink(temporary)


def _write_if_changed(path: Path, text: str) -> None:
    data = text.encode("ascii", "ignore")
    if path.exists() and path.read_bytes() == data:
        return
    temporary = _durable_temporary(path, data)
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)


def _durable_temporary(path: Path, data: bytes) -> str:
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with os.fdopen(handle, "wb") as file:  # mkstemp gives 0600
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return temporary


def _pem_blocks(files: Iterable[Path]) -> list[str]:
    blocks: dict[str, None] = {}
    for file in files:
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        blocks.update(dict.fromkeys(m.strip() for m in _PEM.findall(_OURS.sub("", text))))
    return list(blocks)


def _public_roots() -> list[Path]:
    found = []
    # Compiled-in place, not `cafile`: that one follows SSL_CERT_FILE, which may name our bundle.
    system = ssl.get_default_verify_paths().openssl_cafile
    if system:
        found.append(Path(system))
    try:
        import certifi

        found.append(Path(certifi.where()))
    except ImportError:
        pass
    return found


def _name(common_name: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Rehearsal"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _alternative(name: str) -> x509.GeneralName:
    from cryptography import x509

    address = _address(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(address)


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
