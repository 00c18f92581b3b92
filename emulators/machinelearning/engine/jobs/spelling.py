"""The API's two spellings, and the forms in which values come: pure text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from emulators.machinelearning.errors import InvalidJob


def snake(name: str) -> str:
    """`maxTotalTrials` as `max_total_trials`; snake case stays."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def snaked(given: Any) -> dict[str, Any]:
    """A mapping's own keys in snake case; null values dropped."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidJob(f"An object is expected, not {given!r}.")
    return {snake(str(k)): v for k, v in given.items() if v is not None}


_DURATION = re.compile(
    r"P(?:(\d+(?:\.\d+)?)D)?(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?\Z"
)


def seconds(value: Any) -> float | None:
    """A time-out in seconds: a number, or ISO 8601 such as `PT20M`; None and "" are no bound.

    Raises:
        InvalidJob: neither.
    """
    if value in (None, ""):
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    found = _DURATION.match(str(value))
    if not found or not any(found.groups()):
        raise InvalidJob(f"'{value}' is no duration; write PT20M, or a number of seconds.")
    days, hours, minutes, rest = (float(g or 0) for g in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def snaked_keys_kept(given: Any) -> dict[str, Any]:
    """A mapping whose keys are the user's own names.

    Raises:
        InvalidJob: not a mapping.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidJob(f"An object is expected, not {given!r}.")
    return {str(k): v for k, v in given.items()}


def text_of(value: Any) -> str:
    """A literal as the runtime puts it into a command: Python's words for booleans."""
    return value if isinstance(value, str) else str(value)
