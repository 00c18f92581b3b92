"""Search filters: as MLflow's own reader takes them, and no text breaks the reader."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.mlflow.engine import filters
from emulators.mlflow.engine.filters import Clause, matches, ordered, parse
from emulators.mlflow.errors import InvalidParameter


def record(**given_: Any) -> dict[str, Any]:
    return {"name": "churn", "version_number": 3, "run_id": "r1", "tags": {}, **given_}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name = 'churn'", True),
        ("name='other'", False),
        ("name LIKE 'ch%'", True),
        ("name like 'CH%'", False),
        ("name ILIKE 'CH%'", True),
        ("name LIKE 'c_urn'", True),
        ("name != 'x' AND version_number >= 3", True),
        ("version_number < 3", False),
        ("run_id IN ('r1', 'r2')", True),
        ("run_id NOT IN ('r1')", False),
        ('attribute.name = "churn"', True),
        ("tags.`a b` = 'x'", True),
        ("tags.\"a b\" = 'x'", True),
        ("tag.c = 'y' and tags.d.e = 'z'", True),
        ("tags.missing != 'x'", False),
        ("tags.`mlflow.prompt.is_prompt` != 'true'", True),
        ("tags.`mlflow.prompt.is_prompt` = 'true'", False),
        ("", True),
    ],
)
def test_a_filter_holds(text: str, expected: bool) -> None:
    found = record(tags={"a b": "x", "c": "y", "d.e": "z"})
    assert matches(found, parse(text, filters.VERSION_ATTRIBUTES)) is expected


@pytest.mark.parametrize(
    "text",
    [
        "name",
        "name =",
        "name = churn",
        "= 'x'",
        "name = 'a' OR name = 'b'",
        "name = 'a' name = 'b'",
        "name = 'a' AND",
        "size = 'a'",
        "params.a = 'b'",
        "version_number = 'x'",
        "version_number LIKE '1'",
        "name < 'a'",
        "name IN ('a'",
        "name IN 'a'",
        "name = 'unended",
        "name = 'a'; DROP TABLE models",
    ],
)
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter):
        parse(text, filters.VERSION_ATTRIBUTES)


@given(st.text(max_size=60))
def test_any_text_is_clauses_or_refused(text: str) -> None:
    try:
        parsed = parse(text, filters.VERSION_ATTRIBUTES)
    except InvalidParameter:
        return
    assert all(isinstance(clause, Clause) for clause in parsed)
    assert isinstance(matches(record(), parsed), bool)


quotable = st.text(st.characters(blacklist_characters="'\"`", blacklist_categories=["Cs"]))


@given(quotable.filter(bool), quotable)
def test_a_tag_is_found_by_what_it_is(key: str, value: str) -> None:
    clauses = parse(f"tags.`{key}` = '{value}'", filters.MODEL_ATTRIBUTES)
    assert clauses == [Clause(key, True, "=", value)]
    assert matches(record(tags={key: value}), clauses)
    assert not matches(record(tags={key: value + "x"}), clauses)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3))))
def test_orderings_are_stable_and_in_their_direction(rows: list[tuple[str, int]]) -> None:
    records = [{"name": name, "version_number": n} for name, n in rows]
    allowed = frozenset({"name", "version_number"})
    found = ordered(records, ["version_number DESC"], allowed, ["name"])
    assert found == sorted(records, key=lambda r: (-int(str(r["version_number"])), r["name"]))


def test_an_ordering_by_nothing_known_is_refused() -> None:
    for clause in ("size", "name sideways", "name;", ""):
        with pytest.raises(InvalidParameter):
            ordered([], [clause], frozenset({"name"}), [])
