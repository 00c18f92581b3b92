"""Errors of Azure Machine Learning: the codes its services answer with."""

from __future__ import annotations

from collections.abc import Sequence

from emulators.kernel.errors import BadRequest, Conflict, NotFound, ServiceError


class UserError(BadRequest):
    """Anything the caller can put right; the service's favourite code."""

    code = "UserError"


class ValidationError(UserError):
    """A field of the request does not hold what it may."""


class InvalidUri(UserError):
    """A data reference in none of the known forms."""

    def __init__(self, uri: str, why: str = "it has none of the known forms") -> None:
        super().__init__(f"The uri '{uri[:400]}' is not valid: {why}.", target="uri")


class AssetNotFound(NotFound):
    """No such container or version of an asset."""

    code = "UserError"


class AssetExists(Conflict):
    """The name and version are taken by different content; versions are immutable."""

    code = "UserError"


class ResourceMissing(NotFound):
    """ARM's answer for a resource below the workspace, or the workspace itself."""

    code = "ResourceNotFound"


class NestedResources(Conflict):
    """ARM's answer when what is to be deleted still holds other resources."""

    code = "CannotDeleteResource"

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(
            "Cannot delete resource while nested resources exist. Some existing nested resource"
            f" IDs include: '{', '.join(ids[:5])}'. Please delete all nested resources before"
            " deleting this resource."
        )


class GroupMissing(NotFound):
    """ARM's answer for a resource group that does not exist."""

    code = "ResourceGroupNotFound"


class SubscriptionMissing(NotFound):
    """ARM's answer for a subscription that does not exist."""

    code = "SubscriptionNotFound"


class StorageFailed(BadRequest):
    """The workspace's storage account refused what the service asked of it."""

    code = "UserError"


class PathNotFound(NotFound):
    """A storage path that holds nothing."""

    code = "UserError"


class InvalidJob(ValidationError):
    """A job that cannot be run as it is written."""


class JobNotFound(NotFound):
    """No run of that name in the workspace; run history's code and wording."""

    code = "UserError"

    def __init__(self, name: str) -> None:
        super().__init__(f"Run {name} was not found in this workspace.", target="runId")


class JobExists(Conflict):
    """A job's name is taken by another job; only its words may be changed."""

    code = "UserError"


class Stopping(ServiceError):
    """The server is about to end; the client tries again, and finds the next one."""

    status = 503
    code = "ServerShuttingDown"
