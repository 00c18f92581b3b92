"""Wrong credentials at every door: refused in each service's own words, whatever they pretend."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from emulators.commands.coverage import packages
from emulators.kernel import catalogue
from tests.adversarial.conftest import ARM, ML, Target, error_code

STORAGE = "https://storage.azure.com"
REFUSED = {401, 403}
OPEN = {
    # Entra's own endpoints take credentials of other kinds, or are public by nature.
    "login.microsoftonline.com",
}
ANONYMOUS = ("/discovery", "/registrymanagement/", "/metadata/endpoints")
"""Azure tells anybody where its services are."""

SIGNED = "/logs/"  # links to logs carry a signature of their own
CODED = "/dataplane/triggers/events/"
"""Event Grid delivers with a secret code in the address; whoever has none is told so with 400."""


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwt(header: Any, claims: Any, signature: bytes = b"") -> str:
    return f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}.{b64(signature)}"


def claims_of(target: Target, audience: str, **more: Any) -> dict[str, Any]:
    body = target.token(audience).split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=="))
    return {**claims, **more}


def hs256(target: Target, audience: str, key: bytes) -> str:
    text = jwt({"alg": "HS256", "typ": "JWT", "kid": target.tokens.jwk["kid"]},
               claims_of(target, audience)).rpartition(".")[0]  # fmt: skip
    return f"{text}.{b64(hmac.new(key, text.encode(), hashlib.sha256).digest())}"


def rs256(target: Target, audience: str, **header: Any) -> str:
    """Signed by a key of the attacker's own."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = jwt({"alg": "RS256", "kid": target.tokens.jwk["kid"], **header},
               claims_of(target, audience)).rpartition(".")[0]  # fmt: skip
    return f"{text}.{b64(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def public_pem(target: Target) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return target.tokens._key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def swapped(target: Target, audience: str) -> str:
    """Somebody else's claims under a signature of ours."""
    head, _, signature = target.token(audience).split(".")
    body = b64(json.dumps(claims_of(target, audience, oid="root")).encode())
    return f"{head}.{body}.{signature}"


