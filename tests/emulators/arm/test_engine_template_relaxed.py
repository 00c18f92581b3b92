"""JSON with every freedom that the resource manager allows, and none beyond."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.arm.engine.templates import relaxed

VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=8),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=15,
)


@settings(deadline=None)
@given(VALUES, st.booleans())
def test_plain_json_means_the_same(value: Any, spaced: bool) -> None:
    written = json.dumps(value, indent=2 if spaced else None)
    assert relaxed.read(written) == value
    assert relaxed.read(f"// only relaxed\n{written}/* as well */") == value


@settings(deadline=None)
@given(st.text(max_size=40))
def test_garbage_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(relaxed.Unreadable):
        relaxed.read(text)


@settings(deadline=None)
@given(VALUES, st.integers(0, 200), st.text(max_size=2))
def test_a_change_anywhere_is_read_or_refused(value: Any, at: int, change: str) -> None:
    text = json.dumps(value)
    with contextlib.suppress(relaxed.Unreadable):
        relaxed.read(text[:at] + change + text[at + 1 :])


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('{"a": 1, template: {"b": /* in */ [1, 2,], },}', {"a": 1, "template": {"b": [1, 2]}}),
        ("{'it''s': 1}", None),
        ("{'it\\'s': 'a \"b\" c'}", {"it's": 'a "b" c'}),
        ('// first\n{"a": "http://x//y"} // last', {"a": "http://x//y"}),
        ('{"a": "one\ntwo"}', {"a": "one\ntwo"}),
        ('[1.5e3, -2, true, null, undefined, "\\u00e9\\ud83d\\ude00",]',
         [1500.0, -2, True, None, None, "\u00e9\U0001f600"]),
        ("[01]", None),
        ("[1 2]", None),
        ("{a b}", None),
        ("{", None),
        ("", None),
        ("/*", None),
        ("[" * 300 + "]" * 300 + "//", None),
        ("[111111111111111111111111]//", None),
        ("yes", None),
    ],
)  # fmt: skip
def test_what_is_allowed(text: str, meant: Any) -> None:
    if meant is None:
        with pytest.raises(relaxed.Unreadable):
            relaxed.read(text)
    else:
        assert relaxed.read(text) == meant
        assert relaxed.read(text.encode()) == meant
