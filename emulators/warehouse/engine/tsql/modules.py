"""Reads the text of a procedure, view or function: its header, and its body as statements."""

from __future__ import annotations

from functools import lru_cache

from emulators.warehouse.engine.tsql import nodes
from emulators.warehouse.engine.tsql.blocks import body_of
from emulators.warehouse.engine.tsql.reading import Reader
from emulators.warehouse.engine.tsql.typenames import read_type
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.errors import SqlError, refused

PROCEDURE, VIEW, SCALAR, TABLE = "P", "V", "FN", "IF"
"""Kinds of modules, as `sys.objects.type` has them."""


@lru_cache(maxsize=512)
def parse_module(text: str) -> nodes.Module:
    """The module that `text` (a whole CREATE or ALTER batch) defines; "" where no schema is said.

    Raises:
        SqlError: it cannot be read, or is of a kind that is not emulated.
    """
    reader = Reader(text)
    while reader.word() not in ("PROC", "PROCEDURE", "VIEW", "FUNCTION"):
        reader.next()
    kind = reader.next().upper
    parts = reader.parts()
    if len(parts) > 2:
        text = (
            f"'CREATE/ALTER {kind}' does not allow specifying the database name as a prefix to"
            " the object name."
        )
        raise SqlError(166, 15, 1, text, reader.line)
    schema, name = (("", *parts))[-2:]
    if kind == "VIEW":
        return _view(reader, schema, name)
    if kind == "FUNCTION":
        return _function(reader, schema, name)
    return _procedure(reader, schema, name)


def _procedure(reader: Reader, schema: str, name: str) -> nodes.Module:
    grouped = reader.take("(")
    parameters = read_parameters(reader)
    if grouped:
        reader.need(")")
    options = _options(reader)
    reader.need("AS")
    body = body_of(reader.source, reader.at, reader.tables)
    return nodes.Module(
        PROCEDURE, schema, name, parameters, body, text=reader.source, options=options
    )


def read_parameters(reader: Reader) -> tuple[nodes.Parameter, ...]:
    found: list[nodes.Parameter] = []
    while reader.kind() == "variable":
        spelled = reader.next().text
        reader.take("AS")
        kind, reader.at = read_type(reader.tokens, reader.at)
        if reader.take("NOT"):
            reader.need("NULL")
        reader.take("NULL")
        default = None
        if reader.take("="):
            end = reader.at + (2 if reader.word() in ("-", "+") else 1)
            default = reader.cut_to(end)
        output = reader.take("OUTPUT") or reader.take("OUT")
        if reader.take("READONLY"):
            raise refused("table-valued parameters", reader.line)
        if any(p.name == spelled[1:].lower() for p in found):
            raise _declared_twice(spelled, reader.line)
        found.append(nodes.Parameter(spelled[1:].lower(), kind, default, output, spelled))
        if not reader.take(","):
            break
    return tuple(found)


def _declared_twice(name: str, line: int) -> SqlError:
    text = (
        f"The variable name '{name}' has already been declared. Variable names must be unique"
        " within a query batch or stored procedure."
    )
    return SqlError(134, 15, 2, text, line)


def _options(reader: Reader) -> frozenset[str]:
    """`WITH RECOMPILE, EXECUTE AS OWNER`."""
    found: set[str] = set()
    if not reader.take("WITH"):
        return frozenset()
    while True:
        word = reader.next().upper
        if word in ("EXECUTE", "EXEC"):
            reader.need("AS")
            word = f"EXECUTE AS {reader.next().upper}"
            if word not in ("EXECUTE AS CALLER", "EXECUTE AS OWNER", "EXECUTE AS SELF"):
                raise refused("EXECUTE AS a named user", reader.line)
        elif word in ("RETURNS", "CALLED"):
            while reader.word() not in (",", "AS", "BEGIN", "RETURN"):
                reader.next()
        found.add(word)
        if not reader.take(","):
            return frozenset(found)


def _function(reader: Reader, schema: str, name: str) -> nodes.Module:
    reader.need("(")
    parameters = read_parameters(reader)
    reader.need(")")
    reader.need("RETURNS")
    if reader.kind() == "variable":
        raise refused("multi-statement table functions", reader.line)
    if reader.take("TABLE"):
        options = _options(reader)
        reader.take("AS")
        reader.need("RETURN")
        query = _last_query(reader)
        return nodes.Module(
            TABLE, schema, name, parameters, query=query, text=reader.source, options=options
        )
    returns: SqlType
    returns, reader.at = read_type(reader.tokens, reader.at)
    options = _options(reader)
    reader.take("AS")
    body = body_of(reader.source, reader.at, reader.tables)
    return nodes.Module(
        SCALAR, schema, name, parameters, body, returns, text=reader.source, options=options
    )


def _last_query(reader: Reader) -> nodes.Fragment:
    """The query to the end of the text, without a closing `;` and parentheses around it."""
    end = len(reader.tokens)
    while end > reader.at and reader.tokens[end - 1].text == ";":
        end -= 1
    while reader.word() == "(" and reader.group_end() == end:
        reader.at, end = reader.at + 1, end - 1
        while end > reader.at and reader.tokens[end - 1].text == ";":
            end -= 1
    return reader.cut_to(end)


def _view(reader: Reader, schema: str, name: str) -> nodes.Module:
    columns: list[str] = []
    if reader.take("("):
        columns.append(reader.name())
        while reader.take(","):
            columns.append(reader.name())
        reader.need(")")
    options = _options(reader)
    reader.need("AS")
    words = [t.upper for t in reader.tokens if t.text != ";"]
    if words[-3:] == ["WITH", "CHECK", "OPTION"]:
        raise refused("WITH CHECK OPTION", reader.tokens[-1].line)
    query = _last_query(reader)
    return nodes.Module(
        VIEW, schema, name, query=query, columns=tuple(columns), text=reader.source, options=options
    )
