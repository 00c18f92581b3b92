"""What a plan notes: one thing that a run would do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Planned:
    """One thing that a run would do."""

    action: str  # create, update, submit, call, delete
    kind: str
    name: str
    detail: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the fields by name."""
        return asdict(self)


class Add(Protocol):
    """Takes a note."""

    def __call__(self, action: str, kind: str, name: str, detail: str = "") -> None:
        """Note one thing; the arguments are `Planned`'s."""
        ...
