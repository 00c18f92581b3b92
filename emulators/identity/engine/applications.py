"""Applications of the tenant, their service principals and what proves them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from emulators.identity.engine import tenant
from emulators.identity.errors import DirectoryError, FederatedExists, UnknownApplication
from emulators.identity.store import (
    APPLICATIONS,
    CERTIFICATES,
    FEDERATED,
    ISSUERS,
    PASSWORDS,
    Application,
    Certificate,
    Federated,
    Password,
    TrustedIssuer,
)
from emulators.kernel.context import Context
from emulators.kernel.ids import secret_token

EXCHANGE_AUDIENCE = "api://AzureADTokenExchange"
SEEDED_NAME = "rehearsal"
SEEDED_PASSWORD = "00000000-0000-0000-0000-000000000001"
FOREVER_DAYS = 36_500
PASSWORD_DAYS = 730  # two years, the portal's and `addPassword`'s default


def digest(secret: str) -> str:
    """What is kept of a secret. Secrets are random and long, so a plain hash does."""
    return hashlib.sha256(secret.encode()).hexdigest()


def seed(ctx: Context) -> Application:
    """The application whose id and secret `rehearse env` prints; made when it is not there."""
    secrets, now = ctx.secrets, ctx.clock.now()
    made = Application(
        app_id=secrets.client_id,
        id=secrets.guid("application_object_id"),
        principal_id=secrets.object_id,
        name=SEEDED_NAME,
        created=now,
    )
    with ctx.store.transaction():
        ctx.store.insert(APPLICATIONS, made)
        ends = now + timedelta(days=FOREVER_DAYS)
        secret = secrets.client_secret
        ctx.store.put(
            PASSWORDS,
            Password(
                made.app_id, SEEDED_PASSWORD, digest(secret), secret[:3], SEEDED_NAME, now, ends
            ),
        )
    return made


def find(ctx: Context, app_id: str) -> Application:
    """An application by its client id, in any case of letters.

    Raises:
        UnknownApplication: there is none, or it has no service principal here.
    """
    lower = app_id.lower()
    found = ctx.store.get(APPLICATIONS, lower) if _printable(lower) else None
    if found is None and lower == ctx.secrets.client_id:
        found = seed(ctx)
    if found is None or not found.principal_id:
        raise UnknownApplication(app_id, tenant.NAME)
    return found


def register(
    ctx: Context,
    name: str,
    *,
    app_id: str | None = None,
    roles: Sequence[str] = (),
    uris: Sequence[str] = (),
    principal: bool = True,
) -> Application:
    """A new application, with a service principal unless told otherwise, without a credential."""
    made = Application(
        app_id=(app_id or ctx.ids.guid()).lower(),
        id=ctx.ids.guid(),
        principal_id=ctx.ids.guid() if principal else "",
        name=name,
        created=ctx.clock.now(),
        roles=list(roles),
        uris=list(uris),
    )
    ctx.store.put(APPLICATIONS, made)
    return made


def everything(ctx: Context) -> list[Application]:
    """Every application, the seeded one among them, by client id."""
    if ctx.store.get(APPLICATIONS, ctx.secrets.client_id) is None:
        seed(ctx)
    return list(ctx.store.scan(APPLICATIONS))


def by_object(ctx: Context, object_id: str) -> Application | None:
    """The application whose object id this is, or None."""
    lower = object_id.lower()
    return next((app for app in everything(ctx) if app.id == lower), None)


def by_principal(ctx: Context, object_id: str) -> Application | None:
    """The application whose service principal's object id this is, or None."""
    lower = object_id.lower()
    return next((a for a in everything(ctx) if lower and a.principal_id == lower), None)


def change(ctx: Context, old: Application, **changed: Any) -> Application:
    """Replace fields of an application; what changed meanwhile stays."""
    with ctx.store.transaction():
        now = ctx.store.get(APPLICATIONS, old.app_id) or old
        made = replace(now, **changed)
        ctx.store.put(APPLICATIONS, made)
    return made


