"""The explicit door: which Azure host a path on https://localhost stands for."""

from __future__ import annotations

import re

ACCOUNT = re.compile(r"^([a-z0-9]{3,24})\.(blob|dfs)\.[a-z0-9.]+$")
OWN_HOST = re.compile(
    r"^([a-z][a-z0-9-]{2,23}\.vault\.azure\.net|[a-z0-9-]{1,50}\.dev\.azuresynapse\.net)$"
)
ML_DATA_PLANES = {
    "mferp", "history", "data", "modelregistry", "discovery", "registrymanagement", "mlflow",
    "experimentation", "modelmanagement", "execution", "artifact", "metric",
}  # fmt: skip
ARM_ROOTS = {"", "subscriptions", "tenants", "providers", "metadata", "locations", "_emulator"}
LOGIN_ROOTS = {"adfs", "common", "organizations", "msi"}
LOGIN_PARTS = {
    "oauth2", "v2.0", ".well-known", "discovery", "federationmetadata", "msi", "token",
}  # fmt: skip
OURS_OF_LOGIN = {("metadata", "identity")}
"""Managed-identity tokens in the form of a virtual machine's metadata service."""
GRAPH_ROOT = "v1.0"  # Microsoft Graph's; no container may have a dot in its name
NO_ACCOUNT = "unknown"


def target_of(path: str, region: str, default_account: str = NO_ACCOUNT) -> tuple[str, str]:
    """The host and the path on it that an explicit path (raw, with its slash) stands for.

    `/score/{endpoint}/…` is an online endpoint, `/{account}.blob…/…` a storage account,
    `/{vault}.vault.azure.net/…` a key vault, `/{workspace}.dev.azuresynapse.net/…` a Synapse
    workspace; what is none of Azure's first segments is a container of the default account.
    """
    first, _, rest = path.lstrip("/").partition("/")
    lower = first.lower()
    account = ACCOUNT.match(lower)
    if account:
        return f"{account.group(1)}.{account.group(2)}.core.windows.net", f"/{rest}"
    if OWN_HOST.match(lower):
        return lower, f"/{rest}"
    if lower == "score" and rest:
        endpoint, _, rest = rest.partition("/")
        return f"{endpoint.lower()}.{region}.inference.ml.azure.com", f"/{rest}"
    return _host_of(lower, rest.partition("/")[0].lower(), region, default_account), path


def _host_of(first: str, second: str, region: str, default_account: str) -> str:
    if (first, second) in OURS_OF_LOGIN:
        return "login.microsoftonline.com"
    if first == GRAPH_ROOT:
        return "graph.microsoft.com"
    if first in ML_DATA_PLANES:
        return f"{region}.api.azureml.ms"
    if first in ARM_ROOTS:
        return "management.azure.com"
    if first in LOGIN_ROOTS or second in LOGIN_PARTS:
        return "login.microsoftonline.com"
    return f"{default_account}.blob.core.windows.net"
