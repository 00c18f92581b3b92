"""Leases of blobs and containers: one state machine, its state a matter of the time.

Source: learn.microsoft.com/rest/api/storageservices/lease-blob (table of use attempts).
"""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any

from emulators.kernel.errors import ServiceError
from emulators.storage import errors
from emulators.storage.store import Lease

FOREVER = -1

Stored = dict[str, Any] | None


def load(stored: Stored) -> Lease | None:
    """The lease a record holds."""
    return Lease(**stored) if stored else None


def dump(lease: Lease | None) -> Stored:
    """A lease as a record holds it."""
    return dataclasses.asdict(lease) if lease else None


def state(lease: Lease | None, now: datetime) -> str:
    """`available`, `leased`, `expired`, `breaking` or `broken`."""
    if lease is None:
        return "available"
    if lease.broken_at:
        return "broken" if now >= datetime.fromisoformat(lease.broken_at) else "breaking"
    if lease.ends and now >= datetime.fromisoformat(lease.ends):
        return "expired"
    return "leased"


def is_locked(lease: Lease | None, now: datetime) -> bool:
    """Whether a write needs the lease's id."""
    return state(lease, now) in ("leased", "breaking")


def _until(now: datetime, seconds: int) -> str:
    return "" if seconds == FOREVER else (now + timedelta(seconds=seconds)).isoformat()


def acquire(lease: Lease | None, now: datetime, identity: str, duration_s: int) -> Lease:
    """Take the lease as `identity` for 15 to 60 s, or for ever.

    Raises:
        InvalidHeaderValue: another duration.
        LeaseAlreadyPresent: somebody else holds it.
        LeaseBreakingNoAcquire: it is the caller's, and breaking.
    """
    if duration_s != FOREVER and not 15 <= duration_s <= 60:
        raise errors.InvalidHeaderValue(
            detail={"HeaderName": "x-ms-lease-duration", "HeaderValue": str(duration_s)}
        )
    present = state(lease, now)
    if lease is not None and present == "breaking" and lease.id == identity:
        raise errors.LeaseBreakingNoAcquire
    if lease is not None and present in ("leased", "breaking") and lease.id != identity:
        raise errors.LeaseAlreadyPresent
    return Lease(identity, duration_s, _until(now, duration_s))


def renew(lease: Lease | None, now: datetime, identity: str) -> Lease:
    """Hold it as long again as it was first taken for.

    Raises:
        LeaseMismatch: it is not the caller's.
        LeaseBrokenNoRenew: it is broken or breaking.
    """
    if lease is None or lease.id != identity:
        raise errors.LeaseMismatch
    if lease.broken_at:
        raise errors.LeaseBrokenNoRenew
    return Lease(identity, lease.duration_s, _until(now, lease.duration_s))


def change(lease: Lease | None, now: datetime, identity: str, proposed: str) -> Lease:
    """Give it another id.

    Raises:
        LeaseNotPresent: nobody holds it.
        LeaseMismatch: it is not the caller's.
        LeaseBreakingNoChange: it is breaking.
    """
    present = state(lease, now)
    if lease is None or present in ("expired", "broken"):
        raise errors.LeaseNotPresent
    if lease.id not in (identity, proposed):
        raise errors.LeaseMismatch
    if present == "breaking":
        raise errors.LeaseBreakingNoChange
    return dataclasses.replace(lease, id=proposed)


def release(lease: Lease | None, identity: str) -> None:
    """Give it up.

    Raises:
        LeaseMismatch: it is not the caller's.
    """
    if lease is None or lease.id != identity:
        raise errors.LeaseMismatch


def break_(lease: Lease | None, now: datetime, period_s: int | None) -> tuple[Lease, int]:
    """Break it, after at most `period_s` (0 to 60), else when it would have ended.

    Returns:
        The lease, and the whole seconds until another may be taken.

    Raises:
        InvalidHeaderValue: another period.
        LeaseNotPresent: there is none.
    """
    if period_s is not None and not 0 <= period_s <= 60:
        raise errors.InvalidHeaderValue(
            detail={"HeaderName": "x-ms-lease-break-period", "HeaderValue": str(period_s)}
        )
    present = state(lease, now)
    if lease is None:
        raise errors.LeaseNotPresent
    if present in ("expired", "broken"):
        return dataclasses.replace(lease, broken_at=now.isoformat()), 0
    if present == "breaking":
        left_s = (datetime.fromisoformat(lease.broken_at) - now).total_seconds()
    elif lease.ends:
        left_s = (datetime.fromisoformat(lease.ends) - now).total_seconds()
    else:
        left_s = float(period_s or 0)
    if period_s is not None:
        left_s = min(left_s, period_s)
    at = (now + timedelta(seconds=left_s)).isoformat()
    return dataclasses.replace(lease, broken_at=at), -int(-left_s // 1)


def check_write(lease: Lease | None, now: datetime, given: str | None, *, blob: bool) -> None:
    """Check that a write names the lease it needs.

    Raises:
        ServiceError: no id given where there is a lease, or another's, or of a lease that ended.
    """
    present = state(lease, now)
    if given is None:
        if present in ("leased", "breaking"):
            raise errors.LeaseIdMissing
        return
    check_read(lease, now, given, blob=blob)


def check_read(lease: Lease | None, now: datetime, given: str | None, *, blob: bool) -> None:
    """Check a lease id that a request names though it need not.

    Raises:
        ServiceError: it is another's, or of a lease that ended or never was.
    """
    if given is None:
        return
    present = state(lease, now)
    if lease is None:
        raise _absent(blob)
    if lease.id.lower() != given.lower():
        if present in ("leased", "breaking"):
            raise errors.LeaseBlobMismatch if blob else errors.LeaseContainerMismatch
        raise _absent(blob)
    if present in ("expired", "broken"):
        raise errors.LeaseLost


def _absent(blob: bool) -> ServiceError:
    return errors.LeaseNotPresentBlob() if blob else errors.LeaseNotPresentContainer()


def after_write(lease: Lease | None, now: datetime) -> Lease | None:
    """The lease once the resource was changed: one that ended is forgotten."""
    return lease if is_locked(lease, now) else None
