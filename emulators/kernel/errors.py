"""One base for every answer that is an error; rendered once, at the edge, per dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class ServiceError(Exception):
    """An error the service answers with. Subclasses bake in `status` and `code`."""

    status = 500
    code = "InternalServerError"

    def __init__(
        self,
        message: str,
        *,
        target: str | None = None,
        details: Sequence[Mapping[str, object]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.target = target
        self.details = list(details)
        self.headers = dict(headers or {})


class BadRequest(ServiceError):
    """The request cannot be understood or is not allowed as written."""

    status = 400
    code = "BadRequest"


class Unauthorized(ServiceError):
    """No credential, or one that does not hold."""

    status = 401
    code = "AuthenticationFailed"


class Forbidden(ServiceError):
    """A valid identity without the right."""

    status = 403
    code = "AuthorizationFailed"


class NotFound(ServiceError):
    """No such resource."""

    status = 404
    code = "ResourceNotFound"


class MethodNotAllowed(ServiceError):
    """The resource exists; the verb does not."""

    status = 405
    code = "MethodNotAllowed"


class Conflict(ServiceError):
    """The resource's present state forbids the change."""

    status = 409
    code = "Conflict"


class PreconditionFailed(ServiceError):
    """A conditional header did not hold."""

    status = 412
    code = "PreconditionFailed"


class TooLarge(ServiceError):
    """The body is over the limit of this operation."""

    status = 413
    code = "RequestEntityTooLarge"


class Unsupported(ServiceError):
    """Known to Azure, not emulated here: never ignored, never guessed.

    501 is not retried by azure-core, so the caller sees it at once.
    """

    status = 501
    code = "NotEmulated"

    def __init__(self, what: str, *, tracked: str = "operations.toml of the emulator") -> None:
        super().__init__(f"Rehearsal does not emulate {what}. Tracked in: {tracked}.")
        self.what = what
