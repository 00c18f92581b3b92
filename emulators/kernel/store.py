"""Records by key: the narrow interface all state passes through, and how records become JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar, get_args, get_type_hints

import orjson

R = TypeVar("R")
Key = tuple[str, ...]
Upgrade = Callable[[dict[str, Any]], dict[str, Any]]


def storable(key: Key) -> bool:
    """Whether something may lie under a key or a prefix; what a client names may be anything."""
    return not any(char < " " or "\ud800" <= char <= "\udfff" for part in key for char in part)


@dataclass(frozen=True)
class Table(Generic[R]):
    """A kind of frozen record and the fields that are its key, the owner first.

    `upgrades[n]` turns a document of schema `n + 1` into schema `n + 2`; the schema of a new
    document is `len(upgrades) + 1`. Documents are JSON, never pickled objects.
    """

    name: str
    record: type[R]
    key: tuple[str, ...]
    upgrades: tuple[Upgrade, ...] = ()

    @property
    def schema(self) -> int:
        return len(self.upgrades) + 1

    @cached_property
    def _dates(self) -> frozenset[str]:
        hints = get_type_hints(self.record)
        return frozenset(
            name for name, hint in hints.items() if hint is datetime or datetime in get_args(hint)
        )

    @cached_property
    def _fields(self) -> tuple[str, ...]:
        return tuple(f.name for f in dataclasses.fields(self.record))  # type: ignore[arg-type]

    def key_of(self, record: R) -> Key:
        """The record's key as text.

        Raises:
            ValueError: a part holds a control character or half a surrogate pair.
        """
        key = tuple(str(getattr(record, name)) for name in self.key)
        if not storable(key):
            raise ValueError(f"a key may not hold control characters: {key!r}")
        return key

    def dump(self, record: R) -> bytes:
        """The record as a JSON document."""
        return orjson.dumps(
            {name: getattr(record, name) for name in self._fields},
            option=orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_NON_STR_KEYS,
        )

    def stored_form(self, record: R) -> R:
        """The record as it comes back from a store: a tuple is a list, an instant is UTC's."""
        return self.load(self.dump(record), self.schema)

    def load(self, document: bytes | str, schema: int) -> R:
        """The record a JSON document stands for, upgraded step by step.

        Raises:
            ValueError: the document was written by a newer version of this program.
        """
        if schema > self.schema:
            raise ValueError(
                f"table {self.name} holds schema {schema}, this version knows {self.schema}"
            )
        values: dict[str, Any] = orjson.loads(document)
        for upgrade in self.upgrades[schema - 1 :]:
            values = upgrade(values)
        for name in self._dates:
            if isinstance(values.get(name), str):
                values[name] = datetime.fromisoformat(values[name])
        return self.record(**values)


class Store(Protocol):
    """State of every emulator: one contract, kept by memory and SQLite alike."""

    def get(self, table: Table[R], *key: str) -> R | None:
        """The record under `key`, or None."""
        ...

    def insert(self, table: Table[R], record: R) -> bool:
        """Add a record; False, and nothing changed, when its key is taken."""
        ...

    def replace(self, table: Table[R], old: R, new: R) -> bool:
        """Put `new` where `old` is; False when something else is stored by now.

        Raises:
            ValueError: the two records have different keys.
        """
        ...

    def put(self, table: Table[R], record: R) -> None:
        """Store a record whatever was there."""
        ...

    def delete(self, table: Table[R], *key: str) -> bool:
        """Remove the record under `key`; False when there was none."""
        ...

    def scan(self, table: Table[R], *prefix: str) -> Iterator[R]:
        """Records whose key begins with `prefix`, in key order, as of the call."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing for what is written inside; may be nested (the outermost decides)."""
        ...

    def reset(self) -> None:
        """Empty every table."""
        ...
