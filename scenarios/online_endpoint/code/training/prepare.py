"""Split the table. Rows with equal features go the same way, so that no copy is in two parts."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pandas as pd
from table import FEATURES, TARGET

VALIDATION_FROM, HELD_BACK_FROM = 60, 80  # of 100 places


def split(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the parts by name; a row's part depends on its features alone."""
    place = pd.util.hash_pandas_object(frame[FEATURES].astype(str), index=False) % 100
    parts = {
        "train": place < VALIDATION_FROM,
        "validation": (place >= VALIDATION_FROM) & (place < HELD_BACK_FROM),
        "held_back": place >= HELD_BACK_FROM,
    }
    return {name: frame[rows] for name, rows in parts.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--raw", required=True)
    parser.add_argument("--quality", required=True)
    parser.add_argument("--prepared", required=True)
    args = parser.parse_args()
    quality = json.loads((Path(args.quality) / "quality.json").read_text())
    frame = pd.read_csv(args.raw).dropna(subset=[*FEATURES, TARGET])
    Path(args.prepared).mkdir(parents=True, exist_ok=True)
    for name, rows in split(frame).items():
        rows.to_csv(Path(args.prepared) / f"{name}.csv", index=False)
        print(f"{name}: {len(rows)} of {quality['rows']} rows")


if __name__ == "__main__":
    main()
