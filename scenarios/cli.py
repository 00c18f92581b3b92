"""The `run` verb: which scenarios there are, where one runs, and how it is watched."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from azure_adapters import settings as targets
from scenarios import elsewhere, verbs

if TYPE_CHECKING:
    from azure_adapters.planned import Planned
    from scenarios.report import Outcome

# Name -> its package, and what it shows. A scenario that is not built is not here.
SCENARIOS: Mapping[str, tuple[str, str]] = {
    "batch-endpoint": (
        "scenarios.batch_endpoint",
        "promote a model to production, score folders in batches, repeat it by a schedule",
    ),
    "data-factory": (
        "scenarios.data_factory",
        "a pipeline signs in, asks the batch endpoint, waits, branches; a trigger repeats it",
    ),
    "online-endpoint": (
        "scenarios.online_endpoint",
        "train by pipeline, deploy blue and green, roll a bad release back",
    ),
    "sql-pool": (
        "scenarios.sql_pool",
        "store the model in a SQL pool, score rows by PREDICT in a procedure and a pipeline",
    ),
}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def run(
    name: Annotated[str | None, typer.Argument(help="Scenario; see --list.")] = None,
    *,
    target: Annotated[
        str | None, typer.Option(help="local or azure; else TARGET, .env, pyproject.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what it would make; make none.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object.")] = False,
    data: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Your own CSV: adapted or Kaggle form."),
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="Name the scenarios.")] = False,
    state: Annotated[
        Path | None, typer.Option(help="State folder of the emulators to run on.")
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Every line of the jobs' logs.")
    ] = False,
) -> None:
    """Run a scenario from beginning to end, here or on Azure, with the same code.

    Examples: rehearse run online-endpoint · rehearse run online-endpoint --target azure --plan
    """
    if listing:
        _list(as_json)
        return
    if name is None or name not in SCENARIOS:
        why = f"no scenario {name or 'named'}; there are: {', '.join(SCENARIOS)}"
        _refuse(why, name, target, as_json)
    try:
        settings = targets.load(target)
        if plan:
            _plan(name, settings, data, as_json)
            return
        here = targets.started_with()
        if settings.needs_rehearsal and (state is not None or not targets.is_rehearsed(here)):
            raise typer.Exit(_elsewhere(name, state, data, as_json=as_json, verbose=verbose))
        settings.check()
    except (targets.WrongTarget, elsewhere.NotUp) as wrong:
        _refuse(str(wrong), name, target, as_json)
    outcome = _run_here(name, settings, data, as_json=as_json, verbose=verbose)
    if as_json:
        typer.echo(json.dumps(outcome.to_json()))
    raise typer.Exit(0 if outcome.status == "succeeded" else 1)


def main(arguments: list[str]) -> int:
    """Run the verb with the words after `rehearse run`; return its exit code."""
    return verbs.run(app, arguments, "rehearse run")


def _refuse(why: str, name: str | None, target: str | None, as_json: bool) -> NoReturn:
    """Say why nothing was run; a reader of --json gets its one object all the same."""
    from scenarios.report import Outcome, Step

    typer.secho(why, err=True, fg="red")
    if as_json:
        step = Step("start", "failed", 0.0, why)
        outcome = Outcome(name or "", target or "local", "failed", 0.0, (step,))
        typer.echo(json.dumps(outcome.to_json()))
    raise typer.Exit(1)


def _list(as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(list(SCENARIOS)))
        return
    for name, (_, shows) in SCENARIOS.items():
        typer.echo(f"{name:18} {shows}")


def _run_here(
    name: str, settings: targets.Settings, data: Path | None, *, as_json: bool, verbose: bool
) -> Outcome:
    """Run in this process, whose environment leads where the settings say."""
    from rich.console import Console

    from azure_adapters.factory import connect
    from scenarios.live import Watching, conclude
    from scenarios.report import Report, perform

    scenario = import_module(f"{SCENARIOS[name][0]}.scenario")
    # A fixed stream: the adapters catch what the SDK prints by putting another in its place.
    console = Console(file=sys.stderr if as_json else sys.stdout)

    def work(report: Report) -> None:
        with report.step("connect") as note:
            adapters = connect(settings)
            note.detail = f"workspace {settings.workspace} in {settings.resource_group}"
        scenario.run(adapters, report, data)

    with Watching(console, verbose=verbose) as watching:
        outcome = perform(name, settings.target, work, watching)
    conclude(console, outcome)
    return outcome


def _elsewhere(
    name: str, state: Path | None, data: Path | None, *, as_json: bool, verbose: bool
) -> int:
    """Run in a process that has what `rehearse env` prints; return its exit code."""
    words = [name, "--target", "local"]
    words += ["--data", str(data)] if data else []
    words += ["--json"] * as_json + ["--verbose"] * verbose
    return elsewhere.run("scenarios", words, state)


def _plan(name: str, settings: targets.Settings, data: Path | None, as_json: bool) -> None:
    """Go through the scenario with adapters that touch nothing, and say what they noted."""
    from azure_adapters.plan import Plan
    from scenarios.report import perform

    package = SCENARIOS[name][0]
    scenario = import_module(f"{package}.scenario")
    plan = Plan(import_module(f"{package}.rehearsed").REHEARSED)
    adapters = plan.adapters(settings)
    outcome = perform(name, settings.target, lambda report: scenario.run(adapters, report, data))
    if outcome.status == "failed":
        _refuse(str(outcome), name, settings.target, as_json)
    if as_json:
        made = [planned.to_json() for planned in plan.made]
        where = {"scenario": name, "target": settings.target, "workspace": settings.workspace}
        typer.echo(json.dumps({**where, "plan": made}))
        return
    _show_plan(name, settings, plan.made)


def _show_plan(name: str, settings: targets.Settings, made: list[Planned]) -> None:
    place = [settings.subscription_id, settings.resource_group, settings.workspace]
    shown = " / ".join(part or "(not set)" for part in place)
    typer.secho(f"{name} on {settings.target} would, in {shown}:", bold=True)
    for planned in made:
        what = f"{planned.action} {planned.kind}"
        typer.echo(f"  {what:26} {planned.name:28} {planned.detail}".rstrip())
    typer.secho("Nothing was made.", dim=True)
