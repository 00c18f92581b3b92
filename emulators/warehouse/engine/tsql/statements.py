"""Reads the statements that hold no others: variables, calls, messages, transactions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulators.warehouse.engine.tsql import assigning, nodes
from emulators.warehouse.engine.tsql.extents import DataExtent, begins, expression_end
from emulators.warehouse.engine.tsql.fragments import cut
from emulators.warehouse.engine.tsql.lexing import tokenize
from emulators.warehouse.engine.tsql.reading import Reader
from emulators.warehouse.engine.tsql.typenames import read_type
from emulators.warehouse.errors import refused, syntax


def data(reader: Reader, line: int) -> nodes.Statement:
    """A data statement; SELECT of assignments and INSERT ... EXEC are told apart."""
    verb = reader.word()
    if verb == "INSERT" and reader.word(1) == "BULK":
        return _insert_bulk(reader, line)
    end = DataExtent(reader.tokens, reader.at).end() if verb != "(" else _grouped(reader)
    if verb == "SELECT":
        begun = _first_item(reader)
        if reader.kind(begun - reader.at) == "variable":
            after = reader.word(begun - reader.at + 1)
            if after in assigning.OPERATORS and begun + 1 < end:
                return assigning.select_assign(reader, line, begun, end)
    if verb == "INSERT":
        for at in range(reader.at, end):
            if reader.tokens[at].upper in ("EXEC", "EXECUTE"):
                return _insert_execute(reader, line, at)
    return nodes.Sql(line, verb, reader.cut_to(end))


def _grouped(reader: Reader) -> int:
    """The end of a query that begins with a parenthesis."""
    return DataExtent(reader.tokens, reader.at).end_of_group()


def _first_item(reader: Reader) -> int:
    """Where the first item of a SELECT list is."""
    at = reader.at + 1
    while reader.tokens[at].upper in ("DISTINCT", "ALL") if at < len(reader.tokens) else False:
        at += 1
    if at < len(reader.tokens) and reader.tokens[at].upper == "TOP":
        at += 1
        if at < len(reader.tokens) and reader.tokens[at].text == "(":
            held, reader.at = reader.at, at
            at, reader.at = reader.group_end(), held
        else:
            at += 1
    return at


def _insert_execute(reader: Reader, line: int, at: int) -> nodes.Statement:
    head = reader.text_to(at)
    reader.at = at
    call = _execute(reader, line)
    if not isinstance(call, nodes.Execute | nodes.ExecuteText):
        raise reader.unexpected()
    return nodes.InsertExecute(line, head, call)


def _insert_bulk(reader: Reader, line: int) -> nodes.Statement:
    reader.at += 2
    parts = reader.parts()
    columns: list[tuple[str, Any]] = []
    if reader.take("("):
        while True:
            name = reader.name()
            kind, reader.at = read_type(reader.tokens, reader.at)
            columns.append((name, kind))
            while not reader.done and reader.word() not in (",", ")"):
                reader.at += 1  # COLLATE x, NULL, NOT NULL
            if not reader.take(","):
                break
        reader.need(")")
    if reader.take("WITH"):
        reader.at = reader.group_end()
    return nodes.InsertBulk(line, parts, tuple(columns))


def _declare(reader: Reader, line: int) -> nodes.Statement:
    reader.need("DECLARE")
    if reader.kind() == "word":
        reader.at = DataExtent(reader.tokens, reader.at).end()
        reader.at = _cursor_end(reader)
        return nodes.Refused(line, "cursors")
    items: list[nodes.Declaration] = []
    while True:
        items.append(_declaration(reader))
        if not reader.take(","):
            return nodes.Declare(line, tuple(items))


def _cursor_end(reader: Reader) -> int:
    """The query of `DECLARE c CURSOR FOR` belongs to the cursor."""
    if reader.word() == "SELECT" and reader.at and reader.tokens[reader.at - 1].upper == "FOR":
        return DataExtent(reader.tokens, reader.at).end()
    return reader.at


def _declaration(reader: Reader) -> nodes.Declaration:
    if reader.kind() != "variable":
        raise reader.unexpected()
    name = reader.next().text.lower()
    reader.take("AS")
    if reader.word() == "TABLE":
        reader.at += 1
        end = reader.group_end()
        table = reader.text_to(end)
        reader.at = end
        reader.tables.add(name)
        return nodes.Declaration(name[1:], None, None, table)
    kind, reader.at = read_type(reader.tokens, reader.at)
    value = reader.expression(",") if reader.take("=") else None
    return nodes.Declaration(name[1:], kind, value)


def _set(reader: Reader, line: int) -> nodes.Statement:
    reader.need("SET")
    if reader.kind() == "variable":
        name = reader.next().text.lower()
        operator = assigning.OPERATORS.get(reader.word())
        if operator is None or reader.kind() != "op":
            raise reader.unexpected()
        reader.at += 1
        begun = reader.at
        value = reader.expression()
        if operator:
            text = (
                f"{name} {operator} "
                f"({reader.source[reader.tokens[begun].start : reader.tokens[reader.at - 1].end]})"
            )
            value = cut(tokenize(text), text, reader.tables)
        return nodes.Assign(line, name[1:], value)
    return _set_option(reader, line)


def _set_option(reader: Reader, line: int) -> nodes.Statement:
    names = [reader.next().text.upper()]
    if names == ["TRANSACTION"]:
        reader.need("ISOLATION")
        reader.need("LEVEL")
        level = [reader.next().text.upper()]
        if reader.word() in ("UNCOMMITTED", "COMMITTED", "READ"):
            level.append(reader.next().text.upper())
        return nodes.SetOption(line, ("TRANSACTION ISOLATION LEVEL",), " ".join(level))
    if names[0] in ("IDENTITY_INSERT", "STATISTICS"):
        names.append(".".join(reader.parts()).upper())
    while reader.take(","):
        names.append(reader.next().text.upper())
    sign = "-" if reader.take("-") else ""
    token = reader.next()
    value = token.value if token.kind == "string" else token.text
    return nodes.SetOption(line, tuple(names), sign + value)


def execute_body(reader: Reader, line: int) -> nodes.Statement:
    """`[@result =] name arguments`, after EXEC or where it may be omitted."""
    result = by_variable = ""
    parts: tuple[str, ...] = ()
    if reader.kind() == "variable" and reader.word(1) == "=":
        result = reader.next().text.lower()[1:]
        reader.at += 1
    if reader.kind() == "variable":
        by_variable = reader.next().text.lower()[1:]
    else:
        parts = reader.parts()
    if reader.take(";") and reader.kind() == "number":
        reader.at += 1
    given: list[nodes.Given] = []
    while not reader.done and reader.word() not in (";", "END", "ELSE", "WITH", "AT"):
        if begins(reader.tokens, reader.at):
            break
        given.append(_argument(reader))
        if not reader.take(","):
            break
    _execute_options(reader)
    over = reader.done or reader.word() in (";", "END", "ELSE")
    if not over and not begins(reader.tokens, reader.at):
        raise reader.unexpected()
    return nodes.Execute(line, parts, tuple(given), result, by_variable)


def _execute_options(reader: Reader) -> None:
    if reader.take("WITH") and not reader.take("RECOMPILE"):
        raise refused("EXECUTE ... WITH RESULT SETS", reader.line)


def _argument(reader: Reader) -> nodes.Given:
    name = ""
    if reader.kind() == "variable" and reader.word(1) == "=":
        name = reader.next().text.lower()[1:]
        reader.at += 1
    if reader.take("DEFAULT"):
        return nodes.Given(name, None)
    begun = reader.at
    if reader.word() in ("-", "+"):
        reader.at += 1
    token = reader.next()
    variable = token.text.lower()[1:] if token.kind == "variable" else ""
    if token.kind in ("op",):
        raise syntax(token.text, token.line)
    if token.kind in ("word", "quoted") and token.upper != "NULL":
        text = "N'" + token.name.replace("'", "''") + "'"  # a bare word is a string here
        value = cut(tokenize(text), text)
    else:
        value = cut(reader.tokens[begun : reader.at], reader.source)
    output = reader.take("OUTPUT") or reader.take("OUT")
    return nodes.Given(name, value, variable, output)


def _execute(reader: Reader, line: int) -> nodes.Statement:
    reader.at += 1
    if reader.word() == "AS":
        reader.at = expression_end(reader.tokens, reader.at)
        return nodes.Refused(line, "EXECUTE AS and REVERT")
    if reader.take("("):
        text = reader.expression()
        reader.need(")")
        if reader.word() in ("AT", "AS"):
            raise reader.unexpected()
        return nodes.ExecuteText(line, text)
    return execute_body(reader, line)


def _print(reader: Reader, line: int) -> nodes.Statement:
    reader.need("PRINT")
    return nodes.Print(line, reader.expression())


def _throw(reader: Reader, line: int) -> nodes.Statement:
    reader.need("THROW")
    if reader.done or reader.word() in (";", "END", "ELSE") or begins(reader.tokens, reader.at):
        return nodes.Throw(line, ())
    arguments = [reader.expression(",")]
    while reader.take(","):
        arguments.append(reader.expression(","))
    if len(arguments) != 3:
        raise reader.unexpected()
    return nodes.Throw(line, tuple(arguments))


def _raiserror(reader: Reader, line: int) -> nodes.Statement:
    reader.need("RAISERROR")
    reader.need("(")
    arguments = [reader.expression(",")]
    while reader.take(","):
        arguments.append(reader.expression(","))
    reader.need(")")
    options: set[str] = set()
    if reader.take("WITH"):
        options.add(reader.next().text.upper())
        while reader.take(","):
            options.add(reader.next().text.upper())
    if len(arguments) < 3:
        raise syntax(")", line)
    return nodes.RaisError(line, tuple(arguments), frozenset(options))


def _return(reader: Reader, line: int) -> nodes.Statement:
    reader.need("RETURN")
    if reader.done or reader.word() in (";", "END", "ELSE") or begins(reader.tokens, reader.at):
        return nodes.Return(line, None)
    return nodes.Return(line, reader.expression())


def _waitfor(reader: Reader, line: int) -> nodes.Statement:
    reader.need("WAITFOR")
    kind = reader.next().upper
    if kind not in ("DELAY", "TIME"):
        return nodes.Refused(line, "WAITFOR of anything but DELAY and TIME")
    return nodes.WaitFor(line, kind, reader.expression())


def _use(reader: Reader, line: int) -> nodes.Statement:
    reader.need("USE")
    return nodes.Use(line, reader.name())


def _goto(reader: Reader, line: int) -> nodes.Statement:
    reader.need("GOTO")
    label = reader.name().lower()
    reader.jumps.append((label, line))
    return nodes.Goto(line, label)


def begin_transaction(reader: Reader, line: int) -> nodes.Statement:
    """BEGIN TRAN [name] [WITH MARK]."""
    reader.at += 2
    return nodes.Transaction(line, "BEGIN", _transaction_name(reader))


def _transaction(reader: Reader, line: int) -> nodes.Statement:
    verb = reader.next().upper
    if not reader.take("TRAN") and not reader.take("TRANSACTION"):
        reader.take("WORK")
        return nodes.Transaction(line, verb)
    made = nodes.Transaction(line, verb, _transaction_name(reader))
    if reader.take("WITH"):
        reader.at = reader.group_end()  # DELAYED_DURABILITY: every commit here is durable
    return made


def _transaction_name(reader: Reader) -> str:
    named = reader.kind() in ("word", "quoted", "variable")
    if not named or reader.word() in ("END", "ELSE", "WITH") or begins(reader.tokens, reader.at):
        return ""
    return reader.next().name


def create_module(reader: Reader, line: int, verb: str, kind: str, ahead: int) -> nodes.Statement:
    """CREATE or ALTER of a procedure, view or function: the whole batch is its text."""
    reader.at += ahead
    parts = reader.parts()
    reader.at = len(reader.tokens)
    return nodes.CreateModule(line, verb, kind, parts, reader.source)


def drop_module(reader: Reader, line: int, kind: str) -> nodes.Statement:
    """DROP PROCEDURE, VIEW or FUNCTION [IF EXISTS] names."""
    reader.at += 2
    if_exists = reader.take("IF", "EXISTS")
    names = [reader.parts()]
    while reader.take(","):
        names.append(reader.parts())
    return nodes.DropModule(line, kind, tuple(names), if_exists)


_INNER = {"ALTER": {("DROP", "MEMBER")}, "DROP": {("IF", "EXISTS")}}
"""Words that would begin a statement, but for the one that follows, and belong to this one."""


def security(reader: Reader, line: int) -> nodes.Statement:
    """A statement about logins, users, roles or databases, to be read when it runs."""
    begun, verb = reader.at, reader.word()
    database = verb == "ALTER" and reader.word(1) == "DATABASE"
    reader.at += 1
    while not reader.done and reader.word() not in (";", "END", "ELSE"):
        pair = (reader.word(), reader.word(1))
        # `IF EXISTS` is the third word; what is altered has a name before DROP and SET.
        early = reader.at - begun <= (2 if verb == "DROP" else 3)
        inner = early and (pair in _INNER.get(verb, ()) or (database and pair[0] == "SET"))
        if begins(reader.tokens, reader.at) and not inner:
            break
        reader.at += 1
    return nodes.Security(line, reader.tokens[begun : reader.at])


def _grant(reader: Reader, line: int) -> nodes.Statement:
    begun = reader.at
    reader.at += 1
    reader.take("GRANT", "OPTION", "FOR")
    while not reader.done and reader.word() not in ("ON", "TO", "FROM", ";"):
        reader.at += 1  # SELECT, INSERT and the like are permissions here
    while not reader.done and reader.word() not in (";", "END", "ELSE"):
        if begins(reader.tokens, reader.at):
            break
        reader.at += 1
    return nodes.Security(line, reader.tokens[begun : reader.at])


PARSERS: dict[str, Callable[[Any, int], nodes.Statement]] = {
    "DECLARE": _declare,
    "SET": _set,
    "EXEC": _execute,
    "EXECUTE": _execute,
    "PRINT": _print,
    "THROW": _throw,
    "RAISERROR": _raiserror,
    "RETURN": _return,
    "WAITFOR": _waitfor,
    "USE": _use,
    "GOTO": _goto,
    "COMMIT": _transaction,
    "ROLLBACK": _transaction,
    "SAVE": _transaction,
    "GRANT": _grant,
    "DENY": _grant,
    "REVOKE": _grant,
}
