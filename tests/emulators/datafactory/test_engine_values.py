"""Values between stores: what each becomes, and what does not fit."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.datafactory.engine.connections.failing import ConnectionFailed, NotEmulated
from emulators.datafactory.engine.connections.mapping import steps_of, taken, translator_of
from emulators.datafactory.engine.connections.values import as_json, as_text, convert, converter

INSTANT = datetime(2020, 1, 2, 3, 4, 5, 678900, UTC)
NAIVE = INSTANT.replace(tzinfo=None)


@pytest.mark.parametrize(
    ("value", "text", "shown"),
    [
        (None, None, None),
        (True, "True", True),
        (7, "7", 7),
        (1.0, "1", 1.0),
        (1e21, "1E+21", 1e21),
        (0.1, "0.1", 0.1),
        (Decimal("1.50"), "1.50", 1.5),
        (Decimal("5"), "5", 5),
        (NAIVE, "2020-01-02 03:04:05.6789000", "2020-01-02T03:04:05.6789Z"),
        (INSTANT, "2020-01-02 03:04:05.6789000 +00:00", "2020-01-02T03:04:05.6789Z"),
        (date(2020, 1, 2), "2020-01-02 00:00:00.0000000", "2020-01-02T00:00:00Z"),
        (b"\x00\xff", "AP8=", "AP8="),
        ({"a": [1, None]}, '{"a":[1,null]}', {"a": [1, None]}),
    ],
)
def test_text_and_json(value: object, text: str | None, shown: object) -> None:
    assert as_text(value) == text
    assert as_json(value) == shown


@pytest.mark.parametrize(
    ("value", "kind", "becomes"),
    [
        ("12", "Int32", 12),
        ("1,234", "Int64", 1234),
        (2.9, "Int16", 2),
        ("true", "Boolean", True),
        (0, "Boolean", False),
        ("1.5", "Double", 1.5),
        ("1.50", "Decimal", Decimal("1.50")),
        (0.1, "Decimal", Decimal("0.1")),
        ("2020-01-02T03:04:05.6789Z", "DateTime", NAIVE),
        ("2020-01-02 05:04:05.6789 +02:00", "DateTime", NAIVE),
        ("2020-01-02T03:04:05.6789123", "DateTimeOffset", INSTANT + timedelta(microseconds=12)),
        ("1/2/2020 3:04:05 AM", "System.DateTime", NAIVE.replace(microsecond=0)),
        (date(2020, 1, 2), "Date", NAIVE.replace(hour=0, minute=0, second=0, microsecond=0)),
        (5, "String", "5"),
        ("AP8=", "Byte[]", b"\x00\xff"),
        (None, "Int32", None),
    ],
)
def test_conversions(value: object, kind: str, becomes: object) -> None:
    found = converter(kind)(value)
    assert (found, type(found)) == (becomes, type(becomes))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("x", "Int32"), ("300", "Byte"), (2**40, "Int32"), ("maybe", "Boolean"), ("", "Double"),
        ("32.13.2020", "DateTime"), ("x", "Guid"), ("?", "Byte[]"), ([], "Int32"),
        ("nan", "Decimal"), ("Infinity", "Int64"),
    ],
)  # fmt: skip
def test_what_does_not_fit(value: object, kind: str) -> None:
    with pytest.raises(ConnectionFailed, match="for column name 'c'") as failed:
        convert(value, converter(kind), "c", kind)
    assert failed.value.code == "TypeConversionFailure"


def test_a_fraction_is_kept_where_truncation_is_not_allowed() -> None:
    with pytest.raises(ConnectionFailed):
        convert(1.5, converter("Int32", truncate=False), "c", "Int32")
    assert converter("Int32", truncate=False)(2.0) == 2
    with pytest.raises(NotEmulated):
        converter("Point")


kinds = st.sampled_from(
    ["Int32", "Int64", "Byte", "Boolean", "Double", "Decimal", "DateTime", "DateTimeOffset",
     "Guid", "Byte[]", "String", "Date", "TimeSpan"]
)  # fmt: skip
anything = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
    | st.decimals() | st.datetimes(timezones=st.none() | st.just(UTC)) | st.dates()
    | st.lists(st.integers(), max_size=2)
)  # fmt: skip


@given(anything, kinds)
def test_any_value_is_converted_or_refused_in_words(value: Any, kind: str) -> None:
    try:
        found = convert(value, converter(kind), "c", kind)
    except ConnectionFailed:
        return
    assert found is None or value is not None
    json.dumps(as_json(found))
    as_text(found)


@pytest.mark.parametrize(
    ("path", "steps", "rooted"),
    [
        ("$", (), True),
        ("$.a.b", ("a", "b"), True),
        ("$['a']['b c']", ("a", "b c"), True),
        ("['x'][0]", ("x", 0), False),
        ("a.b", ("a", "b"), False),
        ('$["q\'s"]', ("q's",), True),
    ],
)
def test_json_paths(path: str, steps: tuple[object, ...], rooted: bool) -> None:
    assert steps_of(path) == (steps, rooted)


@given(st.text(max_size=12))
def test_any_path_leads_somewhere_or_is_refused(path: str) -> None:
    try:
        steps, _ = steps_of(path)
    except ConnectionFailed:
        return
    taken({"a": [1]}, steps)


def test_older_translators() -> None:
    given = {"type": "TabularTranslator", "columnMappings": "a: b, c:d"}
    pairs = [(m.source.name, m.sink.name) for m in translator_of(given).mappings]
    assert pairs == [("a", "b"), ("c", "d")]
    schema = {"type": "TabularTranslator", "schemaMapping": {"$.x.y": "z"}}
    (one,) = translator_of(schema).mappings
    assert (one.source.path, one.sink.name) == (("x", "y"), "z")
