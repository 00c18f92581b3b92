"""Made-up attrition rows from aggregated parameters: seeded, the same everywhere, nobody's data.

A row is a draw from a Gaussian copula (one latent normal score a column), read through each
column's own distribution, then through the tables that tie role to level, department to role and
so on; attrition is a logistic function of the finished row. `data/fit.py` made the parameters.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.schema import (
    BY_NAME,
    KEY,
    NAMES,
    OVERWRITTEN,
    OVERWRITTEN_BY,
    PART_OF,
    TARGET,
    WORKING_AGE,
)

Scores = npt.NDArray[np.float64]
Parameters = Mapping[str, Any]
STEP = 256  # rows drawn at a time by `events`
START = datetime(2026, 1, 5, 8, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Shift:
    """One named way in which new rows differ from the rows that a model was trained on."""

    says: str
    latent: Mapping[str, float]  # column -> move of its latent score at strength 1, in deviations


SHIFTS: Mapping[str, Shift] = {
    "overtime": Shift("overtime becomes common", {"OverTime": 1.2, "WorkLifeBalance": -0.5}),
    "juniors": Shift(
        "a wave of young hires",
        {"Age": -1.2, "TotalWorkingYears": -1.2, "YearsAtCompany": -0.9, "JobLevel": -0.6},
    ),
    "remote": Shift(
        "people live farther away and travel less",
        {"DistanceFromHome": 1.5, "BusinessTravel": -0.8},
    ),
    "pay": Shift("pay rises across the company", {"MonthlyIncome": 1.0, "PercentSalaryHike": 0.8}),
    "concept": Shift("the reasons for leaving change; the inputs do not", {}),
    "broken": Shift("a feed breaks: empty cells, and incomes in cents", {}),
}
DEFAULT_SHIFTS: tuple[str, ...] = ("overtime", "juniors", "remote")
BREAKABLE: tuple[str, ...] = ("Age", "DistanceFromHome", "OverTime", "JobRole")


@cache
def parameters() -> Parameters:
    """Return the fitted parameters that ship with the package."""
    text = files("data").joinpath("parameters.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


class Sampler:
    """An endless source of rows; drawing 3 and then 4 rows gives the same rows as drawing 7."""

    def __init__(
        self,
        seed: int,
        *,
        drift: float = 0.0,
        shifts: tuple[str, ...] = DEFAULT_SHIFTS,
        fitted: Parameters | None = None,
    ) -> None:
        """Start a source.

        Args:
            seed: >= 0; the same seed gives the same rows.
            drift: 0 (like the training rows) to 1 (the named shifts in full).
            shifts: names in `SHIFTS`.
            fitted: other parameters than those shipped.

        Raises:
            ValueError: a shift without a name here, or a strength outside 0..1.
        """
        if unknown := sorted(set(shifts) - set(SHIFTS)):
            raise ValueError(f"no shift {', '.join(unknown)}; known: {', '.join(SHIFTS)}")
        if not 0 <= drift <= 1:
            raise ValueError(f"drift is 0 to 1, got {drift}")
        self._fitted = parameters() if fitted is None else fitted
        self._drift = drift
        self._shifts = frozenset(shifts) if drift else frozenset()
        latent, chance, damage = np.random.SeedSequence(seed).spawn(3)
        self._latent = np.random.Generator(np.random.PCG64(latent))
        self._chance = np.random.Generator(np.random.PCG64(chance))
        self._damage = np.random.Generator(np.random.PCG64(damage))
        self._names: list[str] = list(self._fitted["latent"])
        self._root = np.linalg.cholesky(correlation(self._fitted))
        self._drawn = 0

    def draw(self, count: int) -> pd.DataFrame:
        """Return the next `count` rows, numbered on from the last draw, in the schema's columns."""
        scores = self._scores(count)
        chance = self._chance.random((count, len(self._fitted["tables"]) + 1))
        columns = self._read(scores, chance)
        leave = probabilities(self._fitted, columns, keep=self._keep())
        columns[TARGET] = np.where(chance[:, -1] < leave, "Yes", "No")
        columns[KEY] = np.arange(self._drawn + 1, self._drawn + count + 1)
        self._drawn += count
        frame = pd.DataFrame({name: columns[name] for name in NAMES})
        return self._break(frame) if "broken" in self._shifts else frame

    def _scores(self, count: int) -> Scores:
        scores = self._latent.standard_normal((count, len(self._names))) @ self._root.T
        for name in sorted(self._shifts):
            for column, move in SHIFTS[name].latent.items():
                scores[:, self._names.index(column)] += self._drift * move
        return np.asarray(scores, dtype=np.float64)

    def _read(self, scores: Scores, chance: Scores) -> dict[str, npt.NDArray[Any]]:
        """Turn latent scores into cells: marginals, then conditional tables, then the rules."""
        columns: dict[str, npt.NDArray[Any]] = {}
        for index, name in enumerate(self._names):
            marginal = self._fitted["marginals"].get(name)
            if marginal is not None:
                columns[name] = read_marginal(marginal, scores[:, index])
        for index, (name, table) in enumerate(self._fitted["tables"].items()):
            columns[name] = _choose(table, columns[table["given"]], chance[:, index])
        columns["MonthlyIncome"] = self._incomes(columns, scores)
        for part, whole in PART_OF.items():
            most = columns[whole] - (WORKING_AGE if whole == "Age" else 0)
            years = self._years(part, most, scores)
            columns[part] = np.minimum(years, most)
        for name in OVERWRITTEN:
            columns[name] = columns[OVERWRITTEN_BY]
        return columns

    def _incomes(self, columns: Mapping[str, npt.NDArray[Any]], scores: Scores) -> Any:
        """Incomes by level and role: the same score earns differently in different jobs."""
        mine = scores[:, self._names.index("MonthlyIncome")]
        jobs = np.array(
            [f"{a}/{b}" for a, b in zip(columns["JobLevel"], columns["JobRole"], strict=True)]
        )
        incomes = np.zeros(len(mine), dtype=np.int64)
        tables = self._fitted["incomes"]
        for job in sorted(set(jobs)):
            rows = jobs == job
            knots = tables.get(job) or tables[job.partition("/")[0]]
            incomes[rows] = read_marginal({"knots": knots}, mine[rows])
        return incomes

    def _years(self, name: str, most: npt.NDArray[Any], scores: Scores) -> npt.NDArray[Any]:
        """Years of a part of a career: how they spread depends on how long the whole is."""
        mine = scores[:, self._names.index(name)]
        bands = self._fitted["years"][name]
        band = np.searchsorted(bands["edges"], most, side="right")
        years = np.zeros(len(mine), dtype=np.int64)
        for index, marginal in enumerate(bands["marginals"]):
            years[band == index] = read_marginal(marginal, mine[band == index])
        return years

    def _keep(self) -> float:
        return 1.0 - self._drift if "concept" in self._shifts else 1.0

    def _break(self, frame: pd.DataFrame) -> pd.DataFrame:
        hit = self._damage.random((len(frame), len(BREAKABLE) + 1)) < 0.2 * self._drift
        for index, name in enumerate(BREAKABLE):
            frame[name] = frame[name].astype(object).where(~hit[:, index], None)
            if BY_NAME[name].is_number:
                frame[name] = frame[name].astype("Int64")
        frame["MonthlyIncome"] = frame["MonthlyIncome"].where(
            ~hit[:, -1], frame["MonthlyIncome"] * 100
        )
        return frame


