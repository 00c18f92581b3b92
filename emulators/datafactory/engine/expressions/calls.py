"""What a function of the language is: its name, how many arguments, and the usual refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from emulators.datafactory.engine.expressions.errors import ExpressionError
from emulators.datafactory.engine.expressions.values import is_object, type_name

_Implementation = TypeVar("_Implementation", bound=Callable[..., Any])
_ORDINALS = ("first", "second", "third", "fourth", "fifth")


@dataclass(frozen=True, slots=True)
class Function:
    """One function; `most` None means any number. `scoped` ones get the Scope first.

    `documented` is False for what Azure's engine has and Data Factory's pages do not list.
    """

    name: str
    call: Callable[..., Any]
    least: int
    most: int | None
    scoped: bool = False
    documented: bool = True


class Functions(dict[str, Function]):
    """A table of functions by lower-case name."""

    def add(
        self,
        name: str,
        least: int = 0,
        most: int | None = -1,
        *,
        scoped: bool = False,
        documented: bool = True,
    ) -> Callable[[_Implementation], _Implementation]:
        """Decorate an implementation; `most` is `least` unless given."""
        limit = least if most == -1 else most

        def keep(call: _Implementation) -> _Implementation:
            self[name.lower()] = Function(name, call, least, limit, scoped, documented)
            return call

        return keep


def wrong_count(function: Function, given: int) -> ExpressionError:
    """The error of a call with too few or too many arguments."""
    expected = str(function.least)
    if function.most is None:
        expected = f"at least {function.least}"
    elif function.most != function.least:
        expected = f"{function.least} to {function.most}"
    return ExpressionError(
        "argument_count",
        f"The template language function '{function.name}' expects {expected} parameter(s)."
        f" The function was invoked with '{given}' parameter(s).",
    )


def wrong_type(name: str, place: int, expected: str, value: Any) -> ExpressionError:
    """The error of an argument (`place` from 1) of a type that the function does not take."""
    kind = type_name(value)
    return ExpressionError(
        "argument_type",
        f"The template language function '{name}' expects its {_ORDINALS[min(place, 5) - 1]}"
        f" parameter to be {expected}. The provided value is of type '{kind}'.",
    )


def wrong_value(name: str, why: str) -> ExpressionError:
    """The error of an argument of the right type with a value that cannot be used."""
    return ExpressionError(
        "argument_value",
        f"The template language function '{name}' was invoked with a parameter that is not valid."
        f" {why}",
    )


def text_argument(name: str, place: int, value: Any) -> str:
    """An argument that has to be a string.

    Raises:
        ExpressionError: `argument_type`.
    """
    if type(value) is not str:
        raise wrong_type(name, place, "a string", value)
    return value


def integer_argument(name: str, place: int, value: Any) -> int:
    """An argument that has to be an integer; neither a float nor a boolean is one.

    Raises:
        ExpressionError: `argument_type`.
    """
    if type(value) is not int:
        raise wrong_type(name, place, "an integer", value)
    return value


def object_argument(name: str, place: int, value: Any) -> dict[str, Any]:
    """An argument that has to be an object, as a copy.

    Raises:
        ExpressionError: `argument_type`.
    """
    if not is_object(value):
        raise wrong_type(name, place, "an object", value)
    return dict(value)
