"""Failures of connections as those of an activity's attempt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from emulators.datafactory.engine.activities.base import ActivityFailed, Call
from emulators.datafactory.engine.activities.catalogue import not_emulated
from emulators.datafactory.engine.connections.failing import ConnectionFailed, NotEmulated


@contextmanager
def connecting(call: Call, code: str) -> Iterator[None]:
    """What fails inside fails the attempt, under the activity's own error code.

    Raises:
        ActivityFailed: a connection failed, or something that is not emulated was asked for.
    """
    try:
        yield
    except ConnectionFailed as failed:
        raise ActivityFailed(code, failed.text) from failed
    except NotEmulated as refused:
        raise not_emulated(call, refused.what) from refused
