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
