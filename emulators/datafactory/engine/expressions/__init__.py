"""The expression language of pipelines, usable on its own: no server, no I/O, no kernel."""

from emulators.datafactory.engine.expressions.errors import ExpressionError
from emulators.datafactory.engine.expressions.evaluation import evaluate
from emulators.datafactory.engine.expressions.references import References, references
from emulators.datafactory.engine.expressions.scope import UNSET, Scope
from emulators.datafactory.engine.expressions.syntax import (
    Call,
    Literal,
    Node,
    Selection,
    Step,
    Template,
    parse,
)

__all__ = [
    "UNSET",
    "Call",
    "ExpressionError",
    "Literal",
    "Node",
    "References",
    "Scope",
    "Selection",
    "Step",
    "Template",
    "evaluate",
    "parse",
    "references",
]
