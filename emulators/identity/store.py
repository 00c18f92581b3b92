"""Records of the identity emulator: applications, what proves them, who may vouch for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emulators.kernel.store import Table


@dataclass(frozen=True, slots=True)
class Application:
    """An application and its service principal in the one tenant there is."""

    app_id: str  # client id, lower case
    id: str  # object id of the application
    principal_id: str  # object id of the service principal: `oid` of its tokens; "" without one
    name: str
    created: datetime  # UTC
    roles: list[str] = field(default_factory=list)  # app roles; claim `roles`
    uris: list[str] = field(default_factory=list)  # identifier URIs, as a resource
    token_version: int = 1  # of tokens for this application as a resource


@dataclass(frozen=True, slots=True)
class Password:
    """A client secret; only its digest is kept."""

    app_id: str
    id: str
    digest: str  # SHA-256, hexadecimal
    hint: str  # first three characters, as the portal shows them
    name: str
    starts: datetime  # UTC
    ends: datetime  # UTC


@dataclass(frozen=True, slots=True)
class Certificate:
    """A public certificate whose key signs the application's assertions."""

    app_id: str
    thumbprint: str  # SHA-1 of the DER form, lower-case hexadecimal
    thumbprint_256: str  # SHA-256 of the DER form, lower-case hexadecimal
    pem: str
    starts: datetime  # UTC
    ends: datetime  # UTC


@dataclass(frozen=True, slots=True)
class Federated:
    """Whose tokens stand for the application: issuer, subject, audience, all exact."""

    app_id: str
    name: str
    id: str
    issuer: str
    subject: str
    audiences: list[str]
    description: str = ""


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """An outside issuer and its public keys, registered because nothing is fetched."""

    issuer: str
    keys: list[dict[str, Any]]  # JSON Web Keys, public


APPLICATIONS = Table("identity_applications", Application, key=("app_id",))
PASSWORDS = Table("identity_passwords", Password, key=("app_id", "id"))
CERTIFICATES = Table("identity_certificates", Certificate, key=("app_id", "thumbprint"))
FEDERATED = Table("identity_federated", Federated, key=("app_id", "name"))
ISSUERS = Table("identity_issuers", TrustedIssuer, key=("issuer",))
