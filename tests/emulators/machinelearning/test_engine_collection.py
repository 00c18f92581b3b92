"""Collected data as lines, kept in files, sent in blocks: any order of events, any failure."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine.collection import events, shipping, wanted
from emulators.machinelearning.engine.collection.events import Event, Posted
from emulators.machinelearning.engine.collection.spool import Part, Place
from emulators.machinelearning.engine.storage_access import DatastorePath
from emulators.machinelearning.errors import StorageFailed, ValidationError

AT = datetime(2024, 3, 5, 18, 16, 25, tzinfo=UTC)
WHERE = DatastorePath("acc", "con", "a/b.jsonl")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def event(data: bytes, media: str = "application/json", **told: str) -> Event:
    return Event("the-id", "/the/source", "model_inputs", AT, media, data, told)


def stored(made: Event) -> dict[str, Any]:
    inner = events.inline(made)
    assert inner is not None
    data = events.line(made, inner)
    assert data.count(b"\n") == 1
    assert data.endswith(b"\n")
    found: dict[str, Any] = json.loads(data)
    return found


@given(json_values, st.sampled_from([None, 2, "\n\r\t "]), st.booleans())
def test_any_json_is_one_line_and_the_same_value(value: Any, indent: Any, ascii_: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_)
    data = text.encode("utf-8", "surrogatepass")
    assert stored(event(data))["data"] == value


@given(st.binary(max_size=80), st.sampled_from(["application/json", "text/plain", "image/png", ""]))
def test_any_bytes_are_a_line_or_lie_elsewhere(data: bytes, media: str) -> None:
    made = event(data, media)
    if events.inline(made) is not None:
        stored(made)
    pointing = json.loads(events.line(made, b'"https://x/y"', elsewhere=True))
    assert pointing["data"] == "https://x/y"
    assert pointing["datainblob"] == "true"


def test_the_shape_that_azure_documents() -> None:
    headers = {
        "content-type": "application/json",
        "trace-id": "t",
        "ce-time": "1709662585",
        "ce-type": "azureml.inference.model_inputs",
        "ce-collect-data-type": "pandas.core.frame.DataFrame",
        "ce-agent": "azureml-ai-monitoring/1.0.0",
        "ce-x-request-id": "test",
        "ce-model-version": "default",
        "ce-my-own": "kept",
        "ce-id": "not over ours",
    }
    posted = Posted(headers, b'[{"a":1.0,"b":"x"}]')
    assert posted.collection == "model_inputs"
    assert posted.time == AT
    assert stored(posted.event("the-id", "/the/source", AT)) == {
        "specversion": "1.0",
        "id": "the-id",
        "source": "/the/source",
        "type": "azureml.inference.model_inputs",
        "datacontenttype": "application/json",
        "time": "2024-03-05T18:16:25Z",
        "data": [{"a": 1.0, "b": "x"}],
        "contentrange": "bytes 0-18/19",
        "correlationid": "test",
        "xrequestid": "test",
        "modelversion": "default",
        "collectdatatype": "pandas.core.frame.DataFrame",
        "agent": "azureml-ai-monitoring/1.0.0",
        "myown": "kept",
    }


def test_times_that_are_none() -> None:
    for text in ("", "soon", "1e400", "nan", "-1e300"):
        assert Posted({"ce-time": text}, b"").time is None


def test_what_says_json_and_is_none() -> None:
    with pytest.raises(ValidationError):
        Posted({"content-type": "application/json"}, b"[NaN]").event("i", "s", AT)
    assert stored(event(b"[NaN]"))["data"] == "[NaN]"  # a caller's: kept as it came
    assert events.inline(event(b"\xff\xfe")) is None
    assert stored(event(b"", "application/octet-stream"))["data"] == ""
    assert events.inline(event(b"[" * events.LARGE_BYTES)) is not None
    assert events.inline(event(b" " * (events.LARGE_BYTES + 1))) is None


@pytest.mark.parametrize(
    ("rate", "folder"),
    [("Year", "2024"), ("month", "2024/03"), ("DAY", "2024/03/05"), (None, "2024/03/05/18"),
     ("Minute", "2024/03/05/18/16")],
)  # fmt: skip
def test_rolling(rate: str | None, folder: str) -> None:
    found = wanted.read({"collections": {"A": {"dataCollectionMode": "enabled"}},
                         "rollingRate": rate})  # fmt: skip
    assert found is not None
    assert found.folder(AT) == folder
    assert found.collections == (wanted.Collection("a", 1.0, None),)


ON: Mapping[str, Any] = {"dataCollectionMode": "Enabled"}


@pytest.mark.parametrize(
    "given",
    [
        [],
        {"collections": []},
        {"collections": {"a": 1}},
        {"collections": {"a": ON}, "rollingRate": "Week"},
        {"collections": {"a": {**ON, "samplingRate": 1.5}}},
        {"collections": {"a": {**ON, "samplingRate": True}}},
        {"collections": {"a": {**ON, "samplingRate": "1"}}},
        {"collections": {"a": {"dataCollectionMode": "maybe"}}},
        {"collections": {"a": {**ON, "dataId": 3}}},
        {"collections": {"": ON}},
        {"collections": {"../a": ON}},
        {"collections": {"a": ON, "A": ON}},
        {"collections": {"a": ON}, "requestLogging": 3},
    ],
)
def test_what_cannot_be_collected_is_refused(given: Any) -> None:
    with pytest.raises(ValidationError):
        wanted.read(given)


def test_nothing_to_collect() -> None:
    assert wanted.read(None) is None
    assert wanted.read({"collections": {}}) is None
    assert wanted.read({"collections": {"a": {"dataCollectionMode": "disabled"}}}) is None
    with pytest.raises(Unsupported):
        wanted.read({"collections": {"a": ON}, "requestLogging": {"captureHeaders": ["x"]}})


def test_words_come_back_as_the_api_spells_them() -> None:
    given = {"collections": {"a": {"dataCollectionMode": "enabled", "samplingRate": 1}, "b": {}},
             "rollingRate": "hour"}  # fmt: skip
    assert wanted.spelled(given) == {
        "collections": {"a": {"dataCollectionMode": "Enabled", "samplingRate": 1}, "b": {}},
        "rollingRate": "Hour",
    }


class Storage:
    """Blobs as storage keeps them, which fails when it is told to."""

    def __init__(self) -> None:
        self.blob: bytes | None = None
        self.committed: dict[str, bytes] = {}
        self.waiting: dict[str, bytes] = {}
        self.fails_after = 1 << 30

    @asynccontextmanager
    async def client(self) -> Any:
        storage = self

        class Client:
            headers: dict[str, str] = {}  # noqa: RUF012

            async def put(self, url: str, **given: Any) -> Any:
                return storage.put(**given)

        yield Client()

    def put(self, content: bytes, params: Mapping[str, str] | None = None, **_: Any) -> Any:
        self.fails_after -= 1
        if self.fails_after < 0:
            return Answer(503)
        if not params:
            self.blob, self.committed, self.waiting = content, {}, {}
            return Answer(201)
        if params["comp"] == "block":
            self.waiting[params["blockid"]] = content
            return Answer(201)
        named = content.decode().split("<Latest>")[1:]
        names = [one.partition("<")[0] for one in named]
        both = {**self.committed, **self.waiting}
        if not all(name in both for name in names):
            return Answer(400)
        self.committed, self.waiting = {name: both[name] for name in names}, {}
        self.blob = b"".join(self.committed.values())
        return Answer(201)


class Answer:
    def __init__(self, status: int) -> None:
        self.status_code, self.headers = status, {"x-ms-error-code": "Bad"}


class Context:
    def __init__(self, peers: Storage) -> None:
        self.peers = peers


class ShippingMachine(RuleBasedStateMachine):
    """Lines, sends, failures, lost blobs and restarts in any order: the blob is the file."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.block, shipping.BLOCK_BYTES = shipping.BLOCK_BYTES, 7
        self.folder = Path(tempfile.mkdtemp())
        self.storage, self.written = Storage(), b""
        self.part = Part.new(self.folder, "p", Place(WHERE), durable=False)

    def teardown(self) -> None:
        import shutil

        self.send()
        self.send()  # the first may be the one that was to fail
        assert self.storage.blob == (self.written or None)
        shipping.BLOCK_BYTES = self.block
        shutil.rmtree(self.folder)

    @rule(data=st.binary(min_size=1, max_size=30))
    def append(self, data: bytes) -> None:
        self.part.append(data)
        self.written += data

    @rule(after=st.integers(0, 8))
    def fail(self, after: int) -> None:
        self.storage.fails_after = after
        self.send()

    @rule()
    def send(self) -> None:
        failing = self.storage.fails_after < 1 << 20
        for _ in range(3):
            if not self.part.pending:
                return
            try:
                asyncio.run(shipping.ship(Context(self.storage), self.part))  # type: ignore[arg-type]
            except StorageFailed:
                self.part.shipped = 0
            if failing:
                self.storage.fails_after = 1 << 30
                if self.part.pending:
                    return
        assert not self.part.pending

    @rule()
    def lose_the_blob(self) -> None:
        if self.part.pending:
            self.storage.__init__()  # type: ignore[misc]

    @rule()
    def restart(self) -> None:
        self.part.close()
        (self.part,) = Part.left(self.folder, durable=False)

    @invariant()
    def the_blob_is_a_beginning_of_what_was_written(self) -> None:
        assert self.written.startswith(self.storage.blob or b"")
        assert self.part.size == len(self.written)


TestShipping = ShippingMachine.TestCase


def test_a_file_that_is_done_leaves_nothing(tmp_path: Path) -> None:
    part = Part.new(tmp_path, "p", Place(WHERE, beside=True), durable=True)
    part.append(b"x")
    (again,) = Part.left(tmp_path, durable=True)
    assert (again.where, again.beside, again.size, again.done) == (WHERE, True, 1, True)
    part.discard()
    assert list(tmp_path.iterdir()) == []


def test_bytes_that_the_disk_does_not_take_are_not_half_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    part = Part.new(tmp_path, "p", Place(WHERE), durable=False)
    part.append(b"first\n")
    write = os.write

    def full(file: int, data: Any) -> int:
        if len(data) < 4:
            raise OSError(28, "No space left on device")
        return write(file, data[:3])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            part.append(b"second\n")
    part.append(b"third\n")
    assert part.read(0, 100) == b"first\nthird\n"
    assert part.size == 12
