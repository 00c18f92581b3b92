"""Conditional headers: whether a request still wants what is there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from emulators.storage.errors import (
    BlobAlreadyExists,
    ConditionNotMet,
    NotModified,
    SourceConditionNotMet,
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
    """Whether If-None-Match and If-Modified-Since say that the caller has this version."""
    stamp = modified.replace(microsecond=0)
    if asked.none_match:
        return "*" in asked.none_match or etag in asked.none_match
    return asked.modified_since is not None and stamp <= asked.modified_since


def check_read(asked: Conditions, etag: str, modified: datetime) -> None:
    """Check a read of something that exists.

    Raises:
        ConditionNotMet: it is another version than the one wanted.
        NotModified: the caller has this version.
    """
    if _unwanted(asked, etag, modified):
        raise ConditionNotMet
    if _known(asked, etag, modified):
        raise NotModified


def check_write(asked: Conditions, found: tuple[str, datetime] | None) -> None:
    """Check a change of what is there (etag, time), or of nothing.

    Raises:
        ConditionNotMet: it is another version than the one the change is meant for.
        BlobAlreadyExists: it should not exist and does.
    """
    if found is None:
        if asked.match:
            raise ConditionNotMet
        return
    if _unwanted(asked, *found):
        raise ConditionNotMet
    if "*" in asked.none_match:
        raise BlobAlreadyExists
    if _known(asked, *found):
        raise ConditionNotMet


def check_source(asked: Conditions, etag: str, modified: datetime) -> None:
    """Check the source of a copy.

    Raises:
        SourceConditionNotMet: it is not the version that was meant.
    """
    if _unwanted(asked, etag, modified) or _known(asked, etag, modified):
        raise SourceConditionNotMet
