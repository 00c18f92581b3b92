"""What the test kit says when a test asks for something that cannot be."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class KitError(Exception):
    """A test is wrong, or the factory under it; the message says what to do."""


class InvalidFactory(KitError):
    """Azure would not publish the factory; every reason with its place."""


class NotStubbed(KitError):
    """An activity would have left the factory, and nothing stands in for it."""


class RanAway(KitError):
    """A run did not come to an end within a sensible number of activities."""


class UnknownName(KitError):
    """A pipeline, an activity or a variable that is not there."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        names = sorted(set(known))
        near = get_close_matches(name, names, 1, 0.5)
        asked = f" Did you mean '{near[0]}'?" if near else ""
        there = ", ".join(f"'{each}'" for each in names[:20]) or "none"
        super().__init__(f"There is no {what} '{name}'.{asked} Known: {there}.")
