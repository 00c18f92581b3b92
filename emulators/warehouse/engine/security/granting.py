"""GRANT, DENY and REVOKE of rights on the database, a schema, a table or a procedure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulators.warehouse.engine.tsql import definitions
from emulators.warehouse.engine.tsql.reading import Reader
from emulators.warehouse.errors import SqlError, refused

if TYPE_CHECKING:
    from emulators.warehouse.engine.tsql.session import Session

RIGHTS = frozenset(
    {
        "SELECT", "INSERT", "UPDATE", "DELETE", "EXECUTE", "ALTER", "CONTROL", "REFERENCES",
        "VIEW DEFINITION", "CREATE TABLE", "CREATE VIEW", "CREATE PROCEDURE", "CREATE FUNCTION",
        "CREATE SCHEMA", "CONNECT", "ADMINISTER DATABASE BULK OPERATIONS", "ALTER ANY SCHEMA",
        "VIEW DATABASE STATE", "TAKE OWNERSHIP", "ALTER ANY EXTERNAL DATA SOURCE",
        "ALTER ANY EXTERNAL FILE FORMAT", "UNMASK",
    }
)  # fmt: skip
_OBJECT_ALL = ("SELECT", "INSERT", "UPDATE", "DELETE", "REFERENCES")
_WORDS = {"EXEC": "EXECUTE", "CREATE PROC": "CREATE PROCEDURE"}


@dataclass(frozen=True, slots=True)
class _Place:
    """What rights are on."""

    kind: str
    schema: str = ""
    name: str = ""


def run(session: Session, verb: str, reader: Reader) -> None:
    """Do it.

    Raises:
        SqlError: 15151: no such object or principal; 4606: no such right; 15247: they may not.
    """
    from emulators.warehouse.engine.security.changing import need

    need(session, "db_securityadmin")
    if verb == "REVOKE":
        reader.take("GRANT", "OPTION", "FOR")
    rights = _rights(reader)
    place = _place(session, reader)
    if (verb == "REVOKE" and not reader.take("FROM")) or verb != "REVOKE":
        reader.need("TO")
    names = [reader.name()]
    while reader.take(","):
        names.append(reader.name())
    reader.take("CASCADE")
    if reader.take("WITH"):
        reader.need("GRANT")
        reader.need("OPTION")
    if reader.take("AS"):
        raise refused(f"{verb} ... AS")
    if rights == ["ALL"]:
        rights = list(_OBJECT_ALL) if place.kind != "DATABASE" else ["CONTROL"]
    for name in names:
        if not session.access.has(name):
            text = (
                f"Cannot find the user '{name}', because it does not exist or you do not have "
                "permission."
            )
            raise SqlError(15151, 16, 1, text)
        for right in rights:
            _write(session, verb, right, place, name)


def _rights(reader: Reader) -> list[str]:
    found: list[str] = []
    while True:
        words = [reader.next().upper]
        while reader.word() not in ("ON", "TO", "FROM", ",", "(", ""):
            words.append(reader.next().upper)
        right = " ".join(words)
        right = _WORDS.get(right, right)
        if right == "ALL PRIVILEGES":
            right = "ALL"
        if reader.word() == "(":
            raise refused("rights on single columns")
        if right not in RIGHTS and right != "ALL":
            raise SqlError(102, 15, 1, f"Incorrect syntax near '{words[0]}'.", reader.line)
        found.append(right)
        if not reader.take(","):
            return found


def _place(session: Session, reader: Reader) -> _Place:
    if not reader.take("ON"):
        return _Place("DATABASE")
    kind = "OBJECT"
    if reader.word(1) == "::":
        kind = reader.next().upper
        reader.next()
    if kind == "DATABASE":
        name = reader.name()
        if name.lower() != session.database.lower():
            text = (
                f"Cannot find the database '{name}', because it does not exist or you do not "
                "have permission."
            )
            raise SqlError(15151, 16, 1, text)
        return _Place("DATABASE")
    if kind == "SCHEMA":
        name = reader.name()
        if session.catalog.schema(name) is None:
            text = (
                f"Cannot find the schema '{name}', because it does not exist or you do not "
                "have permission."
            )
            raise SqlError(15151, 16, 1, text)
        return _Place("SCHEMA", name)
    if kind != "OBJECT":
        raise refused(f"rights on {kind}")
    schema, name = definitions.split_name(session, reader.parts())
    known = session.catalog.table(schema, name) or session.catalog.module(schema, name)
    if known is None:
        text = (
            f"Cannot find the object '{name}', because it does not exist or you do not have "
            "permission."
        )
        raise SqlError(15151, 16, 1, text)
    return _Place("OBJECT", schema, name)


def _write(session: Session, verb: str, right: str, place: _Place, name: str) -> None:
    from emulators.warehouse.engine.security.changing import write

    where = [name, place.kind, place.schema, place.name, right]
    clear = (
        "DELETE FROM rehearsal_catalog.grants WHERE lower(principal) = lower(?) AND class = ?"
        " AND lower(schema) = lower(?) AND lower(name) = lower(?) AND action = ?"
    )
    write(session, clear, list(where))
    if verb != "REVOKE":
        text = "INSERT INTO rehearsal_catalog.grants VALUES (?, ?, ?, ?, ?, ?)"
        write(session, text, [*where, verb])
