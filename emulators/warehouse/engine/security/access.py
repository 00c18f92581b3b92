"""Users, roles and grants of one database: what somebody may do in it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from emulators.warehouse.engine.security.logins import Logins, Principal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from emulators.warehouse.engine.databases import Database

__all__ = ["Access", "Logins", "Principal", "prepare"]

ROLES = (
    "db_owner", "db_accessadmin", "db_securityadmin", "db_ddladmin", "db_backupoperator",
    "db_datareader", "db_datawriter", "db_denydatareader", "db_denydatawriter",
)  # fmt: skip
"""Fixed database roles, in the order of their ids."""

_FIRST_ROLE = 16384
_BUILT_IN = (
    (0, "public", "R"), (1, "dbo", "S"), (2, "guest", "S"), (3, "INFORMATION_SCHEMA", "S"),
    (4, "sys", "S"),
)  # fmt: skip
_WRITES = frozenset({"INSERT", "UPDATE", "DELETE"})
_OPEN_SCHEMAS = frozenset({"sys", "information_schema"})
_IMPLIED = {"VIEW DEFINITION": ("VIEW DEFINITION", "EXECUTE", "ALTER")}

_TABLES = """
CREATE SCHEMA IF NOT EXISTS rehearsal_catalog;
CREATE TABLE IF NOT EXISTS rehearsal_catalog.principals(
    name VARCHAR, kind VARCHAR, login VARCHAR, object_id VARCHAR, principal_id INTEGER,
    owner_schema VARCHAR, default_schema VARCHAR);
CREATE TABLE IF NOT EXISTS rehearsal_catalog.members(role VARCHAR, member VARCHAR);
CREATE TABLE IF NOT EXISTS rehearsal_catalog.grants(
    principal VARCHAR, class VARCHAR, schema VARCHAR, name VARCHAR, action VARCHAR, state VARCHAR);
"""


def prepare(con: DuckDBPyConnection) -> None:
    """Make the tables of principals and grants in a new database file."""
    con.execute(_TABLES)
    if con.execute("SELECT count(*) FROM rehearsal_catalog.principals").fetchall()[0][0]:
        return
    rows = [(number, name, kind) for number, name, kind in _BUILT_IN]
    rows += [(_FIRST_ROLE + at, name, "R") for at, name in enumerate(ROLES)]
    for number, name, kind in rows:
        con.execute(
            "INSERT INTO rehearsal_catalog.principals VALUES (?, ?, '', '', ?, '', 'dbo')",
            [name, kind, number],
        )


@dataclass(slots=True)
class _Known:
    """All of it, as it was at one stamp; names in lower case."""

    principals: dict[str, tuple[str, str, str, int, str]] = field(default_factory=dict)
    roles: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    grants: defaultdict[str, set[tuple[str, str, str, str, str]]] = field(
        default_factory=lambda: defaultdict(set)
    )


class Access:
    """Answers from memory while nothing changed; `database.security` counts changes."""

    def __init__(self, con: DuckDBPyConnection, database: Database) -> None:
        self._con, self._database = con, database
        self._stamp = -1
        self._held = _Known()

    def _known(self) -> _Known:
        if self._stamp == self._database.security:
            return self._held
        stamp, known = self._database.security, _Known()
        ask = self._con.execute
        for name, kind, login, _, number, _, schema in ask(
            "FROM rehearsal_catalog.principals"
        ).fetchall():
            known.principals[name.lower()] = (name, kind, login.lower(), number, schema)
        for role, member in ask("FROM rehearsal_catalog.members").fetchall():
            known.roles[member.lower()].add(role.lower())
        for who, kind, schema, name, action, state in ask(
            "FROM rehearsal_catalog.grants"
        ).fetchall():
            known.grants[who.lower()].add((kind, schema.lower(), name.lower(), action, state))
        self._stamp, self._held = stamp, known
        return known

    def user_of(self, principal: Principal) -> Principal | None:
        """The principal as this database's user; None when it has none for them."""
        if principal.admin:
            return replace(principal, user="dbo")
        for lowered, (name, kind, login, *_) in self._known().principals.items():
            if kind in ("S", "E") and login and login in principal.names:
                return replace(principal, user=name)
            if kind == "E" and principal.external and lowered in principal.names:
                return replace(principal, user=name)
        return None

    def has(self, name: str) -> bool:
        """Whether there is a user or role of that name."""
        return name.lower() in self._known().principals

    def kind(self, name: str) -> str:
        """R (role), S (SQL user), E (external user); "" when there is none."""
        found = self._known().principals.get(name.lower())
        return found[1] if found is not None else ""

    def principal_id(self, name: str) -> int | None:
        found = self._known().principals.get(name.lower())
        return found[3] if found is not None else None

    def default_schema(self, principal: Principal) -> str:
        found = self._known().principals.get(principal.user.lower())
        return (found[4] if found is not None else "") or "dbo"

    def roles(self, user: str) -> set[str]:
        """Every role of a user, through others too; `public` among them."""
        known, found, waiting = self._known(), {"public"}, [user.lower()]
        while waiting:
            for role in known.roles[waiting.pop()] - found:
                found.add(role)
                waiting.append(role)
        return found

    def is_member(self, principal: Principal, role: str) -> int | None:
        """IS_MEMBER: 1, 0, or NULL when there is no such role."""
        if self.kind(role) != "R":
            return None
        if principal.admin:
            return int(role.lower() in ("db_owner", "public"))
        return int(role.lower() in self.roles(principal.user))

    def allows(self, principal: Principal, action: str, schema: str, name: str) -> bool:
        """Whether the user may do `action` to the object: DENY wins, then any grant does."""
        if principal.admin:
            return True
        roles = self.roles(principal.user)
        if "db_owner" in roles:
            return True
        if schema.lower() in _OPEN_SCHEMAS and action == "SELECT":
            return True
        states = self._states(roles | {principal.user.lower()}, action, schema, name)
        if "DENY" in states or _denied_by_role(roles, action):
            return False
        if action.startswith("CREATE ") and action != "CREATE SCHEMA" and "GRANT" in states:
            return "GRANT" in self._states(roles | {principal.user.lower()}, "ALTER", schema, "")
        return "GRANT" in states or _allowed_by_role(roles, action)

    def _states(self, who: set[str], action: str, schema: str, name: str) -> set[str]:
        wanted = {*_IMPLIED.get(action, (action,)), "CONTROL"}
        places = {
            ("DATABASE", "", ""),
            ("SCHEMA", schema.lower(), ""),
            ("OBJECT", schema.lower(), name.lower()),
        }
        known = self._known()
        return {
            state
            for grantee in who
            for kind, at, of, given, state in known.grants[grantee]
            if (kind, at, of) in places and given in wanted
        }


def _denied_by_role(roles: set[str], action: str) -> bool:
    return ("db_denydatareader" in roles and action == "SELECT") or (
        "db_denydatawriter" in roles and action in _WRITES
    )


def _allowed_by_role(roles: set[str], action: str) -> bool:
    if action == "SELECT":
        return "db_datareader" in roles
    if action in _WRITES:
        return "db_datawriter" in roles
    ddl = action.startswith("CREATE ") or action in ("ALTER", "REFERENCES", "VIEW DEFINITION")
    return ddl and "db_ddladmin" in roles