def remove(ctx: Context, app_id: str) -> bool:
    """Remove an application and everything that proves it; False when there was none."""
    lower = app_id.lower()
    with ctx.store.transaction():
        for password in list(ctx.store.scan(PASSWORDS, lower)):
            ctx.store.delete(PASSWORDS, lower, password.id)
        for certificate in list(ctx.store.scan(CERTIFICATES, lower)):
            ctx.store.delete(CERTIFICATES, lower, certificate.thumbprint)
        for federated in list(ctx.store.scan(FEDERATED, lower)):
            ctx.store.delete(FEDERATED, lower, federated.name)
        return ctx.store.delete(APPLICATIONS, lower)


def add_password(
    ctx: Context, app: Application, name: str = "", *, ends: datetime | None = None
) -> tuple[Password, str]:
    """A new client secret: its record, and its text, which is not kept."""
    now, secret = ctx.clock.wall(), secret_token(30)
    made = Password(
        app_id=app.app_id,
        id=ctx.ids.guid(),
        digest=digest(secret),
        hint=secret[:3],
        name=name,
        starts=now,
        ends=ends or now + timedelta(days=PASSWORD_DAYS),
    )
    ctx.store.put(PASSWORDS, made)
    return made, secret


def add_certificate(ctx: Context, app: Application, pem: str) -> Certificate:
    """Register a public certificate in PEM; its private key may sign assertions from now on.

    Raises:
        ValueError: not a certificate.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    loaded = x509.load_pem_x509_certificate(pem.encode())
    made = Certificate(
        app_id=app.app_id,
        thumbprint=loaded.fingerprint(hashes.SHA1()).hex(),
        thumbprint_256=loaded.fingerprint(hashes.SHA256()).hex(),
        pem=loaded.public_bytes(Encoding.PEM).decode(),
        starts=loaded.not_valid_before_utc,
        ends=loaded.not_valid_after_utc,
    )
    ctx.store.put(CERTIFICATES, made)
    return made


def replace_certificates(ctx: Context, app: Application, pems: Sequence[str]) -> None:
    """Let the application be proven by these certificates and no others.

    Raises:
        DirectoryError: one is not a certificate; nothing is changed.
    """
    with ctx.store.transaction():
        for old in list(ctx.store.scan(CERTIFICATES, app.app_id)):
            ctx.store.delete(CERTIFICATES, app.app_id, old.thumbprint)
        for pem in pems:
            try:
                add_certificate(ctx, app, pem)
            except ValueError:
                raise DirectoryError("A key credential is not a certificate.") from None


def add_federated(
    ctx: Context,
    app: Application,
    name: str,
    *,
    issuer: str,
    subject: str,
    audiences: Sequence[str] = (EXCHANGE_AUDIENCE,),
) -> Federated:
    """Let tokens of an outside issuer with this subject stand for the application.

    Raises:
        FederatedExists: the name, or the pair of issuer and subject, is taken.
    """
    made = Federated(app.app_id, name, ctx.ids.guid(), issuer, subject, list(audiences))
    return keep_federated(ctx, made)


def keep_federated(ctx: Context, made: Federated) -> Federated:
    """Store a federated credential that is made already.

    Raises:
        FederatedExists: the name, or the pair of issuer and subject, is taken.
    """
    with ctx.store.transaction():
        for other in ctx.store.scan(FEDERATED, made.app_id):
            same = (other.issuer, other.subject) == (made.issuer, made.subject)
            if other.name == made.name or same:
                raise FederatedExists(other.name)
        ctx.store.put(FEDERATED, made)
    return made


def trust(ctx: Context, issuer: str, keys: Sequence[dict[str, Any]]) -> TrustedIssuer:
    """Register an outside issuer's public keys (a JSON Web Key Set's `keys`).

    Raises:
        ValueError: a key is private, symmetric, or no key.
    """
    from jwt import PyJWK, PyJWTError

    for key in keys:
        if key.get("kty") not in ("RSA", "EC") or "d" in key:
            raise ValueError("only public RSA and EC keys can be registered")
        try:
            PyJWK(dict(key))
        except (PyJWTError, ValueError, KeyError, TypeError) as wrong:
            raise ValueError(f"not a JSON Web Key: {wrong}") from wrong
    made = TrustedIssuer(issuer, [dict(key) for key in keys])
    ctx.store.put(ISSUERS, made)
    return made


def _printable(text: str) -> bool:
    return text.isprintable()
