"""How an expression fails: one exception, its class and its words."""

from __future__ import annotations

from typing import Literal

Kind = Literal[
    "syntax",
    "unknown_function",
    "argument_count",
    "argument_type",
    "argument_value",
    "divide_by_zero",
    "overflow",
    "index_out_of_range",
    "missing_property",
    "bad_selection",
    "unknown_activity",
    "unknown_variable",
    "item_unavailable",
    "too_large",
]


class ExpressionError(Exception):
    """An expression cannot be parsed or evaluated; the text is what the service would show.

    `kind` says which rule was broken; `position` is the 0-based offset into the string that held
    the expression, known for syntax errors only; `line` and `column` (1-based) follow from it.
    """

    def __init__(self, kind: Kind, message: str, *, text: str = "", position: int = -1) -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.message = message
        self.text = text
        self.position = position

    @property
    def line(self) -> int:
        """The line of a syntax error, 1-based; 0 when no place is known."""
        return self.text.count("\n", 0, self.position) + 1 if self.position >= 0 else 0

    @property
    def column(self) -> int:
        """The column of a syntax error, 1-based; 0 when no place is known."""
        if self.position < 0:
            return 0
        return self.position - self.text.rfind("\n", 0, self.position)