HOUR = 3600
FORGED: dict[str, Callable[[Target, str], str]] = {
    "empty": lambda t, a: "",
    "word": lambda t, a: "letmein",
    "dots": lambda t, a: "..",
    "none": lambda t, a: jwt({"alg": "none"}, claims_of(t, a)),
    "None": lambda t, a: jwt({"alg": "None"}, claims_of(t, a), b"x"),
    "no-signature": lambda t, a: t.token(a).rpartition(".")[0] + ".",
    "two-parts": lambda t, a: t.token(a).rpartition(".")[0],
    "four-parts": lambda t, a: t.token(a) + ".x",
    "hs256-public-key": lambda t, a: hs256(t, a, public_pem(t)),
    "hs256-modulus": lambda t, a: hs256(t, a, t.tokens.jwk["n"].encode()),
    "hs256-empty": lambda t, a: hs256(t, a, b""),
    "own-key": rs256,
    "own-key-jku": lambda t, a: rs256(t, a, jku="https://evil.example/keys"),
    "own-key-jwk": lambda t, a: rs256(t, a, jwk={"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
    "kid-path": lambda t, a: rs256(t, a, kid="../../../../dev/null"),
    "swapped": swapped,
    "expired": lambda t, a: t.tokens.issue(a, lifetime_s=-HOUR),
    "not-yet": lambda t, a: t.token(a, nbf=int(time.time()) + HOUR),
    "no-exp": lambda t, a: t.token(a, exp=None),
    "exp-text": lambda t, a: t.token(a, exp="9999999999"),
    "exp-list": lambda t, a: t.token(a, exp=[9999999999]),
    "exp-huge": lambda t, a: t.token(a, exp=1e400),
    "other-tenant": lambda t, a: t.token(a, tid="11111111-1111-1111-1111-111111111111"),
    "other-issuer": lambda t, a: t.token(a, iss="https://sts.windows.net/common/"),
    "other-audience": lambda t, a: t.token("https://vault.azure.net"),
    "audience-list": lambda t, a: t.token(a, aud=[a, "x"]),
    "audience-prefix": lambda t, a: t.token(f"{a}.evil.example"),
    "admin-audience": lambda t, a: t.token("https://rehearsal.invalid/admin"),
    "bytes": lambda t, a: "\u00ff\u00fe.\u00e9.\u00e8",
    "deep": lambda t, a: f"{b64(b'[' * 20_000)}.{b64(b'[' * 20_000)}.AAAA",
    "long": lambda t, a: "a" * 30_000,
}
"""What is sent as a bearer token, given the audience that the service wants."""


def doors(target: Target) -> dict[str, tuple[str, str]]:
    """One request a service host, and the audience of its tokens."""
    ws = target.workspace.removeprefix(ARM)
    registry = f"{ws.rpartition('/workspaces/')[0]}/registries/azureml"
    account = target.env["AZURE_STORAGE_ACCOUNT"]
    return {
        "arm": (f"{target.group}?api-version=2021-04-01", ARM),
        "ml": (f"{target.workspace}?api-version=2024-10-01-preview", ARM),
        "history": (f"{ML}/history/v1.0{ws}/runs/x", ARM),
        "mlflow": (f"{ML}/mlflow/v1.0{ws}/api/2.0/mlflow/registered-models/search", ARM),
        "registry": (f"{ML}/mferp/managementfrontend{registry}/models", ARM),
        "graph": ("https://graph.microsoft.com/v1.0/applications", "https://graph.microsoft.com"),
        "blob": (f"{target.account}/?comp=list", STORAGE),
        "dfs": (f"https://{account}.dfs.core.windows.net/?resource=account", STORAGE),
    }  # fmt: skip


@pytest.mark.parametrize("kind", FORGED)
def test_no_forged_token_opens_anything(attacked: Target, kind: str) -> None:
    seen = {}
    for name, (url, audience) in doors(attacked).items():
        token = FORGED[kind](attacked, audience)
        value = f"Bearer {token}".strip().encode("latin-1")
        headers = {"x-ms-version": "2024-11-04", "authorization": value}
        answer = attacked.ask("GET", url, headers=headers)
        seen[name] = answer.status_code
        assert answer.status_code in REFUSED, (name, answer.status_code, answer.text[:300])
        assert error_code(answer)
        if answer.status_code == 401:
            assert answer.headers["www-authenticate"].startswith("Bearer"), name
        assert len(token) < 10 or token not in answer.text
    assert set(seen.values()) <= REFUSED


def test_a_good_token_does_open_them(attacked: Target) -> None:
    """Else the test above proves nothing."""
    for name, (url, audience) in doors(attacked).items():
        headers = {"x-ms-version": "2024-11-04"}
        answer = attacked.ask("GET", url, headers=headers, token=attacked.token(audience))
        assert answer.status_code not in REFUSED, (name, answer.text)


@pytest.mark.parametrize(
    "scheme", ["Basic eDp5", "bearer", "Digest x", "SharedKey a:b", "Negotiate"]
)
def test_other_schemes_are_refused(attacked: Target, scheme: str) -> None:
    for name, (url, _) in doors(attacked).items():
        answer = attacked.ask("GET", url, headers={"authorization": scheme})
        assert answer.status_code in {*REFUSED, 400}, (name, answer.status_code)


def test_every_operation_of_every_catalogue_wants_a_token(attacked: Target) -> None:
    """Served or refused: a stranger is not even told which."""
    opened = []
    stranger = rs256(attacked, ARM)
    for package in packages():
        for row in catalogue.rows(package):
            host = row.host or ""
            if host in OPEN or not row.path.startswith("/") or package.endswith("storage"):
                continue
            if SIGNED in row.path or row.path.startswith(ANONYMOUS):
                continue
            answer = call(attacked, row.method, host, row.path, stranger)
            if row.path.startswith(CODED) and "EventSubscriptionNotFound" in answer.text:
                continue
            if answer.status_code not in {401, 404, 405}:
                opened.append((row.name, row.path, answer.status_code, answer.text[:100]))
    assert opened == []


def call(target: Target, method: str, host: str, path: str, token: str) -> httpx.Response:
    env = target.env
    known = {"sub": env["AZURE_SUBSCRIPTION_ID"], "rg": "rehearsal", "ws": "rehearsal",
             "workspace": "rehearsal", "subscription": env["AZURE_SUBSCRIPTION_ID"]}  # fmt: skip
    parts = [
        known.get(part[1:-1].removesuffix(":path"), "x") if part.startswith("{") else part
        for part in path.split("/")
    ]
    url = f"https://{host.replace('*', 'eastus')}{'/'.join(parts)}"
    return target.ask(method, url, token=token, params={"api-version": "2024-10-01"})


def test_the_identity_emulator_s_own_knobs_want_a_token(attacked: Target) -> None:
    tenant = attacked.env["AZURE_TENANT_ID"]
    url = f"https://login.microsoftonline.com/{tenant}/discovery/issuers"
    body = {"issuer": "https://evil.example", "jwks": {"keys": []}}
    for method in ("PUT", "DELETE"):
        for token in (None, rs256(attacked, ARM)):
            answer = attacked.ask(method, url, token=token, json=body)
            assert answer.status_code in REFUSED, (method, answer.status_code, answer.text)


@pytest.mark.parametrize(
    "form",
    [
        {"client_secret": "wrong"},
        {"client_secret": ""},
        {"client_id": "00000000-0000-0000-0000-000000000000"},
        {"client_assertion": "a.b.c",
         "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
        {"grant_type": "password", "username": "a", "password": "b"},
        {"scope": "https://rehearsal.invalid/admin/.default", "client_secret": "wrong"},
    ],
)  # fmt: skip
def test_no_token_for_wrong_credentials(attacked: Target, form: dict[str, str]) -> None:
    env = attacked.env
    tenant = env["AZURE_TENANT_ID"]
    data = {
        "grant_type": "client_credentials",
        "client_id": env["AZURE_CLIENT_ID"],
        "scope": f"{ARM}/.default",
        **form,
    }
    answer = attacked.ask(
        "POST", f"https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token", data=data
    )
    assert answer.status_code in {400, 401}
    assert "AADSTS" in answer.json()["error_description"]
    assert "access_token" not in answer.text


def test_managed_identity_wants_its_header(attacked: Target) -> None:
    for headers in ({}, {"X-IDENTITY-HEADER": "wrong"}, {"secret": "x"}):
        answer = attacked.ask(
            "GET",
            f"https://localhost:{attacked.running.host.explicit}/msi/token",
            headers=headers,
            params={"resource": ARM, "api-version": "2019-08-01"},
        )
        assert answer.status_code in {400, 401, 403}
        assert "access_token" not in answer.text
