"""Every function of the template language, by lower-case name."""

from __future__ import annotations

from emulators.arm.engine.templates.functions import (
    collections,
    dates,
    lambdas,
    logic,
    numbers,
    scopes,
    texts,
)
from emulators.arm.engine.templates.functions.checks import Function

TABLE: dict[str, Function] = {
    function.name.lower(): function
    for part in (collections, dates, lambdas, logic, numbers, scopes, texts)
    for function in part.FUNCTIONS
}

REFUSED = frozenset(
    {
        "cidrhost", "cidrsubnet", "managementgroup", "managementgroupresourceid", "parsecidr",
        "pickzones", "providers", "references", "deployer", "getsecret", "externalinput",
        "buildurifrompath", "parseuri", "builduri", "evaluate",
    }
)  # fmt: skip
"""Known to Azure and not served: answered as `NotEmulated` and not as unknown."""

__all__ = ["REFUSED", "TABLE", "Function"]
