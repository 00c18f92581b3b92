"""Data-quality gate: say what is wrong with the table, and fail when it must not be trained on."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pandas as pd
from table import FEATURES, KEY, LEVELS, RANGES, TARGET


def problems(frame: pd.DataFrame, min_rows: int, max_empty_share: float) -> list[str]:
    """Return why the table is refused, a line each; nothing when it is fit."""
    missing = [name for name in (*FEATURES, TARGET) if name not in frame]
    if missing:
        return [f"columns missing: {', '.join(missing)}"]
    found = []
    if len(frame) < min_rows:
        found.append(f"{len(frame)} rows, at least {min_rows} are needed")
    for name, share in frame[[*FEATURES, TARGET]].isna().mean().items():
        if share > max_empty_share:
            found.append(f"{name}: {share:.1%} empty, at most {max_empty_share:.1%} may be")
    found += _strange_values(frame)
    share = float((frame[TARGET] == "Yes").mean()) if len(frame) else 0.0
    if not 0.02 <= share <= 0.98:
        found.append(f"{TARGET}: {share:.1%} Yes, one class is all but absent")
    if KEY in frame and frame[KEY].duplicated().any():
        found.append(f"{KEY}: {int(frame[KEY].duplicated().sum())} repeated")
    return found


def _strange_values(frame: pd.DataFrame) -> list[str]:
    found = []
    for name, (low, high) in RANGES.items():
        numbers = pd.to_numeric(frame[name], errors="coerce")
        outside = int((numbers.notna() & ~numbers.between(low, high)).sum())
        if outside:
            found.append(f"{name}: {outside} outside {low} to {high}")
    for name, levels in LEVELS.items():
        unknown = sorted(set(frame[name].dropna()) - set(levels))
        if unknown:
            found.append(f"{name}: unknown {unknown[:5]}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--raw", required=True)
    parser.add_argument("--min_rows", type=int, default=500)
    parser.add_argument("--max_empty_share", type=float, default=0.02)
    parser.add_argument("--quality", required=True)
    args = parser.parse_args()
    frame = pd.read_csv(args.raw)
    found = problems(frame, args.min_rows, args.max_empty_share)
    report = {"passed": not found, "rows": len(frame), "columns": len(frame.columns)}
    report["problems"] = found
    Path(args.quality).mkdir(parents=True, exist_ok=True)
    (Path(args.quality) / "quality.json").write_text(json.dumps(report, indent=1))
    print(json.dumps(report))
    if found:
        sys.exit("data-quality gate: " + "; ".join(found))


if __name__ == "__main__":
    main()
