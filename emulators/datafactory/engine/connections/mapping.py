"""Which value of a source becomes which of a sink: a copy's translator.

Source: learn.microsoft.com/azure/data-factory/copy-activity-schema-and-type-mapping.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emulators.datafactory.engine.connections import values
from emulators.datafactory.engine.connections.failing import ConnectionFailed, NotEmulated
from emulators.datafactory.engine.connections.places import is_true
from emulators.datafactory.engine.connections.tables import Batch, Column, Documents, Piece

Steps = tuple[str | int, ...]
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\[\"((?:[^\"\\]|\\.)*)\"\]")


@dataclass(frozen=True, slots=True)
class Side:
    """A value's place on one side: by name, by number (from 1) or by path."""

    name: str = ""
    ordinal: int | None = None
    path: Steps | None = None
    rooted: bool = True  # the path begins at the document, not at an item of the collection
    type: str = ""


@dataclass(frozen=True, slots=True)
class Mapping_:
    """One mapped value."""

    source: Side
    sink: Side


@dataclass(frozen=True, slots=True)
class Translator:
    """All mappings of a copy; none at all maps by name."""

    mappings: tuple[Mapping_, ...] = ()
    collection: Steps | None = None
    truncate: bool = True

    @property
    def builds_documents(self) -> bool:
        """Whether a sink of documents is given nested ones."""
        return any(one.sink.path is not None for one in self.mappings)


def translator_of(given: Any) -> Translator:
    """A copy's `translator`, its values evaluated.

    Raises:
        ConnectionFailed: it is malformed.
        NotEmulated: a kind or a setting that is not honoured.
    """
    if not given:
        return Translator()
    if isinstance(given, str):
        given = json.loads(given)
    kind = str(given.get("type", "TabularTranslator"))
    if kind.lower() != "tabulartranslator":
        raise NotEmulated(f"translators of type '{kind}'")
    settings = given.get("typeConversionSettings") or {}
    for name in ("dateTimeFormat", "dateTimeOffsetFormat", "timeSpanFormat"):
        if settings.get(name):
            raise NotEmulated(f"the type conversion setting '{name}'")
    truncate = settings.get("allowDataTruncation")
    collection = given.get("collectionReference")
    mappings = given.get("mappings") or list(_older(given))
    return Translator(
        tuple(Mapping_(_side(m.get("source")), _side(m.get("sink"))) for m in mappings),
        steps_of(str(collection))[0] if collection else None,
        True if truncate is None else is_true(truncate),
    )


