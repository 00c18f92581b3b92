"""Names of a container's blobs in order, in memory, so that a page costs what it returns."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from threading import Lock

from emulators.kernel.context import Context
from emulators.storage.store import BLOBS, BLOCKS

LAST = chr(0x10FFFF)


class Names:
    """One container's names of blobs, snapshots and staged blobs, read once from the store."""

    def __init__(self, ctx: Context, container: str) -> None:
        found = {blob.name for blob in ctx.store.scan(BLOBS, container)}
        found.update(block.name for block in ctx.store.scan(BLOCKS, container))
        self._names = sorted(found)

    def add(self, name: str) -> None:
        """Note a name that has something under it."""
        at = bisect_left(self._names, name)
        if at == len(self._names) or self._names[at] != name:
            self._names.insert(at, name)

    def drop(self, name: str) -> None:
        """Note that nothing is under the name any more."""
        at = bisect_left(self._names, name)
        if at < len(self._names) and self._names[at] == name:
            del self._names[at]

    def walk(self, prefix: str, start: str, delimiter: str) -> Iterator[tuple[str, bool]]:
        """Names from `start` on that begin with `prefix`; each common prefix once, marked True.

        Nothing may be added or dropped between two steps.
        """
        at = bisect_left(self._names, max(start, prefix))
        while at < len(self._names) and self._names[at].startswith(prefix):
            name = self._names[at]
            cut = name.find(delimiter, len(prefix)) if delimiter else -1
            if cut < 0:
                yield name, False
                at += 1
                continue
            folder = name[: cut + len(delimiter)]
            yield folder, True
            at = bisect_left(self._names, folder + LAST, at)
            while at < len(self._names) and self._names[at].startswith(folder):
                at += 1


class Index:
    """Every container's names, each read when first needed. Containers are known by their id."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._of: dict[str, Names] = {}
        self._changed: dict[str, set[str]] = {}  # while a container is read: what changed in it
        self._reading = Lock()
        self._lock = Lock()

    def knows(self, container: str) -> bool:
        """Whether the container was read already."""
        return container in self._of

    def of(self, container: str) -> Names:
        """The names in a container; reading them first takes 20 us a name or so."""
        if container not in self._of:
            self.read(container)
        return self._of[container]

    def read(self, container: str) -> None:
        """Read a container's names; in any thread, while others change it."""
        with self._reading:
            if container in self._of:
                return
            with self._lock:
                self._changed[container] = set()
            names = Names(self._ctx, container)
            while changed := self._changes(container, names):
                # Not under the lock: whoever writes may hold the store and wait for it.
                for name in changed:
                    (names.add if self._holds(container, name) else names.drop)(name)

    def _changes(self, container: str, names: Names) -> set[str]:
        """What changed since last asked; when nothing did, `names` are the container's."""
        with self._lock:
            changed = self._changed[container]
            if changed:
                self._changed[container] = set()
            else:
                del self._changed[container]
                self._of[container] = names
            return changed

    def _holds(self, container: str, name: str) -> bool:
        """Whether a blob, a snapshot or a staged block has the name."""
        store = self._ctx.store
        if next(store.scan(BLOBS, container, name), None) is not None:
            return True
        return next(store.scan(BLOCKS, container, name), None) is not None

    def add(self, container: str, name: str) -> None:
        """Note a name."""
        with self._lock:
            if container in self._changed:
                self._changed[container].add(name)
            elif container in self._of:
                self._of[container].add(name)

    def drop(self, container: str, name: str) -> None:
        """Forget a name, unless something is still under it."""
        with self._lock:
            if container in self._changed:
                self._changed[container].add(name)
            elif container in self._of and not self._holds(container, name):
                self._of[container].drop(name)

    def forget(self, container: str) -> None:
        """The container is gone."""
        with self._lock:
            self._of.pop(container, None)
