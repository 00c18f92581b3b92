"""Client assertions: signed by the application's certificate, or by an issuer it trusts."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulators.identity.engine import issuers
from emulators.identity.errors import (
    AssertionOutOfTime,
    BadFederatedSignature,
    BadSignature,
    MalformedAssertion,
    NoFederatedAudience,
    NoFederatedIssuer,
    NoFederatedSubject,
    UnregisteredKey,
    WrongAssertionAudience,
    WrongAssertionIssuer,
)
from emulators.identity.store import CERTIFICATES, FEDERATED, Application, Certificate
from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported

if TYPE_CHECKING:
    from jwt.types import Options

LEEWAY_S = 300  # clock skew that Entra tolerates
ALGORITHMS = {"RSA": ["RS256", "PS256", "RS384", "RS512"], "EC": ["ES256", "ES384"]}
MAX_SIZE = 64 * 1024  # characters

# Signature only: times are read from our clock, the rest has Entra's own errors.
_SIGNATURE_ONLY: Options = {
    "verify_signature": True, "verify_exp": False, "verify_nbf": False, "verify_iat": False,
    "verify_aud": False, "verify_iss": False, "verify_sub": False, "verify_jti": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion taken apart; nothing of it is proven."""

    text: str
    header: dict[str, Any]
    claims: dict[str, Any]

    @property
    def issuer(self) -> str:
        return _text(self.claims.get("iss"))

    @property
    def subject(self) -> str:
        return _text(self.claims.get("sub"))

    @property
    def audiences(self) -> list[str]:
        given = self.claims.get("aud")
        return [_text(one) for one in given] if isinstance(given, list) else [_text(given)]


def parse(text: str) -> Assertion:
    """Take a compact JSON Web Signature apart.

    Raises:
        MalformedAssertion: it is not one.
    """
    if len(text) > MAX_SIZE:
        raise MalformedAssertion("too long")
    parts = text.split(".")
    if len(parts) != 3 or not all(parts):
        raise MalformedAssertion("three parts are expected")
    header, claims = (_json(part) for part in parts[:2])
    if not isinstance(header.get("alg"), str):
        raise MalformedAssertion("the header has no algorithm")
    return Assertion(text, header, claims)


def verify(ctx: Context, app: Application, text: str, realms: frozenset[str]) -> None:
    """Check that an assertion proves `app`.

    An assertion of the application's own name is signed by its certificate; any other issuer
    must be in one of its federated credentials. `realms` are the audiences that name the
    endpoint.

    Raises:
        EntraError: what does not hold.
        Unsupported: the issuer's keys would have to be fetched.
    """
    given = parse(text)
    thumbprinted = "x5t" in given.header or "x5t#S256" in given.header
    if thumbprinted or given.issuer.lower() == app.app_id:
        _verify_certificate(ctx, app, given, realms)
    else:
        _verify_federated(ctx, app, given)


def _verify_certificate(
    ctx: Context, app: Application, given: Assertion, realms: frozenset[str]
) -> None:
    if given.issuer.lower() != app.app_id or given.subject.lower() != app.app_id:
        raise WrongAssertionIssuer(app.app_id)
    certificate = _certificate(ctx, app, given)
    from cryptography import x509

    key = x509.load_pem_x509_certificate(certificate.pem.encode()).public_key()
    if not _signed(given, key, ["RS256", "PS256"]):
        raise BadSignature
    _check_times(ctx, given)
    if not set(given.audiences) & realms:
        raise WrongAssertionAudience(", ".join(given.audiences))


def _certificate(ctx: Context, app: Application, given: Assertion) -> Certificate:
    """The registered certificate that the header's thumbprint names."""
    sha1 = _thumbprint(given.header.get("x5t"))
    sha256 = _thumbprint(given.header.get("x5t#S256"))
    for certificate in ctx.store.scan(CERTIFICATES, app.app_id):
        if certificate.thumbprint_256 == sha256 or certificate.thumbprint == sha1:
            return certificate
    raise UnregisteredKey((sha1 or sha256).upper(), app.app_id)


def _verify_federated(ctx: Context, app: Application, given: Assertion) -> None:
    """Source: learn.microsoft.com/entra/workload-id/workload-identity-federation"""
    trusted = [f for f in ctx.store.scan(FEDERATED, app.app_id) if f.issuer == given.issuer]
    if not trusted:
        raise NoFederatedIssuer(given.issuer)
    _check_federated_signature(issuers.keys_of(ctx, given.issuer), given)
    _check_times(ctx, given)
    named = [f for f in trusted if f.subject == given.subject]
    if not named:
        raise NoFederatedSubject(given.subject)
    if not any(set(given.audiences) & set(f.audiences) for f in named):
        raise NoFederatedAudience(", ".join(given.audiences))


def _check_federated_signature(keys: Sequence[dict[str, Any]] | None, given: Assertion) -> None:
    from jwt import PyJWK

    if keys is None:
        raise Unsupported(
            f"fetching the signing keys of the issuer '{given.issuer}'; register them",
            tracked="emulators/identity/README.md",
        )
    kid = given.header.get("kid")
    fitting = [key for key in keys if kid is None or key.get("kid", kid) == kid]
    if not fitting:
        raise BadFederatedSignature("The key was not found.")
    for key in fitting:
        if _signed(given, PyJWK(key).key, ALGORITHMS[key["kty"]]):
            return
    raise BadFederatedSignature("The provided signature value did not match.")


def _signed(given: Assertion, key: Any, algorithms: Sequence[str]) -> bool:
    import jwt

    try:
        jwt.decode(given.text, key, algorithms=list(algorithms), options=_SIGNATURE_ONLY)
    except (jwt.PyJWTError, ValueError, TypeError):
        return False
    return True


def _check_times(ctx: Context, given: Assertion) -> None:
    now = ctx.clock.wall().timestamp()
    start, end = _seconds(given.claims.get("nbf", 0)), _seconds(given.claims.get("exp"))
    if start is None or end is None or end + LEEWAY_S < now or start - LEEWAY_S > now:
        moment = ctx.clock.wall().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        raise AssertionOutOfTime(moment, str(start), str(end))


def _seconds(value: object) -> float | None:
    """A NumericDate, or None when it is none."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _json(part: str) -> dict[str, Any]:
    try:
        value = json.loads(_decoded(part))
    except (ValueError, RecursionError):
        raise MalformedAssertion("a part is not base64url JSON") from None
    if not isinstance(value, dict):
        raise MalformedAssertion("a part is not a JSON object")
    return value


def _thumbprint(value: object) -> str:
    """A base64url thumbprint as lower-case hexadecimal; empty when it is none."""
    try:
        return _decoded(value).hex() if isinstance(value, str) else ""
    except ValueError:
        return ""


def _decoded(text: str) -> bytes:
    padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
    return base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
