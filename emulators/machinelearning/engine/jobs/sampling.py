"""Search spaces and how values are drawn from them: random, Sobol, grid."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from emulators.kernel.errors import Unsupported
from emulators.machinelearning.errors import InvalidJob

# Arguments by position in a sweep job, by name in a pipeline's sweep step.
ARGUMENTS = {
    "choice": ("values",),
    "randint": ("upper",),
    "uniform": ("min_value", "max_value"),
    "quniform": ("min_value", "max_value", "q"),
    "loguniform": ("min_value", "max_value"),
    "qloguniform": ("min_value", "max_value", "q"),
    "normal": ("mu", "sigma"),
    "qnormal": ("mu", "sigma", "q"),
    "lognormal": ("mu", "sigma"),
    "qlognormal": ("mu", "sigma", "q"),
}
LEAST_U = 1e-9
"""Sobol's first point is 0, which no normal distribution has a value for."""

Point = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Distribution:
    """One parameter's distribution; `args` in the order of ARGUMENTS.

    Source: learn.microsoft.com/azure/machine-learning/how-to-tune-hyperparameters.
    """

    kind: str
    args: tuple[Any, ...]

    def at(self, u: float) -> Any:
        """The value at quantile `u`, 0 <= u < 1."""
        if self.kind == "choice":
            values = self.args[0]
            return values[min(int(u * len(values)), len(values) - 1)]
        if self.kind == "randint":
            return min(int(u * self.args[0]), self.args[0] - 1)
        plain = self.kind.removeprefix("q")
        if plain.endswith("uniform"):
            value = self.args[0] + u * (self.args[1] - self.args[0])
        else:
            value = self.args[0] + self.args[1] * NormalDist().inv_cdf(max(u, LEAST_U))
        if plain.startswith("log"):
            value = math.exp(value)
        if self.kind.startswith("q"):
            value = round(value / self.args[2]) * self.args[2]
        return value


def parse_space(given: Mapping[str, Any]) -> dict[str, Distribution]:
    """Read a search space in either encoding: `["uniform", [1, 2]]` or `{"type": "uniform", …}`.

    Raises:
        InvalidJob: an unknown distribution or wrong arguments.
        Unsupported: a choice among nested search spaces.
    """
    if not given:
        raise InvalidJob("A sweep needs a search space.")
    return {name: _distribution(name, value) for name, value in given.items()}


def _distribution(name: str, value: Any) -> Distribution:
    if isinstance(value, dict):
        kind = str(value.get("type", "")).lower()
        args = [value.get(word) for word in ARGUMENTS.get(kind, ())]
    elif isinstance(value, list) and len(value) == 2 and isinstance(value[1], list):
        kind, args = str(value[0]).lower(), value[1]
    else:
        raise InvalidJob(f"The search space of '{name}' has no known form: {value!r}.")
    if kind not in ARGUMENTS or len(args) != len(ARGUMENTS[kind]):
        raise InvalidJob(f"The search space of '{name}' is no known distribution: {value!r}.")
    _check(name, kind, args)
    if kind == "choice":
        return Distribution(kind, (tuple(args[0] or ()),))
    return Distribution(kind, tuple(args))


def _check(name: str, kind: str, args: Sequence[Any]) -> None:
    if kind == "choice":
        if not isinstance(args[0], list) or not args[0]:
            raise InvalidJob(f"'{name}': choice needs a list of values.")
        if any(isinstance(v, dict) for v in args[0]):
            raise Unsupported(
                f"nested search spaces ('{name}' chooses among spaces)",
                tracked="emulators/machinelearning/README.md, jobs",
            )
        return
    if not all(isinstance(a, int | float) and not isinstance(a, bool) for a in args):
        raise InvalidJob(f"'{name}': {kind} needs numbers, got {list(args)!r}.")
    if kind == "randint" and (args[0] != int(args[0]) or args[0] < 1):
        raise InvalidJob(f"'{name}': randint needs a positive whole number, got {args[0]!r}.")
    if kind.endswith("uniform") and args[0] > args[1]:
        raise InvalidJob(f"'{name}': {kind} needs min_value <= max_value.")
    if kind.startswith("q") and args[2] <= 0:
        raise InvalidJob(f"'{name}': {kind} needs a positive q.")


def points(
    space: Mapping[str, Distribution], algorithm: str, rule: str | None, seed: int | None
) -> Iterator[Point]:
    """Draw points: without end for `random`, each combination once for `grid`.

    Args:
        algorithm: "random" or "grid", in any case.
        rule: "random" (or None) or "sobol".
        seed: makes the draws repeatable; None is the operating system's chance.

    Raises:
        InvalidJob: a grid over anything but choices.
        Unsupported: another algorithm, Bayesian above all.
    """
    kind = algorithm.lower()
    if kind == "grid":
        return _grid(space)
    if kind != "random":
        raise Unsupported(
            f"the sampling algorithm '{algorithm}'; random, sobol and grid are",
            tracked="emulators/machinelearning/README.md, jobs",
        )
    if (rule or "random").lower() == "sobol":
        return _sobol(space, seed)
    return _random(space, seed)


def _random(space: Mapping[str, Distribution], seed: int | None) -> Iterator[Point]:
    draw = random.SystemRandom() if seed is None else random.Random(seed)
    while True:
        yield {name: d.at(draw.random()) for name, d in space.items()}


def _sobol(space: Mapping[str, Distribution], seed: int | None) -> Iterator[Point]:
    from scipy.stats import qmc

    sequence = qmc.Sobol(len(space), scramble=True, rng=seed)
    while True:
        (point,) = sequence.random(1)
        yield {name: d.at(float(u)) for (name, d), u in zip(space.items(), point, strict=True)}


def _grid(space: Mapping[str, Distribution]) -> Iterator[Point]:
    for name, distribution in space.items():
        if distribution.kind != "choice":
            raise InvalidJob(f"Grid sampling takes choices only; '{name}' is {distribution.kind}.")
    axes = [distribution.args[0] for distribution in space.values()]
    return (dict(zip(space, combination, strict=True)) for combination in itertools.product(*axes))


def as_text(value: Any) -> str:
    """A drawn value as it is put into a command."""
    return value if isinstance(value, str) else json.dumps(value)
