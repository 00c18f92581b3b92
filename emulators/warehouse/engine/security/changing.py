"""CREATE LOGIN, CREATE USER, ALTER ROLE, GRANT and their like: read and done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulators.warehouse.engine.answers import Answer, Finished, Message
from emulators.warehouse.engine.security import granting
from emulators.warehouse.engine.security.access import ROLES
from emulators.warehouse.engine.tsql.lexing import Token
from emulators.warehouse.engine.tsql.reading import Reader
from emulators.warehouse.errors import SqlError, refused

if TYPE_CHECKING:
    from emulators.warehouse.engine.tsql.session import Session

FIRST_USER = 5


def run(session: Session, tokens: tuple[Token, ...]) -> Iterator[Answer]:
    """Do what the statement says.

    Raises:
        SqlError: it cannot be read; 15247: they may not; what each says.
    """
    reader = Reader("", tokens)
    verb = reader.next().upper
    if verb in ("GRANT", "DENY", "REVOKE"):
        granting.run(session, verb, reader)
    else:
        kind = reader.next().upper
        change = _CHANGES.get((verb, kind))
        if change is None:
            raise refused(f"{verb} {kind}")
        change(session, reader)
    if not reader.done:
        raise reader.unexpected()
    if reader.tokens[-2].upper == "RESULT_SET_CACHING":
        text = "Rehearsal keeps no result-set cache: RESULT_SET_CACHING changes nothing."
        yield Message(0, text)
    yield Finished(None, 0xC6)


def need(session: Session, *roles: str) -> None:
    """Ask that they may change security.

    Raises:
        SqlError: 15247: they may not.
    """
    if session.principal.admin or session.frame.trusted:
        return
    held = session.access.roles(session.principal.user)
    if not held & {"db_owner", *roles}:
        raise SqlError(15247, 16, 1, "User does not have permission to perform this action.")


def _need_admin(session: Session) -> None:
    if not session.principal.admin:
        raise SqlError(15247, 16, 1, "User does not have permission to perform this action.")


def _need_master(session: Session) -> None:
    if session.flavor == "synapse" and session.database != "master":
        raise SqlError(5001, 16, 2, "User must be in the master database.")


@dataclass(slots=True)
class _With:
    """`WITH a = x, b = y`."""

    values: dict[str, str]

    @classmethod
    def read(cls, reader: Reader, known: frozenset[str]) -> _With:
        values: dict[str, str] = {}
        if not reader.take("WITH"):
            return cls(values)
        while True:
            name = reader.next().upper
            if name not in known:
                reader.at -= 1
                raise reader.unexpected()
            reader.need("=")
            token = reader.next()
            values[name] = token.value if token.kind == "string" else token.name
            if reader.take("HASHED") or reader.take("MUST_CHANGE"):
                raise refused("hashed passwords and MUST_CHANGE")
            if name == "PASSWORD" and reader.word() == "OLD_PASSWORD":
                continue
            if not reader.take(","):
                return cls(values)

    def get(self, name: str) -> str | None:
        return self.values.get(name)


_LOGIN = frozenset(
    {
        "PASSWORD", "OLD_PASSWORD", "DEFAULT_DATABASE", "DEFAULT_LANGUAGE", "CHECK_POLICY",
        "CHECK_EXPIRATION", "NAME",
    }
)  # fmt: skip
_USER = frozenset({"DEFAULT_SCHEMA", "OBJECT_ID", "NAME", "LOGIN", "PASSWORD"})


def _create_login(session: Session, reader: Reader) -> None:
    _need_admin(session)
    _need_master(session)
    name = reader.name()
    if reader.take("FROM"):
        raise refused("CREATE LOGIN ... FROM; an Entra principal needs only CREATE USER")
    given = _With.read(reader, _LOGIN)
    password = given.get("PASSWORD")
    if password is None:
        raise reader.unexpected()
    session.server.logins.create(name, password, given.get("DEFAULT_DATABASE") or "")


def _alter_login(session: Session, reader: Reader) -> None:
    name = reader.name()
    logins = session.server.logins
    if reader.take("ENABLE") or reader.take("DISABLE"):
        _need_admin(session)
        logins.change(name, disabled=reader.tokens[reader.at - 1].upper == "DISABLE")
        return
    given = _With.read(reader, _LOGIN)
    if given.get("NAME") is not None or given.get("PASSWORD") is None:
        raise refused("ALTER LOGIN of anything but its password")
    if not (session.principal.admin or session.principal.login.lower() == name.lower()):
        _need_admin(session)
    logins.change(name, password=given.get("PASSWORD"))


def _drop_login(session: Session, reader: Reader) -> None:
    _need_admin(session)
    session.server.logins.drop(reader.name())


def _create_user(session: Session, reader: Reader) -> None:
    need(session, "db_accessadmin")
    name = reader.name()
    login, kind, object_id = name, "S", ""
    if reader.take("FOR") or reader.take("FROM"):
        if reader.take("EXTERNAL"):
            reader.need("PROVIDER")
            login, kind = "", "E"
        elif reader.take("LOGIN"):
            login = reader.name()
        else:
            raise reader.unexpected()
    elif reader.take("WITHOUT"):
        reader.need("LOGIN")
        login = ""
    given = _With.read(reader, _USER)
    if given.get("PASSWORD") is not None:
        raise refused("contained users with passwords")
    if kind == "E":
        object_id = given.get("OBJECT_ID") or ""
        login = object_id
    elif login and not _is_login(session, login):
        text = f"'{login}' is not a valid login or you do not have permission."
        raise SqlError(15007, 16, 1, text)
    if session.access.has(name):
        text = f"User, group, or role '{name}' already exists in the current database."
        raise SqlError(15023, 16, 1, text)
    _add(session, name, kind, login, object_id, given.get("DEFAULT_SCHEMA") or "dbo")


def _is_login(session: Session, name: str) -> bool:
    return name.lower() in (n.lower() for n in session.server.logins.names())


def _add(session: Session, name: str, kind: str, login: str, object_id: str, schema: str) -> None:
    first = 16384 + len(ROLES) if kind == "R" else FIRST_USER
    last = 2**31 if kind == "R" else 16384
    text = (
        "INSERT INTO rehearsal_catalog.principals SELECT ?, ?, ?, ?, greatest(?, coalesce((SELECT"
        " max(principal_id) + 1 FROM rehearsal_catalog.principals WHERE principal_id >= ? AND"
        " principal_id < ?), 0)), '', ?"
    )
    write(session, text, [name, kind, login, object_id, first, first, last, schema])


def write(session: Session, text: str, values: list[object]) -> None:
    """Change the tables of principals; every session reads them anew."""
    session.change(lambda: session.con.execute(text, values).fetchall())
    session.place.security += 1


def _alter_user(session: Session, reader: Reader) -> None:
    need(session, "db_accessadmin")
    name = _existing(session, reader.name(), "user")
    given = _With.read(reader, _USER)
    schema = given.get("DEFAULT_SCHEMA")
    login = given.get("LOGIN")
    if (schema is None and login is None) or given.get("NAME") is not None:
        raise refused("ALTER USER of anything but its login and default schema")
    text = "UPDATE rehearsal_catalog.principals SET {} = ? WHERE lower(name) = lower(?)"
    if schema is not None:
        write(session, text.format("default_schema"), [schema, name])
    if login is not None:
        write(session, text.format("login"), [login, name])


def _existing(session: Session, name: str, what: str, verb: str = "alter") -> str:
    if (session.access.kind(name) == "R") is not (what == "role") or not session.access.has(name):
        text = (
            f"Cannot {verb} the {what} '{name}', because it does not exist or you do not have "
            "permission."
        )
        raise SqlError(15151, 16, 1, text)
    return name


def _drop(session: Session, reader: Reader, what: str) -> None:
    need(session, "db_accessadmin" if what == "user" else "db_securityadmin")
    if_exists = reader.take("IF", "EXISTS")
    name = reader.name()
    if if_exists and not session.access.has(name):
        return
    _existing(session, name, what, "drop")
    number = session.access.principal_id(name) or 0
    if number < FIRST_USER or 16384 <= number < 16384 + len(ROLES):
        raise SqlError(15150, 16, 1, f"Cannot drop the {what} '{name}'.")
    for table, column in _NAMED_IN:
        text = f"DELETE FROM rehearsal_catalog.{table} WHERE lower({column}) = lower(?)"
        write(session, text, [name])


_NAMED_IN = (
    ("principals", "name"),
    ("members", "member"),
    ("members", "role"),
    ("grants", "principal"),
)


def _drop_user(session: Session, reader: Reader) -> None:
    _drop(session, reader, "user")


def _drop_role(session: Session, reader: Reader) -> None:
    _drop(session, reader, "role")


def _create_role(session: Session, reader: Reader) -> None:
    need(session, "db_securityadmin")
    name = reader.name()
    if reader.take("AUTHORIZATION"):
        _ = reader.name()
    if session.access.has(name):
        text = f"User, group, or role '{name}' already exists in the current database."
        raise SqlError(15023, 16, 1, text)
    _add(session, name, "R", "", "", "dbo")


def _alter_role(session: Session, reader: Reader) -> None:
    need(session, "db_securityadmin")
    role = _existing(session, reader.name(), "role")
    verb = reader.next().upper
    if verb not in ("ADD", "DROP"):
        raise refused("ALTER ROLE of anything but its members")
    reader.need("MEMBER")
    member = reader.name()
    if not session.access.has(member):
        text = f"User or role '{member}' does not exist in this database."
        raise SqlError(15410, 11, 1, text)
    clear = (
        "DELETE FROM rehearsal_catalog.members WHERE lower(role) = lower(?) AND "
        "lower(member) = lower(?)"
    )
    write(session, clear, [role, member])
    if verb == "ADD":
        if (
            role.lower() in session.access.roles(member) | {member.lower()}
            or member.lower() == "dbo"
        ):
            raise SqlError(15405, 16, 1, f"Cannot use the special principal '{member}'.")
        if member.lower() in session.access.roles(role):
            raise SqlError(15413, 11, 1, "Cannot make a role a member of itself.")
        write(session, "INSERT INTO rehearsal_catalog.members VALUES (?, ?)", [role, member])


def _create_database(session: Session, reader: Reader) -> None:
    _need_admin(session)
    name = reader.name()
    if not reader.done:
        raise refused("options of CREATE DATABASE")
    session.server.databases.create(name)


def _alter_database(session: Session, reader: Reader) -> None:
    """`SET RESULT_SET_CACHING`: nothing is cached, and that is said."""
    need(session)
    name = reader.name()
    if name.upper() != "CURRENT" and not session.server.databases.has(name):
        text = (
            f"User does not have permission to alter database '{name}', the database does not"
            " exist, or the database is not in a state that allows access checks."
        )
        raise SqlError(5011, 14, 5, text)
    reader.need("SET")
    if not reader.take("RESULT_SET_CACHING") or reader.next().upper not in ("ON", "OFF"):
        raise refused("ALTER DATABASE of anything but RESULT_SET_CACHING")


def _drop_database(session: Session, reader: Reader) -> None:
    _need_admin(session)
    if_exists = reader.take("IF", "EXISTS")
    name = reader.name()
    if if_exists and not session.server.databases.has(name):
        return
    session.server.databases.drop(name)


_CHANGES: dict[tuple[str, str], Callable[[Session, Reader], None]] = {
    ("CREATE", "LOGIN"): _create_login,
    ("ALTER", "LOGIN"): _alter_login,
    ("DROP", "LOGIN"): _drop_login,
    ("CREATE", "USER"): _create_user,
    ("ALTER", "USER"): _alter_user,
    ("DROP", "USER"): _drop_user,
    ("CREATE", "ROLE"): _create_role,
    ("ALTER", "ROLE"): _alter_role,
    ("DROP", "ROLE"): _drop_role,
    ("CREATE", "DATABASE"): _create_database,
    ("ALTER", "DATABASE"): _alter_database,
    ("DROP", "DATABASE"): _drop_database,
}
