"""Client assertions: certificates and federated issuers, and everything that must not pass."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulators.identity.engine import applications, assertions, issuers
from emulators.identity.errors import MalformedAssertion
from emulators.identity.store import Application
from tests.emulators.identity.conftest import AskToken
from tests.site import LOGIN, Site

BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SUBJECT = "repo:contoso/models:ref:refs/heads/main"
OUTSIDE = "https://issuer.example"


@dataclass(frozen=True)
class Signer:
    """A key, its certificate, and its public form."""

    key: rsa.RSAPrivateKey
    pem: str
    thumbprint: str  # SHA-256, base64url
    thumbprint_1: str  # SHA-1, base64url
    jwk: dict[str, Any]


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_signer() -> Signer:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return Signer(
        key,
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        b64(certificate.fingerprint(hashes.SHA256())),
        b64(certificate.fingerprint(hashes.SHA1())),  # the header's older thumbprint
        {"kty": "RSA", "n": public["n"], "e": public["e"], "kid": "k1", "use": "sig"},
    )


@pytest.fixture(scope="module")
def signer() -> Signer:
    return make_signer()


@pytest.fixture(scope="module")
def stranger() -> Signer:
    return make_signer()


@pytest.fixture
def app(site: Site, signer: Signer) -> Application:
    """An application with a certificate and two federated credentials."""
    made = applications.register(site.ctx, "federated")
    applications.add_certificate(site.ctx, made, signer.pem)
    applications.add_federated(site.ctx, made, "github", issuer=issuers.GITHUB, subject=SUBJECT)
    applications.add_federated(site.ctx, made, "own", issuer=OUTSIDE, subject="me")
    applications.trust(site.ctx, OUTSIDE, [signer.jwk])
    return made


@pytest.fixture
def present(ask_token: AskToken, app: Application) -> Callable[[str], dict[str, Any]]:
    """Present an assertion for the application; the answer's body with its status."""

    def go(assertion: str) -> dict[str, Any]:
        answer = ask_token(
            client_id=app.app_id,
            client_secret=None,
            client_assertion=assertion,
            client_assertion_type=BEARER,
        )
        return {"status": answer.status_code, **answer.json()}

    return go


Present = Callable[[str], dict[str, Any]]


def outside(site: Site, signer: Signer, **changed: Any) -> str:
    """An assertion of the outside issuer; claims may be replaced, None drops one."""
    now = int(site.ctx.clock.now().timestamp())
    body = {
        "iss": OUTSIDE,
        "sub": "me",
        "aud": applications.EXCHANGE_AUDIENCE,
        "nbf": now,
        "exp": now + 300,
        **changed,
    }
    kept = {name: value for name, value in body.items() if value is not None}
    return jwt.encode(kept, signer.key, algorithm="RS256", headers={"kid": "k1"})


def by_certificate(
    site: Site, app: Application, signer: Signer, algorithm: str = "PS256", **changed: Any
) -> str:
    """An assertion as MSAL signs it with the application's certificate."""
    now = int(site.ctx.clock.now().timestamp())
    tenant = site.ctx.secrets.tenant_id
    body = {
        "iss": app.app_id,
        "sub": app.app_id,
        "aud": f"{LOGIN}/{tenant}/oauth2/v2.0/token",
        "jti": "1",
        "nbf": now,
        "exp": now + 600,
        **changed,
    }
    header = (
        {"x5t#S256": signer.thumbprint} if algorithm == "PS256" else {"x5t": signer.thumbprint_1}
    )
    return jwt.encode(body, signer.key, algorithm=algorithm, headers=header)


def test_github_s_assertion_is_taken(site: Site, present: Present) -> None:
    found = present(issuers.github_assertion(site.ctx, SUBJECT))
    assert found["status"] == 200
    assert found["access_token"].count(".") == 2


def test_github_s_claims_say_what_the_subject_says(site: Site) -> None:
    body = assertions.parse(issuers.github_assertion(site.ctx, SUBJECT)).claims
    assert body["repository"] == "contoso/models"
    assert body["repository_owner"] == "contoso"
    assert body["ref"] == "refs/heads/main"


def test_a_registered_issuer_is_taken(site: Site, present: Present, signer: Signer) -> None:
    assert present(outside(site, signer))["status"] == 200
    assert (
        present(outside(site, signer, aud=["x", applications.EXCHANGE_AUDIENCE]))["status"] == 200
    )


@pytest.mark.parametrize("algorithm", ["PS256", "RS256"])
def test_a_certificate_is_taken(
    site: Site, present: Present, app: Application, signer: Signer, algorithm: str
) -> None:
    assert present(by_certificate(site, app, signer, algorithm))["status"] == 200


