"""The `$filter` reader: precedence, quoting, and any text is a filter or ARM's error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.arm.engine.filters import parse
from emulators.arm.errors import InvalidFilter

NAMES = frozenset({"name", "resourcetype"})


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("name eq 'a'", {"name": "A"}, True),
        ("name ne 'a'", {"name": "b"}, True),
        ("name eq 'it''s'", {"name": "It's"}, True),
        ("name eq 'a' or name eq 'b' and resourceType eq 'c'", {"name": "a"}, True),
        ("(name eq 'a' or name eq 'b') and resourceType eq 'c'", {"name": "a"}, False),
        ("substringof('b', name)", {"name": "abc"}, True),
        ("startswith(name, 'b')", {"name": "abc"}, False),
        ("NAME EQ 'a'", {"name": "a"}, True),
        ("name eq ''", {}, True),
    ],
)
def test_filters(text: str, values: dict[str, str], expected: bool) -> None:
    assert parse(text, NAMES).matches(values) is expected


@pytest.mark.parametrize(
    "text",
    [
        "name", "name eq", "name eq a", "name gt 'a'", "other eq 'a'", "name eq 'a",
        "name eq 'a' and",
        "name eq 'a' name eq 'b'", "(name eq 'a'", "substringof(name, 'a')", "((((" * 20, ")",
        "name eq 'a' or " * 2000,
    ],
)  # fmt: skip
def test_what_is_no_filter(text: str) -> None:
    with pytest.raises(InvalidFilter):
        parse(text, NAMES)


pieces = st.sampled_from(
    [
        "name",
        "eq",
        "ne",
        "and",
        "or",
        "(",
        ")",
        "'x'",
        "''",
        "substringof",
        ",",
        "resourceType",
        " ",
    ]
)


@given(st.one_of(st.lists(pieces, max_size=12).map(" ".join), st.text(max_size=40)))
def test_any_text_is_a_filter_or_an_error(text: str) -> None:
    try:
        found = parse(text, NAMES)
    except InvalidFilter:
        return
    assert found.matches({"name": "x"}) in (True, False)
