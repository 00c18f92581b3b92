"""Asset versions against a plain model: what is made stays, what is other is refused."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine import assets, listing
from emulators.machinelearning.engine.assets import Draft
from emulators.machinelearning.errors import (
    AssetExists,
    AssetNotFound,
    InvalidUri,
    ResourceMissing,
    ValidationError,
)
from emulators.machinelearning.store.workspaces import WORKSPACES, Workspace
from tests.support import make_context

WS = Workspace(
    "s/g/w",
    "guid-1",
    "s",
    "g",
    "w",
    "eastus",
    "acct",
    {},
    datetime(2026, 1, 1, tzinfo=UTC),
    datetime(2026, 1, 1, tzinfo=UTC),
    "me",
)

SHARED = make_context(Path(tempfile.mkdtemp()))
"""For examples too many to have a folder each."""
NAMED = make_context(Path(tempfile.mkdtemp()))
"""The same, where no other test has made any name."""


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return make_context(tmp_path)


def data(uri: str = "azureml://datastores/d/paths/a", **more: Any) -> dict[str, Any]:
    return {"dataType": "uri_file", "dataUri": uri, **more}


def make(ctx: Context, version: str | None = None, name: str = "n", **more: Any) -> assets.Made:
    return assets.create_version(ctx, WS, Draft("data", name, data(**more), version))


names = st.sampled_from(["a", "A", "b"])
numbers = st.sampled_from(["1", "2", "7", "x", "007"])
contents = st.sampled_from(["azureml://datastores/d/paths/1", "azureml://datastores/d/paths/2"])


class AssetMachine(RuleBasedStateMachine):
    """Names differ in more than case; numbers are never given out twice."""

    def __init__(self) -> None:
        super().__init__()
        self.ctx = SHARED
        self.ctx.store.reset()
        self.made: dict[tuple[str, str], tuple[str, bool]] = {}
        self.order: dict[str, list[str]] = {}
        self.highest: dict[str, int] = {}

    @rule(name=names, version=numbers, uri=contents, archived=st.booleans())
    def put(self, name: str, version: str, uri: str, archived: bool) -> None:
        key = (name.lower(), version)
        draft = Draft("data", name, data(uri, isArchived=archived), version)
        old = self.made.get(key)
        if old is not None and old[0] != uri:
            with pytest.raises(AssetExists):
                assets.create_version(self.ctx, WS, draft)
            return
        made = assets.create_version(self.ctx, WS, draft)
        assert made.created == (old is None)
        self._note(key, uri, archived)

    @rule(name=names, uri=contents)
    def put_next(self, name: str, uri: str) -> None:
        made = assets.create_version(self.ctx, WS, Draft("data", name, data(uri)))
        version = made.version.version
        assert made.created
        assert int(version) == self.highest.get(name.lower(), 0) + 1
        self._note((name.lower(), version), uri, False)

    def _note(self, key: tuple[str, str], uri: str, archived: bool) -> None:
        if key not in self.made:
            self.order.setdefault(key[0], []).append(key[1])
            number = int(key[1]) if key[1].isdigit() else 0
            self.highest[key[0]] = max(self.highest.get(key[0], 0), number)
        self.made[key] = (uri, archived)

    @rule(name=names, version=numbers)
    def delete(self, name: str, version: str) -> None:
        key = (name.lower(), version)
        assert assets.delete_version(self.ctx, WS, "data", name, version) == (key in self.made)
        if self.made.pop(key, None):
            self.order[key[0]].remove(version)

    @invariant()
    def lists_and_labels_agree(self) -> None:
        for name, order in self.order.items():
            found = [v.version for v in assets.versions(self.ctx, WS, "data", name)]
            assert found == order[::-1]
            home = assets.get_container(self.ctx, WS, "data", name)
            assert home.latest == (order[-1] if order else None)
            assert home.next_number == self.highest[name] + 1
            living = [v for v in order if not self.made[name, v][1]]
            if living:
                newest = assets.get_labelled(self.ctx, WS, "data", name, "latest")
                assert newest.version == living[-1]
            else:
                with pytest.raises(AssetNotFound):
                    assets.get_labelled(self.ctx, WS, "data", name, "latest")


TestAssetMachine = AssetMachine.TestCase
TestAssetMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_the_same_content_again_changes_only_the_words(ctx: Context) -> None:
    first = make(ctx, "1", tags={"a": "1"}).version
    again = make(ctx, "1", tags={"b": "2"}, description="new", isArchived=True)
    assert not again.created
    assert again.version.properties["tags"] == {"b": "2"}
    assert again.version.properties["isArchived"] is True
    assert again.version.created == first.created


def test_other_content_is_refused_in_the_words_the_client_knows(ctx: Context) -> None:
    make(ctx, "1")
    with pytest.raises(AssetExists, match=r"^Asset paths cannot be updated\.$"):
        make(ctx, "1", uri="azureml://datastores/d/paths/other")
    with pytest.raises(AssetExists, match="dataType"):
        assets.create_version(
            ctx, WS, Draft("data", "n", {**data(), "dataType": "uri_folder"}, "1")
        )


def test_a_slash_at_the_end_is_not_other_content(ctx: Context) -> None:
    make(ctx, "1", uri="azureml://datastores/d/paths/f/")
    assert not make(ctx, "1", uri="azureml://datastores/d/paths/f").created


def test_a_component_may_change_its_words_not_its_work(ctx: Context) -> None:
    spec = {"type": "command", "command": "run", "display_name": "One", "description": "d"}
    assets.create_version(ctx, WS, Draft("components", "c", {"componentSpec": spec}, "1"))
    new = {**spec, "display_name": "Two"}
    kept = assets.create_version(ctx, WS, Draft("components", "c", {"componentSpec": new}, "1"))
    assert kept.version.properties["componentSpec"]["display_name"] == "Two"
    changed = {"componentSpec": {**spec, "command": "other"}}
    with pytest.raises(AssetExists, match="componentSpec"):
        assets.create_version(ctx, WS, Draft("components", "c", changed, "1"))


def test_code_is_found_by_content_under_any_name(ctx: Context) -> None:
    for name in ("one", "two"):
        values = {"codeUri": f"https://acct.blob.core.windows.net/{name}/src",
                  "properties": {"hash_sha256": "abc"}}  # fmt: skip
        assets.create_version(ctx, WS, Draft("codes", name, values, "1"))
    found = assets.code_by_hash(ctx, WS, "abc")
    assert found is not None
    assert found.name == "one"
    assets.delete_version(ctx, WS, "codes", "one", "1")
    assert assets.code_by_hash(ctx, WS, "abc") is None


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "-x", "a/b", "a\\b", "a b", "a\x00", "a\n", "é", "x" * 256, "a?b", "%2e"],
)
def test_hostile_names_are_refused(ctx: Context, name: str) -> None:
    with pytest.raises(ValidationError):
        make(ctx, "1", name=name)


@pytest.mark.parametrize(
    "version", ["", ".", "..", "a/b", "a b", "latest", "azureml_default", "1\n", "x" * 256]
)
def test_hostile_versions_are_refused(ctx: Context, version: str) -> None:
    with pytest.raises(ValidationError):
        make(ctx, version)


@given(st.text(max_size=30))
def test_any_name_is_taken_or_refused(name: str) -> None:
    try:
        made = make(NAMED, "1", name=name)
    except ValidationError:
        return
    assert assets.get_version(NAMED, WS, "data", name, "1") == made.version


def test_references_resolve_in_every_form(ctx: Context) -> None:
    ctx.store.put(WORKSPACES, WS)
    make(ctx, "1")
    two = make(ctx, "2").version
    forms = [
        "azureml:n:2",
        "azureml:n@latest",
        "azureml:n",
        "azureml:n:azureml_default",
        "azureml://data/n/versions/2",
        "azureml://data/n/labels/latest",
    ]
    for form in forms:
        assert assets.resolve_id(ctx, WS, form, "data") == two
    with pytest.raises(AssetNotFound):
        assets.resolve_id(ctx, WS, "azureml:n:3", "data")
    with pytest.raises(InvalidUri):
        assets.resolve_id(ctx, WS, "azureml://models/n/versions/2", "data")
    with pytest.raises(InvalidUri):
        assets.resolve_id(ctx, WS, "azureml:n:2")
    with pytest.raises(ResourceMissing):
        assets.resolve_id(ctx, WS, "azureml://registries/other/data/n/versions/1", "data")
    with pytest.raises(Unsupported):
        assets.resolve_id(ctx, WS, "azureml://registries/azureml/data/n/versions/1", "data")


def test_lists_filter_and_order(ctx: Context) -> None:
    for number, tags in enumerate(({"a": "1"}, {"a": "2"}, {"b": ""}), start=1):
        make(ctx, str(number), tags=tags, isArchived=number == 2)

    def shown(**given_: str) -> list[str]:
        found = assets.versions(ctx, WS, "data", "n")
        return [v.version for v in listing.chosen_versions(found, given_)]

    assert shown() == ["3", "1"]
    assert shown(listviewtype="All") == ["3", "2", "1"]
    assert shown(listviewtype="ArchivedOnly") == ["2"]
    assert shown(listviewtype="ListViewType.ACTIVE_ONLY") == ["3", "1"]
    assert shown(**{"$orderby": "createdtime asc"}) == ["1", "3"]
    assert shown(tags="a=1") == ["1"]
    assert shown(tags="a,b") == []
    with pytest.raises(Unsupported):
        shown(**{"$orderby": "colour desc"})
