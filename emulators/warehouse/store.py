"""What the warehouse keeps beside its database files: who may log in."""

from __future__ import annotations

from dataclasses import dataclass

from emulators.kernel.store import Table


@dataclass(frozen=True, slots=True)
class LoginRecord:
    """A SQL login; the password is kept as scrypt's hash of it, both in hexadecimal digits."""

    key: str  # the name in lower case
    name: str
    salt: str
    hash: str
    disabled: bool = False
    database: str = ""  # where a connection lands that names none


LOGINS = Table("warehouse_logins", LoginRecord, key=("key",))
