"""Which action at which scope a call of MLflow's API is."""

from __future__ import annotations

import re
from urllib.parse import unquote

from emulators.kernel.access import Asked

PROVIDER = "Microsoft.MachineLearningServices"
_SCOPE = re.compile(
    rf"/subscriptions/[^/]+/resourcegroups/[^/]+/providers/{re.escape(PROVIDER)}"
    r"/(workspaces|registries)/[^/]+",
    re.IGNORECASE,
)
_READS = re.compile(r"/(?:search|get|list)[a-z-]*\Z", re.IGNORECASE)
_MODELS = re.compile(r"/(?:registered-models|model-versions)(?:/|\Z)", re.IGNORECASE)
_VERBS = {"GET": "read", "HEAD": "read", "DELETE": "delete"}


def asked(method: str, path: str, operation: str) -> Asked | None:
    """What a call asks for: MLflow reads by POST, too, and says so in the last word of the path.

    Source: learn.microsoft.com/azure/machine-learning, the page on roles of workspaces; runs are
    `experiments/runs`, registered models `models/versions`, a registry's `registries/assets`.
    """
    found = _SCOPE.search(path)
    if found is None:
        return None
    scope = unquote(found[0])
    verb = _VERBS.get(method, "write")
    if method == "POST" and _READS.search(path):
        verb = "read"
    if found[1].lower() == "registries":
        return Asked(f"{PROVIDER}/registries/assets/{verb}", scope)
    kind = "models/versions" if _MODELS.search(path) else "experiments/runs"
    return Asked(f"{PROVIDER}/workspaces/{kind}/{verb}", scope)
