"""Functions of choice, of hashes and keys, and tests of values."""

from __future__ import annotations

from emulators.warehouse.engine.lowering.casts import convert
from emulators.warehouse.engine.lowering.converting import text_of
from emulators.warehouse.engine.lowering.functions import Called, Function
from emulators.warehouse.engine.lowering.kinds import (
    BINARIES,
    FLOAT,
    GUID,
    INT,
    NUMBERS,
    STRINGS,
    Typed,
    unify_all,
)
from emulators.warehouse.engine.lowering.operators import compare
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError


def _coalesce(called: Called) -> Typed:
    values = called.need(2, 1000)
    if all(one.type.name == "null" for one in values):
        text = "At least one of the arguments to COALESCE must be an expression that is not the NULL constant."
        raise SqlError(4127, 16, 1, text, called.asked.line)
    kind = unify_all(values)
    listed = ", ".join(convert(one, kind).sql for one in values)
    return Typed(f"coalesce({listed})", kind, all(one.nullable for one in values))


def _isnull(called: Called) -> Typed:
    first, second = called.need(2)
    kind = second.type if first.type.name == "null" else first.type
    a, b = convert(first, kind).sql, convert(second, kind).sql
    return Typed(f"coalesce({a}, {b})", kind, second.nullable)


def _nullif(called: Called) -> Typed:
    first, second = called.need(2)
    if first.type.name == "null":
        text = "The type of the first argument to NULLIF cannot be the NULL constant because the type of the first argument has to be known."
        raise SqlError(4151, 16, 1, text, called.asked.line)
    sql = f"(CASE WHEN {compare('=', first, second)} THEN NULL ELSE {first.sql} END)"
    return Typed(sql, first.type, True)


def _choose(called: Called) -> Typed:
    index, *values = called.need(2, 255)
    kind = unify_all(values)
    whens = " ".join(
        f"WHEN {convert(index, INT).sql} = {at} THEN {convert(one, kind).sql}"
        for at, one in enumerate(values, 1)
    )
    return Typed(f"(CASE {whens} END)", kind, True)


def _extreme(function: str) -> Function:
    """GREATEST, LEAST: NULLs are passed over."""

    def write(called: Called) -> Typed:
        values = called.need(1, 254)
        kind = unify_all(values)
        listed = ", ".join(convert(one, kind).sql for one in values)
        return Typed(f"{function}({listed})", kind, all(one.nullable for one in values))

    return write


def _bytes(value: Typed) -> str:
    """A value as the bytes that are hashed."""
    if value.type.name in BINARIES:
        return value.sql
    if value.type.name in STRINGS:
        return convert(value, SqlType("varbinary", MAX)).sql
    return convert(text_of(value), SqlType("varbinary", MAX)).sql


def _hashbytes(called: Called) -> Typed:
    kind, value = called.need(2)
    if value.type.name not in STRINGS | BINARIES:
        raise called.bad(2)
    return Typed(
        f"rehearsal_hash({text_of(kind).sql}, {_bytes(value)})", SqlType("varbinary", 8000), True
    )


def _checksum(called: Called) -> Typed:
    if called.asked.star:
        values = [one.value for one in called.scope.star((), called.asked.line)]
    else:
        values = called.need(1, 255)
    parts = " || ".join(f"coalesce({_bytes(one)}, unhex('00')) || unhex('FF')" for one in values)
    return Typed(f"rehearsal_checksum({parts})", INT, False)


def _newid(called: Called) -> Typed:
    called.need(0)
    return Typed("uuid()", GUID, False)


def _isnumeric(called: Called) -> Typed:
    (value,) = called.need(1)
    if value.type.name in NUMBERS:
        return Typed(f"(CASE WHEN {value.sql} IS NULL THEN 0 ELSE 1 END)", INT, False)
    if value.type.name not in STRINGS:
        return Typed("0", INT, False)
    number = convert(value, FLOAT, tried=True).sql
    money = convert(value, SqlType("money"), tried=True).sql
    blank = f"trim({value.sql}) = ''"
    sql = f"(CASE WHEN {value.sql} IS NULL OR {blank} THEN 0 WHEN {number} IS NOT NULL OR {money} IS NOT NULL THEN 1 ELSE 0 END)"
    return Typed(sql, INT, False)


def _compressed(called: Called) -> Typed:
    from emulators.warehouse.errors import refused

    raise refused(f"the function {called.name}", called.asked.line)


FUNCTIONS: dict[str, Function] = {
    "COALESCE": _coalesce, "ISNULL": _isnull, "NULLIF": _nullif, "CHOOSE": _choose,
    "GREATEST": _extreme("greatest"), "LEAST": _extreme("least"), "HASHBYTES": _hashbytes,
    "CHECKSUM": _checksum, "BINARY_CHECKSUM": _checksum, "NEWID": _newid,
    "NEWSEQUENTIALID": _newid, "ISNUMERIC": _isnumeric, "COMPRESS": _compressed,
    "DECOMPRESS": _compressed,
}  # fmt: skip
