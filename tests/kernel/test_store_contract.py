"""One contract for both stores: a state machine against a dict, with transactions and reopening."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from emulators.kernel.store import Store, Table
from emulators.kernel.store_memory import MemoryStore
from emulators.kernel.store_sqlite import SqliteStore


@dataclass(frozen=True, slots=True)
class Row:
    """A record of every kind of field."""

    group: str
    name: str
    number: int = 0
    share: float = 0.5
    flag: bool = False
    note: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    items: list[Any] = field(default_factory=list)
    at: datetime | None = None


ROWS = Table("rows", Row, key=("group", "name"))
OTHERS = Table("others", Row, key=("group",))

# Characters at the borders of the key encoding: the first printable, the last, beyond the BMP.
parts = st.text(st.sampled_from(" !~aAbB0é\u200b\uffff\U0001f600"), max_size=3)
moments = st.datetimes(timezones=st.just(UTC))
rows = st.builds(
    Row,
    group=parts,
    name=parts,
    number=st.integers(-(2**63), 2**63 - 1),
    share=st.floats(allow_nan=False, allow_infinity=False),
    flag=st.booleans(),
    note=st.none() | st.text(st.characters(codec="utf-8"), max_size=5),
    tags=st.dictionaries(parts, parts, max_size=2),
    items=st.lists(st.integers(0, 9) | parts, max_size=2),
    at=st.none() | moments,
)
Model = dict[tuple[str, str], Row]


class StoreMachine(RuleBasedStateMachine):
    """Whatever is done, the store is what the dict is."""

    store: Store

    def __init__(self) -> None:
        super().__init__()
        self.model: Model = {}
        self.open: list[tuple[AbstractContextManager[None], Model]] = []
        self.begin()

    def begin(self) -> None:
        """Make the store."""
        self.store = MemoryStore()

    @rule(row=rows)
    def insert(self, row: Row) -> None:
        key = (row.group, row.name)
        assert self.store.insert(ROWS, row) is (key not in self.model)
        self.model.setdefault(key, row)

    @rule(row=rows)
    def put(self, row: Row) -> None:
        self.store.put(ROWS, row)
        self.model[(row.group, row.name)] = row

    @rule(row=rows)
    def elsewhere(self, row: Row) -> None:
        """Another table takes no part."""
        self.store.put(OTHERS, row)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), number=st.integers(0, 99))
    def replace_current(self, data: st.DataObject, number: int) -> None:
        key = data.draw(st.sampled_from(sorted(self.model)))
        read = self.store.get(ROWS, *key)
        assert read is not None
        changed = replace(read, number=number)
        assert self.store.replace(ROWS, read, changed)
        self.model[key] = changed

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def replace_stale(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.model)))
        stale = replace(self.model[key], note=(self.model[key].note or "") + "!")
        assert not self.store.replace(ROWS, stale, stale)

    @rule(row=rows)
    def replace_missing(self, row: Row) -> None:
        if (row.group, row.name) not in self.model:
            assert not self.store.replace(ROWS, row, row)

    @rule(row=rows, data=st.data())
    def delete(self, row: Row, data: st.DataObject) -> None:
        known = sorted(self.model) or [(row.group, row.name)]
        key = data.draw(st.sampled_from(known) | st.just((row.group, row.name)))
        assert self.store.delete(ROWS, *key) is (self.model.pop(key, None) is not None)

    @rule()
    def reset(self) -> None:
        self.store.reset()
        self.model.clear()

    @precondition(lambda self: len(self.open) < 3)
    @rule()
    def enter(self) -> None:
        block = self.store.transaction()
        block.__enter__()
        self.open.append((block, dict(self.model)))

    @precondition(lambda self: self.open)
    @rule()
    def commit(self) -> None:
        block, _ = self.open.pop()
        block.__exit__(None, None, None)

    @precondition(lambda self: self.open)
    @rule()
    def abort(self) -> None:
        """An error leaves every open block; the outermost takes all back."""
        error = RuntimeError("on purpose")
        while self.open:
            block, before = self.open.pop()
            assert not block.__exit__(type(error), error, None)
            self.model = before

    @invariant()
    def scan_is_ordered_and_complete(self) -> None:
        assert list(self.store.scan(ROWS)) == [self.model[k] for k in sorted(self.model)]

    @invariant()
    def prefixes_and_keys_find_the_same(self) -> None:
        for group in {key[0] for key in self.model}:
            expected = [self.model[k] for k in sorted(self.model) if k[0] == group]
            assert list(self.store.scan(ROWS, group)) == expected
        for key, row in self.model.items():
            assert self.store.get(ROWS, *key) == row
            assert list(self.store.scan(ROWS, *key)) == [row]

    def teardown(self) -> None:
        while self.open:
            self.open.pop()[0].__exit__(None, None, None)


class SqliteMachine(StoreMachine):
    """The same, and what was committed is there after the file is opened again."""

    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.store = SqliteStore(Path(self.folder.name) / "test.db")

    @precondition(lambda self: not self.open)
    @rule()
    def reopen(self) -> None:
        assert isinstance(self.store, SqliteStore)
        self.store.close()
        self.store = SqliteStore(Path(self.folder.name) / "test.db")

    def teardown(self) -> None:
        super().teardown()
        assert isinstance(self.store, SqliteStore)
        self.store.close()
        self.folder.cleanup()


TestMemory = StoreMachine.TestCase
TestMemory.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestSqlite = SqliteMachine.TestCase
TestSqlite.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)

Make = Callable[[Path], Store]
MAKERS: list[Make] = [lambda folder: MemoryStore(), lambda folder: SqliteStore(folder / "s.db")]


@pytest.fixture(params=MAKERS, ids=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = request.param(tmp_path)
    yield made
    if isinstance(made, SqliteStore):
        made.close()


@pytest.mark.parametrize("char", ["\x00", "\x1f", "\n"])
def test_control_characters_are_no_key_and_reach_no_other(store: Store, char: str) -> None:
    """The separator of the file's keys must not let one name reach another owner's record."""
    store.put(ROWS, Row("a", "b"))
    with pytest.raises(ValueError, match="control"):
        store.put(ROWS, Row(f"a{char}b", "c"))
    with pytest.raises(ValueError, match="control"):
        store.insert(ROWS, Row("a", f"b{char}"))
    assert store.get(ROWS, f"a{char}b") is None
    assert store.get(ROWS, "a", f"b{char}") is None
    assert list(store.scan(ROWS, f"a{char}b")) == []
    assert list(store.scan(ROWS, f"a{char}")) == []
    assert not store.delete(ROWS, f"a{char}b")
    assert list(store.scan(ROWS)) == [Row("a", "b")]


def test_text_that_is_no_unicode_finds_nothing(store: Store) -> None:
    assert store.get(ROWS, "\ud800", "x") is None
    assert list(store.scan(ROWS, "\ud800")) == []
    assert not store.delete(ROWS, "\ud800", "x")


def test_a_prefix_is_whole_parts(store: Store) -> None:
    for group in ("a", "ab", "a ", "a!"):
        store.put(ROWS, Row(group, "x"))
    assert [row.group for row in store.scan(ROWS, "a")] == ["a"]
    assert list(store.scan(ROWS, "a", "x", "y")) == []
    assert store.get(ROWS, "a") is None


def test_replace_compares_values_not_spellings(store: Store) -> None:
    """What a caller holds may be spelt another way than what JSON gives back."""
    zone = timezone(timedelta(hours=2))
    held = Row("a", "b", share=1, tags={"x": "1", "y": "2"}, items=[(1, 2)],
               at=datetime(2026, 1, 1, 2, tzinfo=zone))  # fmt: skip
    store.put(ROWS, held)
    again = replace(
        held,
        share=1.0,
        tags={"y": "2", "x": "1"},
        items=[[1, 2]],
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert store.replace(ROWS, again, replace(again, number=1))
    assert not store.replace(ROWS, again, replace(again, number=2))


def test_replace_keeps_the_key(store: Store) -> None:
    store.put(ROWS, Row("a", "b"))
    with pytest.raises(ValueError, match="key"):
        store.replace(ROWS, Row("a", "b"), Row("a", "c"))


def test_records_are_values(store: Store) -> None:
    """What is changed in a list after storing does not change what is stored."""
    items: list[Any] = [1]
    store.put(ROWS, Row("a", "b", items=items))
    items.append(2)
    found = store.get(ROWS, "a", "b")
    assert found is not None
    assert found.items == [1]
    found.items.append(3)
    assert store.get(ROWS, "a", "b") == Row("a", "b", items=[1])


def test_a_scan_is_as_of_its_call(store: Store) -> None:
    for name in "abc":
        store.put(ROWS, Row("g", name))
    seen = []
    for row in store.scan(ROWS, "g"):
        store.delete(ROWS, "g", "c")
        store.put(ROWS, Row("g", "d"))
        seen.append(row.name)
    assert seen == ["a", "b", "c"]


def test_what_is_no_json_is_refused_and_nothing_is_written(store: Store) -> None:
    with pytest.raises(TypeError):
        store.put(ROWS, Row("a", "b", items=[object()]))
    with pytest.raises(TypeError):
        store.put(ROWS, Row("a", "b", note="\ud800"))
    assert list(store.scan(ROWS)) == []


def test_threads_lose_no_update(store: Store) -> None:
    store.put(ROWS, Row("a", "b"))

    def count() -> None:
        for _ in range(50):
            while True:
                read = store.get(ROWS, "a", "b")
                assert read is not None
                if store.replace(ROWS, read, replace(read, number=read.number + 1)):
                    break

    threads = [Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get(ROWS, "a", "b") == Row("a", "b", number=200)


@dataclass(frozen=True, slots=True)
class Grown:
    """What a `Row` became two schema numbers later."""

    group: str
    name: str
    size: int
    label: str


def test_documents_are_upgraded_step_by_step(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    old = SqliteStore(path)
    old.put(ROWS, Row("a", "b", number=7))
    old.close()
    grown = Table(
        "rows",
        Grown,
        key=("group", "name"),
        upgrades=(
            lambda d: {"group": d["group"], "name": d["name"], "size": d["number"]},
            lambda d: {**d, "label": f"{d['name']}-{d['size']}"},
        ),
    )
    new = SqliteStore(path)
    found = new.get(grown, "a", "b")
    assert found == Grown("a", "b", 7, "b-7")
    assert list(new.scan(grown)) == [found]
    assert new.replace(grown, found, replace(found, size=8))
    with pytest.raises(ValueError, match="schema 3"):
        new.get(ROWS, "a", "b")
    new.close()


def test_a_newer_file_is_not_touched(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "s.db"
    SqliteStore(path).close()
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version=99")
    raw.close()
    with pytest.raises(ValueError, match="newer"):
        SqliteStore(path)


def test_the_file_is_the_owner_s_alone(tmp_path: Path) -> None:
    made = SqliteStore(tmp_path / "s.db")
    made.put(ROWS, Row("a", "b"))
    modes = {file.name: file.stat().st_mode & 0o077 for file in tmp_path.iterdir()}
    assert set(modes.values()) == {0}, modes
    made.close()


KILLED = """
import os, sys
from pathlib import Path
from tests.kernel.test_store_contract import ROWS, Row, SqliteStore
store = SqliteStore(Path(sys.argv[1]))
for number in range(10_000):
    store.put(ROWS, Row("g", f"{number:06}"))
    os.write(1, f"{number}\\n".encode())
"""


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    import subprocess
    import sys

    path = tmp_path / "s.db"
    root = Path(__file__).parents[2]
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, cwd=root
    )
    assert writer.stdout is not None
    said = -1
    for line in writer.stdout:
        said = int(line)
        if said >= 200:
            writer.kill()
            break
    said = max([said, *(int(line) for line in writer.stdout.read().split())])
    writer.wait()
    store = SqliteStore(path)
    found = [row.name for row in store.scan(ROWS)]
    assert len(found) >= said + 1
    assert found == [f"{n:06}" for n in range(len(found))]
    store.close()