def correlation(fitted: Parameters) -> Scores:
    """Return the latent correlation matrix, shape (columns, columns), from its upper triangle."""
    size = len(fitted["latent"])
    matrix = np.eye(size)
    matrix[np.triu_indices(size, 1)] = fitted["correlation"]
    return np.triu(matrix) + np.triu(matrix, 1).T


def read_marginal(marginal: Mapping[str, Any], scores: Scores) -> npt.NDArray[Any]:
    """Read one column off its latent scores.

    Args:
        marginal: {"values", "shares"} for few values, or {"knots": equally spaced quantiles}.
        scores: standard normal, shape (rows,).
    """
    normal = NormalDist()
    if "shares" in marginal:
        cuts = np.cumsum(marginal["shares"])[:-1]
        edges = [normal.inv_cdf(float(min(max(cut, 1e-9), 1 - 1e-9))) for cut in cuts]
        return np.array(marginal["values"])[np.searchsorted(edges, scores, side="right")]
    knots = np.asarray(marginal["knots"], dtype=np.float64)
    inner = [normal.inv_cdf(k / (len(knots) - 1)) for k in range(1, len(knots) - 1)]
    where = [inner[0] - 1.0, *inner, inner[-1] + 1.0]
    return np.rint(np.interp(scores, where, knots)).astype(np.int64)


