"""Fit the generator's parameters to an attrition file: aggregates only, rounded, no row kept."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.generate import Parameters, Sampler, probabilities
from data.schema import BY_NAME, COLUMNS, KEY, OVERWRITTEN, PART_OF, TARGET, WORKING_AGE

# Conditional on their condition, these are independent of the rest of the row.
TABLES: dict[str, str] = {
    "JobRole": "JobLevel",
    "Department": "JobRole",
    "EducationField": "Department",
    "StockOptionLevel": "MaritalStatus",
}
LATENT: tuple[str, ...] = tuple(
    c.name for c in COLUMNS if c.name not in (KEY, TARGET, *OVERWRITTEN, *TABLES)
)
PLACED = ("MonthlyIncome", *PART_OF)  # their score is a place among rows alike
BANDS = 10
FEW = 50  # a number with at most this many values keeps its shares; others keep quantiles
ENOUGH = 25  # rows a job needs for its own incomes
ROUNDS = 6
TRIAL_ROWS = 20_000
Matrix = npt.NDArray[np.float64]


def fit(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the parameters that make `Sampler` resemble `frame`, a table of the adapted form.

    The latent correlations are corrected in rounds: generate, compare rank correlations, move.
    That pays for what discrete columns and the rules between columns take away.
    """
    wanted = _ranks(frame)
    latent = wanted.copy()
    fitted: dict[str, Any] = {
        "latent": list(LATENT),
        "correlation": [],
        "marginals": {n: _marginal(frame, n) for n in LATENT if n not in PLACED},
        "tables": {name: _table(frame, name, given) for name, given in TABLES.items()},
        "incomes": _incomes(frame),
        "years": {name: _years(frame, name) for name in PART_OF},
        "attrition": _attrition(frame),
    }
    for _ in range(ROUNDS):
        fitted["correlation"] = _triangle(latent)
        made = Sampler(0, fitted=fitted).draw(TRIAL_ROWS)
        latent = np.clip(latent + 0.8 * (wanted - _ranks(made)), -0.97, 0.97)
    fitted["correlation"] = _triangle(latent)
    _balance(fitted, float((frame[TARGET] == "Yes").mean()))
    return fitted


def write(fitted: Parameters, target: Path) -> None:
    """Write parameters as JSON, one line a column."""
    parts = []
    for name, entry in fitted.items():
        if isinstance(entry, dict):
            lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in entry.items()]
            parts.append(f" {json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n }")
        else:
            parts.append(f" {json.dumps(name)}: {json.dumps(entry)}")
    target.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def _numeric(frame: pd.DataFrame, name: str) -> pd.Series[float]:
    """Return what the latent score of a column stands for: its part, its place, or its value."""
    column = BY_NAME[name]
    if name == "MonthlyIncome":  # how well paid for this job
        job = frame["JobLevel"] + "/" + frame["JobRole"]
        return frame[name].groupby(job).rank(pct=True)
    if name in PART_OF:  # how long for so long a whole
        return frame[name].groupby(_whole(frame, name)).rank(pct=True)
    if column.is_number:
        return frame[name].astype(float)
    return frame[name].map({value: float(i) for i, value in enumerate(column.categories)})


def _whole(frame: pd.DataFrame, part: str) -> pd.Series[int]:
    return frame[PART_OF[part]] - (WORKING_AGE if PART_OF[part] == "Age" else 0)


def _years(frame: pd.DataFrame, part: str) -> dict[str, Any]:
    """Return a part's distribution in up to BANDS bands of its whole, none of them thin."""
    whole = _whole(frame, part)
    edges = sorted({int(whole.quantile(k / BANDS)) for k in range(1, BANDS)} - {0} | {1})
    band = np.searchsorted(edges, whole, side="right")
    marginals = []
    for index in range(len(edges) + 1):
        shares = frame[part][band == index].value_counts(normalize=True).sort_index()
        values = [int(value) for value in shares.index]
        marginals.append({"values": values, "shares": [round(float(s), 4) for s in shares]})
    return {"edges": edges, "marginals": marginals}


def _ranks(frame: pd.DataFrame) -> Matrix:
    numbers = pd.DataFrame({name: _numeric(frame, name) for name in LATENT})
    return numbers.corr(method="spearman").fillna(0.0).to_numpy()


