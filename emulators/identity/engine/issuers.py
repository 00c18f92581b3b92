"""Outside issuers: whose keys are registered here, and a GitHub-like one of this folder's own."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulators.identity.engine.applications import EXCHANGE_AUDIENCE
from emulators.identity.store import ISSUERS
from emulators.kernel.context import Context

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

GITHUB = "https://token.actions.githubusercontent.com"
GITHUB_LIFETIME_S = 300
KEY_NAME = "identity/github-key"


def keys_of(ctx: Context, issuer: str) -> list[dict[str, Any]] | None:
    """The public keys of an issuer, or None when nobody registered them.

    GitHub's real keys cannot be fetched offline; until somebody registers them, its name stands
    for this state folder's own key, with which `github_assertion` signs.
    """
    found = ctx.store.get(ISSUERS, issuer) if issuer.isprintable() else None
    if found is not None:
        return found.keys
    return [github_jwk(ctx)] if issuer == GITHUB else None


def github_assertion(
    ctx: Context,
    subject: str,
    *,
    audience: str = EXCHANGE_AUDIENCE,
    claims: Mapping[str, Any] | None = None,
    lifetime_s: int = GITHUB_LIFETIME_S,
) -> str:
    """An assertion as GitHub Actions makes it, signed by this state folder.

    `subject` is GitHub's: `repo:OWNER/NAME:ref:refs/heads/main`, `…:environment:NAME`.

    Source: docs.github.com/actions/reference/security/oidc
    """
    import jwt

    now = int(ctx.clock.wall().timestamp())
    body = {
        "iss": GITHUB,
        "sub": subject,
        "aud": audience,
        "iat": now,
        "nbf": now,
        "exp": now + lifetime_s,
        "jti": ctx.ids.guid(),
        **_subject_claims(subject),
        **(claims or {}),
    }
    return jwt.encode(
        body, _github_key(ctx), algorithm="RS256", headers={"kid": github_jwk(ctx)["kid"]}
    )


def github_jwk(ctx: Context) -> dict[str, Any]:
    """The public key of this folder's GitHub-like issuer."""
    from jwt.algorithms import RSAAlgorithm

    public: dict[str, Any] = json.loads(RSAAlgorithm.to_jwk(_github_key(ctx).public_key()))
    kid = base64.urlsafe_b64encode(hashlib.sha256(public["n"].encode()).digest()[:20]).decode()
    kept = {name: public[name] for name in ("kty", "n", "e")}
    return {**kept, "use": "sig", "alg": "RS256", "kid": kid.rstrip("=")}


def _subject_claims(subject: str) -> dict[str, str]:
    """What GitHub says beside the subject, as far as the subject tells."""
    words = subject.split(":", 2)
    if len(words) < 3 or words[0] != "repo":
        return {}
    owner = words[1].partition("/")[0]
    claims = {
        "repository": words[1],
        "repository_owner": owner,
        "runner_environment": "self-hosted",
    }
    kind, _, value = words[2].partition(":")
    if kind in ("ref", "environment"):
        claims[kind] = value
    return claims


def _github_key(ctx: Context) -> RSAPrivateKey:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    def make() -> str:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()

    loaded = serialization.load_pem_private_key(ctx.secrets.text(KEY_NAME, make).encode(), None)
    assert isinstance(loaded, rsa.RSAPrivateKey)
    return loaded
