"""The rules of promotion on models that are only values: gates, order, collisions, undoing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure_adapters.promotion import (
    AT,
    COMMIT,
    DATA,
    FROM,
    IN_PLACE,
    JOB,
    REGISTRY,
    REPLACED,
    REPLACES,
    STATE,
    WITHDRAWN,
    Evidence,
    Model,
    Promotion,
    Refused,
    Route,
    Rule,
    compare,
    digest,
    judge,
    numbers,
    promote,
    standing,
    undo,
)


class Cut(RuntimeError):
    """The connection is gone."""


@dataclass
class Shelf:
    """Models in memory; what they are made of is one text. `fuse` calls work, the next is cut."""

    title: str
    base: str
    models: dict[tuple[str, str], Model] = field(default_factory=dict)
    files: dict[tuple[str, str], str] = field(default_factory=dict)
    others: dict[str, Shelf] = field(default_factory=dict)
    known: Evidence = field(default_factory=Evidence)
    fuse: list[int] = field(default_factory=lambda: [1_000_000])

    def _write(self) -> None:
        if self.fuse[0] == 0:
            raise Cut
        self.fuse[0] -= 1

    def add(self, name: str, version: str, content: str, tags: Mapping[str, str]) -> Model:
        self._write()
        made = Model(name, version, f"{self.base}/models/{name}/versions/{version}", tags=tags)
        assert (name, version) not in self.models
        self.models[name, version], self.files[name, version] = made, content
        return made

    def find(self, name: str, version: str | None = None) -> Model | None:
        if version is None:
            return next(iter(self.every(name)), None)
        return self.models.get((name, version))

    def every(self, name: str) -> list[Model]:
        return [m for (n, _), m in reversed(self.models.items()) if n == name]

    def tag(self, model: Model, tags: Mapping[str, str]) -> Model:
        self._write()
        key = (model.name, model.version)
        self.models[key] = replace(self.models[key], tags={**self.models[key].tags, **tags})
        return self.models[key]

    def fetch(self, model: Model, folder: Path) -> Path:
        folder.mkdir(exist_ok=True)
        path = folder / "model.bin"
        path.write_text(self.files[model.name, model.version])
        return path

    def evidence(self, model: Model) -> Evidence:
        return self.known

    def share(self, model: Model, registry: str) -> None:
        there = self.others[registry]
        content = self.files[model.name, model.version]
        there.add(model.name, model.version, content, dict(model.tags))

    def register(self, model: Model, path: Path) -> Model:
        return self.add(model.name, model.version, path.read_text(), dict(model.tags))


@dataclass
class World:
    """Development, staging and production around a registry."""

    def __post_init__(self) -> None:
        fuse = [1_000_000]
        self.fuse = fuse
        self.registry = Shelf("registry r", "azureml://registries/r", fuse=fuse)
        others = {"r": self.registry}
        self.dev, self.staging, self.production = (
            Shelf(name, f"/{name}", others=others, fuse=fuse)
            for name in ("dev", "staging", "production")
        )

    def up(self, version: str | None = None, rule: Rule | None = None, now: str = "1") -> Promotion:
        route = Route(self.dev, self.registry, "r", self.staging)
        return promote(route, "m", version, rule, now)

    def on(self, now: str = "1") -> Promotion:
        route = Route(self.staging, self.registry, "r", self.production)
        return promote(route, "m", None, None, now)


def auc(value: float) -> dict[str, str]:
    return {"auc": str(value)}


def test_the_first_version_goes_all_the_way_with_its_evidence() -> None:
    world = World()
    world.dev.known = Evidence({"loss": 0.25}, "job-1", ["table:4"], "c0de", "abc123")
    world.dev.add("m", "3", "bytes", auc(0.8))
    made = world.up(rule=Rule("auc", 0.01))
    assert (made.status, made.version, made.before) == ("promoted", "3", None)
    there = world.staging.models["m", "3"]
    assert there.tags[STATE] == IN_PLACE
    assert there.tags[REGISTRY] == "azureml://registries/r/models/m/versions/3"
    assert there.tags[FROM] == "/dev/models/m/versions/3"
    assert (there.tags[JOB], there.tags[DATA], there.tags[COMMIT]) == ("job-1", "table:4", "abc123")
    assert numbers(there.tags) == {"auc": 0.8, "loss": 0.25}
    assert world.staging.files["m", "3"] == "bytes"
    further = world.on()
    assert further.status == "promoted"
    last = world.production.models["m", "3"]
    assert last.tags[REGISTRY] == there.tags[REGISTRY]
    assert (last.tags[JOB], numbers(last.tags)["loss"]) == ("job-1", 0.25)
    assert len(world.registry.models) == 1


def test_a_worse_candidate_changes_nothing() -> None:
    world = World()
    world.dev.add("m", "1", "one", auc(0.8))
    world.up(now="1")
    world.dev.add("m", "2", "two", auc(0.805))
    before = dict(world.staging.models)
    refused = world.up(rule=Rule("auc", 0.01), now="2")
    assert refused.status == "refused"
    assert "gain of 0.005, and at least 0.01" in refused.why
    assert (refused.version, refused.before) == ("1", "1")
    assert world.staging.models == before
    assert ("m", "2") not in world.registry.models
    assert world.up(rule=Rule("auc", 0.005), now="3").version == "2"
    assert world.staging.models["m", "1"].tags[STATE] == REPLACED


def test_undo_goes_back_step_by_step_and_forward_again() -> None:
    world = World()
    for number in (1, 2):
        world.dev.add("m", str(number), f"v{number}", {})
        world.up(now=str(number))
    back = undo(world.staging, "m", "3")
    assert (back.status, back.version, back.before) == ("undone", "1", "2")
    assert world.staging.models["m", "2"].tags[STATE] == WITHDRAWN
    assert world.up(now="4").version == "2"
    undo(world.staging, "m", "5")
    none = undo(world.staging, "m", "6")
    assert (none.version, none.before) == (None, "1")
    with pytest.raises(LookupError, match="no version of m is in place"):
        undo(world.staging, "m", "7")


def test_what_is_in_place_already_is_left_alone() -> None:
    world = World()
    world.dev.add("m", "1", "one", {})
    world.up()
    assert world.up(rule=Rule("no such metric"), now="2").status == "unchanged"
    assert world.staging.models["m", "1"].tags[AT] == "1"


def test_another_model_of_that_version_is_never_overwritten() -> None:
    world = World()
    world.dev.add("m", "1", "mine", {})
    world.registry.add("m", "1", "theirs", {})
    with pytest.raises(Refused, match="registry r has another m:1"):
        world.up()
    del world.registry.models["m", "1"]
    world.staging.add("m", "1", "own", {})
    with pytest.raises(Refused, match="staging has a m:1 of its own"):
        world.up()
    assert STATE not in world.staging.models["m", "1"].tags
    with pytest.raises(LookupError, match="dev has no model m:9"):
        world.up("9")


@given(st.integers(0, 12), st.integers(0, 12))
def test_however_it_is_cut_the_same_command_ends_it(first: int, second: int) -> None:
    """Any cut leaves the old version in place or the new one, and a repeat finishes the work."""
    world = World()
    world.dev.add("m", "1", "one", {})
    world.up(now="1")
    world.dev.add("m", "2", "two", {})
    for moment, fuse in (("2", first), ("3", second)):
        world.fuse[0] = fuse
        try:
            world.up(now=moment)
        except Cut:
            world.fuse[0] = 1_000_000
            here = standing(world.staging.every("m"))
            assert here is not None
            assert here.version in ("1", "2")
    world.fuse[0] = 1_000_000
    assert world.up(now="4").version == "2"
    now = standing(world.staging.every("m"))
    assert now is not None
    assert (now.version, now.tags[REPLACES]) == ("2", "1")
    assert world.staging.models["m", "1"].tags[STATE] == REPLACED
    assert undo(world.staging, "m", "5").version == "1"


@pytest.mark.parametrize(
    ("rule", "new", "old", "opens"),
    [
        (None, {}, {}, True),
        (Rule("a"), {"a": 1}, None, True),
        (Rule("a"), {}, None, False),
        (Rule("a"), {"a": 1}, {}, False),
        (Rule("a"), {"a": 1}, {"a": 1}, True),
        (Rule("a", 0.1), {"a": 0.9}, {"a": 0.8}, True),  # 0.9 - 0.8 is a hair under 0.1
        (Rule("a", 0.1), {"a": 0.89}, {"a": 0.8}, False),
        (Rule("a", 0.1, lower_is_better=True), {"a": 0.1}, {"a": 0.3}, True),
        (Rule("a", lower_is_better=True), {"a": 0.4}, {"a": 0.3}, False),
        (Rule("a", -0.05), {"a": 0.78}, {"a": 0.8}, True),  # no worse than a little
    ],
)
def test_gates(
    rule: Rule | None, new: dict[str, float], old: dict[str, float] | None, opens: bool
) -> None:
    assert (judge(rule, new, old) == "") is opens


@given(st.dictionaries(st.text(max_size=6), st.floats() | st.text(max_size=6), max_size=6))
def test_metrics_survive_as_tags(given_tags: dict[str, float | str]) -> None:
    metrics = {k: v for k, v in given_tags.items() if isinstance(v, float) and math.isfinite(v)}
    assert numbers(Evidence(metrics).tags()) == metrics
    assert all(
        math.isfinite(v) for v in numbers({k: str(v) for k, v in given_tags.items()}).values()
    )


def test_comparisons_name_what_either_has() -> None:
    assert [(c.metric, c.gain) for c in compare({"a": 2, "b": 1}, {"a": 1, "c": 3})] == [
        ("a", 1),
        ("b", None),
        ("c", None),
    ]


def test_a_digest_is_of_names_and_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text("x")
    assert digest(tmp_path / "one") == digest(tmp_path / "two")
    (tmp_path / "two/a").rename(tmp_path / "two/b")
    assert digest(tmp_path / "one") != digest(tmp_path / "two")
