"""The end of a group's deletion, as its `Location` tells it."""

from __future__ import annotations

from emulators.kernel import azure_http
from emulators.kernel.azure_http import LONG_RUNNING
from emulators.kernel.context import Context
from emulators.kernel.errors import NotFound, ServiceError
from emulators.kernel.http import Reply


class DeletionFailed(ServiceError):
    """The deletion of a group ended badly."""

    status = 409


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
        failed = DeletionFailed(str(found.error.get("message", "")))
        failed.code = str(found.error.get("code", "Conflict"))
        raise failed
    return Reply(200)
