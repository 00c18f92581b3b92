"""Entra's errors: the OAuth word, the status, and the AADSTS number its text begins with."""

from __future__ import annotations

from typing import ClassVar

from emulators.kernel.errors import ServiceError


class EntraError(ServiceError):
    """An OAuth error with an AADSTS number.

    Source: learn.microsoft.com/entra/identity-platform/reference-error-codes
    """

    status = 400
    code = "invalid_request"
    number: ClassVar[int] = 90013

    def __init__(self, message: str) -> None:
        super().__init__(f"AADSTS{self.number}: {message}")


class MissingParameter(EntraError):
    """A parameter of the form is absent."""

    number = 900144

    def __init__(self, name: str) -> None:
        super().__init__(f"The request body must contain the following parameter: '{name}'.")


class DuplicateParameter(EntraError):
    """A parameter of the form is there more than once, which OAuth forbids."""

    number = 9000411

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The request is not properly formatted. The parameter '{name}' is duplicated."
        )


class MalformedRequest(EntraError):
    """Not a form at all."""

    number = 9000410

    def __init__(self) -> None:
        super().__init__("Malformed JSON or form: a urlencoded form is expected.")


class PostOnly(EntraError):
    """The token endpoint, read."""

    number = 900561

    def __init__(self, method: str) -> None:
        super().__init__(f"The endpoint only accepts POST requests. Received a {method} request.")


class UnknownTenant(EntraError):
    """A tenant that is not this state folder's."""

    number = 90002

    def __init__(self, tenant: str) -> None:
        super().__init__(
            f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and"
            " are signing into the correct cloud. Check with your subscription administrator,"
            " this may happen if there are no active subscriptions for the tenant."
        )


class InvalidTenant(UnknownTenant):
    """The same, as the metadata endpoints word it."""

    code = "invalid_tenant"


class NotATenant(EntraError):
    """Neither a GUID nor a domain name."""

    number = 900023

    def __init__(self, tenant: str) -> None:
        super().__init__(
            f"Specified tenant identifier '{tenant}' is neither a valid DNS name, nor a valid"
            " external domain."
        )


class TenantNotGiven(EntraError):
    """`common` and its like say nothing about an application's tenant."""

    number = 50059

    def __init__(self) -> None:
        super().__init__(
            "No tenant-identifying information found in either the request or implied by any"
            " provided credentials."
        )


class UnknownInstance(EntraError):
    """Instance discovery of a host that is no sign-in host."""

    code = "invalid_instance"
    number = 50049

    def __init__(self) -> None:
        super().__init__("Unknown or invalid instance.")


class UnsupportedGrant(EntraError):
    """A grant other than client credentials."""

    code = "unsupported_grant_type"
    number = 70003

    def __init__(self, grant: str) -> None:
        super().__init__(f"The app requested an unsupported grant type '{grant}'.")


class UnknownApplication(EntraError):
    """No such application in the tenant."""

    code = "unauthorized_client"
    number = 700016

    def __init__(self, app_id: str, directory: str) -> None:
        super().__init__(
            f"Application with identifier '{app_id}' was not found in the directory"
            f" '{directory}'. This can happen if the application has not been installed by the"
            " administrator of the tenant or consented to by any user in the tenant. You may have"
            " sent your authentication request to the wrong tenant."
        )


class InvalidClient(EntraError):
    """The application did not prove who it is."""

    status = 401
    code = "invalid_client"


class WrongSecret(InvalidClient):
    """Not a secret of this application."""

    number = 7000215

    def __init__(self, app_id: str) -> None:
        super().__init__(
            "Invalid client secret provided. Ensure the secret being sent in the request is the"
            f" client secret value, not the client secret ID, for a secret added to app '{app_id}'."
        )


class ExpiredSecret(InvalidClient):
    """A secret of this application whose time is over."""

    number = 7000222

    def __init__(self, app_id: str) -> None:
        super().__init__(f"The provided client secret keys for app '{app_id}' are expired.")


class NoCredential(InvalidClient):
    """Neither a secret nor an assertion."""

    number = 7000216

    def __init__(self) -> None:
        super().__init__(
            "'client_assertion', 'client_secret' or 'request' is required for the"
            " 'client_credentials' grant type."
        )


class TwoCredentials(EntraError):
    """Two proofs that do not agree on who is calling."""

    number = 90013


class WrongAssertionType(EntraError):
    """A `client_assertion_type` that is not JWT bearer."""

    number = 50027

    def __init__(self, given: str) -> None:
        super().__init__(f"JWT token is invalid or malformed: assertion type '{given}'.")


class MalformedAssertion(EntraError):
    """Not a signed JSON Web Token."""

    number = 50027

    def __init__(self, why: str) -> None:
        super().__init__(f"JWT token is invalid or malformed: {why}.")


class UnregisteredKey(InvalidClient):
    """The key that signed the assertion is not the application's."""

    number = 700027

    def __init__(self, thumbprint: str, app_id: str) -> None:
        super().__init__(
            "The certificate with identifier used to sign the client assertion is not registered"
            " on application. [Reason - The key was not found., Thumbprint of key used by client:"
            f" '{thumbprint}', Please visit the Azure Portal for app Id '{app_id}']"
        )


class BadSignature(InvalidClient):
    """The key is known; it did not make this signature."""

    number = 700027

    def __init__(self) -> None:
        super().__init__("Client assertion failed signature validation.")


class AssertionOutOfTime(InvalidClient):
    """Expired, not valid yet, or without an end."""

    number = 700024

    def __init__(self, now: str, start: str, end: str) -> None:
        super().__init__(
            f"Client assertion is not within its valid time range. Current time: {now}, assertion"
            f" valid from {start}, expiry time of assertion {end}."
        )


