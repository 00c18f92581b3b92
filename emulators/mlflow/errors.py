"""Errors in MLflow's own codes."""

from __future__ import annotations

from emulators.kernel.errors import BadRequest, Forbidden, NotFound, ServiceError


class ResourceMissing(NotFound):
    """No such workspace, run, model, version or artifact."""

    code = "RESOURCE_DOES_NOT_EXIST"


class ResourceExists(BadRequest):
    """The name is taken. MLflow answers 400, and its client looks at the code."""

    code = "RESOURCE_ALREADY_EXISTS"


class InvalidParameter(BadRequest):
    """A value the operation cannot use."""

    code = "INVALID_PARAMETER_VALUE"


class NotAllowed(Forbidden):
    """A call that only the emulators themselves may make."""

    code = "PERMISSION_DENIED"


class ServerNotReady(ServiceError):
    """The MLflow server did not come up in time; says why, as far as known."""

    status = 503
    code = "TEMPORARILY_UNAVAILABLE"


class ServerFailed(ServiceError):
    """The MLflow server closed the connection in the middle of an answer."""

    status = 502
    code = "TEMPORARILY_UNAVAILABLE"


class PageOfError(ServiceError):
    """The MLflow server answered by a page for people: nothing is there, or it failed."""

    def __init__(self, status: int, target: str) -> None:
        super().__init__(f"MLflow answers {status} at '{target[:200]}'.")
        self.status = status
        self.code = "ENDPOINT_NOT_FOUND" if status in (404, 405) else "INTERNAL_ERROR"
