"""The `promote` verb: put a model in place in the next workspace, or take it back."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from azure_adapters import promotion, shelves
from azure_adapters import settings as targets
from scenarios import elsewhere, verbs

if TYPE_CHECKING:
    from azure_adapters.promotion import Comparison, Promotion, Rule

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def promote(  # noqa: PLR0913  (typer reads options as parameters)
    model: Annotated[str, typer.Argument(help="NAME or NAME:VERSION; the latest without one.")],
    *,
    to: Annotated[str, typer.Option("--to", help="Workspace it goes to.")],
    source: Annotated[str, typer.Option("--from", help="Workspace it comes from.")] = "",
    registry: Annotated[str, typer.Option(help="Through which; else AZUREML_REGISTRY_NAME.")] = "",
    metric: Annotated[str, typer.Option(help="What it must be better in.")] = "",
    min_gain: Annotated[float, typer.Option(help="By at least so much.")] = 0.0,
    lower: Annotated[
        bool, typer.Option("--lower-is-better", help="The metric is an error.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Put the version before back in place.")
    ] = False,
    target: Annotated[
        str | None, typer.Option(help="local or azure; else TARGET, .env, pyproject.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    state: Annotated[
        Path | None, typer.Option(help="State folder of the emulators to run on.")
    ] = None,
) -> None:
    """Put a model in place in the next workspace, with evidence, if it is better.

    Examples: rehearse promote credit --from dev --to staging --metric auc --min-gain 0.005 ·
    rehearse promote credit --to staging --undo. The code is 1 when the gate stays shut.
    """
    if not undo and not source:
        verbs.refuse(
            "--from names the workspace that the model comes from (only --undo needs none)"
        )
    try:
        settings = targets.load(target)
        rule = promotion.Rule(metric, min_gain, lower) if metric else None
        wanted = shelves.Wanted(model, source, to, registry or settings.registry, rule, undo)
        here = targets.started_with()
        if settings.needs_rehearsal and (state is not None or not targets.is_rehearsed(here)):
            words = _words(wanted, as_json)
            raise typer.Exit(elsewhere.run("scenarios.promoting", words, state))
        settings.check(one_workspace=False)
        _finish(shelves.perform(settings, wanted, _now()), wanted, as_json)
    except (targets.WrongTarget, elsewhere.NotUp, promotion.Refused, LookupError) as wrong:
        verbs.refuse(str(wrong))


def _words(wanted: shelves.Wanted, as_json: bool) -> list[str]:
    """The same wish for another process."""
    words = [wanted.model, "--to", wanted.target, "--target", "local"]
    for option, value in (("--from", wanted.source), ("--registry", wanted.registry)):
        words += [option, value] if value else []
    if wanted.rule is not None:
        gain = repr(wanted.rule.min_gain)
        words += ["--metric", wanted.rule.metric, f"--min-gain={gain}"]
        words += ["--lower-is-better"] * wanted.rule.lower_is_better
    return words + ["--undo"] * wanted.back + ["--json"] * as_json


def _now() -> str:
    """UTC to the millisecond, so that the order of promotions is theirs."""
    nanoseconds = time.time_ns()
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(nanoseconds // 10**9))
    return f"{whole}.{nanoseconds // 10**6 % 1000:03}Z"


def _finish(made: Promotion, wanted: shelves.Wanted, as_json: bool) -> NoReturn:
    if as_json:
        typer.echo(json.dumps(asdict(made)))
    else:
        _show(made, wanted)
    raise typer.Exit(1 if made.status == "refused" else 0)


def _show(made: Promotion, wanted: shelves.Wanted) -> None:
    if made.status == "undone":
        now = f"{made.model}:{made.version} is" if made.version else "nothing is"
        typer.echo(f"Undone: {now} in place in {made.target}; {made.before} is withdrawn.")
        return
    for one in made.comparisons:
        typer.echo(_line(one, wanted.rule))
    known = made.evidence
    for word, value in (
        ("data", ", ".join(known.data)), ("code", known.code), ("job", known.job),
        ("commit", known.commit), ("registry", made.registry),
    ):  # fmt: skip
        if value:
            typer.echo(f"  {word:10} {value}")
    where = f"{made.model}:{made.version} is in place in {made.target}"
    if made.status == "refused":
        typer.secho(f"Refused: {made.why}.", err=True, fg="red")
        kept = where if made.version else f"nothing is in place in {made.target}"
        typer.echo(f"As before, {kept}.")
    elif made.status == "unchanged":
        typer.echo(f"Nothing to do: {where}.")
    else:
        typer.secho(f"Promoted: {where} (before: {made.before or 'nothing'}).", fg="green")
        typer.echo(f"Take it back: rehearse promote {made.model} --to {wanted.target} --undo")


def _line(one: Comparison, rule: Rule | None) -> str:
    def told(value: float | None, sign: str = "") -> str:
        return "-" if value is None else f"{value:{sign}.6g}"

    gated = ""
    if rule is not None and rule.metric == one.metric:
        gated = f"   gate: {'-' if rule.lower_is_better else '+'}{rule.min_gain:g} or better"
    return (
        f"  {one.metric:24} candidate {told(one.candidate):>10}   in place"
        f" {told(one.in_place):>10}   {told(one.gain, '+'):>10}{gated}"
    )


def main(arguments: list[str]) -> int:
    """Run the verb with the words after `rehearse promote`; return its exit code."""
    return verbs.run(app, arguments, "rehearse promote")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
