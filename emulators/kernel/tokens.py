"""RS256 tokens of this state folder: issued by identity, checked by every service."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from emulators.kernel.clock import Clock
from emulators.kernel.errors import Unauthorized
from emulators.kernel.ids import Ids
from emulators.kernel.secrets import Secrets

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

LIFETIME_S = 3599
LEEWAY_S = 60
PROVEN_KEPT = 1024
"""Tokens whose signature need not be checked again."""


class InvalidToken(Unauthorized):
    """A bearer token that does not hold; ARM's wording."""

    code = "InvalidAuthenticationToken"


class ExpiredToken(Unauthorized):
    """A bearer token past its `exp`."""

    code = "ExpiredAuthenticationToken"


class WrongTenant(Unauthorized):
    """A bearer token of another tenant's issuer."""

    code = "InvalidAuthenticationTokenTenant"


class WrongAudience(Unauthorized):
    """A bearer token meant for another resource."""

    code = "InvalidAuthenticationTokenAudience"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling: the checked claims of a token."""

    object_id: str
    app_id: str
    tenant_id: str
    audience: str
    claims: Mapping[str, Any] = field(default_factory=dict)


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Tokens:
    """Issues and checks the folder's JSON Web Tokens. The key never leaves the state folder."""

    def __init__(self, secrets: Secrets, clock: Clock, ids: Ids) -> None:
        self._secrets, self._clock, self._ids = secrets, clock, ids
        self._proven: dict[str, dict[str, Any]] = {}

    @cached_property
    def _key(self) -> RSAPrivateKey:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        pem = self._secrets.text("identity/signing-key", _new_key)
        loaded = serialization.load_pem_private_key(pem.encode(), None)
        assert isinstance(loaded, rsa.RSAPrivateKey)
        return loaded

    def prepare(self) -> None:
        """Make the signing key if the folder has none yet, so that its readers find it."""
        self._secrets.text("identity/signing-key", _new_key)

    @cached_property
    def jwk(self) -> dict[str, str]:
        """The public key in the form of a JSON Web Key Set entry."""
        numbers = self._key.public_key().public_numbers()
        modulus = numbers.n.to_bytes(256, "big")
        return {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": _b64(hashlib.sha256(modulus).digest()[:20]),
            "n": _b64(modulus),
            "e": _b64(numbers.e.to_bytes(3, "big")),
        }

    def issuer(self, version: int = 1) -> str:
        """`iss` as Entra writes it for this tenant."""
        tenant = self._secrets.tenant_id
        if version == 2:
            return f"https://login.microsoftonline.com/{tenant}/v2.0"
        return f"https://sts.windows.net/{tenant}/"

    def issue(
        self,
        audience: str,
        *,
        object_id: str | None = None,
        app_id: str | None = None,
        claims: Mapping[str, Any] | None = None,
        lifetime_s: int = LIFETIME_S,
    ) -> str:
        """A signed token for `audience`, by default of the seeded service principal.

        `claims` are added or replace others; one that is None is left out.
        """
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        now = int(self._clock.wall().timestamp())
        oid = object_id or self._secrets.object_id
        body = {
            "aud": audience,
            "iss": self.issuer(),
            "iat": now,
            "nbf": now,
            "exp": now + lifetime_s,
            "appid": app_id or self._secrets.client_id,
            "appidacr": "1",
            "idtyp": "app",
            "oid": oid,
            "sub": oid,
            "tid": self._secrets.tenant_id,
            "uti": self._ids.token(16),
            "ver": "1.0",
            **(claims or {}),
        }
        body = {name: value for name, value in body.items() if value is not None}
        header = {"typ": "JWT", "alg": "RS256", "kid": self.jwk["kid"], "x5t": self.jwk["kid"]}
        text = f"{_b64(json.dumps(header).encode())}.{_b64(json.dumps(body).encode())}"
        signature = self._key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{text}.{_b64(signature)}"

    def verify(self, token: str, audiences: Collection[str]) -> Principal:
        """Check signature, times, tenant and audience; slashes at an audience's end are equal.

        Raises:
            InvalidToken: not a token of this state folder.
            ExpiredToken: its time is over.
            WrongTenant: issued by another tenant.
            WrongAudience: meant for another resource.
        """
        claims = self._proven.get(token) or self._prove(token)
        now = self._clock.wall().timestamp()
        if claims.get("tid") != self._secrets.tenant_id or claims.get("iss") not in (
            self.issuer(1),
            self.issuer(2),
        ):
            raise WrongTenant(
                f"The access token is from the wrong issuer '{claims.get('iss')}'. It must match"
                f" the tenant '{self.issuer(1)}' associated with this subscription."
            )
        if not isinstance(claims.get("exp"), int) or claims["exp"] + LEEWAY_S < now:
            raise ExpiredToken("The access token expiry UTC time is earlier than current UTC time.")
        begins = claims.get("nbf", 0)
        if not isinstance(begins, int) or begins - LEEWAY_S > now:
            raise InvalidToken("The access token is not valid yet.")
        audience = str(claims.get("aud", ""))
        if audience.rstrip("/") not in {a.rstrip("/") for a in audiences}:
            raise WrongAudience(
                f"The access token has been obtained for wrong audience or resource '{audience}'."
                f" It should exactly match with one of the allowed audiences"
                f" {', '.join(sorted(audiences))}."
            )
        return Principal(
            object_id=str(claims.get("oid", "")),
            app_id=str(claims.get("appid") or claims.get("azp") or ""),
            tenant_id=str(claims["tid"]),
            audience=audience,
            claims=claims,
        )

    def _prove(self, token: str) -> dict[str, Any]:
        """Check a signature once; times, tenant and audience are checked at every call."""
        claims = self._claims(token)
        if len(self._proven) >= PROVEN_KEPT:
            self._proven.clear()
        self._proven[token] = claims
        return claims

    def _claims(self, token: str) -> dict[str, Any]:
        """The claims of a token whose signature is this folder's."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        # Nothing of the body is read before the signature holds: what a stranger sends could be
        # nested deeper than the parser goes.
        try:
            head, body, signature = token.split(".")
            self._key.public_key().verify(
                _unb64(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256()
            )
            claims = json.loads(_unb64(body))
            if json.loads(_unb64(head)).get("alg") != "RS256" or not isinstance(claims, dict):
                raise ValueError("not an RS256 token")
        except (ValueError, AttributeError, InvalidSignature) as wrong:
            raise InvalidToken("The access token is invalid.") from wrong
        return claims


def _new_key() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _unb64(text: str) -> bytes:
    padded = (text + "=" * (-len(text) % 4)).encode("ascii")
    return base64.b64decode(padded, altchars=b"-_", validate=True)
