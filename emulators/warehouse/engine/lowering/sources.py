"""Sources of FROM: tables, views, derived tables, functions, joins, APPLY, PIVOT, PREDICT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulators.warehouse.engine.catalog.model import Module, Table
from emulators.warehouse.engine.lowering import pivoting, predicting, tree
from emulators.warehouse.engine.lowering.casts import convert
from emulators.warehouse.engine.lowering.converting import text_of
from emulators.warehouse.engine.lowering.cursor import Cursor
from emulators.warehouse.engine.lowering.kinds import Typed, named, unify_all
from emulators.warehouse.engine.lowering.queries import Made, Queries, named_columns
from emulators.warehouse.engine.lowering.read_queries import query as read_query
from emulators.warehouse.engine.lowering.scopes import Field, Origin, Relation, Scope
from emulators.warehouse.engine.types import MAX, SqlType
from emulators.warehouse.errors import SqlError, no_object, refused

if TYPE_CHECKING:
    from emulators.warehouse.engine.lowering.lowering import Lowering

DEEP = 32
"""Views in views."""


class Sources:
    """Writes the sources of FROM clauses."""

    def __init__(self, lowering: Lowering, queries: Queries) -> None:
        self.lowering, self.queries = lowering, queries
        self._depth = 0

    def source(self, asked: tree.Source, scope: Scope, lateral: Scope | None = None) -> str:
        """One source; the scope then knows its columns.

        Args:
            asked: as it was read.
            scope: of the SELECT.
            lateral: what an APPLY's right side may name; None elsewhere.

        Raises:
            SqlError: 208: there is no such object.
        """
        if isinstance(asked, tree.Join):
            return self._join(asked, scope)
        if isinstance(asked, tree.Relation):
            return self._relation(asked, scope)
        if isinstance(asked, tree.Derived):
            made = self.queries.query(asked.query, lateral or _around(scope))
            columns = named_columns(made.columns, asked.columns, asked.alias)
            return self.add(made.sql, columns, asked.alias, scope, lateral is not None)
        if isinstance(asked, tree.Function):
            return self._function(asked, scope, lateral)
        if isinstance(asked, tree.Pivot):
            return pivoting.pivot(self, asked, scope)
        if isinstance(asked, tree.Unpivot):
            return pivoting.unpivot(self, asked, scope)
        if isinstance(asked, tree.Predict):
            return predicting.source(self, asked, scope)
        raise refused(f"sources of the kind {type(asked).__name__}", asked.line)

    def add(
        self,
        sql: str,
        columns: tuple[tuple[str, SqlType, bool], ...],
        alias: str,
        scope: Scope,
        lateral: bool = False,
    ) -> str:
        """A query whose columns are c1, c2, … as a source."""
        own = self.lowering.alias()
        fields = tuple(
            Field(name, Typed(f"{own}.c{at}", kind, nullable))
            for at, (name, kind, nullable) in enumerate(columns, 1)
        )
        scope.add(Origin(alias, fields))
        return f"{'LATERAL ' if lateral else ''}({sql}) AS {own}"

    def _join(self, asked: tree.Join, scope: Scope) -> str:
        left = self.source(asked.left, scope)
        if asked.kind in ("CROSS APPLY", "OUTER APPLY"):
            right = self.source(asked.right, scope, scope)
            if asked.kind == "CROSS APPLY":
                return f"{left} CROSS JOIN {right}"
            return f"{left} LEFT JOIN {right} ON TRUE"
        right = self.source(asked.right, scope)
        if isinstance(asked.right, tree.Join):
            right = f"({right})"
        if asked.condition is None:
            return f"{left} CROSS JOIN {right}"
        test = self.lowering.binder.test(asked.condition, scope)
        return f"{left} {asked.kind} JOIN {right} ON {test}"

    # Tables and views.

    def _relation(self, asked: tree.Relation, scope: Scope) -> str:
        parts = asked.name.parts
        alias = asked.alias or parts[-1]
        if len(parts) == 1:
            common = scope.common(parts[0])
            if common is not None:
                return self._common(common, alias, scope)
        if parts[-1][:1] in ("#", "@"):
            table = self.temporary(asked.name)
            return self._table(table, alias, "", scope, asked.name.text)
        schema, name = self.place(asked.name)
        shown = "" if asked.alias else schema
        system = self._system(schema, name, alias, scope)
        if system is not None:
            return system
        table_found = self.lowering.env.catalog.table(schema, name)
        if table_found is not None:
            self.lowering.touches(table_found.schema, table_found.name, "SELECT")
            if table_found.kind == "ET":
                return self._external(table_found, alias, scope)
            return self._table(table_found, alias, shown, scope, asked.name.text)
        module = self.lowering.env.catalog.module(schema, name)
        if module is not None and module.kind == "V":
            self.lowering.touches(module.schema, module.name, "SELECT")
            return self._view(module, alias, scope)
        raise no_object(asked.name.text)

    def place(self, name: tree.Name) -> tuple[str, str]:
        """Schema and name of an object.

        Raises:
            SqlError: another database, or a server.
        """
        parts = name.parts
        if len(parts) == 4:
            raise refused("linked servers (four-part names)", name.line)
        if len(parts) == 3 and parts[0].lower() != self.lowering.env.database.lower():
            text = f"Reference to database and/or server name in '{name.text}' is not supported in this version of SQL Server."
            raise SqlError(40515, 15, 1, text, name.line)
        schema = parts[-2] if len(parts) > 1 and parts[-2] else self.lowering.schema
        return schema, parts[-1]

    def temporary(self, name: tree.Name) -> Table:
        """A temporary table, or a table variable.

        Raises:
            SqlError: 208, 1087: there is none.
        """
        plain = name.parts[-1]
        wanted = f"#{plain}" if plain.startswith("@") else plain
        found = self.lowering.env.temp_tables.get(wanted.lower())
        if found is None and plain.startswith("@"):
            text = f'Must declare the table variable "{plain}".'
            raise SqlError(1087, 15, 2, text, name.line)
        if found is None:
            raise no_object(plain)
        self.lowering.cacheable = False
        return found

    def _table(self, table: Table, alias: str, schema: str, scope: Scope, written: str = "") -> str:
        own = self.lowering.alias()
        scope.add(Origin(alias, fields_of(table, own), schema, written))
        return f"{table.source} AS {own}"

    def _common(self, common: Relation, alias: str, scope: Scope) -> str:
        own = self.lowering.alias()
        fields = tuple(
            Field(name, Typed(f"{own}.c{at}", kind, nullable))
            for at, (name, kind, nullable) in enumerate(common.columns, 1)
        )
        scope.add(Origin(alias, fields))
        listed = ", ".join(f"c{at}" for at in range(1, len(fields) + 1))
        return f"{common.sql} AS {own}({listed})"

    def _view(self, module: Module, alias: str, scope: Scope) -> str:
        made, columns = self.view(module)
        return self.add(made.sql, columns, alias, scope)

    def view(self, module: Module) -> tuple[Made, tuple[tuple[str, SqlType, bool], ...]]:
        """A view's query with its columns.

        Raises:
            SqlError: 217: views nest too deep, or name each other.
        """
        self._depth += 1
        if self._depth > DEEP:
            text = "Maximum stored procedure, function, trigger, or view nesting level exceeded (limit 32)."
            raise SqlError(217, 16, 1, text)
        cursor = Cursor(module.body)
        asked = read_query(cursor)
        cursor.finish()
        with self.lowering.inside_view(module.schema):
            self.lowering.common_depth += 1
            made = self.queries.query(asked, None)
            self.lowering.common_depth -= 1
        self._depth -= 1
        return made, named_columns(made.columns, module.columns, module.name)

    def _external(self, table: Table, alias: str, scope: Scope) -> str:
        external = self.lowering.env.external
        if external is None:
            raise refused("external tables without a storage service")
        sql = external.relation(self.lowering, table)
        own = self.lowering.alias()
        scope.add(Origin(alias, fields_of(table, own)))
        return f"({sql}) AS {own}"

    def _system(self, schema: str, name: str, alias: str, scope: Scope) -> str | None:
        from emulators.warehouse.engine.catalog import views

        if schema.lower() not in ("sys", "information_schema"):
            return None
        found = views.system_view(schema, name)
        if found is None:
            return None
        self.lowering.cacheable = False  # names of databases and logins are written into it
        own = self.lowering.alias()
        fields = tuple(Field(n, Typed(f"{own}.{named(n)}", k)) for n, k in found.columns)
        scope.add(Origin(alias, fields, schema))
        return f"({found.sql(self.lowering.env)}) AS {own}"

    # Functions.

    def _function(self, asked: tree.Function, scope: Scope, lateral: Scope | None) -> str:
        word = asked.name.parts[-1].upper()
        writer = _FUNCTIONS.get(word)
        if writer is None or len(asked.name.parts) > 2:
            raise no_object(asked.name.text)
        values = self.lowering.binder.values(asked.arguments, lateral or _around(scope))
        sql, columns = writer(values, asked)
        named_as = named_columns(columns, asked.columns, asked.alias or word)
        return self.add(
            sql, named_as, asked.alias or asked.name.parts[-1], scope, lateral is not None
        )


def _around(scope: Scope) -> Scope:
    """What a derived table may name: what is around the SELECT, and its common expressions."""
    return Scope(outer=scope.outer, commons=scope.commons)


def fields_of(table: Table, own: str) -> tuple[Field, ...]:
    """A table's columns, written with its alias in DuckDB."""
    prefix = f"{own}." if own else ""
    return tuple(
        Field(one.name, Typed(f"{prefix}{named(one.name)}", one.type, one.nullable), one.identity)
        for one in table.columns
    )


