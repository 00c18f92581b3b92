"""The end of a group's deletion, as its `Location` tells it."""

from __future__ import annotations

import re

from emulators.arm.errors import DeletionFailed
from emulators.kernel import azure_http
from emulators.kernel.azure_http import LONG_RUNNING
from emulators.kernel.context import Context
from emulators.kernel.errors import NotFound
from emulators.kernel.http import Reply


def result(ctx: Context, operation_id: str) -> Reply:
    """The answer at a deletion's `Location`.

    Raises:
        NotFound: no such operation.
        DeletionFailed: it ended with an error.
    """
    found = ctx.store.get(LONG_RUNNING, operation_id)
    if found is None:
        raise NotFound(f"The operation '{operation_id}' was not found.")
    if found.status == "InProgress":
        return Reply(202, None, {"x-ms-retry-after-ms": azure_http.POLL_MS})
    if found.error is not None:
        error = found.error
        raise DeletionFailed(str(error.get("code", "Conflict")), str(error.get("message", "")))
    return Reply(200)


def end_interrupted(ctx: Context) -> None:
    """Say of a deletion that a stop of the server cut short that it failed; the group stays."""
    group = re.compile(r"^/subscriptions/[^/]+/resourceGroups/[^/]+$")
    for operation in azure_http.interrupted(ctx):
        if group.match(operation.resource):
            error = {"code": "OperationInterrupted", "message": "The server was stopped."}
            azure_http.finish(ctx, operation.id, error)