def _triangle(matrix: Matrix) -> list[float]:
    """Return the upper triangle of the nearest matrix that is a correlation, to 3 digits."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    positive = vectors @ np.diag(np.maximum(values, 0.01)) @ vectors.T
    scale = np.sqrt(np.diag(positive))
    nearest = positive / np.outer(scale, scale)
    return [round(float(v), 3) for v in nearest[np.triu_indices(len(nearest), 1)]]


def _marginal(frame: pd.DataFrame, name: str) -> dict[str, Any]:
    column, values = BY_NAME[name], frame[name]
    if column.is_number and values.nunique() > FEW:
        return {"knots": _knots(values, 21)}
    names: list[Any] = (
        sorted(int(v) for v in values.unique()) if column.is_number else list(column.categories)
    )
    shares = values.value_counts(normalize=True)
    return {"values": names, "shares": [round(float(shares.get(n, 0.0)), 5) for n in names]}


def _knots(values: pd.Series[Any], count: int) -> list[int]:
    """Return equally spaced quantiles, money rounded to 10: no single row's value."""
    column = BY_NAME[str(values.name)]
    unit = 10 if column.high > 1000 else 1
    rounded = [round(float(values.quantile(k / (count - 1))) / unit) * unit for k in range(count)]
    return [min(max(knot, column.low), column.high) for knot in rounded]


def _table(frame: pd.DataFrame, name: str, given: str) -> dict[str, Any]:
    shares = pd.crosstab(frame[given], frame[name], normalize="index")
    values = list(BY_NAME[name].categories)
    return {
        "given": given,
        "values": values,
        "shares": {
            str(condition): [round(float(row.get(value, 0.0)), 4) for value in values]
            for condition, row in shares.iterrows()
        },
    }


def _incomes(frame: pd.DataFrame) -> dict[str, list[int]]:
    incomes: dict[str, list[int]] = {}
    for level, group in frame.groupby("JobLevel"):
        incomes[str(level)] = _knots(group["MonthlyIncome"], 11)
        for role, job in group.groupby("JobRole"):
            if len(job) >= ENOUGH:
                incomes[f"{level}/{role}"] = _knots(job["MonthlyIncome"], 11)
    return incomes


def _attrition(frame: pd.DataFrame) -> dict[str, Any]:
    """Fit the logistic regression of attrition: standardised numbers, one effect a category."""
    from sklearn.linear_model import LogisticRegression

    features = [c for c in COLUMNS if c.name not in (KEY, TARGET, *OVERWRITTEN)]
    numbers = {
        c.name: (float(frame[c.name].mean()), float(frame[c.name].std()))
        for c in features
        if c.is_number
    }
    parts = [(frame[n] - middle) / scale for n, (middle, scale) in numbers.items()]
    labels = [(c.name, v) for c in features if not c.is_number for v in c.categories]
    parts += [(frame[name] == value).astype(float) for name, value in labels]
    model = LogisticRegression(C=0.1, max_iter=2000)
    model.fit(np.column_stack([part.to_numpy() for part in parts]), frame[TARGET] == "Yes")
    effects = [round(float(effect), 4) for effect in model.coef_[0]]
    categories: dict[str, dict[str, float]] = {}
    for (name, value), effect in zip(labels, effects[len(numbers) :], strict=True):
        categories.setdefault(name, {})[value] = effect
    return {
        "intercept": round(float(model.intercept_[0]), 4),
        "numbers": {
            name: [round(middle, 3), round(scale, 3), effect]
            for (name, (middle, scale)), effect in zip(numbers.items(), effects, strict=False)
        },
        "categories": categories,
    }


def _balance(fitted: dict[str, Any], share: float) -> None:
    """Move the intercept until the generated share of leavers is the file's."""
    made = Sampler(1, fitted=fitted).draw(TRIAL_ROWS)
    columns = {str(name): made[name].to_numpy() for name in made}
    wanted = NormalDist().inv_cdf(share)
    for _ in range(20):
        now = NormalDist().inv_cdf(float(probabilities(fitted, columns).mean()))
        fitted["attrition"]["intercept"] += 2.0 * (wanted - now)
    fitted["attrition"]["intercept"] = round(fitted["attrition"]["intercept"], 4)
