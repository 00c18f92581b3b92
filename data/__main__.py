"""The command `python -m data`: make, stream, convert and refit attrition rows."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from data import generate as source

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Attrition rows for the scenarios: made up, seeded, nobody's data.",
)
Rows = Annotated[int, typer.Option(min=1, help="How many rows.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")]
Drift = Annotated[float, typer.Option(min=0, max=1, help="0 like the training rows, 1 far off.")]
Out = Annotated[Path | None, typer.Option(help="File to write; without it, standard output.")]
Shifts = Annotated[
    list[str] | None,
    typer.Option(
        "--shift",
        help="What drifts; repeat for several. "
        + "; ".join(f"{name}: {shift.says}" for name, shift in source.SHIFTS.items()),
    ),
]


def _write(parts: Iterable[bytes], out: Path | None) -> None:
    if out is None:
        for part in parts:
            sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("wb") as file:
        file.writelines(parts)
    typer.echo(f"wrote {out}", err=True)


@app.command()
def generate(
    *,
    rows: Rows = 2000,
    seed: Seed = 7,
    out: Out = None,
    drift: Drift = 0.0,
    shift: Shifts = None,
    target: Annotated[bool, typer.Option(help="With Attrition; --no-target for inference.")] = True,
) -> None:
    """Make a CSV of the adapted table.

    Example: python -m data generate --rows 500 --drift 0.8 --shift overtime --out drifted.csv
    """
    make = source.rows if target else source.inference
    try:
        frame = make(rows, seed, drift=drift, shifts=tuple(shift or source.DEFAULT_SHIFTS))
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from None
    _write([source.to_csv(frame)], out)


@app.command()
def stream(
    *,
    rows: Rows = 1000,
    seed: Seed = 7,
    out: Out = None,
    drift: Drift = 0.0,
    rate: Annotated[float, typer.Option(min=1e-6, help="Mean events a second.")] = 1.0,
    late: Annotated[float, typer.Option(min=0, max=1, help="Share that arrives late.")] = 0.0,
) -> None:
    """Make JSON lines, an event each, in order of arrival; drift grows from 0 along the stream.

    Example: python -m data stream --rows 5000 --rate 20 --late 0.05 --out events.jsonl
    """
    made = source.events(rows, seed, rate_per_s=rate, late_share=late, drift=drift)
    _write((json.dumps(event).encode() + b"\n" for event in made), out)


@app.command()
def convert(
    file: Annotated[Path, typer.Argument(exists=True, help="Adapted or Kaggle form.")],
    out: Out = None,
    as_published: Annotated[
        bool, typer.Option(help="Repeat the adapted file's slip: JobInvolvement three times.")
    ] = False,
) -> None:
    """Read a file of either form and write the adapted one.

    Example: python -m data convert WA_Fn-UseC_-HR-Employee-Attrition.csv --out attrition.csv
    """
    from data.load import UnknownTable, UnknownValue, load

    try:
        frame = load(file, as_published=as_published)
    except (UnknownTable, UnknownValue) as wrong:
        raise typer.BadParameter(str(wrong)) from None
    _write([source.to_csv(frame)], out)


@app.command()
def fit(
    file: Annotated[Path, typer.Argument(exists=True, help="A real file of either form.")],
    out: Annotated[Path, typer.Option(help="Where the parameters go, as JSON.")],
) -> None:
    """Estimate the generator's parameters anew: aggregates only, no row is kept."""
    from data.fit import fit as estimate
    from data.fit import write
    from data.load import load

    write(estimate(load(file, as_published=True)), out)
    typer.echo(f"wrote {out}", err=True)


if __name__ == "__main__":
    app(prog_name="python -m data")