def _choose(table: Mapping[str, Any], given: npt.NDArray[Any], chance: Scores) -> npt.NDArray[Any]:
    values = np.array(table["values"])
    chosen = np.empty(len(given), dtype=values.dtype)
    for condition, shares in table["shares"].items():
        rows = given == condition
        picked = np.searchsorted(np.cumsum(shares), chance[rows], side="right")
        chosen[rows] = values[np.minimum(picked, len(values) - 1)]
    return chosen


def probabilities(
    fitted: Parameters, columns: Mapping[str, npt.NDArray[Any]], *, keep: float = 1.0
) -> Scores:
    """Return the probability that each row leaves.

    Args:
        fitted: parameters; their "attrition" holds intercept and effects by column.
        columns: finished cells by column name.
        keep: share of every effect that is kept, 1 all, 0 none (concept drift).
    """
    terms = fitted["attrition"]
    total = np.zeros(len(columns["Age"]))
    for name, (middle, scale, effect) in terms["numbers"].items():
        total += effect * (np.asarray(columns[name], dtype=np.float64) - middle) / scale
    for name, effects in terms["categories"].items():
        for value, effect in effects.items():
            total += effect * (columns[name] == value)
    return np.asarray(1.0 / (1.0 + np.exp(-(terms["intercept"] + keep * total))))


def rows(
    count: int, seed: int, *, drift: float = 0.0, shifts: tuple[str, ...] = DEFAULT_SHIFTS
) -> pd.DataFrame:
    """Return `count` rows of the adapted table; a smaller count is a prefix of a larger one."""
    return Sampler(seed, drift=drift, shifts=shifts).draw(count)


def inference(
    count: int, seed: int, *, drift: float = 0.0, shifts: tuple[str, ...] = DEFAULT_SHIFTS
) -> pd.DataFrame:
    """Return rows as a caller of the model has them: without the target."""
    return rows(count, seed, drift=drift, shifts=shifts).drop(columns=[TARGET])


def events(
    count: int,
    seed: int,
    *,
    rate_per_s: float = 1.0,
    start: datetime = START,
    late_share: float = 0.0,
    drift: float = 0.0,
) -> Iterator[dict[str, Any]]:
    """Yield rows as a stream would carry them, in the order of arrival.

    Args:
        count: events in all.
        seed: of rows, gaps and delays.
        rate_per_s: mean events a second of event time; the gaps are exponential.
        start: event time of the first event.
        late_share: 0..1, the share of events that arrive up to a minute after their event time.
        drift: as for `rows`; grows from 0 at the first event to this at the last.
    """
    sampler, drifted = Sampler(seed), Sampler(seed, drift=drift)
    timing = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 1])))
    moment, waiting = 0.0, list[tuple[float, int, dict[str, Any]]]()
    for first in range(0, count, STEP):
        size = min(STEP, count - first)
        plain, moved = sampler.draw(size), drifted.draw(size)
        chance = timing.random((size, 4))
        for index in range(size):
            done = (first + index) / max(count - 1, 1)
            row = (moved if chance[index, 0] < done else plain).iloc[index].to_dict()
            moment += float(-np.log1p(-chance[index, 1])) / rate_per_s if first + index else 0.0
            delay = 60.0 * chance[index, 3] if chance[index, 2] < late_share else 0.0
            stamp = (start + timedelta(seconds=round(moment, 3))).isoformat(timespec="milliseconds")
            event = {"event_time": stamp.replace("+00:00", "Z"), **_plain(row)}
            waiting.append((moment + delay, first + index, event))
        waiting.sort(key=lambda arrival: arrival[:2])
        while waiting and waiting[0][0] <= moment:
            yield waiting.pop(0)[2]
    yield from (event for _, _, event in waiting)


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        str(name): int(value) if isinstance(value, np.integer) else value
        for name, value in row.items()
    }


def to_csv(frame: pd.DataFrame) -> bytes:
    """Return the frame as CSV with line feeds: the same bytes on every system."""
    return frame.to_csv(index=False, lineterminator="\n").encode()