Written = tuple[str, tuple[tuple[str, SqlType, bool], ...]]


def _series(values: list[Typed], asked: tree.Function) -> Written:
    if len(values) not in (2, 3):
        raise SqlError(
            313,
            16,
            3,
            "An insufficient number of arguments were supplied for the procedure or function GENERATE_SERIES.",
            asked.line,
        )
    kind = unify_all(values)
    if kind.name not in ("tinyint", "smallint", "int", "bigint"):
        raise refused(f"GENERATE_SERIES of {kind.name}", asked.line)
    listed = ", ".join(convert(one, SqlType("bigint")).sql for one in values)
    inner = f"SELECT unnest(generate_series({listed})) AS x"
    sql = f"SELECT {convert(Typed('x', SqlType('bigint')), kind).sql} AS c1 FROM ({inner})"
    return sql, (("value", kind, False),)


def _string_split(values: list[Typed], asked: tree.Function) -> Written:
    if len(values) not in (2, 3):
        raise SqlError(
            313,
            16,
            3,
            "An insufficient number of arguments were supplied for the procedure or function STRING_SPLIT.",
            asked.line,
        )
    text, mark = text_of(values[0]), text_of(values[1])
    name = "nvarchar" if text.type.name in ("nvarchar", "nchar") else "varchar"
    kind = SqlType(name, text.type.length or MAX)
    parts = f"string_split({text.sql}, {mark.sql})"
    if len(values) == 3 and values[2].sql != "0":
        sql = f"SELECT unnest({parts}) AS c1, unnest(generate_series(1, len({parts}))) AS c2"
        return sql, (("value", kind, True), ("ordinal", SqlType("bigint"), False))
    return f"SELECT unnest({parts}) AS c1", (("value", kind, True),)


