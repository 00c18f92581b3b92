"""Resource providers that do something here, their types and api-versions."""

from __future__ import annotations

from collections.abc import Mapping

from emulators.arm.engine.kinds import KINDS
from emulators.arm.errors import NamespaceNotFound
from emulators.kernel.errors import Unsupported

ML_VERSIONS = (
    "2025-06-01", "2025-04-01", "2024-10-01", "2024-04-01", "2023-10-01", "2023-04-01",
    "2022-10-01",
)  # fmt: skip
STORAGE_VERSIONS = ("2025-01-01", "2024-01-01", "2023-05-01", "2023-01-01", "2022-09-01")
VAULT_VERSIONS = (
    "2026-02-01",
    "2024-11-01",
    "2023-07-01",
    "2023-02-01",
    "2022-07-01",
    "2019-09-01",
)
RESOURCES_VERSIONS = ("2025-04-01", "2024-11-01", "2022-09-01", "2021-04-01", "2020-10-01")
ROLE_VERSIONS = ("2022-04-01", "2020-04-01-preview", "2018-01-01-preview", "2015-07-01")
SUBSCRIPTION_VERSIONS = ("2022-12-01", "2021-01-01", "2019-06-01", "2016-06-01")

_FACTORY_TYPES = (
    "factories", "factories/credentials", "factories/dataflows", "factories/datasets",
    "factories/globalParameters", "factories/integrationRuntimes", "factories/linkedservices",
    "factories/managedVirtualNetworks", "factories/pipelines", "factories/triggers",
)  # fmt: skip
_ML_TYPES = (
    "workspaces", "workspaces/codes", "workspaces/components", "workspaces/computes",
    "workspaces/connections", "workspaces/data", "workspaces/datastores",
    "workspaces/environments", "workspaces/jobs", "workspaces/models",
    "workspaces/onlineEndpoints", "workspaces/onlineEndpoints/deployments", "registries",
)  # fmt: skip


def _table() -> dict[str, dict[str, tuple[str, ...]]]:
    """Namespace -> type -> api-versions, newest first."""
    table: dict[str, dict[str, tuple[str, ...]]] = {
        "Microsoft.Authorization": {
            "roleAssignments": ROLE_VERSIONS,
            "roleDefinitions": ROLE_VERSIONS,
        },
        "Microsoft.DataFactory": dict.fromkeys(_FACTORY_TYPES, ("2018-06-01",)),
        "Microsoft.KeyVault": dict.fromkeys(
            ("vaults", "vaults/secrets", "vaults/accessPolicies", "deletedVaults"), VAULT_VERSIONS
        ),
        "Microsoft.MachineLearningServices": dict.fromkeys(_ML_TYPES, ML_VERSIONS),
        "Microsoft.Resources": {
            "deployments": RESOURCES_VERSIONS,
            "resourceGroups": RESOURCES_VERSIONS,
            "resources": RESOURCES_VERSIONS,
            "providers": RESOURCES_VERSIONS,
            "subscriptions": SUBSCRIPTION_VERSIONS,
            "tenants": SUBSCRIPTION_VERSIONS,
        },
        "Microsoft.Storage": {"storageAccounts": STORAGE_VERSIONS},
        "Microsoft.Synapse": {"workspaces": ("2021-06-01", "2020-12-01")},
    }
    for kind in KINDS.values():
        namespace, _, name = kind.type.partition("/")
        table.setdefault(namespace, {})[name] = kind.versions
    return dict(sorted(table.items()))


PROVIDERS: Mapping[str, Mapping[str, tuple[str, ...]]] = _table()
_BY_KEY = {namespace.lower(): namespace for namespace in PROVIDERS}


def find(namespace: str) -> str:
    """A provider's namespace as it is written.

    Raises:
        Unsupported: a provider of Microsoft's that does nothing here.
        NamespaceNotFound: nobody's.
    """
    found = _BY_KEY.get(namespace.lower())
    if found is not None:
        return found
    if namespace.lower().startswith("microsoft."):
        raise Unsupported(f"the resource provider {namespace}", tracked="emulators/arm/README.md")
    raise NamespaceNotFound(namespace)
