"""Which action at which scope a request is, over ARM and on the region's data planes."""

from __future__ import annotations

import re
from urllib.parse import unquote

from emulators.kernel.access import Asked
from emulators.kernel.actions import of_arm

PROVIDER = "Microsoft.MachineLearningServices"
_SCOPE = re.compile(
    rf"/subscriptions/[^/]+/resourcegroups/[^/]+/providers/{re.escape(PROVIDER)}"
    r"/(workspaces|registries)/[^/]+",
    re.IGNORECASE,
)
_VERBS = {"GET": "read", "HEAD": "read", "DELETE": "delete"}
_READS = ("Runs_Get", "DataVersion_BatchGet", "DataReferences_Get")
"""Operations that ask by POST and change nothing."""


def asked(method: str, path: str, operation: str) -> Asked | None:
    """What a request asks for; None where any caller of the tenant is answered (discovery).

    Source: learn.microsoft.com/azure/machine-learning, the pages on roles of workspaces and of
    registries; `experiments/runs` stands for everything that run history tells and takes.
    """
    found = _SCOPE.search(path)
    if path.startswith("/subscriptions/"):
        return of_arm(method, path)
    if found is None:
        return None
    scope = unquote(found[0])
    verb = _VERBS.get(method, "write")
    if operation.startswith(_READS):
        verb = "read"
    if found[1].lower() == "registries":
        return Asked(f"{PROVIDER}/registries/assets/{verb}", scope)
    if path.startswith("/mferp/"):
        return of_arm(method, path[found.start() :])
    return Asked(f"{PROVIDER}/workspaces/experiments/runs/{verb}", scope)


def reading(kind: str, scope: str) -> Asked:
    """Reading versions of a kind of asset of a workspace."""
    return Asked(f"{PROVIDER}/workspaces/{kind}/versions/read", scope)


def scoring(endpoint: str) -> Asked:
    """Calling an online endpoint, by its ARM id."""
    return Asked(f"{PROVIDER}/workspaces/onlineEndpoints/score/action", endpoint)