def _open_json(values: list[Typed], asked: tree.Function) -> Written:
    if asked.shape:
        return _shaped_json(values, asked)
    text = text_of(values[0]).sql
    at = f"rehearsal.json_path({text_of(values[1]).sql})" if len(values) == 2 else "'$'"
    kinds = "CASE type WHEN 'NULL' THEN 0 WHEN 'VARCHAR' THEN 1 WHEN 'BOOLEAN' THEN 3 WHEN 'ARRAY' THEN 4 WHEN 'OBJECT' THEN 5 ELSE 2 END"
    value = (
        "CASE WHEN type IN ('ARRAY', 'OBJECT') THEN CAST(value AS VARCHAR) ELSE atom ->> '$' END"
    )
    sql = f"SELECT key AS c1, {value} AS c2, CAST({kinds} AS UTINYINT) AS c3 FROM json_each({text}, {at})"
    columns = (
        ("key", SqlType("nvarchar", 4000), False),
        ("value", SqlType("nvarchar", MAX), True),
        ("type", SqlType("tinyint"), False),
    )
    return sql, columns


def _shaped_json(values: list[Typed], asked: tree.Function) -> Written:
    text = text_of(values[0]).sql
    at = f"rehearsal.json_path({text_of(values[1]).sql})" if len(values) == 2 else "'$'"
    items, columns = [], []
    for number, (name, kind, path) in enumerate(asked.shape, 1):
        plain = path.partition("|")[0] or f"$.{name}"
        where = plain.replace("lax ", "").replace("strict ", "").replace("'", "''")
        if path.endswith("|json"):
            found = f"CAST(json_extract(value, '{where}') AS VARCHAR)"
        else:
            found = f"json_extract_string(value, '{where}')"
        value = convert(Typed(found, SqlType("nvarchar", MAX)), kind)
        items.append(f"{value.sql} AS c{number}")
        columns.append((name, kind, True))
    whole = f"json_extract({text}, {at})"
    rows = f"SELECT unnest(CASE WHEN json_type({whole}) = 'ARRAY' THEN CAST({whole} AS JSON[]) ELSE [{whole}] END) AS value"
    return f"SELECT {', '.join(items)} FROM ({rows})", tuple(columns)


def _no_properties(values: list[Typed], asked: tree.Function) -> Written:
    """fn_listextendedproperty: nothing has any."""
    kind = SqlType("nvarchar", 128)
    columns = tuple((name, kind, True) for name in ("objtype", "objname", "name", "value"))
    items = ", ".join(f"CAST(NULL AS VARCHAR) AS c{at}" for at in range(1, 5))
    return f"SELECT {items} WHERE FALSE", columns


_FUNCTIONS = {
    "GENERATE_SERIES": _series, "STRING_SPLIT": _string_split, "OPENJSON": _open_json,
    "FN_LISTEXTENDEDPROPERTY": _no_properties,
}  # fmt: skip
