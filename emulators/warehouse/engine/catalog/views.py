"""System views: what sys.* and INFORMATION_SCHEMA.* answer, over the catalog's own tables."""

from __future__ import annotations


def system_view(schema: str, name: str) -> None:
    """The view of that name; None when there is none."""
    return None