class WrongAssertionAudience(InvalidClient):
    """A certificate assertion meant for somebody else."""

    number = 700023

    def __init__(self, audience: str) -> None:
        super().__init__(
            f"Client assertion audience claim does not match Realm issuer: '{audience}'."
        )


class WrongAssertionIssuer(InvalidClient):
    """A certificate assertion of another application."""

    number = 700021

    def __init__(self, app_id: str) -> None:
        super().__init__(
            "Client assertion application identifier doesn't match 'client_id' parameter"
            f" '{app_id}'."
        )


class NoFederatedIssuer(EntraError):
    """No federated credential of the application names this issuer."""

    number = 700211

    def __init__(self, issuer: str) -> None:
        super().__init__(
            "No matching federated identity record found for presented assertion issuer"
            f" '{issuer}'. Check your federated identity credential Subject, Audience and Issuer"
            " against the presented assertion."
        )


class NoFederatedAudience(EntraError):
    """The issuer is right, the audience is not."""

    number = 700212

    def __init__(self, audience: str) -> None:
        super().__init__(
            "No matching federated identity record found for presented assertion audience"
            f" '{audience}'. Check your federated identity credential Subject, Audience and Issuer"
            " against the presented assertion."
        )


class NoFederatedSubject(EntraError):
    """The issuer is right, the subject is not."""

    number = 700213

    def __init__(self, subject: str) -> None:
        super().__init__(
            "No matching federated identity record found for presented assertion subject"
            f" '{subject}'. Check your federated identity credential Subject, Audience and Issuer"
            " against the presented assertion."
        )


class BadFederatedSignature(InvalidClient):
    """The issuer's published keys did not make this signature."""

    number = 50013

    def __init__(self, why: str) -> None:
        super().__init__(f"Assertion failed signature validation. [Reason - {why}]")


class InvalidScope(EntraError):
    """Not a scope."""

    code = "invalid_scope"
    number = 70011

    def __init__(self, scope: str) -> None:
        super().__init__(
            "The provided request must include a 'scope' input parameter. The provided value for"
            f" the input parameter 'scope' is not valid. The scope {scope} is not valid."
        )


class NotDefaultScope(EntraError):
    """Client credentials, and a scope that is not `/.default`."""

    code = "invalid_scope"
    number = 1002012

    def __init__(self, scope: str) -> None:
        super().__init__(
            f"The provided value for scope {scope} is not valid. Client credential flows must have"
            " a scope value with /.default suffixed to the resource identifier (application ID"
            " URI)."
        )


class ManyResources(EntraError):
    """Scopes of more than one resource in one request."""

    code = "invalid_scope"
    number = 28000

    def __init__(self, scope: str) -> None:
        super().__init__(
            "Provided value for the input parameter scope is not valid because it contains more"
            f" than one resource. Scope {scope} is not valid."
        )


class UnknownResource(EntraError):
    """A resource that has no service principal in the tenant."""

    code = "invalid_resource"
    number = 500011

    def __init__(self, resource: str, directory: str) -> None:
        super().__init__(
            f"The resource principal named {resource} was not found in the tenant named"
            f" {directory}. This can happen if the application has not been installed by the"
            " administrator of the tenant or consented to by any user in the tenant. You might have"
            " sent your authentication request to the wrong tenant."
        )


class IdentityNotFound(ServiceError):
    """The managed identity asked for is not assigned here; the metadata service's words."""

    status = 400
    code = "invalid_request"

    def __init__(self) -> None:
        super().__init__("Identity not found")


class MetadataRequired(ServiceError):
    """A managed-identity request without the header that browsers cannot send."""

    status = 400
    code = "bad_request_102"

    def __init__(self) -> None:
        super().__init__("Required metadata header not specified")


class MetadataForwarded(ServiceError):
    """A managed-identity request that came through somebody else's proxy."""

    status = 400
    code = "bad_request_103"

    def __init__(self) -> None:
        super().__init__("Request was forwarded: X-Forwarded-For is not allowed")


class MetadataParameter(ServiceError):
    """A managed-identity request without a parameter it needs."""

    status = 400
    code = "invalid_request"

    def __init__(self, name: str) -> None:
        super().__init__(f"Required query variable '{name}' is missing")


class WrongIdentityHeader(ServiceError):
    """The endpoint's own secret was not sent, or is another."""

    status = 401
    code = "unauthorized_client"

    def __init__(self) -> None:
        super().__init__("The secret of the managed identity endpoint is missing or wrong.")


class DirectoryError(ServiceError):
    """An error of Microsoft Graph."""

    status = 400
    code = "Request_BadRequest"


class ObjectNotFound(DirectoryError):
    """No such object in the directory."""

    status = 404
    code = "Request_ResourceNotFound"

    def __init__(self, object_id: str) -> None:
        super().__init__(
            f"Resource '{object_id}' does not exist or one of its queried reference-property"
            " objects are not present."
        )


class Denied(DirectoryError):
    """The caller may not change the directory."""

    status = 403
    code = "Authorization_RequestDenied"

    def __init__(self) -> None:
        super().__init__("Insufficient privileges to complete the operation.")


class FederatedExists(DirectoryError):
    """A federated credential of that name, or of that issuer and subject, is there."""

    status = 409
    code = "Request_MultipleObjectsWithSameKeyValue"

    def __init__(self, name: str) -> None:
        super().__init__(f"FederatedIdentityCredential with name {name} already exists.")


class PrincipalExists(DirectoryError):
    """The application has its service principal already."""

    status = 409
    code = "Request_MultipleObjectsWithSameKeyValue"

    def __init__(self, app_id: str) -> None:
        super().__init__(
            "The service principal cannot be created, updated, or restored because the service"
            f" principal name {app_id} is already in use."
        )
