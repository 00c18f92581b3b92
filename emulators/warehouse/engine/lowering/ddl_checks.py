"""What a table may be: column rules of every flavor, and what a dedicated pool has not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from emulators.warehouse.engine.catalog.model import TableColumn
from emulators.warehouse.engine.lowering.operators import known_collation
from emulators.warehouse.engine.lowering.plans import LoweringEnv
from emulators.warehouse.engine.lowering.read_ddl import Constraint, Created, Defined
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError, refused

SYNAPSE = "synapse"
_COUNTED = frozenset({"tinyint", "smallint", "int", "bigint", "decimal"})
_STRINGS = frozenset({"char", "varchar", "nchar", "nvarchar", "text", "ntext"})
_UNSERVED = frozenset({"rowversion", "sql_variant", "xml"})
_NOT_IN_POOL = frozenset({"text", "ntext", "image", "xml", "sql_variant", "rowversion"})
MOST_COLUMNS = 1024


def distinct(table: str, names: Sequence[str], state: int = 3) -> None:
    """Column names of a table are unique.

    Raises:
        SqlError: 2705: one is there twice; 1702: there are too many.
    """
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            text = (
                "Column names in each table must be unique. Column name"
                f" '{name}' in table '{table}' is specified more than once."
            )
            raise SqlError(2705, 16, state, text)
        seen.add(name.lower())
    if len(names) > MOST_COLUMNS:
        text = (
            f"CREATE TABLE failed because column '{names[MOST_COLUMNS]}' in table '{table}' exceeds"
            f" the maximum of {MOST_COLUMNS} columns."
        )
        raise SqlError(1702, 16, 1, text)


def columns_of(asked: Created, env: LoweringEnv) -> tuple[TableColumn, ...]:
    """The columns of CREATE TABLE, checked.

    Raises:
        SqlError: two of a name, an identity column that cannot be one, a constraint that is not
            served.
    """
    table = asked.name.parts[-1]
    distinct(table, [c.name for c in asked.columns])
    listed = [*asked.constraints, *(k for c in asked.columns for k in c.constraints)]
    for constraint in listed:
        check_constraint(constraint, env)
    if sum(k.type == "PK" for k in listed) > 1:
        text = f"Cannot add multiple PRIMARY KEY constraints to table '{table}'."
        raise SqlError(8110, 16, 0, text, asked.line)
    primary = {p.name.lower() for k in listed if k.type == "PK" for p in k.columns}
    known = {c.name.lower() for c in asked.columns}
    for constraint in listed:
        for part in constraint.columns:
            if part.name.lower() not in known:
                text = f"Column name '{part.name}' does not exist in the target table or view."
                raise SqlError(1911, 16, 1, text, constraint.line)
    identities = [c for c in asked.columns if c.seed is not None]
    if len(identities) > 1:
        text = (
            f"Multiple identity columns specified for table '{table}'. Only one identity column"
            " per table is allowed."
        )
        raise SqlError(2744, 16, 2, text, asked.line)
    return tuple(column_of(c, table, env, c.name.lower() in primary) for c in asked.columns)


def column_of(asked: Defined, table: str, env: LoweringEnv, primary: bool = False) -> TableColumn:
    """One column, checked.

    Raises:
        SqlError: its type, identity or default is none it can have.
    """
    if asked.computed:
        raise _not_here("computed columns", env, asked.line)
    kind = column_type(asked.type, asked.name, env, asked.line)
    defaults = [k for k in asked.constraints if k.type == "D"]
    if len(defaults) > 1:
        text = f"Column '{asked.name}' in table '{table}' has more than one DEFAULT."
        raise SqlError(1781, 16, 1, text, asked.line)
    if asked.seed is not None:
        _check_identity(asked, table, bool(defaults))
    if primary and asked.nullable is True:
        text = f"Cannot define PRIMARY KEY constraint on nullable column in table '{table}'."
        raise SqlError(8111, 16, 1, text, asked.line)
    nullable = asked.nullable is not False and not primary and asked.seed is None
    default = defaults[0].definition if defaults else ""
    return TableColumn(asked.name, kind, nullable, default, asked.seed, asked.increment)


def column_type(kind: SqlType, name: str, env: LoweringEnv, line: int) -> SqlType:
    """The type as a column has it.

    Raises:
        SqlError: columns cannot have it here.
    """
    if kind.name in _UNSERVED or (env.flavor == SYNAPSE and kind.name in _NOT_IN_POOL):
        raise refused(f"columns of type {kind.name}", line)
    if kind.collation is None:
        return kind
    if kind.name not in _STRINGS:
        text = f"Expression type {kind.name} is invalid for COLLATE clause."
        raise SqlError(447, 16, 0, text, line)
    return replace(kind, collation=known_collation(kind.collation))


def _check_identity(asked: Defined, table: str, has_default: bool) -> None:
    if asked.type.name not in _COUNTED or asked.type.scale:
        text = (
            f"Identity column '{asked.name}' must be of data type int, bigint, smallint, tinyint,"
            " or decimal or numeric with a scale of 0, unencrypted, and constrained to be"
            " nonnullable."
        )
        raise SqlError(2749, 16, 2, text, asked.line)
    if asked.nullable is True:
        text = (
            f"Could not create IDENTITY attribute on nullable column '{asked.name}', table"
            f" '{table}'."
        )
        raise SqlError(8147, 16, 1, text, asked.line)
    if has_default:
        text = (
            "Defaults cannot be created on columns with an IDENTITY attribute. Table"
            f" '{table}', column '{asked.name}'."
        )
        raise SqlError(1754, 16, 0, text, asked.line)
    if asked.increment == 0:
        text = f"Identity column '{asked.name}' contains invalid INCREMENT."
        raise SqlError(1752, 16, 1, text, asked.line)


def check_constraint(asked: Constraint, env: LoweringEnv) -> None:
    """Keys are noted and never enforced in a dedicated pool; others it has not.

    Source: learn.microsoft.com/azure/synapse-analytics/sql-data-warehouse/
    sql-data-warehouse-table-constraints.

    Raises:
        SqlError: 104467: a key that would be enforced; others that are not served.
    """
    if asked.type == "FK":
        raise _not_here("foreign keys", env, asked.line)
    if asked.type == "C":
        raise _not_here("check constraints", env, asked.line)
    if asked.type in ("PK", "UQ") and env.flavor == SYNAPSE:
        if asked.enforced:
            text = (
                "Enforced unique constraints are not supported. To create an unenforced unique"
                " constraint you must include the NOT ENFORCED syntax as part of your statement."
            )
            raise SqlError(104467, 16, 1, text, asked.line)
        if asked.clustered and asked.type == "PK":
            return  # said or not, nothing is ordered by it here


def _not_here(what: str, env: LoweringEnv, line: int) -> SqlError:
    if env.flavor == SYNAPSE:
        return refused(f"{what}, which a dedicated pool has not either", line)
    return refused(what, line)


def options_of(
    asked: Created,
    columns: Sequence[TableColumn],
    env: LoweringEnv,
    *,
    selected: bool = False,
) -> dict[str, Any]:
    """The table's options, with what holds where nothing is said.

    Raises:
        SqlError: they name columns that are not there, or are of the other flavor.
    """
    found = dict(asked.options)
    if env.flavor != SYNAPSE:
        for word in ("distribution", "index", "partition"):
            if word in found:
                raise SqlError(
                    155, 15, 1, f"'{word.upper()}' is not a recognized CREATE TABLE option.",
                    asked.line,
                )  # fmt: skip
        return {"index": "HEAP"}
    by_name = {c.name.lower(): c for c in columns}
    keys = [name for name, _ in found.get("key", [])]
    for name in [*found.get("hash", []), *found.get("order", []), *keys, *_partitioned(found)]:
        if name.lower() not in by_name:
            raise SqlError(207, 16, 1, f"Invalid column name '{name}'.", asked.line)
    said = "index" in found
    found.setdefault("distribution", "ROUND_ROBIN")
    found.setdefault(
        "index", "HEAP" if asked.name.parts[-1][:1] == "#" else "CLUSTERED COLUMNSTORE"
    )
    if is_strict(env):
        _check_strictly(asked, found, columns, said, selected)
    return found


def _partitioned(options: dict[str, Any]) -> list[str]:
    return [options["partition"]["column"]] if "partition" in options else []


def _check_strictly(
    asked: Created,
    options: dict[str, Any],
    columns: Sequence[TableColumn],
    said: bool,
    selected: bool,
) -> None:
    """Source: the pages of dedicated pools on tables, indexes, identity and CTAS."""
    if selected and asked.query is not None and "distribution" not in asked.options:
        text = "Parse error at line: 1, column: 1: Incorrect syntax near 'AS'."
        raise SqlError(103010, 16, 1, text, asked.line)
    hashed = {name.lower() for name in options.get("hash", [])}
    for column in columns:
        if column.identity and column.name.lower() in hashed:
            what = "IDENTITY on the column that rows are distributed by, which a pool has not"
            raise refused(f"{what} either", asked.line)
        if options["index"] == "CLUSTERED COLUMNSTORE" and column.type.length == MAX:
            text = (
                f"The statement failed. Column '{column.name}' has a data type that cannot"
                " participate in a columnstore index."
            )
            raise SqlError(35343, 16, 1, text, asked.line)


def is_strict(env: LoweringEnv) -> bool:
    """Whether what a dedicated pool documents it has not is refused, too."""
    return env.flavor == SYNAPSE and bool(env.session.fact("strict"))
