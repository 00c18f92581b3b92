"""Folders of employees as a nightly export leaves them, and the predictions read back."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the scripted deployment says of one employee."""

    chance: float
    leaves: bool


def read(file: Path) -> list[Row]:
    """Return the rows of a CSV as text by column."""
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def cut(file: Path, folder: Path, parts: int) -> list[Path]:
    """Cut a CSV into `parts` files of about equal length, the last one as Parquet."""
    import pandas as pd

    frame = pd.read_csv(file)
    folder.mkdir(parents=True, exist_ok=True)
    size = -(-len(frame) // parts)
    made = []
    for at in range(parts):
        some = frame[at * size : (at + 1) * size]
        target = folder / f"employees-{at:02}.{'parquet' if at == parts - 1 else 'csv'}"
        if target.suffix == ".csv":
            some.to_csv(target, index=False)
        else:
            some.to_parquet(target, index=False)
        made.append(target)
    return made


def as_exported(file: Path) -> bytes:
    """Return a CSV of training as an export has it: whole numbers without a point."""
    import pandas as pd

    frame = pd.read_csv(file)
    text: bytes = frame.convert_dtypes().to_csv(index=False, lineterminator="\n").encode()
    return text


def labels(predictions: Path) -> dict[tuple[str, int], str]:
    """Return the label of each row, by file name and row number: row, prediction, file_name."""
    with predictions.open(encoding="utf-8", newline="") as lines:
        return {(name, int(row)): label for row, label, name in csv.reader(lines)}


def verdicts(predictions: Path) -> dict[str, Verdict]:
    """Return the scripted deployment's verdicts by employee: values separated by spaces."""
    with predictions.open(encoding="utf-8", newline="") as lines:
        return {
            key: Verdict(float(chance), leaves == "True")
            for key, chance, leaves in csv.reader(lines, delimiter=" ")
        }


def expected(scored: Sequence[Row], files: Sequence[Path], rows: int) -> dict[tuple[str, int], str]:
    """Return the labels as training scored the same rows, by the file and place they went to."""
    size = -(-rows // len(files))
    return {(files[at // size].name, at % size): row["label"] for at, row in enumerate(scored)}
