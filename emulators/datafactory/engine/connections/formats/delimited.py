"""Delimited text, fed in pieces of any size and written row by row. No I/O.

Source: learn.microsoft.com/azure/data-factory/format-delimited-text.
Assumed: a quoted value is never null, and an escape character stands for itself where it precedes
neither a quote nor another escape; the page is silent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from emulators.datafactory.engine.connections.failing import ConnectionFailed

Row = list[str | None]
_ANY_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How values, rows and nulls are told apart; an empty mark is none."""

    delimiter: str = ","
    row_end: str = ""  # read: any of \r\n, \n and \r
    quote: str = '"'
    escape: str = "\\"
    null: str = ""


class RowReader:
    """Feed it text; it gives the rows that are whole, and keeps the rest."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._end = re.compile(re.escape(dialect.row_end)) if dialect.row_end else _ANY_END
        self._text = ""
        self._scanned = 0  # where the row end of an unfinished first row is looked for

    def feed(self, text: str, *, last: bool = False) -> list[Row]:
        """Rows that end in `text`; with `last` also what has no row end.

        Raises:
            ConnectionFailed: a quoted value does not end.
        """
        buffer, at, rows = self._text + text, 0, list[Row]()
        scan = self._scanned
        quote = self._dialect.quote
        while at < len(buffer):
            found = self._end.search(buffer, max(at, scan))
            scan = 0
            if not last and (found is None or self._may_grow(found, buffer)):
                break
            stop = found.start() if found else len(buffer)
            after = found.end() if found else len(buffer)
            if quote and buffer.find(quote, at, stop) >= 0:
                simple = self._simple_row(buffer[at:stop])
                if simple is not None:
                    rows.append(simple)
                    at = after
                    continue
                parsed = self._quoted_row(buffer, at, last)
                if parsed is None:
                    break
                row, at = parsed
                rows.append(row)
                continue
            rows.append(self._plain_row(buffer[at:stop]))
            at = after
        self._text = buffer[at:]
        unquoted = not quote or quote not in self._text
        self._scanned = (
            max(0, len(self._text) - max(2, len(self._dialect.row_end))) if (unquoted) else 0
        )
        return rows

    def _may_grow(self, found: re.Match[str], buffer: str) -> bool:
        """Whether a carriage return at the very end may be half of a row end."""
        return found.end() == len(buffer) and found.group() == "\r"

    def _plain_row(self, line: str) -> Row:
        escape, delimiter, null = (
            self._dialect.escape,
            self._dialect.delimiter,
            self._dialect.null,
        )
        if not self._dialect.quote and escape and escape in line:
            values = _split_escaped(line, delimiter, escape)
        else:
            values = line.split(delimiter)
        return [None if value == null else value for value in values]

    def _simple_row(self, line: str) -> Row | None:
        """A line whose quotes hold neither delimiters nor quotes; None for any other."""
        quote, null, escape = self._dialect.quote, self._dialect.null, self._dialect.escape
        row: Row = []
        for part in line.split(self._dialect.delimiter):
            if quote not in part:
                row.append(None if part == null else part)
            elif (
                part[0] == quote == part[-1]
                and part.count(quote) == 2
                and (not escape or escape == quote or escape not in part)
            ):
                row.append(part[1:-1])
            else:
                return None
        return row

    def _quoted_row(self, buffer: str, at: int, last: bool) -> tuple[Row, int] | None:
        """A row from `at` and where the next begins; None while its end is not there."""
        quote = self._dialect.quote
        row: Row = []
        while True:
            if buffer.startswith(quote, at):
                taken = self._quoted(buffer, at + len(quote), last)
                if taken is None:
                    return None
                value, at = taken
            else:
                value = ""
            stop = self._value_end(buffer, at, last)
            if stop is None:
                return None
            tail = buffer[at : stop[0]]
            plain = not value and buffer[max(0, at - len(quote)) : at] != quote
            row.append(None if plain and tail == self._dialect.null else value + tail)
            at, ends_row = stop[1], stop[2]
            if ends_row:
                return row, at
            if at == len(buffer) and not last:
                return None

    def _value_end(self, buffer: str, at: int, last: bool) -> tuple[int, int, bool] | None:
        """Where an unquoted stretch ends, where the next begins, and whether the row ends."""
        delimiter = self._dialect.delimiter
        comma = buffer.find(delimiter, at)
        end = self._end.search(buffer, at)
        if comma >= 0 and (end is None or comma < end.start()):
            return comma, comma + len(delimiter), False
        if end is not None:
            if not last and self._may_grow(end, buffer):
                return None
            return end.start(), end.end(), True
        return (len(buffer), len(buffer), True) if last else None

    def _quoted(self, buffer: str, at: int, last: bool) -> tuple[str, int] | None:
        """A quoted value's text from after its opening quote, and where its closing quote ends."""
        quote, escape = self._dialect.quote, self._dialect.escape
        parts: list[str] = []
        while True:
            close = buffer.find(quote, at)
            until = len(buffer) if close < 0 else close
            mark = buffer.find(escape, at, until) if escape and escape != quote else -1
            if mark >= 0:
                follows = buffer[mark + len(escape) : mark + len(escape) + 1]
                if not follows and not last:
                    return None
                escaped = follows != "" and follows in (quote, escape)
                parts.append(buffer[at:mark] + (follows if escaped else escape))
                at = mark + len(escape) + (1 if escaped else 0)
                continue
            if close < 0:
                if last:
                    raise ConnectionFailed(
                        "DelimitedTextBadDataDetected",
                        f"Bad data is found: a value that begins with the quote {quote} does not"
                        " end.",
                    )
                return None
            after = close + len(quote)
            if escape == quote:
                if after == len(buffer) and not last:
                    return None
                if buffer.startswith(quote, after):
                    parts.append(buffer[at:after])
                    at = after + len(quote)
                    continue
            parts.append(buffer[at:close])
            return "".join(parts), after


