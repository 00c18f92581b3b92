"""Publishing a child: discriminators, the rules of its kind, then the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emulators.datafactory.engine import resources
from emulators.datafactory.engine.resources import Child, Published
from emulators.datafactory.errors import InvalidTemplate
from emulators.datafactory.store import Resource
from emulators.kernel.context import Context


@dataclass(frozen=True, slots=True)
class Publication:
    """A child as it is now, and what was read out of it that it did not say itself."""

    made: Resource
    new: bool
    note: str = ""


def publish(
    ctx: Context, at: Child, properties: dict[str, Any], if_match: str | None = None
) -> Publication:
    """Publish a child after its kind's rules.

    Raises:
        InvalidTemplate: a pipeline that Azure would reject.
        InvalidName, InvalidReference, EtagMismatch: as for every child.
    """
    made, new = resources.put(ctx, at, properties, if_match)
    return Publication(made, new)


def shown(one: Resource) -> dict[str, Any]:
    """A child's properties as a reader gets them."""
    return one.properties
