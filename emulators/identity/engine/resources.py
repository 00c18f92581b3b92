"""Which resource a token is for: scopes, resource names, and the services that have one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from emulators.identity.errors import InvalidScope, ManyResources, NotDefaultScope

DEFAULT = "/.default"
OIDC_SCOPES = {"openid", "profile", "offline_access", "email"}

# Microsoft's own services that tokens are asked for; here as in every tenant.
KNOWN_HOSTS = {
    "management.azure.com", "management.core.windows.net", "ml.azure.com", "storage.azure.com",
    "graph.microsoft.com", "graph.windows.net", "vault.azure.net", "database.windows.net",
    "api.loganalytics.io", "api.loganalytics.azure.com", "api.applicationinsights.io",
    "monitor.azure.com", "analysis.windows.net", "api.powerbi.com", "api.fabric.microsoft.com",
    "eventhubs.azure.net", "servicebus.azure.net", "datafactory.azure.com", "dev.azuresynapse.net",
    "containerregistry.azure.net", "cognitiveservices.azure.com", "batch.core.windows.net",
    "datalake.azure.net", "help.kusto.windows.net", "kusto.kusto.windows.net", "azure.com",
    "ai.azure.com", "purview.azure.net", "api.azureml.ms", "aad.azure.com",
}  # fmt: skip
KNOWN_SUFFIXES = (
    ".blob.core.windows.net", ".dfs.core.windows.net", ".queue.core.windows.net",
    ".table.core.windows.net", ".file.core.windows.net", ".vault.azure.net",
    ".servicebus.windows.net", ".kusto.windows.net", ".database.windows.net",
    ".sql.azuresynapse.net", ".dev.azuresynapse.net", ".inference.ml.azure.com",
)  # fmt: skip
KNOWN_IDS = {
    "797f4846-ba00-4fd7-ba43-dac1f8f63013": "Azure Resource Manager",
    "00000003-0000-0000-c000-000000000000": "Microsoft Graph",
    "e406a681-f3d4-42a8-90b6-c2b029497af1": "Azure Storage",
    "0736f41a-0425-4b46-bdb5-1563eff02385": "Azure Machine Learning",
    "cfa8b339-82a2-471a-a3c9-0fc0be7a4093": "Azure Key Vault",
    "022907d3-0f1b-48f7-badc-1ba6abab6d66": "Azure SQL Database",
    "ca7f3f0b-7d91-482c-8e09-c5d840d0eac5": "Log Analytics API",
}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_SCOPE = re.compile(r"^[\x21\x23-\x5b\x5d-\x7e]+$")  # RFC 6749, 3.3


@dataclass(frozen=True, slots=True)
class Resource:
    """What a token is for; `audience` goes into `aud` exactly as it was asked for."""

    audience: str


def of_scope(scope: str) -> Resource:
    """The resource a client-credential scope names: the scope less `/.default`.

    Raises:
        InvalidScope: not words of printable ASCII.
        NotDefaultScope: a scope without `/.default`.
        ManyResources: more than one resource.

    Source: learn.microsoft.com/entra/identity-platform/scopes-oidc (the trailing slash of a
    resource is kept, hence a double slash in the scope).
    """
    words = scope.split(" ")
    if not all(_SCOPE.match(word) for word in words):
        raise InvalidScope(scope)
    asked = [word for word in words if word not in OIDC_SCOPES]
    if not asked:
        raise NotDefaultScope(scope)
    for word in asked:
        if not word.endswith(DEFAULT) or word == DEFAULT:
            raise NotDefaultScope(word)
    if len(set(asked)) > 1:
        raise ManyResources(scope)
    return Resource(asked[0].removesuffix(DEFAULT))


def is_known(resource: str) -> bool:
    """Say whether a Microsoft service, or the explicit door, goes by this name."""
    if resource.lower() in KNOWN_IDS:
        return True
    try:
        parts = urlsplit(resource)
        host = (parts.hostname or "").lower()
    except ValueError:
        return False
    if parts.scheme != "https" or parts.query or parts.fragment or "@" in parts.netloc:
        return False
    return host in KNOWN_HOSTS or host in _LOOPBACK or host.endswith(KNOWN_SUFFIXES)