def _older(given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """`columnMappings` and `schemaMapping`, the forms of earlier versions."""
    columns = given.get("columnMappings") or {}
    if isinstance(columns, str):
        pairs = (pair.partition(":") for pair in columns.split(",") if pair.strip())
        columns = {source.strip(): sink.strip() for source, _, sink in pairs}
    for source, sink in columns.items():
        yield {"source": {"name": source}, "sink": {"name": sink}}
    for one, other in (given.get("schemaMapping") or {}).items():
        source = {"path": one} if "$" in one else {"name": one}
        yield {"source": source, "sink": {"path": other} if "$" in other else {"name": other}}


def _side(given: Any) -> Side:
    if not isinstance(given, Mapping):
        raise ConnectionFailed(
            "UserErrorInvalidColumnMapping", "A mapping needs a source and a sink."
        )
    for name in ("format", "culture"):
        if given.get(name):
            raise NotEmulated(f"'{name}' in mappings")
    path, rooted = None, True
    if given.get("path"):
        path, rooted = steps_of(str(given["path"]))
    ordinal = given.get("ordinal")
    return Side(
        str(given.get("name") or ""),
        int(ordinal) if ordinal is not None else None,
        path,
        rooted,
        str(given.get("type") or ""),
    )


def steps_of(path: str) -> tuple[Steps, bool]:
    """A JSON path's steps, and whether it begins at the document (`$`).

    Raises:
        ConnectionFailed: it is none.
    """
    rooted = path.startswith("$")
    rest = path.removeprefix("$")
    if rest and rest[0] not in ".[":
        rest = f".{rest}"
    steps: list[str | int] = []
    at = 0
    while at < len(rest):
        match = _STEP.match(rest, at)
        if match is None:
            raise ConnectionFailed("UserErrorInvalidJsonPath", f"'{path}' is not a JSON path.")
        plain, number, single, double = match.groups()
        name = next((text for text in (plain, single, double) if text is not None), "")
        steps.append(int(number) if number is not None else name.replace("\\'", "'"))
        at = match.end()
    return tuple(steps), rooted


def taken(document: Any, steps: Steps) -> Any:
    """What a path leads to in a document; null where it leads nowhere."""
    for step in steps:
        if isinstance(step, int):
            document = (
                document[step] if isinstance(document, list) and step < len(document) else None
            )
        else:
            document = document.get(step) if isinstance(document, Mapping) else None
    return document


@dataclass
class Plan:
    """A translator at work on one table; columns are found once.

    `documents`: the sink takes documents, so those without a mapping pass as they are.
    """

    translator: Translator
    documents: bool = False
    _known: tuple[Column, ...] | None = None
    _columns: tuple[Column, ...] = ()
    _takers: list[Callable[[Any], Any]] = field(default_factory=list)

    def apply(self, piece: Piece) -> Piece:
        """The rows as the sink gets them.

        Raises:
            ConnectionFailed: a mapped column is not there, or a value does not fit its type.
        """
        if isinstance(piece, Documents):
            return self._of_documents(piece)
        if not self.translator.mappings:
            return piece
        if self._known is not piece.columns:
            self._known = piece.columns
            self._columns = tuple(
                Column(self._sink_name(one, piece.columns), self._sink_type(one, piece.columns))
                for one in self.translator.mappings
            )
            self._takers = [self._taker(one, piece.columns) for one in self.translator.mappings]
        rows = [[take(row) for take in self._takers] for row in piece.rows]
        return self._shaped(rows)

    def _shaped(self, rows: list[list[Any]]) -> Piece:
        if not (self.documents and self.translator.builds_documents):
            return Batch(self._columns, rows)
        places = [
            one.sink.path or (c.name,)
            for one, c in zip(self.translator.mappings, self._columns, strict=True)
        ]
        return Documents([_built(places, row) for row in rows])

    def _of_documents(self, piece: Documents) -> Piece:
        if self.translator.mappings:
            if not self._columns:
                self._columns = tuple(
                    Column(_document_name(one), one.sink.type or one.source.type or "Object")
                    for one in self.translator.mappings
                )
            rows = [
                [
                    self._fit(one, taken(item if not one.source.rooted else document, _path(one)))
                    for one in self.translator.mappings
                ]
                for document in piece.documents
                for item in self._items(document)
            ]
            return self._typed(rows) if not self.documents else self._shaped(rows)
        if self.documents:
            return piece
        if not self._columns and piece.documents:
            names = dict.fromkeys(name for one in piece.documents for name in one)
            self._columns = tuple(Column(name, "Object") for name in names)
        rows = [[one.get(column.name) for column in self._columns] for one in piece.documents]
        return self._typed(rows)

    def _typed(self, rows: list[list[Any]]) -> Batch:
        """Columns of no type get that of their first values; what is nested becomes text."""
        if rows and any(column.type == "Object" for column in self._columns):
            kinds = [_common([row[at] for row in rows]) for at in range(len(self._columns))]
            self._columns = tuple(
                Column(c.name, kind if c.type == "Object" else c.type)
                for c, kind in zip(self._columns, kinds, strict=True)
            )
        changes = [(c.name, c.type, values.converter(c.type)) for c in self._columns]
        return Batch(
            self._columns,
            [
                [
                    values.convert(v, change, name, kind)
                    for v, (name, kind, change) in zip(row, changes, strict=True)
                ]
                for row in rows
            ],
        )

    def _items(self, document: Any) -> Sequence[Any]:
        """What becomes a row each: the document, or the items of its collection."""
        if self.translator.collection is None:
            return [document]
        found = taken(document, self.translator.collection)
        return found if isinstance(found, list) else []

    def _fit(self, one: Mapping_, value: Any) -> Any:
        kind = one.sink.type
        if not kind:
            return value
        change = values.converter(kind, truncate=self.translator.truncate)
        return values.convert(value, change, _document_name(one), kind)

    def _taker(self, one: Mapping_, columns: tuple[Column, ...]) -> Callable[[Any], Any]:
        at = _index(one.source, columns)
        kind = one.sink.type
        if not kind:
            return lambda row: row[at]
        change = values.converter(kind, truncate=self.translator.truncate)
        name = columns[at].name
        return lambda row: values.convert(row[at], change, name, kind)

    def _sink_name(self, one: Mapping_, columns: tuple[Column, ...]) -> str:
        if one.sink.name or one.sink.path:
            return one.sink.name or str(one.sink.path[-1] if one.sink.path else "")
        if one.sink.ordinal is not None:
            return f"Prop_{one.sink.ordinal - 1}"
        return columns[_index(one.source, columns)].name

    def _sink_type(self, one: Mapping_, columns: tuple[Column, ...]) -> str:
        return one.sink.type or columns[_index(one.source, columns)].type


def _index(side: Side, columns: tuple[Column, ...]) -> int:
    if side.ordinal is not None and 0 < side.ordinal <= len(columns):
        return side.ordinal - 1
    name = side.name or str(side.path[0] if side.path else "")
    names = [column.name for column in columns]
    if name in names:
        return names.index(name)
    lower = [each.lower() for each in names]
    if side.ordinal is None and name.lower() in lower:
        return lower.index(name.lower())
    raise ConnectionFailed(
        "MappingColumnNameNotFoundInSourceFile",
        f"Column '{name or side.ordinal}' is not found in the source, which has"
        f" {', '.join(names) or 'none'}.",
    )


def _path(one: Mapping_) -> Steps:
    return one.source.path if one.source.path is not None else (one.source.name,)


def _document_name(one: Mapping_) -> str:
    path = one.sink.path or _path(one)
    return one.sink.name or str(path[-1] if path else "")


def _built(places: Sequence[Steps], row: Sequence[Any]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for steps, value in zip(places, row, strict=True):
        inner = document
        for step in steps[:-1]:
            inner = inner.setdefault(str(step), {})
        inner[str(steps[-1])] = value
    return document


def _common(found: Sequence[Any]) -> str:
    kinds = {type(value) for value in found if value is not None}
    if kinds and kinds <= {bool}:
        return "Boolean"
    if kinds and kinds <= {int}:
        return "Int64"
    return "Double" if kinds and kinds <= {int, float} else "String"
