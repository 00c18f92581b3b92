"""Remote calls as clients send them: by number or by name, one or many in a message.

Source: [MS-TDS] 2.2.6.6.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import error

from emulators.warehouse.engine.answers import Argument
from emulators.warehouse.wire.framing import NeedMore
from emulators.warehouse.wire.packets import BadStream, Reader, headers_length
from emulators.warehouse.wire.types_read import described

BY_NUMBER = {
    1: "sp_cursor", 2: "sp_cursoropen", 3: "sp_cursorprepare", 4: "sp_cursorexecute",
    5: "sp_cursorprepexec", 6: "sp_cursorunprepare", 7: "sp_cursorfetch", 8: "sp_cursoroption",
    9: "sp_cursorclose", 10: "sp_executesql", 11: "sp_prepare", 12: "sp_execute",
    13: "sp_prepexec", 14: "sp_prepexecrpc", 15: "sp_unprepare",
}  # fmt: skip

NEXT, NEXT_WITHOUT_RUN = 0xFF, 0xFE
OUTPUT, DEFAULT = 0x01, 0x02
MOST_PARAMETERS = 2100 + 8  # of a procedure, and what the prepare family has before them


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a message; `last` is the message's last."""

    procedure: str
    arguments: tuple[Argument, ...]
    last: bool = True

    @property
    def is_cursor(self) -> bool:
        """Whether it is one of the server cursors, which are not emulated."""
        return plain_name(self.procedure).startswith("sp_cursor")


def plain_name(procedure: str) -> str:
    """The last part of a name, in lower case and without brackets."""
    return procedure.rpartition(".")[2].strip('[]" ').lower()


def parse(data: bytes) -> Iterator[Call]:
    """Read the calls of a message, one after another.

    Raises:
        BadStream: malformed.
        UnsupportedType: a parameter of a type that is not taken.
    """
    reader = Reader(data, headers_length(data))
    while reader.more:
        yield _call(reader)


def _call(reader: Reader) -> Call:
    length = reader.number(2)
    if length == 0xFFFF:
        number = reader.number(2)
        procedure = BY_NUMBER.get(number, "")
        if not procedure:
            raise BadStream(f"no procedure has the number {number}")
    else:
        procedure = reader.text(length)
    reader.number(2)
    arguments: list[Argument] = []
    while reader.more:
        if reader.data[reader.at] in (NEXT, NEXT_WITHOUT_RUN):
            reader.take(1)
            return Call(procedure, tuple(arguments), last=not reader.more)
        if len(arguments) >= MOST_PARAMETERS:
            raise BadStream("more parameters than a procedure can have")
        arguments.append(_argument(reader))
    return Call(procedure, tuple(arguments))


def _argument(reader: Reader) -> Argument:
    name = reader.b_text()
    status = reader.number(1)
    kind = described(reader)
    try:
        value, reader.at = kind.read(reader.data, reader.at)
    except (NeedMore, IndexError, error):
        raise BadStream(f"the value of parameter {name!r} is cut") from None
    return Argument(
        name, kind.sql, value, output=bool(status & OUTPUT), default=bool(status & DEFAULT)
    )
