"""T-SQL's functions by name; a name that is not in the tables is no function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from emulators.warehouse.engine.lowering import tree
from emulators.warehouse.engine.lowering.kinds import Typed
from emulators.warehouse.errors import SqlError, refused

if TYPE_CHECKING:
    from emulators.warehouse.engine.lowering.binding import Binder
    from emulators.warehouse.engine.lowering.scopes import Scope

Function = Callable[["Called"], Typed]
TOPICS = ("text", "times", "numbers", "general", "metadata", "aggregates", "windows", "json")


class Called:
    """One call: what it is given, and who writes it."""

    def __init__(self, binder: Binder, asked: tree.Call, scope: Scope) -> None:
        self.binder, self.asked, self.scope = binder, asked, scope
        self.name = asked.name
        self._values: list[Typed] | None = None

    @property
    def values(self) -> list[Typed]:
        """The arguments."""
        if self._values is None:
            self._values = self.binder.values(self.asked.arguments, self.scope)
        return self._values

    def need(self, least: int, most: int | None = None) -> list[Typed]:
        """The arguments, so many of them.

        Raises:
            SqlError: 174 or 189: another number of them.
        """
        count, most = len(self.asked.arguments), least if most is None else most
        if least <= count <= most:
            return self.values
        word = self.name.lower()
        if least == most:
            text = f"The {word} function requires {least} argument(s)."
            raise SqlError(174, 15, 1, text, self.asked.line)
        text = f"The {word} function requires {least} to {most} arguments."
        raise SqlError(189, 15, 1, text, self.asked.line)

    def bad(self, at: int) -> SqlError:
        """8116: an argument (counted from 1) is of a type that the function does not take."""
        kind = self.values[at - 1].type
        text = f"Argument data type {kind.name} is invalid for argument {at} of {self.name.lower()} function."
        return SqlError(8116, 16, 1, text, self.asked.line)


def call(binder: Binder, asked: tree.Call, scope: Scope) -> Typed:
    """A call of a built-in function.

    Raises:
        SqlError: 195 an unknown name, 4121 an unknown one with a schema, 174 wrong arguments.
    """
    if len(asked.parts) > 1:
        if len(asked.parts) == 2 and asked.parts[0].lower() == "sys":
            pass
        else:
            text = (
                f'Cannot find either column "{asked.parts[0]}" or the user-defined function or'
                f' aggregate "{".".join(asked.parts)}", or the name is ambiguous.'
            )
            raise SqlError(4121, 16, 1, text, asked.line)
    made = table().get(asked.name)
    if made is None:
        text = f"'{asked.parts[-1]}' is not a recognized built-in function name."
        raise SqlError(195, 15, 10, text, asked.line)
    if asked.over is not None and asked.name not in windowed():
        text = f"The function '{asked.name}' is not a valid windowing function, and cannot be used with the OVER clause."
        raise SqlError(4113, 16, 1, text, asked.line)
    if asked.star and asked.name not in ("COUNT", "COUNT_BIG", "CHECKSUM", "BINARY_CHECKSUM"):
        raise SqlError(102, 15, 1, "Incorrect syntax near '*'.", asked.line)
    return made(Called(binder, asked, scope))


@cache
def table() -> Mapping[str, Function]:
    """Every function by its name in upper case."""
    found: dict[str, Function] = {}
    for topic in TOPICS:
        module = import_module(f"{__package__}.functions_{topic}")
        found |= module.FUNCTIONS
    return found


@cache
def windowed() -> frozenset[str]:
    """Functions that may have an OVER clause."""
    aggregates = import_module(f"{__package__}.functions_aggregates")
    windows = import_module(f"{__package__}.functions_windows")
    return frozenset({*aggregates.FUNCTIONS, *windows.FUNCTIONS})


def unserved(what: str) -> Function:
    """A function that T-SQL has and this emulator has not."""

    def refuse(called: Called) -> Typed:
        raise refused(f"the function {what}", called.asked.line)

    return refuse
