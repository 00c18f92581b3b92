"""Syntax trees to closures: what is known before the run is decided once."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from emulators.datafactory.engine.expressions.calls import Function, wrong_count
from emulators.datafactory.engine.expressions.errors import ExpressionError
from emulators.datafactory.engine.expressions.functions import FUNCTIONS
from emulators.datafactory.engine.expressions.functions.logic import boolean
from emulators.datafactory.engine.expressions.scope import Scope
from emulators.datafactory.engine.expressions.selecting import Selector, select
from emulators.datafactory.engine.expressions.syntax import (
    Call,
    Literal,
    Node,
    Selection,
    Step,
    Template,
    parse,
)
from emulators.datafactory.engine.expressions.values import spend, to_text

Run = Callable[[Scope], Any]


@lru_cache(maxsize=4096)
def compiled(text: str, lenient: bool) -> Run | Literal:
    """What evaluates a string; the Literal itself for one without expressions.

    Raises:
        ExpressionError: `syntax`.
    """
    node = parse(text)
    if isinstance(node, Literal):
        return node
    return _Compiler(text[1:], lenient).compile(node)


class _Compiler:
    """Compiles one expression; `source` is what its errors quote."""

    def __init__(self, source: str, lenient: bool) -> None:
        self.source, self.lenient = source, lenient

    def compile(self, node: Node) -> Run:
        if isinstance(node, Literal):
            value = node.value
            return lambda scope: value
        if isinstance(node, Call):
            return self.call(node)
        if isinstance(node, Selection):
            return self.selection(node)
        return self.template(node)

    def template(self, node: Template) -> Run:
        runs = [
            _Compiler(source, self.lenient).compile(part)
            for part, source in zip(node.parts, node.sources, strict=True)
        ]

        def fill(scope: Scope) -> str:
            text = "".join([to_text(run(scope)) for run in runs])
            spend(len(text))
            return text

        return fill

    def call(self, node: Call) -> Run:
        function = FUNCTIONS.get(node.name.lower())
        arguments = tuple(self.compile(argument) for argument in node.arguments)
        if function is None or not (function.documented or self.lenient):
            return _failing(arguments, _unknown(node.name))
        if function.name in ("if", "and", "or", "coalesce") and arguments:
            return _lazy(function, arguments)
        given = len(arguments)
        if given < function.least or (function.most is not None and given > function.most):
            return _failing(arguments, wrong_count(function, given))
        if function.scoped:
            return _scoped(function.call, arguments)
        return _plain(function.call, arguments)

    def selection(self, node: Selection) -> Run:
        base, steps = self.call(node.base), node.steps
        if node.base.name.lower() == "pipeline" and not node.base.arguments:
            base, steps = _from_pipeline(base, steps)
        selectors = tuple(self.selector(step) for step in steps)
        source = self.source

        def run(scope: Scope) -> Any:
            value = base(scope)
            for selector in selectors:
                if value is None and selector.optional:
                    return None  # `?` on null ends the chain, whatever follows
                value = select(value, selector, scope, source)
            return value

        return run

    def selector(self, step: Step) -> Selector:
        if isinstance(step.key, Literal):
            return Selector(step.key.value, None, step.optional)
        return Selector(None, self.compile(step.key), step.optional)


def _from_pipeline(base: Run, steps: tuple[Step, ...]) -> tuple[Run, tuple[Step, ...]]:
    """Begin at the parameters when that is where it goes: the commonest selection by far."""
    key = steps[0].key
    if isinstance(key, Literal) and isinstance(key.value, str):
        if key.value.lower() == "parameters":
            return (lambda scope: scope.parameters), steps[1:]
        if key.value.lower() == "globalparameters":
            return (lambda scope: scope.global_parameters), steps[1:]
    return base, steps


def _unknown(name: str) -> ExpressionError:
    return ExpressionError(
        "unknown_function", f"The template function '{name}' is not defined or not valid."
    )


def _failing(arguments: tuple[Run, ...], error: ExpressionError) -> Run:
    def fail(scope: Scope) -> Any:
        # Arguments come first: an error in one of them is the one that is reported.
        for argument in arguments:
            argument(scope)
        raise ExpressionError(error.kind, error.message)

    return fail


def _plain(call: Callable[..., Any], arguments: tuple[Run, ...]) -> Run:
    if not arguments:
        return lambda scope: call()
    if len(arguments) == 1:
        first = arguments[0]
        return lambda scope: call(first(scope))
    if len(arguments) == 2:
        first, second = arguments
        return lambda scope: call(first(scope), second(scope))
    return lambda scope: call(*[argument(scope) for argument in arguments])


def _scoped(call: Callable[..., Any], arguments: tuple[Run, ...]) -> Run:
    if not arguments:
        return call
    if len(arguments) == 1:
        first = arguments[0]
        return lambda scope: call(scope, first(scope))
    return lambda scope: call(scope, *[argument(scope) for argument in arguments])


def _lazy(function: Function, arguments: tuple[Run, ...]) -> Run:
    if function.name == "if":
        if len(arguments) != 3:
            return _failing((), wrong_count(function, len(arguments)))
        condition, yes, no = arguments
        return lambda scope: yes(scope) if boolean("if", condition(scope)) else no(scope)
    if function.name == "coalesce":

        def coalesce(scope: Scope) -> Any:
            for argument in arguments:
                if (value := argument(scope)) is not None:
                    return value
            return None

        return coalesce
    name, stops = function.name, function.name == "or"

    def connect(scope: Scope) -> bool:
        for argument in arguments:
            if boolean(name, argument(scope)) is stops:
                return stops
        return not stops

    return connect
