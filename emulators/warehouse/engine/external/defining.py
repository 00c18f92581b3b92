"""CREATE, ALTER and DROP of credentials, external data sources, file formats and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.external.places import place_of
from emulators.warehouse.engine.lowering import ddl_checks, read_ddl, read_queries
from emulators.warehouse.engine.lowering.cursor import Cursor
from emulators.warehouse.engine.lowering.ddl_plans import (
    cannot_drop,
    defining,
    exists,
    no_schema,
    nothing,
    place,
    rights,
)
from emulators.warehouse.engine.lowering.plans import LoweringEnv, Plan
from emulators.warehouse.errors import SqlError, refused

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from emulators.warehouse.engine.lowering.lowering import Lowering

_NAMED = {
    "source": "external data source",
    "format": "external file format",
    "credential": "credential",
}
_RIGHT = {
    "source": "ALTER ANY EXTERNAL DATA SOURCE", "format": "ALTER ANY EXTERNAL FILE FORMAT",
    "credential": "CONTROL",
}  # fmt: skip
_OPTIONS = {
    "source": frozenset({"TYPE", "LOCATION", "CREDENTIAL", "PUSHDOWN"}),
    "format": frozenset(
        [
            "FORMAT_TYPE",
            "FIELD_TERMINATOR",
            "STRING_DELIMITER",
            "FIRST_ROW",
            "DATE_FORMAT",
            "USE_TYPE_DEFAULT",
            "ENCODING",
            "PARSER_VERSION",
            "DATA_COMPRESSION",
        ]
    ),
    "credential": frozenset({"IDENTITY", "SECRET"}),
    "table": frozenset(
        [
            "LOCATION",
            "DATA_SOURCE",
            "FILE_FORMAT",
            "REJECT_TYPE",
            "REJECT_VALUE",
            "REJECT_SAMPLE_VALUE",
        ]
    ),
}


@dataclass(frozen=True, slots=True)
class _Asked:
    verb: str
    kind: str
    name: str
    options: Mapping[str, str]
    if_exists: bool = False


def lower_definition(cursor: Cursor, lowering: Lowering) -> Plan:
    """The plan of one of these statements.

    Raises:
        SqlError: it cannot be read, or is not served.
    """
    verb = cursor.next().upper
    if cursor.take("MASTER", "KEY"):
        _master_key(cursor)
        return nothing()
    if cursor.take("EXTERNAL", "TABLE"):
        if verb == "CREATE":
            return _create_table(cursor, lowering)
        if verb == "DROP":
            return _drop_table(cursor, lowering)
        raise cursor.unexpected()
    return _plan(_read(cursor, verb), lowering.env)


def _master_key(cursor: Cursor) -> None:
    """There is nothing to protect by it: secrets lie in the state folder as they are."""
    while not cursor.ended():
        cursor.next()


def _read(cursor: Cursor, verb: str) -> _Asked:
    if cursor.take("DATABASE", "SCOPED", "CREDENTIAL"):
        kind = "credential"
    elif cursor.take("EXTERNAL", "DATA", "SOURCE"):
        kind = "source"
    elif cursor.take("EXTERNAL", "FILE", "FORMAT"):
        kind = "format"
    else:
        cursor.take("EXTERNAL")
        raise refused(f"{verb} EXTERNAL {cursor.here.upper}", cursor.line)
    if_exists = verb == "DROP" and cursor.take("IF", "EXISTS")
    name, options = cursor.name(), {}
    if verb == "CREATE" or (kind == "credential" and verb == "ALTER"):
        cursor.need("WITH")
        options = read_options(cursor, kind, bracketed=kind != "credential")
    elif verb == "ALTER":
        cursor.need("SET")
        options = read_options(cursor, kind, bracketed=False)
    cursor.finish()
    return _Asked(verb, kind, name, options, if_exists)


def read_options(cursor: Cursor, kind: str, bracketed: bool = True) -> dict[str, str]:
    """`NAME = value, …`; FORMAT_OPTIONS' own are among them.

    Raises:
        SqlError: 102: an option nobody knows.
    """
    found: dict[str, str] = {}
    if bracketed:
        cursor.need("(")
    while True:
        line, word = cursor.line, cursor.any_word().upper()
        if word == "FORMAT_OPTIONS" and kind == "format":
            found |= read_options(cursor, kind)
        elif word in _OPTIONS[kind]:
            cursor.need("=")
            found[word] = _option(cursor)
        else:
            raise SqlError(102, 15, 1, f"Incorrect syntax near '{word}'.", line)
        if not cursor.take(","):
            break
    if bracketed:
        cursor.need(")")
    return found


def _option(cursor: Cursor) -> str:
    if cursor.here.kind == "string":
        return cursor.string()
    if cursor.here.kind == "number":
        return cursor.next().text
    return cursor.any_word()


def _plan(asked: _Asked, env: LoweringEnv) -> Plan:
    if asked.verb != "DROP":
        _check(asked, env)

    def work(con: DuckDBPyConnection) -> None:
        known = env.catalog.external(asked.kind, asked.name)
        if asked.verb == "DROP":
            if known is None and not asked.if_exists:
                raise cannot_drop(_NAMED[asked.kind], asked.name)
            env.catalog.drop_external(asked.kind, asked.name)
            return
        if asked.verb == "CREATE" and known is not None:
            if asked.kind == "credential":
                raise SqlError(
                    15530, 16, 1, f'The credential with name "{asked.name}" already exists.'
                )
            raise exists(asked.name)
        if asked.verb == "ALTER" and known is None:
            raise missing(asked.kind, asked.name)
        env.catalog.put_external(asked.kind, asked.name, {**(known or {}), **asked.options})

    return defining((("", "", _RIGHT[asked.kind]),), work)


def missing(kind: str, name: str) -> SqlError:
    """15151: no source, format or credential by that name."""
    text = f"Cannot find the {_NAMED[kind]} '{name}', because it does not exist or you do not have permission."  # noqa: E501
    return SqlError(15151, 16, 1, text)


def _check(asked: _Asked, env: LoweringEnv) -> None:
    options = asked.options
    if asked.kind == "source":
        if "LOCATION" in options:
            place_of(options["LOCATION"])
        credential = options.get("CREDENTIAL")
        if credential and env.catalog.external("credential", credential) is None:
            raise missing("credential", credential)
        kind = options.get("TYPE", "HADOOP").upper()
        if kind not in ("HADOOP", "BLOB_STORAGE"):
            raise refused(f"external data sources of TYPE = {kind}")
    if asked.kind == "format" and asked.verb == "CREATE":
        kind = options.get("FORMAT_TYPE", "").upper()
        if kind not in ("DELIMITEDTEXT", "PARQUET"):
            raise refused(f"external file formats of FORMAT_TYPE = {kind or 'nothing'}")
        if options.get("USE_TYPE_DEFAULT", "FALSE").upper() == "TRUE":
            raise refused("USE_TYPE_DEFAULT = TRUE")


def _create_table(cursor: Cursor, lowering: Lowering) -> Plan:
    asked = read_ddl.Created(cursor.line, cursor.object_name())
    if cursor.looks("("):
        asked = read_ddl._columns_or_names(cursor, asked)
    cursor.need("WITH")
    options = read_options(cursor, "table")
    query = label = None
    if cursor.take("AS"):
        query, label = read_queries.query(cursor), read_queries.options(cursor)
    cursor.finish()
    env = lowering.env
    for word in ("LOCATION", "DATA_SOURCE", "FILE_FORMAT"):
        if word not in options:
            raise SqlError(
                46553, 15, 1, f"The external table is created without {word}.", asked.line
            )
    schema, name = place(lowering, asked.name)
    _check_reject(options)
    kept = _kept(env, options)
    if query is not None:
        from emulators.warehouse.engine.external.exporting import create_as

        return create_as(lowering, query, schema, name, kept, label or "")
    columns = ddl_checks.columns_of(asked, env)

    def work(con: DuckDBPyConnection) -> None:
        note(env, schema, name, columns, kept)

    return defining(rights(schema, name, "CREATE TABLE"), work)


def note(env: LoweringEnv, schema: str, name: str, columns: Any, kept: Mapping[str, str]) -> None:
    """Put an external table into the catalog.

    Raises:
        SqlError: 2714 and 2760: the name is taken, the schema is not there.
    """
    spelled = env.catalog.schema(schema)
    if spelled is None:
        raise no_schema(schema)
    if env.catalog.object(spelled, name) is not None:
        raise exists(name)
    env.catalog.create_table(spelled, name, columns, kind="ET", options=kept)


def _check_reject(options: Mapping[str, str]) -> None:
    if options.get("REJECT_TYPE", "value").lower() not in ("value", "percentage"):
        raise SqlError(102, 15, 1, f"Incorrect syntax near '{options['REJECT_TYPE']}'.")


def _kept(env: LoweringEnv, options: Mapping[str, str]) -> dict[str, str]:
    source, shape = options["DATA_SOURCE"], options["FILE_FORMAT"]
    for kind, name in (("source", source), ("format", shape)):
        if env.catalog.external(kind, name) is None:
            raise missing(kind, name)
    return {
        "location": options["LOCATION"], "source": source, "format": shape,
        "reject_type": options.get("REJECT_TYPE", "value").lower(),
        "reject_value": options.get("REJECT_VALUE", "0"),
    }  # fmt: skip


def _drop_table(cursor: Cursor, lowering: Lowering) -> Plan:
    if_exists = cursor.take("IF", "EXISTS")
    asked = cursor.object_name()
    cursor.finish()
    env = lowering.env
    schema, name = place(lowering, asked)

    def work(con: DuckDBPyConnection) -> None:
        found = env.catalog.table(schema, name)
        if found is None or found.kind != "ET":
            if if_exists and found is None:
                return
            raise cannot_drop("external table", asked.text)
        env.catalog.drop_table(found)
        env.catalog.forget_grants(found.schema, found.name)

    there = env.catalog.table(schema, name) is not None
    return defining(rights(schema, name, "ALTER") if there else (), work)


__all__ = ["lower_definition", "missing", "note", "read_options"]
