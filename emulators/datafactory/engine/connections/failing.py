"""How a connection fails: in the words of Data Factory's copy engine."""

from __future__ import annotations


class ConnectionFailed(Exception):
    """A store, a file or a setting does not allow what was asked; `code` is the engine's own."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message

    @property
    def text(self) -> str:
        """The message as an activity run's error quotes it."""
        return (
            f"ErrorCode={self.code},'Type=Microsoft.DataTransfer.Common.Shared."
            f"HybridDeliveryException,Message={self.message},"
            "Source=Microsoft.DataTransfer.ClientLibrary,'"
        )


class NotEmulated(Exception):
    """A known setting, type or protocol that is not emulated; `what` completes the sentence."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what
