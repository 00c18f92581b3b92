"""Any sequence of changes against a plain dict: contents agree, and every file has a holder."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from emulators.storage import errors
from emulators.storage.engine import blobs, blocks, containers, listing, paths
from emulators.storage.engine.blobs import Content, Guard
from emulators.storage.engine.files import Written
from emulators.storage.engine.vault import Vault
from emulators.storage.store import BLOBS, BLOCKS, SHARED, Blob, Container
from emulators.storage.wire.bodies import read_small
from tests.support import make_context

NAMES = st.sampled_from(["a", "b", "d", "d/x", "d/y"])
BLOCK_IDS = st.sampled_from(["AAAA", "BBBB", "CCCC"])
DATA = st.binary(max_size=6)


class BlobMachine(RuleBasedStateMachine):
    """A container beside a model of it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.vault = Vault(make_context(Path(self.folder.name)))
        self.container: Container = containers.create(self.vault, "acct", "con", metadata={})
        self.model: dict[str, bytes] = {}
        self.kinds: dict[str, str] = {}
        self.staged: dict[str, dict[str, bytes]] = {}
        self.committed: dict[str, dict[str, bytes]] = {}
        self.kept: dict[tuple[str, str], bytes] = {}

    def teardown(self) -> None:
        self.folder.cleanup()

    def written(self, data: bytes) -> Written:
        with self.vault.files.writer() as writer:
            writer.write(data)
            return writer.done()

    def content(self, blob: Blob) -> bytes:
        return read_small(self.vault, blob.parts, 0, blob.size)

    def find(self, name: str) -> Blob:
        return blobs.find(self.vault, self.container, name)

    @rule(name=NAMES, data=DATA)
    def put(self, name: str, data: bytes) -> None:
        blobs.put(self.vault, self.container, name, self.written(data), Content(), Guard())
        self.model[name], self.kinds[name] = data, "BlockBlob"
        self.staged.pop(name, None)
        self.committed.pop(name, None)

    @rule(name=NAMES)
    def make_append(self, name: str) -> None:
        blobs.put(self.vault, self.container, name, None, Content(), Guard())
        self.model[name], self.kinds[name] = b"", "AppendBlob"
        self.staged.pop(name, None)
        self.committed.pop(name, None)

    @rule(name=NAMES, data=DATA)
    def append(self, name: str, data: bytes) -> None:
        if self.kinds.get(name) != "AppendBlob":
            return
        blocks.append(self.vault, self.find(name), data, None, None)
        self.model[name] += data

    @rule(name=NAMES, block=BLOCK_IDS, data=st.binary(min_size=1, max_size=6))
    def stage(self, name: str, block: str, data: bytes) -> None:
        if self.kinds.get(name) == "AppendBlob":
            return
        blocks.stage(self.vault, self.container, name, block, self.written(data), None)
        self.staged.setdefault(name, {})[block] = data

    @rule(
        name=NAMES,
        listed=st.lists(
            st.tuples(st.sampled_from(["Latest", "Committed", "Uncommitted"]), BLOCK_IDS),
            max_size=4,
        ),
    )
    def commit(self, name: str, listed: list[tuple[str, str]]) -> None:
        if self.kinds.get(name) == "AppendBlob":
            return
        staged, committed = self.staged.get(name, {}), self.committed.get(name, {})
        wanted = []
        for where, block in listed:
            piece = staged.get(block) if where != "Committed" else None
            if piece is None and where != "Uncommitted":
                piece = committed.get(block)
            wanted.append((block, piece))
        pieces = [(block, piece) for block, piece in wanted if piece is not None]
        if len(pieces) < len(wanted):
            with pytest.raises(errors.InvalidBlockList):
                blocks.commit(self.vault, self.container, name, listed, Content(), Guard())
            return
        blocks.commit(self.vault, self.container, name, listed, Content(), Guard())
        self.model[name] = b"".join(piece for _, piece in pieces)
        self.kinds[name] = "BlockBlob"
        self.committed[name] = dict(pieces)
        self.staged.pop(name, None)

    @rule(name=NAMES)
    def snapshot(self, name: str) -> None:
        if name in self.model:
            kept = blobs.snapshot(self.vault, self.find(name), {})
            self.kept[name, kept.snapshot] = self.model[name]

    @rule(source=NAMES, to=NAMES)
    def copy(self, source: str, to: str) -> None:
        if source not in self.model:
            return
        found = self.find(source)
        old = self.vault.ctx.store.get(BLOBS, self.container.id, to, "")
        made = blobs.new(self.vault, self.container, to, Content(), old)
        made = replace(
            made, kind=found.kind, size=found.size, parts=[*found.parts], appended=found.appended
        )
        blobs.store(self.vault, old, made, drop_blocks=True, share=True)
        committed = dict(self.committed.get(source, {}))
        self.model[to], self.kinds[to] = self.model[source], self.kinds[source]
        self.staged.pop(to, None)
        self.committed[to] = committed

    @rule(name=NAMES, also=st.sampled_from(["", "include", "only"]))
    def delete(self, name: str, also: str) -> None:
        if name not in self.model:
            return
        if not also and any(kept == name for kept, _ in self.kept):
            with pytest.raises(errors.SnapshotsPresent):
                blobs.delete(self.vault, self.container, self.find(name), also)
            return
        blobs.delete(self.vault, self.container, self.find(name), also)
        if also:
            self.kept = {key: data for key, data in self.kept.items() if key[0] != name}
        if also != "only":
            self.model.pop(name)
            self.kinds.pop(name)
            self.committed.pop(name, None)

    @rule(to=st.sampled_from(["e", "f"]))
    def move_folder(self, to: str) -> None:
        inside = [n for n in self.model if n.startswith("d/")]
        if not inside or "d" in self.model or any(k.startswith("d") for k, _ in self.kept):
            return
        paths.rename(self.vault, (self.container, "d"), (self.container, to), (Guard(), Guard()))
        moved = [n[1:] for n in inside]
        for rest in moved:
            assert self.content(self.find(to + rest)) == self.model["d" + rest]
        paths.rename(self.vault, (self.container, to), (self.container, "d"), (Guard(), Guard()))

    @invariant()
    def contents_agree(self) -> None:
        page = listing.page(self.vault, self.container, listing.Query(snapshots=True))
        found = {
            (blob.name, blob.snapshot): self.content(blob)
            for blob in page.entries
            if isinstance(blob, Blob)
        }
        wanted = {(name, ""): data for name, data in self.model.items()} | self.kept
        assert found == wanted

    @invariant()
    def every_file_has_a_holder(self) -> None:
        store = self.vault.ctx.store
        holders = [blobs.files_of(blob) for blob in store.scan(BLOBS)]
        holders += [{block.file} for block in store.scan(BLOCKS)]
        counted: dict[str, int] = {}
        for files in holders:
            for file in files:
                counted[file] = counted.get(file, 0) + 1
        assert set(self.vault.files.blobs.keys()) == set(counted)
        extra = {file: count - 1 for file, count in counted.items() if count > 1}
        assert {shared.file: shared.extra for shared in store.scan(SHARED)} == extra


BlobMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestBlobs = BlobMachine.TestCase