def _split_escaped(line: str, delimiter: str, escape: str) -> list[str]:
    values, part, at = [], list[str](), 0
    while at < len(line):
        if line.startswith(escape, at) and at + len(escape) < len(line):
            follows = line[at + len(escape)]
            if follows in (delimiter, escape):
                part.append(follows)
                at += len(escape) + 1
                continue
        if line.startswith(delimiter, at):
            values.append("".join(part))
            part = []
            at += len(delimiter)
            continue
        part.append(line[at])
        at += 1
    values.append("".join(part))
    return values


class RowWriter:
    """Rows as text."""

    def __init__(self, dialect: Dialect, *, quote_all: bool = False) -> None:
        self._dialect, self._quote_all = dialect, quote_all
        self._row_end = dialect.row_end or "\r\n"
        marks = {dialect.delimiter, dialect.quote, "\r", "\n", self._row_end} - {""}
        self._special = re.compile("|".join(map(re.escape, sorted(marks))))

    def write(self, rows: Sequence[Sequence[str | None]]) -> str:
        """The rows, each with its row end.

        Raises:
            ConnectionFailed: a value needs quotes and the dialect has none.
        """
        join, end, value = self._dialect.delimiter.join, self._row_end, self._value
        return "".join(join(map(value, row)) + end for row in rows)

    def _value(self, value: str | None) -> str:
        dialect = self._dialect
        if value is None:
            return dialect.null
        if not (self._quote_all or value == dialect.null or self._special.search(value)):
            return value
        quote, escape = dialect.quote, dialect.escape
        if not quote:
            if value == dialect.null:
                return value
            raise ConnectionFailed(
                "DelimitedTextQuoteRequired",
                f"The value '{value[:100]}' contains a delimiter, and the dataset has no quote"
                " character.",
            )
        if escape and escape != quote:
            value = value.replace(escape, escape * 2)
        return f"{quote}{value.replace(quote, (escape or quote) + quote)}{quote}"
