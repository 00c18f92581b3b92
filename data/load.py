"""Read an attrition CSV in either form and give it back in the adapted one."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING

from data.schema import (
    BY_NAME,
    CONSTANTS,
    KEY,
    MAPPING,
    NAMES,
    OVERWRITTEN,
    OVERWRITTEN_BY,
    TARGET,
)

if TYPE_CHECKING:
    import pandas as pd

# The Kaggle form is told from the adapted one by its constants; "index" is what a saved frame adds.
SURPLUS = frozenset((*CONSTANTS, "index"))


class UnknownTable(ValueError):
    """The columns are those of neither form; the message names what is missing and unknown."""


class UnknownValue(ValueError):
    """A column holds values that its form does not know; the message names them."""


def load(source: str | Path | IO[str], *, as_published: bool = False) -> pd.DataFrame:
    """Read a CSV of 32 (adapted) or 35 (Kaggle) columns; the target may be absent from both.

    Args:
        source: a path or an open text file; columns in any order.
        as_published: for the Kaggle form, repeat the adapted file's slip (see `adapt`).

    Returns:
        Rows in the file's order; columns named and ordered as in `data.schema.COLUMNS`; numbers as
        int64 (float64 where cells are empty), everything else as text.

    Raises:
        UnknownTable: missing or unknown columns.
        UnknownValue: a category outside its list, or a number that is none.
    """
    import pandas as pd

    text = pd.read_csv(source, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    text.columns = [str(name).strip() for name in text.columns]
    names = set(text.columns)
    if len(names) != len(text.columns):
        raise UnknownTable(f"a column appears twice: {sorted(text.columns)}")
    original = bool(names & set(CONSTANTS))
    _check_columns(names, original)
    text = text.drop(columns=[name for name in SURPLUS if name in names]).map(str.strip)
    wanted = [name for name in NAMES if name in names]
    frame = pd.DataFrame({name: text[name] for name in wanted})
    return adapt(frame, as_published=as_published) if original else _typed(frame)


def adapt(frame: pd.DataFrame, *, as_published: bool = False) -> pd.DataFrame:
    """Map a table of the Kaggle form (constants dropped) to the adapted form.

    Each column is mapped by its own meaning. The published adapted file is different in one
    respect: it has JobInvolvement in place of PerformanceRating and JobSatisfaction too;
    `as_published` repeats that, so that the result equals the published rows cell by cell.

    Raises:
        UnknownValue: a code that the mapping does not have.
    """
    mapped = frame.copy()
    for name, codes in MAPPING.items():
        text = frame[name].map(_code)
        unknown = sorted(set(text) - set(codes) - {""})
        if unknown:
            raise UnknownValue(
                f"{name}: {_some(unknown)} not in the original form; known: {', '.join(codes)}"
            )
        mapped[name] = text.map({**codes, "": ""})
    if as_published:
        for name in OVERWRITTEN:
            mapped[name] = mapped[OVERWRITTEN_BY]
    return _typed(mapped)


def _code(cell: object) -> str:
    """Give a code as text, whether it came as 3, 3.0, '3' or '3.0'."""
    text = str(cell)
    return text[:-2] if text.endswith(".0") else text


def _check_columns(names: set[str], original: bool) -> None:
    form = "original (35 columns)" if original else "adapted (32 columns)"
    expected = set(NAMES) | (set(CONSTANTS) if original else set())
    missing = sorted(expected - names - {TARGET})
    unknown = sorted(names - expected - (SURPLUS if original else set()))
    if missing or unknown:
        parts = [f"missing: {', '.join(missing)}"] if missing else []
        parts += [f"unknown: {', '.join(unknown)}"] if unknown else []
        raise UnknownTable(f"not the {form} attrition table; {'; '.join(parts)}")


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    columns = {}
    for name in frame.columns:
        cells = frame[name].astype(str).mask(frame[name].astype(str) == "", None)
        columns[str(name)] = _numbers(str(name), cells) if BY_NAME[str(name)].is_number else cells
        if not BY_NAME[str(name)].is_number:
            unknown = sorted(set(cells.dropna()) - set(BY_NAME[str(name)].categories))
            if unknown:
                known = ", ".join(BY_NAME[str(name)].categories)
                raise UnknownValue(f"{name}: {_some(unknown)} unknown; known: {known}")
    return pd.DataFrame(columns)


def _numbers(name: str, cells: pd.Series[str]) -> pd.Series[int] | pd.Series[float]:
    import pandas as pd

    numbers = pd.to_numeric(cells, errors="coerce")
    wrong = cells[numbers.isna() & cells.notna()]
    if len(wrong):
        raise UnknownValue(f"{name}: not a number: {_some(sorted(set(wrong)))}")
    if numbers.isna().any():
        if name == KEY:
            raise UnknownValue(f"{name}: {int(numbers.isna().sum())} rows without a number")
        return numbers.astype("float64")
    if (numbers % 1 != 0).any():
        raise UnknownValue(f"{name}: not whole: {_some(sorted(set(cells[numbers % 1 != 0])))}")
    return numbers.astype("int64")


def _some(values: list[str]) -> str:
    shown = ", ".join(repr(value) for value in values[:5])
    return shown + (f" and {len(values) - 5} more" if len(values) > 5 else "")
