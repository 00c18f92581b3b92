"""Break something on purpose: what `rehearse fault add` sets and every resilience test uses."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, replace
from threading import RLock

from emulators.kernel.ids import Ids
from emulators.kernel.store import Store, Table


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule: what it matches and what it does to the request."""

    id: str
    host: str = "*"  # pattern over the host name
    path: str = "*"  # pattern over the path, case-insensitive
    method: str = "*"
    status: int | None = None  # answer with this status instead
    latency_ms: int = 0  # wait before going on
    drop: bool = False  # close the connection without an answer
    rate: float = 1.0  # share of matching requests that are hit, 0..1
    count: int | None = None  # how many more requests may be hit; None is without end
    retry_after_s: int | None = None  # sent along with `status`


FAULTS = Table("kernel_faults", Fault, key=("id",))


class Faults:
    """The rules in force. Chance comes from `ids`, so a seed repeats it."""

    def __init__(self, store: Store, ids: Ids) -> None:
        self._store = store
        self._ids = ids
        self._lock = RLock()
        self._active = list(store.scan(FAULTS))

    def add(self, fault: Fault) -> None:
        """Put a rule in force; it outlives a restart."""
        with self._lock:
            self._store.put(FAULTS, fault)
            self._active = list(self._store.scan(FAULTS))

    def clear(self, fault_id: str | None = None) -> int:
        """Lift one rule, or all; return how many were lifted."""
        with self._lock:
            gone = [f for f in self._active if fault_id in (None, f.id)]
            for fault in gone:
                self._store.delete(FAULTS, fault.id)
            self._active = list(self._store.scan(FAULTS))
            return len(gone)

    def all(self) -> list[Fault]:
        """The rules in force."""
        return list(self._active)

    def hit(self, host: str, method: str, path: str) -> Fault | None:
        """The first rule that strikes this request; counts it down."""
        if not self._active:
            return None
        with self._lock:
            for fault in self._active:
                if _matches(fault, host, method, path) and self._ids.random.random() < fault.rate:
                    self._spend(fault)
                    return fault
        return None

    def _spend(self, fault: Fault) -> None:
        if fault.count is None:
            return
        if fault.count <= 1:
            self._store.delete(FAULTS, fault.id)
        else:
            self._store.put(FAULTS, replace(fault, count=fault.count - 1))
        self._active = list(self._store.scan(FAULTS))


def _matches(fault: Fault, host: str, method: str, path: str) -> bool:
    return (
        fnmatch.fnmatchcase(host, fault.host.lower())
        and fnmatch.fnmatchcase(path.lower(), fault.path.lower())
        and fault.method.upper() in ("*", method)
        and fault.count != 0
    )
