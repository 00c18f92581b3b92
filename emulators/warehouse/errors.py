"""Errors as SQL Server tells them: number, severity, state, text, line, procedure."""

from __future__ import annotations


class SqlError(Exception):
    """A statement failed. `line` counts from the statement's own first line (1) until the
    interpreter, which knows where the statement stands, moves it; `placed` says it has.
    """

    def __init__(self, number: int, severity: int, state: int, text: str, line: int = 1) -> None:
        super().__init__(text)
        self.number, self.severity, self.state, self.text = number, severity, state, text
        self.line, self.procedure, self.placed = line, "", False
        self.level = 0  # the nesting level it happened at, once known
        self.raised = False  # by RAISERROR, after which a batch goes on

    def at(self, line: int, procedure: str = "", level: int = 0) -> SqlError:
        """The same error, told of this line of this procedure, unless a place is known already."""
        if not self.placed:
            self.line, self.procedure, self.placed = line, procedure, True
            self.level = level
        return self

    def __str__(self) -> str:
        place = f"Msg {self.number}, Level {self.severity}, State {self.state}, Line {self.line}"
        return f"{place}: {self.text}"


def syntax(near: str, line: int = 1) -> SqlError:
    """102: a token nobody expects here."""
    return SqlError(102, 15, 1, f"Incorrect syntax near '{near}'.", line)


def keyword(near: str, line: int = 1) -> SqlError:
    """156: a keyword nobody expects here."""
    return SqlError(156, 15, 1, f"Incorrect syntax near the keyword '{near}'.", line)


def too_deep() -> SqlError:
    """191: more nesting than can be followed."""
    text = (
        "Some part of your SQL statement is nested too deeply. Rewrite the query or break it up "
        "into smaller queries."
    )
    return SqlError(191, 15, 1, text)


def undeclared(name: str, line: int = 1) -> SqlError:
    """137: a variable that was not declared; `name` with its `@`."""
    return SqlError(137, 15, 2, f'Must declare the scalar variable "{name}".', line)


def refused(what: str, line: int = 1) -> SqlError:
    """40517-like: T-SQL knows it, this emulator does not do it.

    Assumed: 40517 is Azure SQL's number for a feature it lacks; the text tells whose lack it is.
    """
    return SqlError(
        40517,
        16,
        1,
        f"Rehearsal does not emulate {what}. Tracked in: Not emulated, README of the warehouse.",
        line,
    )


def no_object(name: str, line: int = 1) -> SqlError:
    """208: no table or view by that name."""
    return SqlError(208, 16, 1, f"Invalid object name '{name}'.", line)


def denied(action: str, name: str, database: str, schema: str) -> SqlError:
    """229: the object exists (or not), and is not theirs."""
    return SqlError(
        229,
        14,
        5,
        f"The {action} permission was denied on the object '{name}', database '{database}',"
        f" schema '{schema}'.",
    )


def aborted_transaction() -> SqlError:
    """111233: a dedicated pool's transaction that can only be rolled back was touched."""
    return SqlError(
        111233,
        16,
        1,
        "111233;The current transaction has aborted, and any pending changes have been rolled back."
        " The cause of this issue is that a transaction in a rollback-only state is not explicitly"
        " rolled back before a DDL, DML, or SELECT statement.",
    )