@pytest.mark.parametrize(
    ("changed", "status", "number"),
    [
        ({"sub": "somebody"}, 400, 700213),
        ({"sub": None}, 400, 700213),
        ({"iss": "https://other.example"}, 400, 700211),
        ({"iss": None}, 400, 700211),
        ({"aud": "api://other"}, 400, 700212),
        ({"exp": 1}, 401, 700024),
        ({"exp": None}, 401, 700024),
        ({"nbf": 9_999_999_999}, 401, 700024),
    ],
)
def test_federated_refusals(
    site: Site, present: Present, signer: Signer, changed: dict[str, Any], status: int, number: int
) -> None:
    found = present(outside(site, signer, **changed))
    assert (found["status"], found["error_codes"]) == (status, [number])


def test_a_stranger_s_signature_is_refused(
    site: Site, present: Present, app: Application, stranger: Signer, signer: Signer
) -> None:
    assert present(outside(site, stranger))["error_codes"] == [50013]
    forged = by_certificate(site, app, Signer(stranger.key, "", signer.thumbprint, "", {}))
    assert present(forged)["error_codes"] == [700027]
    assert present(by_certificate(site, app, stranger))["error_codes"] == [700027]


@pytest.mark.parametrize(
    ("changed", "number"),
    [({"aud": "https://evil.example"}, 700023), ({"exp": 1}, 700024), ({"sub": "x"}, 700021)],
)
def test_certificate_refusals(
    site: Site,
    present: Present,
    app: Application,
    signer: Signer,
    changed: dict[str, Any],
    number: int,
) -> None:
    found = present(by_certificate(site, app, signer, **changed))
    assert (found["status"], found["error_codes"]) == (401, [number])


def test_no_algorithm_but_a_signature(site: Site, present: Present, signer: Signer) -> None:
    """`none`, and the public key used as an HMAC secret: the two classics."""
    _, body, signature = outside(site, signer).split(".")
    none = b64(json.dumps({"alg": "none", "kid": "k1"}).encode())
    assert present(f"{none}.{body}.{signature}")["error_codes"] == [50013]
    assert present(f"{none}.{body}.")["error_codes"] == [50027]
    public = signer.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    hs = b64(json.dumps({"alg": "HS256", "kid": "k1"}).encode())
    mac = b64(hmac.new(public, f"{hs}.{body}".encode(), hashlib.sha256).digest())
    assert present(f"{hs}.{body}.{mac}")["error_codes"] == [50013]


def test_an_unregistered_issuer_is_not_fetched(
    site: Site, present: Present, app: Application, signer: Signer
) -> None:
    applications.add_federated(site.ctx, app, "far", issuer="https://far.example", subject="me")
    found = present(outside(site, signer, iss="https://far.example"))
    assert (found["status"], found["error"]) == (501, "NotEmulated")
    assert "https://far.example" in found["error_description"]


def test_another_s_credential_does_not_help(
    site: Site, ask_token: AskToken, app: Application, signer: Signer
) -> None:
    answer = ask_token(
        client_secret=None,
        client_assertion=outside(site, signer),
        client_assertion_type=BEARER,
    )
    assert answer.json()["error_codes"] == [700211]


@pytest.mark.parametrize(
    ("kind", "number"),
    [(None, 900144), ("urn:ietf:params:oauth:client-assertion-type:saml2-bearer", 50027)],
)
def test_the_assertion_type_is_read(ask_token: AskToken, kind: str | None, number: int) -> None:
    answer = ask_token(client_secret=None, client_assertion="a.b.c", client_assertion_type=kind)
    assert answer.json()["error_codes"] == [number]


@pytest.mark.parametrize(
    "text",
    ["x", "..", "a.b", "a.b.c.d", "bnVsbA.bnVsbA.x", "W10.W10.x", "\u00e9.b.c", "a" * 70_000],
)
def test_malformed_assertions(present: Present, text: str) -> None:
    found = present(text)
    assert (found["status"], found["error_codes"]) == (400, [50027])


def test_half_a_surrogate_pair_is_answered(site: Site, present: Present, signer: Signer) -> None:
    for name in ("iss", "sub", "aud"):
        found = present(outside(site, signer, **{name: "x\ud800"}))
        assert found["error"] == "invalid_request"


def test_deeply_nested_json_is_malformed(present: Present) -> None:
    deep = b64(b"[" * 30_000)
    assert present(f"{deep}.{deep}.x")["error_codes"] == [50027]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(alphabet="abcdefABCDEF0123456789-_.=ey\x00é", max_size=200))
def test_any_text_parses_or_is_malformed(text: str) -> None:
    try:
        found = assertions.parse(text)
    except MalformedAssertion:
        return
    assert isinstance(found.claims, dict)


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "k": "AAAA"},
        {"kty": "RSA"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "d": "x"},
    ],
)
def test_only_public_keys_are_registered(site: Site, key: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        applications.trust(site.ctx, OUTSIDE, [key])
