"""What functions are made of, and how they say that an argument is not what they take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from emulators.arm.engine.templates.frames import Frame
from emulators.arm.engine.templates.syntax import Call, Node
from emulators.arm.engine.templates.values import Value, title, whole
from emulators.arm.errors import ExpressionInvalid

Evaluate = Callable[[Node, Frame], Value]
LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the language and how many arguments it takes; `most` None is any number.

    `run` gets the frame and the values; `lazy` gets the call itself and evaluates what it needs.
    """

    name: str
    least: int
    most: int | None
    run: Callable[..., Value] | None = None
    lazy: Callable[[Call, Frame, Evaluate], Value] | None = None


def invalid(name: str, why: str) -> ExpressionInvalid:
    """A function that cannot be evaluated, in the service's words."""
    return ExpressionInvalid(
        f"Unable to evaluate template language function '{name}': {why}. Please see"
        f" https://aka.ms/arm-functions#{name.lower()} for usage details."
    )


def wrong_type(name: str, what: str, value: Value) -> ExpressionInvalid:
    """An argument of a type that a function does not take."""
    return ExpressionInvalid(
        f"The template language function '{name}' expects its parameter to be {what}. The provided"
        f" value is of type '{title(value)}'. Please see"
        f" https://aka.ms/arm-functions#{name.lower()} for usage details."
    )


def string(name: str, value: Value) -> str:
    """`value` as a string argument.

    Raises:
        ExpressionInvalid: it is something else.
    """
    if not isinstance(value, str):
        raise wrong_type(name, "a string", value)
    return value


def integer(name: str, value: Value) -> int:
    """`value` as an integer argument.

    Raises:
        ExpressionInvalid: it is something else.
    """
    found = whole(value)
    if found is None:
        raise wrong_type(name, "an integer", value)
    return found


def fitting(name: str, value: int) -> int:
    """A result that must fit in 64 bits.

    Raises:
        ExpressionInvalid: it does not.
    """
    if not -LARGEST - 1 <= value <= LARGEST:
        raise invalid(name, "The result is not within the range of a 64-bit integer")
    return value


def boolean(name: str, value: Value) -> bool:
    """`value` as a Boolean argument.

    Raises:
        ExpressionInvalid: it is something else.
    """
    if not isinstance(value, bool):
        raise wrong_type(name, "a boolean", value)
    return value


def array(name: str, value: Value) -> list[Any]:
    """`value` as an array argument.

    Raises:
        ExpressionInvalid: it is something else.
    """
    if not isinstance(value, list):
        raise wrong_type(name, "an array", value)
    return value


def obj(name: str, value: Value) -> dict[str, Any]:
    """`value` as an object argument.

    Raises:
        ExpressionInvalid: it is something else.
    """
    if not isinstance(value, dict):
        raise wrong_type(name, "an object", value)
    return value
