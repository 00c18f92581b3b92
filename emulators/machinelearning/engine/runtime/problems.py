"""What can stop an environment from being made ready, each with a sentence for the job's log."""


class EnvironmentRefused(Exception):
    """The environment cannot be had as it was asked for.

    Attributes:
        what: the package, Python version, image or line that stands in the way.
        relaxable: whether asking again with `relax` may succeed.
    """

    def __init__(self, message: str, *, what: str, relaxable: bool = False) -> None:
        offer = " Set `relax` to take the nearest that fits; the job's log then says every change."
        super().__init__(message + (offer if relaxable else ""))
        self.what = what
        self.relaxable = relaxable


class BuildFailed(EnvironmentRefused):
    """The package installer gave up; the message ends with its own last lines."""
