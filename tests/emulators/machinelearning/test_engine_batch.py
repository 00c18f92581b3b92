"""Splitting, retries, thresholds and the one writer, against the documented rules."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine.batch import files as batch_files
from emulators.machinelearning.engine.batch import invocation
from emulators.machinelearning.engine.batch import settings as batch_settings
from emulators.machinelearning.engine.batch.output import AppendRows
from emulators.machinelearning.engine.batch.scoring import (
    JobFailed,
    MiniBatch,
    MiniBatchFailed,
    Rules,
    Scored,
    Tally,
    TooManyFailures,
    score,
    split,
)
from emulators.machinelearning.errors import InvalidJob, UserError, ValidationError


@dataclass
class Fake:
    """Scores by writing each file's name; fails as often as it is told to."""

    parts: Path
    fails: dict[int, int] = field(default_factory=dict)  # mini-batch -> tries that fail
    items: dict[int, int] = field(default_factory=dict)  # mini-batch -> elements returned
    width: int = 3
    tries: Counter[int] = field(default_factory=Counter)
    most: int = 0
    now: int = 0

    def consider(self, waiting: int, each_s: float) -> None:
        assert waiting >= 0
        assert each_s >= 0

    async def submit(self, batch: MiniBatch) -> Scored:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0)
            self.tries[batch.number] += 1
            part = self.parts / f"{batch.number}.part"
            lines = "".join(f"{name}\n" for name in batch.files)
            if self.tries[batch.number] <= self.fails.get(batch.number, 0):
                part.write_text(lines[: len(lines) // 2])  # died in the middle of writing
                raise MiniBatchFailed("asked to")
            part.write_text(lines)
            count = self.items.get(batch.number, len(batch.files))
            return Scored(batch, count, len(batch.files), 0.0, part)
        finally:
            self.now -= 1


class Silent:
    def tried(self, batch: MiniBatch, tries: int, why: str) -> None:
        """Nothing."""

    def ended(self, batch: MiniBatch, scored: Scored | None, tally: Tally) -> None:
        """Nothing."""


def run(fake: Fake, names: list[str], size: int, rules: Rules) -> tuple[Tally, list[str]]:
    sink = AppendRows(fake.parts / "predictions.csv")
    try:
        tally = asyncio.run(score(split(names, size), fake, sink, rules, Silent()))
        sink.close()
    finally:
        sink.discard()
    return tally, (fake.parts / "predictions.csv").read_text().splitlines()


def names(count: int) -> list[str]:
    return [f"f{n}" for n in range(count)]


@pytest.mark.parametrize(("count", "size", "batches"), [(100, 10, 10), (101, 10, 11), (3, 10, 1)])
def test_mini_batches_are_files_whatever_their_size(count: int, size: int, batches: int) -> None:
    """Source: 100 files with a mini-batch size of 10 are 10 batches of 10 files."""
    made = split(names(count), size)
    assert len(made) == batches
    assert [file for batch in made for file in batch.files] == names(count)
    assert all(len(batch.files) <= size for batch in made)
    assert split([], 5) == []


def test_a_mini_batch_is_tried_again_as_often_as_max_retries(tmp_path: Path) -> None:
    fake = Fake(tmp_path, fails={0: 3, 1: 4})
    tally, lines = run(fake, names(6), 2, Rules(retries=3))
    assert fake.tries == {0: 4, 1: 4, 2: 1}
    assert (tally.done, tally.failed_batches) == (2, 1)
    assert (tally.files_scored, tally.files_failed) == (4, 2)
    assert sorted(lines) == ["f0", "f1", "f4", "f5"]


@pytest.mark.parametrize(
    ("threshold", "ok"), [(-1, True), (0, False), (3, False), (4, True), (5, True)]
)
def test_the_job_ends_when_more_files_failed_than_the_threshold(
    tmp_path: Path, threshold: int, ok: bool
) -> None:
    """Two mini-batches of two files fail: four files in all."""
    fake = Fake(tmp_path, fails={0: 9, 3: 9})
    rules = Rules(retries=0, error_threshold=threshold)
    if ok:
        assert run(fake, names(10), 2, rules)[0].files_failed == 4
    else:
        with pytest.raises(TooManyFailures, match=f"exceeds the error threshold {threshold}"):
            run(fake, names(10), 2, rules)
        assert not list(tmp_path.glob("*predictions.csv*"))


def test_elements_that_are_not_returned_are_failed_files(tmp_path: Path) -> None:
    tally, _ = run(Fake(tmp_path, items={0: 1}), names(4), 2, Rules())
    assert (tally.files_scored, tally.files_failed) == (3, 1)
    with pytest.raises(TooManyFailures):
        run(Fake(tmp_path, items={0: 1}), names(4), 2, Rules(error_threshold=0))


def test_as_many_at_once_as_there_is_width(tmp_path: Path) -> None:
    fake = Fake(tmp_path, width=2)
    run(fake, names(20), 1, Rules())
    assert fake.most == 2


def test_an_input_that_can_never_be_scored_ends_all(tmp_path: Path) -> None:
    class Broken(Fake):
        async def submit(self, batch: MiniBatch) -> Scored:
            if batch.number == 2:
                raise JobFailed("init() raised")
            return await super().submit(batch)

    with pytest.raises(JobFailed, match="init"):
        run(Broken(tmp_path), names(9), 1, Rules())


@settings(max_examples=60)
@given(st.data())
def test_any_split_and_any_failures_give_each_row_once(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Rows of all mini-batches that were not given up, each once, whatever happened on the way."""
    folder = tmp_path_factory.mktemp("split")
    count = data.draw(st.integers(1, 40))
    size = data.draw(st.integers(1, 12))
    retries = data.draw(st.integers(0, 3))
    fails = data.draw(st.dictionaries(st.integers(0, 40), st.integers(0, 5)))
    width = data.draw(st.integers(1, 5))
    tally, lines = run(Fake(folder, fails=fails, width=width), names(count), size, Rules(retries))
    lost = {b.number for b in split(names(count), size) if fails.get(b.number, 0) > retries}
    kept = [f for b in split(names(count), size) if b.number not in lost for f in b.files]
    assert sorted(lines) == sorted(kept)
    assert tally.rows == tally.files_scored == len(kept)
    assert tally.failed_batches == len(lost)


def test_cancelling_leaves_no_file(tmp_path: Path) -> None:
    class Slow(Fake):
        async def submit(self, batch: MiniBatch) -> Scored:
            await asyncio.sleep(60)
            raise AssertionError

    async def main() -> None:
        sink = AppendRows(tmp_path / "predictions.csv")
        work = asyncio.create_task(
            score(split(names(5), 1), Slow(tmp_path), sink, Rules(), Silent())
        )
        await asyncio.sleep(0.01)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        sink.discard()

    asyncio.run(main())
    assert not list(tmp_path.iterdir())


def test_settings_have_azures_defaults_and_take_overrides() -> None:
    made = batch_settings.read({})
    assert made == batch_settings.Settings(10, 1, 1, 3, 30.0, -1, True, "predictions.csv", "info")
    full = batch_settings.read(
        {
            "miniBatchSize": 4,
            "maxConcurrencyPerInstance": 2,
            "resources": {"instanceCount": 3},
            "retrySettings": {"maxRetries": 0, "timeout": "PT2M"},
            "errorThreshold": 0,
            "outputAction": "SummaryOnly",
            "loggingLevel": "Debug",
        }
    )
    assert (full.workers, full.retries, full.timeout_s, full.append) == (6, 0, 120.0, False)
    over = batch_settings.overridden(
        full,
        {
            "miniBatchSize": 7,
            "outputFileName": "x.txt",
            "compute": {"instanceCount": 1},
            "retrySettings": {"maxRetries": 5},
            "errorThreshold": 3,
        },
    )
    assert (over.mini_batch_size, over.file_name, over.instances) == (7, "x.txt", 1)
    assert (over.retries, over.timeout_s, over.error_threshold) == (5, 120.0, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"miniBatchSize": 0},
        {"miniBatchSize": True},
        {"errorThreshold": -2},
        {"outputAction": "Neither"},
        {"outputFileName": "../x"},
        {"outputFileName": ""},
        {"loggingLevel": "loud"},
        {"retrySettings": {"maxRetries": -1}},
        {"retrySettings": {"timeout": "soon"}},
        {"retrySettings": {"timeout": "PT0S"}},
        {"resources": {"instanceCount": 0}},
        {"resources": 3},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        batch_settings.read(wrong)


PASCAL = {
    "properties": {
        "InputData": {"heart": {"JobInputType": "UriFolder", "Uri": "azureml:x:1"}},
        "OutputData": {
            "out": {"JobOutputType": "UriFile", "Uri": "azureml://datastores/d/paths/p"}
        },
        "ExperimentName": "e",
        "MiniBatchSize": 3,
    }
}


def test_both_spellings_of_a_body_are_one_invocation() -> None:
    camel = {
        "properties": {
            "inputData": {"heart": {"jobInputType": "UriFolder", "uri": "azureml:x:1"}},
            "outputData": {
                "out": {"jobOutputType": "UriFile", "uri": "azureml://datastores/d/paths/p"}
            },
            "properties": {"experimentName": "e"},
            "miniBatchSize": 3,
        }
    }
    read = invocation.read(PASCAL)
    assert read == invocation.read(camel)
    assert read.experiment == "e"
    assert invocation.data_of(read) == invocation.Given("uri_folder", "azureml:x:1")
    assert invocation.target_of(read) == invocation.Target(
        "uri_file", "azureml://datastores/d/paths/p"
    )


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({}, UserError),
        ({"a": {"jobInputType": "Literal", "value": 3}}, UserError),
        ({"a": {"jobInputType": "UriFile"}}, ValidationError),
        ({"a": {"jobInputType": "Nothing", "uri": "x"}}, ValidationError),
        ({"a": {"jobInputType": "CustomModel", "uri": "azureml:m:1"}}, UserError),
        (
            {
                "a": {"jobInputType": "UriFile", "uri": "azureml:m:1"},
                "b": {"jobInputType": "UriFile", "uri": "azureml:m:1"},
            },
            UserError,
        ),
    ],
)
def test_a_model_deployment_takes_one_data_input(data: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        invocation.data_of(invocation.read({"properties": {"inputData": data}}))


def test_an_override_that_is_not_known_is_named() -> None:
    with pytest.raises(Unsupported, match="priority"):
        invocation.read({"properties": {"priority": 3}})
    old = {"outputDataset": {"datastoreId": "azureml:workspaceblobstore", "path": "/a/b/"}}
    target = invocation.target_of(invocation.read({"properties": old}))
    assert target is not None
    assert target.uri == "azureml://datastores/workspaceblobstore/paths/a/b"


def test_files_of_folders_and_tables(tmp_path: Path) -> None:
    (tmp_path / "d/below").mkdir(parents=True)
    for name in ("b.csv", "a.csv", "below/c.csv"):
        (tmp_path / "d" / name).write_text("x\n1\n")
    folder = tmp_path / "d"

    def found(kind: str, nested: bool) -> list[str]:
        listed = batch_files.files_of(folder, kind, nested=nested)
        return [Path(one).relative_to(folder).as_posix() for one in listed]

    assert found("uri_folder", True) == ["a.csv", "b.csv", "below/c.csv"]
    assert found("uri_folder", False) == ["a.csv", "b.csv"]
    (folder / "MLTable").write_text(
        "paths:\n- file: ./a.csv\n- pattern: ./*/*.csv\ntransformations:\n- read_delimited:\n"
        "    delimiter: ','\n"
    )
    assert found("mltable", False) == ["a.csv", "below/c.csv"]
    (folder / "MLTable").write_text("paths:\n- folder: ./\ntransformations:\n- take: 3\n")
    with pytest.raises(Unsupported, match="take"):
        found("mltable", False)
    with pytest.raises(InvalidJob, match=r"avro' is not supported"):
        batch_files.check_types(["/x/data.avro"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidJob, match="no files"):
        batch_files.files_of(tmp_path / "empty", "uri_folder", nested=True)


def test_the_order_of_appends_is_whole_mini_batches(tmp_path: Path) -> None:
    """However mini-batches end, one's rows stand together."""

    async def main() -> None:
        sink = AppendRows(tmp_path / "out.csv")
        parts = []
        for number in range(20):
            part = tmp_path / f"{number}.part"
            part.write_text(f"{number}\n" * 50)
            parts.append(Scored(MiniBatch(number, ("f",)), 1, 50, 0.0, part))
        random.Random(1).shuffle(parts)
        await asyncio.gather(*(sink.take(one) for one in parts))
        sink.close()

    asyncio.run(main())
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert len(lines) == 1000
    runs = [lines[at : at + 50] for at in range(0, 1000, 50)]
    assert all(len(set(one)) == 1 for one in runs)
    assert list(tmp_path.iterdir()) == [tmp_path / "out.csv"]


KEYS = ["InputData", "outputData", "MiniBatchSize", "compute", "retrySettings", "name", "tags"]
KEYS += ["properties", "experimentName", "outputFileName", "outputDataset", "description", "x"]
INNER = ["jobInputType", "Uri", "value", "instanceCount", "maxRetries", "timeout", "datastoreId"]
WORDS = ["UriFolder", "Literal", "azureml:a:1", "", "\0", "../x", "PT1S", "-1"]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(INNER), inner),
    max_leaves=6,
)


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(KEYS), values | st.dictionaries(st.text(), values)))
def test_any_body_is_read_or_refused(body: dict[str, Any]) -> None:
    with contextlib.suppress(UserError, Unsupported):
        asked = invocation.read({"properties": body})
        batch_settings.overridden(batch_settings.Settings(), asked.overrides)
        invocation.data_of(asked)
        invocation.target_of(asked)
