"""What a session remembers while it runs: options, and a frame for every scope of variables."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from emulators.warehouse.engine.answers import Answer
from emulators.warehouse.engine.types import SqlType

Called = Generator[Answer, None, int]
"""A procedure under way: what it says, and in the end its return status."""


@dataclass(slots=True)
class Options:
    """What SET changes; the rest of T-SQL's options have one value here."""

    nocount: bool = False
    xact_abort: bool = False
    implicit: bool = False
    fmtonly: bool = False
    isolation: str = "READ COMMITTED"
    lock_timeout: int = -1
    identity_insert: str = ""  # schema.name, lower case


@dataclass(slots=True)
class Frame:
    """One scope: a batch, a procedure's call, a dynamic batch.

    `trusted`: what the procedure's text does is the owner's doing, so nobody's rights are asked.
    """

    procedure: str = ""
    schema: str = ""  # where names without one are looked for; "" is the user's own
    types: dict[str, SqlType] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)
    trusted: bool = False
    dynamic: bool = False
    line: int = 1
    tries: int = 0
    object_id: int = 0
    status: int = 0

    def declare(self, name: str, kind: SqlType, value: Any = None) -> None:
        self.types[name] = kind
        self.values[name] = value


class Stop(Exception):
    """Control leaves where it is; never an error."""


class Breaks(Stop):
    """BREAK."""


class Continues(Stop):
    """CONTINUE."""


class Returns(Stop):
    """RETURN: the frame's status says what."""


class Jumps(Stop):
    """GOTO."""

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.label = label


class Cancelled(Stop):
    """The client asked to stop."""
