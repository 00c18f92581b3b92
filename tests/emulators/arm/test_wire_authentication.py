"""Tokens at the resource manager's door: only this folder's, in time, and meant for it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from emulators.kernel.clock import ManualClock
from tests.site import ARM, Site

URL = f"{ARM}/subscriptions?api-version=2022-12-01"


def asked(site: Site, token: str | None) -> tuple[int, str, str]:
    answer = site.ask("GET", URL, token=token)
    error = answer.json().get("error", {})
    return answer.status_code, error.get("code", ""), answer.headers.get("www-authenticate", "")


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_no_token_and_what_is_none(site: Site) -> None:
    status, code, challenge = asked(site, None)
    assert (status, code) == (401, "AuthenticationFailed")
    tenant = site.ctx.secrets.tenant_id
    assert f'authorization_uri="https://login.microsoftonline.com/{tenant}"' in challenge
    basic = site.ask("GET", URL, headers={"authorization": "Basic eDp5"})
    assert basic.status_code == 401


@pytest.mark.parametrize(
    "audience",
    [ARM, f"{ARM}/", "https://management.core.windows.net/", "https://management.core.windows.net"],
)
def test_its_audiences(site: Site, audience: str) -> None:
    assert asked(site, site.token(audience))[0] == 200


@pytest.mark.parametrize("audience", ["https://ml.azure.com", "https://storage.azure.com", ""])
def test_another_audience(site: Site, audience: str) -> None:
    status, code, challenge = asked(site, site.token(audience))
    assert (status, code) == (401, "InvalidAuthenticationTokenAudience")
    assert 'error="invalid_token"' in challenge


def test_an_expired_token(site: Site) -> None:
    token = site.token()
    assert isinstance(site.ctx.clock, ManualClock)
    site.ctx.clock._elapsed += 3599 + 61
    assert asked(site, token)[:2] == (401, "ExpiredAuthenticationToken")


def test_a_token_not_valid_yet(site: Site) -> None:
    later = int(site.ctx.clock.now().timestamp()) + 900
    token = site.token(claims={"nbf": later})
    assert asked(site, token)[:2] == (401, "InvalidAuthenticationToken")


@pytest.mark.parametrize(
    "changed", [{"iss": "https://sts.windows.net/x/"}, {"tid": "x"}, {"tid": None}, {"iss": None}]
)
def test_another_tenant(site: Site, changed: dict[str, Any]) -> None:
    code = "InvalidAuthenticationTokenTenant"
    assert asked(site, site.token(claims=changed))[:2] == (401, code)


@pytest.mark.parametrize(
    "changed", [{"exp": None}, {"exp": "soon"}, {"exp": True}, {"nbf": "x"}, 
                {"nbf": float("inf")}, {"aud": ["a", "b"]}, {"aud": {"x": 1}}],
)  # fmt: skip
def test_claims_of_the_wrong_kind(site: Site, changed: dict[str, Any]) -> None:
    assert asked(site, site.token(claims=changed))[0] == 401


def test_forged_tokens(site: Site) -> None:
    head, body, signature = site.token().split(".")
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    claims = jwt.decode(f"{head}.{body}.{signature}", options={"verify_signature": False})
    header = jwt.get_unverified_header(f"{head}.{body}.{signature}")
    jwk = jwt.PyJWK(site.ctx.tokens.jwk).key
    public = jwk.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    hs = b64(json.dumps({**header, "alg": "HS256"}).encode())
    mac = b64(hmac.new(public, f"{hs}.{body}".encode(), hashlib.sha256).digest())
    none = b64(json.dumps({**header, "alg": "none"}).encode())
    richer = b64(json.dumps({**claims, "oid": "somebody"}).encode())
    forged = {
        "a stranger's key": jwt.encode(claims, stranger, "RS256", headers={"kid": header["kid"]}),
        "HS256 with the public key": f"{hs}.{body}.{mac}",
        "alg none": f"{none}.{body}.",
        "alg none, old signature": f"{none}.{body}.{signature}",
        "no signature": f"{head}.{body}.",
        "other claims": f"{head}.{richer}.{signature}",
        "cut": site.token()[:-2],
        "two parts": f"{head}.{body}",
        "four parts": f"{head}.{body}.{signature}.x",
        "not base64": "!.!.!",
        "not JSON": f"{b64(b'x')}.{b64(b'y')}.{signature}",
        "JSON arrays": f"{b64(b'[]')}.{b64(b'[]')}.{signature}",
        "nested": f"{b64(b'[' * 20_000)}.{body}.{signature}",
        "nothing": "x",
    }
    for what, token in forged.items():
        assert asked(site, token)[:2] == (401, "InvalidAuthenticationToken"), what


def test_the_door_takes_only_its_own_origin(site: Site) -> None:
    url = "https://localhost:8441/subscriptions?api-version=2022-12-01"
    assert site.ask("GET", url, token=site.token("https://localhost:8441")).status_code == 200
    other = site.ask("GET", url, token=site.token("https://localhost:9999"))
    assert other.status_code == 401
