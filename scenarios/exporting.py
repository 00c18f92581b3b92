"""The `model export-onnx` verb: a registered scikit-learn model as one that PREDICT takes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from azure_adapters import settings as targets
from azure_adapters.onnx_export import CannotExport
from scenarios import elsewhere, verbs

if TYPE_CHECKING:
    from azure_adapters.onnx_export import Exported

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback(context_settings={"help_option_names": ["-h", "--help"]})
def model() -> None:
    """Work on models."""


@app.command(name="export-onnx", context_settings={"help_option_names": ["-h", "--help"]})
def export_onnx(  # noqa: PLR0913  (typer reads options as parameters)
    model: Annotated[
        str, typer.Argument(help="NAME or NAME:VERSION of the workspace, or an MLflow folder.")
    ],
    *,
    purpose: Annotated[str, typer.Option("--for", help="What it is for; `predict`.")] = "predict",
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; else NAME.onnx here.")
    ] = None,
    sample: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="CSV of rows to compare on.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="local or azure; else TARGET, .env, pyproject.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    state: Annotated[
        Path | None, typer.Option(help="State folder of the emulators to run on.")
    ] = None,
) -> None:
    """Make the ONNX model that PREDICT takes: one input a column, each output one number or text.

    Examples: rehearse model export-onnx attrition · rehearse model export-onnx attrition:3 --out
    m.onnx --sample rows.csv · rehearse model export-onnx ./mlflow-model. Its answers are compared
    with the original's; a difference over 1e-5 is refused.
    """
    if purpose != "predict":
        verbs.refuse(f"--for {purpose}: only `predict` is known")
    try:
        folder = Path(model)
        if folder.is_dir():
            _export(folder, out or Path(f"{folder.resolve().name}.onnx"), sample, as_json)
            return
        settings = targets.load(target)
        here = targets.started_with()
        if settings.needs_rehearsal and (state is not None or not targets.is_rehearsed(here)):
            words = ["export-onnx", model, "--target", "local"] + ["--json"] * as_json
            words += ["--out", str(out)] if out else []
            words += ["--sample", str(sample)] if sample else []
            raise typer.Exit(elsewhere.run("scenarios.exporting", words, state))
        settings.check()
        with TemporaryDirectory(prefix="model-") as given:
            fetched = _fetched(settings, model, Path(given))
            _export(fetched, out or Path(f"{model.partition(':')[0]}.onnx"), sample, as_json)
    except (targets.WrongTarget, elsewhere.NotUp, CannotExport, LookupError) as wrong:
        verbs.refuse(str(wrong))


def _fetched(settings: targets.Settings, model: str, folder: Path) -> Path:
    from azure_adapters.factory import connect

    name, _, version = model.partition(":")
    models = connect(settings).models
    return models.download(models.get(name, version or None), folder)


def _export(folder: Path, out: Path, sample: Path | None, as_json: bool) -> None:
    import pandas as pd

    from azure_adapters.onnx_export import export, load

    estimator, columns = load(folder)
    made = export(estimator, columns, None if sample is None else pd.read_csv(sample))
    out.write_bytes(made.content)
    if as_json:
        said = {
            "file": str(out), "bytes": len(made.content), "inputs": dict(made.inputs),
            "outputs": dict(made.outputs), "rows": made.rows, "difference": made.difference,
            "notes": list(made.notes),
        }  # fmt: skip
        typer.echo(json.dumps(said))
    else:
        _show(made, out)


def _show(made: Exported, out: Path) -> None:
    typer.secho(
        f"{out}: {len(made.content) / 1024:.0f} KiB, {len(made.inputs)} inputs; on {made.rows} rows"
        f" within {made.difference:.1g} of the original.",
        fg="green",
    )
    for note in made.notes:
        typer.echo(f"  {note}")
    typer.echo("Score with it so:\n")
    typer.echo(made.sql())


def main(arguments: list[str]) -> int:
    """Run the verb with the words after `rehearse model`; return its exit code."""
    return verbs.run(app, arguments, "rehearse model")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
