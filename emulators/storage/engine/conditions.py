"""Conditional headers: whether a request still wants what is there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from emulators.storage.errors import (
    BlobAlreadyExists,
    ConditionNotMet,
    MultipleConditions,
    NotModified,
    SourceConditionNotMet,
    UnsatisfiableCondition,
)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a request asks of the present version. Tags are bare, or `*`."""

    match: tuple[str, ...] = ()
    none_match: tuple[str, ...] = ()
    modified_since: datetime | None = None
    unmodified_since: datetime | None = None

    def __bool__(self) -> bool:
        return bool(self.match or self.none_match or self.modified_since or self.unmodified_since)


NONE = Conditions()


def _unwanted(asked: Conditions, etag: str, modified: datetime) -> bool:
    """Whether If-Match or If-Unmodified-Since fails on something that exists."""
    stamp = modified.replace(microsecond=0)
    if asked.match and "*" not in asked.match and etag not in asked.match:
        return True
    return asked.unmodified_since is not None and stamp > asked.unmodified_since


def _known(asked: Conditions, etag: str, modified: datetime) -> bool:
    """Whether If-None-Match and If-Modified-Since, all that are given, say "you have it"."""
    stamp = modified.replace(microsecond=0)
    said = []
    if asked.none_match:
        said.append(etag in asked.none_match)
    if asked.modified_since is not None:
        said.append(stamp <= asked.modified_since)
    return bool(said) and all(said)


def check_read(asked: Conditions, found: tuple[str, datetime] | None) -> None:
    """Check a read of what is there (etag, time), or of nothing.

    Raises:
        ConditionNotMet: it is another version than the one wanted.
        NotModified: the caller has this version.
        UnsatisfiableCondition: it is wanted only where it is not.
    """
    if "*" in asked.none_match:
        raise UnsatisfiableCondition
    if found is None:
        if asked.match:
            raise ConditionNotMet
        return
    if _unwanted(asked, *found):
        raise ConditionNotMet
    if _known(asked, *found):
        raise NotModified


def check_single(asked: Conditions) -> None:
    """Check that a write carries one condition, or two that Azure lets stand together.

    Raises:
        MultipleConditions: it carries others.
    """
    wants = bool(asked.match) + (asked.unmodified_since is not None)
    excludes = bool(asked.none_match) + (asked.modified_since is not None)
    if (wants and excludes) or len(asked.match) > 1 or len(asked.none_match) > 1:
        raise MultipleConditions


def check_write(
    asked: Conditions, found: tuple[str, datetime] | None, *, replaces: bool = False
) -> None:
    """Check a change of what is there (etag, time), or of nothing.

    `replaces`: the write makes the resource anew, so that it may ask for there being none.

    Raises:
        ConditionNotMet: it is another version than the one the change is meant for.
        BlobAlreadyExists: it should not exist and does.
        MultipleConditions: conditions that do not go together.
    """
    check_single(asked)
    if found is None:
        if asked.match and (replaces or "*" not in asked.match):
            raise ConditionNotMet
        return
    if _unwanted(asked, *found):
        raise ConditionNotMet
    if "*" in asked.none_match:
        if replaces:
            raise BlobAlreadyExists
        return
    if asked.none_match and found[0] in asked.none_match:
        raise ConditionNotMet
    if not asked.none_match and _known(asked, *found):
        raise ConditionNotMet


def check_source(asked: Conditions, etag: str, modified: datetime) -> None:
    """Check the source of a copy.

    Raises:
        SourceConditionNotMet: it is not the version that was meant.
    """
    if _unwanted(asked, etag, modified) or _known(asked, etag, modified):
        raise SourceConditionNotMet
