"""Which action at which scope a request is: as everywhere on ARM, but queries only read."""

from __future__ import annotations

from dataclasses import replace

from emulators.kernel.access import Asked
from emulators.kernel.actions import of_arm


def asked(method: str, path: str, operation: str) -> Asked | None:
    """What a request asks for; None where any caller of the tenant is answered.

    Source: learn.microsoft.com/azure/role-based-access-control, the operations of
    Microsoft.DataFactory (`factories/querypipelineruns/read` and its like).
    """
    found = of_arm(method, path, operation)
    if found is None or method != "POST":
        return found
    last = path.rstrip("/").rpartition("/")[2].lower()
    if last.startswith("query") or last == "geteventsubscriptionstatus":
        return replace(found, action=found.action.removesuffix("/action") + "/read")
    return found
