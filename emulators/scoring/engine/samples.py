"""Rows to compare two models on: the example's, and random ones of the sizes the model has seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

ROWS = 600
FARTHEST = 1e6
UNKNOWN = "no such value"


@dataclass(frozen=True, slots=True)
class Samples:
    """Values by column, and rows of them."""

    names: list[str]
    kinds: list[str]
    pools: list[list[Any]]  # values a column has had

    @classmethod
    def of(cls, fitted: Any, columns: list[tuple[str, str]], example: Any) -> Samples:
        """Collect values from the example, from encoders' categories and imputers' statistics."""
        pools: dict[str, list[Any]] = {name: [] for name, _ in columns}
        if example is not None and hasattr(example, "columns"):
            for name in pools:
                if name in example.columns:
                    pools[name] += example[name].dropna().tolist()
        _harvest(fitted, list(pools), pools)
        kinds = dict(columns)
        for name, values in pools.items():
            usable = (str,) if kinds[name] == "text" else (int, float)
            fit = [v for v in values if isinstance(v, usable) and not isinstance(v, bool)]
            values[:] = list(dict.fromkeys(fit)) or ([UNKNOWN] if usable == (str,) else [1])
        return cls([n for n, _ in columns], [k for _, k in columns], list(pools.values()))

    def rows(self, count: int = ROWS, seed: int = 0) -> list[list[Any]]:
        """Random rows: known texts; numbers near and far from those seen, of both signs."""
        random = np.random.default_rng(seed)
        drawn = [
            _texts(random, pool, count) if kind == "text" else _numbers(random, pool, count, kind)
            for kind, pool in zip(self.kinds, self.pools, strict=True)
        ]
        return [list(row) for row in zip(*drawn, strict=True)]


def _texts(random: np.random.Generator, pool: list[Any], count: int) -> list[Any]:
    return [pool[at] for at in random.integers(0, len(pool), count)]


def _numbers(random: np.random.Generator, pool: list[Any], count: int, kind: str) -> list[Any]:
    base = np.array([pool[at] for at in random.integers(0, len(pool), count)], dtype=float)
    base[base == 0] = random.normal(0, 1, int((base == 0).sum()))
    spread = base * random.lognormal(0, 0.7, count)
    spread[random.random(count) < 0.08] *= -1
    spread[random.random(count) < 0.05] = 0
    values = np.clip(spread, -FARTHEST, FARTHEST)
    if kind == "int":
        return [int(value) for value in np.round(values)]
    return [round(float(value), 3) for value in values]


def _harvest(fitted: Any, names: list[Any], pools: dict[str, list[Any]]) -> None:
    """Walk the model: what each encoder, imputer, scaler or tree knows of its columns."""
    for _, part, columns in getattr(fitted, "transformers_", []):
        inner = [columns] if isinstance(columns, str) else list(columns)
        inner = [names[c] if isinstance(c, int) and c < len(names) else c for c in inner]
        _harvest(part, inner, pools)
    for _, part in getattr(fitted, "steps", []):
        _harvest(part, names, pools)
    for attribute in ("categories_", "statistics_", "mean_", "data_min_", "data_max_"):
        known = getattr(fitted, attribute, None)
        if known is not None and np.ndim(known[0] if len(known) else 0) <= 1:
            _note(known, names, pools)
    for tree in _trees(fitted):
        if tree.n_features == len(names):
            thresholds = zip(tree.feature.tolist(), tree.threshold.tolist(), strict=True)
            for feature, threshold in thresholds:
                if feature >= 0 and names[feature] in pools:
                    pools[names[feature]].append(threshold)


def _note(known: Any, names: list[Any], pools: dict[str, list[Any]]) -> None:
    if len(known) == len(names):
        for name, values in zip(names, known, strict=True):
            if name in pools:
                pools[name] += np.atleast_1d(values).tolist()


def _trees(fitted: Any) -> list[Any]:
    """Decision trees a model is made of, the first 20."""
    parts = getattr(fitted, "estimators_", [fitted])
    flat = parts.ravel().tolist() if isinstance(parts, np.ndarray) else list(parts)
    return [one.tree_ for one in flat[:20] if hasattr(one, "tree_")]
