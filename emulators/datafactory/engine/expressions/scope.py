"""What an expression can see: parameters, variables, activities, the item, the clock."""

from __future__ import annotations

import dataclasses
import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final


class _Unset:
    """The type of UNSET: `item()` is not available, which is another thing than null."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = _Unset()


def _system_time() -> datetime:
    # Only for use as a library: the emulator always hands its own clock in.
    return datetime.now(UTC)  # noqa: TID251


def _system_guid() -> str:
    return str(uuid.uuid4())  # noqa: TID251


@dataclass(frozen=True, slots=True)
class Scope:
    """The surroundings of an expression; every member is optional.

    `activities` maps a name to {"output", "status", "error", ...}; `pipeline` holds the members of
    pipeline() other than parameters and globalParameters (RunId, DataFactory, TriggerTime, ...).
    `dataset`, `linked_service` and `trigger` are None where Azure does not define the function.
    Mappings are read at evaluation, so they may be live.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    global_parameters: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    activities: Mapping[str, Any] = field(default_factory=dict)
    pipeline: Mapping[str, Any] = field(default_factory=dict)
    item: Any = UNSET
    dataset: Mapping[str, Any] | None = None
    linked_service: Mapping[str, Any] | None = None
    trigger: Mapping[str, Any] | None = None
    now: Callable[[], datetime] = _system_time
    new_guid: Callable[[], str] = _system_guid
    random: random.Random = field(default_factory=random.SystemRandom)

    def with_(self, **changes: Any) -> Scope:
        """The same surroundings with some members replaced."""
        return dataclasses.replace(self, **changes)
