"""Delimited text and JSON documents: any table, cut anywhere, comes back as it was."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.datafactory.engine.connections.failing import ConnectionFailed
from emulators.datafactory.engine.connections.formats.delimited import (
    Dialect,
    RowReader,
    RowWriter,
)
from emulators.datafactory.engine.connections.formats.documents import DocumentReader
from emulators.datafactory.engine.connections.formats.packing import packed, unpacked

texts = st.text(st.sampled_from(list("ab,;|\"\\'\r\n\t N\u00e9")) | st.characters(codec="utf-8"))
values = st.none() | texts | st.just("NULL")
dialects = st.builds(
    Dialect,
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    row_end=st.sampled_from(["", "\n", "\r\n", "\r"]),
    quote=st.sampled_from(['"', "'"]),
    escape=st.sampled_from(["\\", '"', "'", ""]),
    null=st.sampled_from(["", "NULL", "\\N"]),
)


def read(dialect: Dialect, text: str, cuts: list[int]) -> list[list[str | None]]:
    reader, rows, at = RowReader(dialect), [], 0
    for cut in sorted({min(c, len(text)) for c in cuts}):
        rows += reader.feed(text[at:cut])
        at = cut
    return rows + reader.feed(text[at:], last=True)


@given(
    dialects,
    st.booleans(),
    st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(values, min_size=n, max_size=n))),
    st.lists(st.integers(0, 200), max_size=6),
)
def test_any_table_comes_back(
    dialect: Dialect, quote_all: bool, table: list[list[str | None]], cuts: list[int]
) -> None:
    """However it is written, and wherever the pieces are cut."""
    if not dialect.escape:  # a quote in a value is then doubled, and must be read so
        dialect = Dialect(
            dialect.delimiter, dialect.row_end, dialect.quote, dialect.quote, dialect.null
        )
    text = RowWriter(dialect, quote_all=quote_all).write(table)
    assert read(dialect, text, cuts) == table


@given(dialects, st.text(), st.lists(st.integers(0, 60), max_size=4))
def test_any_text_is_rows_or_refused(dialect: Dialect, text: str, cuts: list[int]) -> None:
    """And the pieces make no difference."""
    try:
        whole = read(dialect, text, [])
    except ConnectionFailed:
        with pytest.raises(ConnectionFailed):
            read(dialect, text, cuts)
        return
    assert read(dialect, text, cuts) == whole


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\r\nc,d", [["a", "b"], ["c", "d"]]),
        ('a,"",\n', [["a", "", None]]),
        ('"a\\"b",c', [['a"b', "c"]]),
        ('"x\ny",\\z\n', [["x\ny", "\\z"]]),
        ('a"b,c\n', [['a"b', "c"]]),
    ],
)
def test_azures_defaults(text: str, rows: list[list[str | None]]) -> None:
    assert read(Dialect(), text, []) == rows


def test_without_a_quote_character_a_value_with_a_delimiter_is_refused() -> None:
    with pytest.raises(ConnectionFailed, match="no quote"):
        RowWriter(Dialect(quote="", escape="")).write([["a,b"]])


documents = st.lists(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
        max_size=4,
    ),
    max_size=5,
)


@given(documents, st.sampled_from(["lines", "array", "indented"]), st.data())
def test_documents_come_back_however_they_are_cut(
    found: list[dict[str, Any]], form: str, data: st.DataObject
) -> None:
    if form == "array":
        text = json.dumps(found, indent=data.draw(st.sampled_from([None, 2])))
    else:
        indent = 1 if form == "indented" else None
        text = "\n".join(json.dumps(one, indent=indent, ensure_ascii=False) for one in found)
    reader, got = DocumentReader(), []
    while text:
        cut = data.draw(st.integers(1, len(text)))
        got += reader.feed(text[:cut])
        text = text[cut:]
    assert got + reader.feed("", last=True) == found


@pytest.mark.parametrize("text", ['{"a": 1', '[{"a": 1}', "5", '{"a" 1}', "[1]"])
def test_what_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(ConnectionFailed):
        DocumentReader().feed(text, last=True)


@given(
    st.sampled_from(["", "gzip", "deflate", "bzip2"]), st.binary(max_size=2000), st.integers(1, 64)
)
def test_packed_bytes_come_back(codec: str, data: bytes, size: int) -> None:
    async def pieces(raw: bytes) -> AsyncIterator[bytes]:
        for at in range(0, len(raw), size):
            yield raw[at : at + size]

    async def go() -> bytes:
        out = b"".join([c async for c in packed(pieces(data), codec)])
        return b"".join([c async for c in unpacked(pieces(out), codec)])

    assert asyncio.run(go()) == data
