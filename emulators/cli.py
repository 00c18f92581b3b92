"""The command line: each verb in a few lines, each explained by its --help."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from emulators.kernel.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Azure MLOps on your own machine: unmodified Azure SDK code, really run, offline.\n\n"
        'First time:  rehearse up --detach  ·  eval "$(rehearse env)"  ·  run your own code.'
    ),
)
fault = typer.Typer(no_args_is_help=True, help="Break something on purpose, and mend it.")
snapshot = typer.Typer(no_args_is_help=True, help="The whole state as one file.")
app.add_typer(fault, name="fault")
app.add_typer(snapshot, name="snapshot")

State = Annotated[
    Path | None,
    typer.Option("--state", help="State folder (default .rehearsal).", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON value instead of text.")]


def fail(why: object) -> NoReturn:
    """Say what went wrong and what to do, and end with code 1."""
    typer.secho(str(why), err=True, fg="red")
    raise typer.Exit(1)


def settings_of(state: Path | None, **given: Any) -> Settings:
    """The settings with what the command line says on top."""
    values: dict[str, Any] = {"state": state, **given}
    return Settings(**{name: value for name, value in values.items() if value is not None})


def host_of(state: Path | None) -> Any:
    """The running host, or an error that says how to start one."""
    from emulators.kernel.control import NotRunning, find

    try:
        return find(settings_of(state).state)
    except NotRunning as down:
        fail(down)


@app.command()
def up(
    services: Annotated[list[str] | None, typer.Argument(help="Only these emulators.")] = None,
    state: State = None,
    detach: Annotated[bool, typer.Option(help="In the background.")] = False,
    ports: Annotated[str, typer.Option(help="PROXY,EXPLICIT or `auto`.")] = "",
    offline: Annotated[bool | None, typer.Option(help="Refuse hosts that are not Azure's.")] = None,
    runtime: Annotated[str | None, typer.Option(help="venv, host or docker.")] = None,
    relax: Annotated[bool | None, typer.Option(help="Let impossible pins move.")] = None,
    cold: Annotated[bool | None, typer.Option(help="No warm runners.")] = None,
    durable: Annotated[bool | None, typer.Option(help="Survive power loss too.")] = None,
    time_scale: Annotated[float | None, typer.Option(help="Our waits, this much faster.")] = None,
    public_data: Annotated[str | None, typer.Option(help="cache or deny.")] = None,
) -> None:
    """Start the emulators, here or in the background, and say what to do next."""
    from emulators.commands import host as verbs

    settings = settings_of(
        state, offline=offline, runtime=runtime, relax=relax, cold=cold, durable=durable,
        time_scale=time_scale, public_data=public_data, **verbs.ports(ports),
    )  # fmt: skip
    if detach:
        verbs.start_detached(settings, [a for a in sys.argv[1:] if a != "--detach"])
    else:
        verbs.serve_here(settings, services or [])


@app.command()
def down(state: State = None) -> None:
    """Stop the emulators of a state folder; what they keep stays."""
    from emulators.kernel.control import stop

    host = host_of(state)
    ended = stop(host)
    typer.echo(f"Stopped process {host.pid}." if ended else f"Killed process {host.pid}.")


@app.command()
def status(state: State = None, as_json: Json = False) -> None:
    """Show whether it is up, its processes, and what it refused to emulate."""
    from emulators.commands import host as verbs

    verbs.show_status(host_of(state), as_json)


@app.command()
def env(
    state: State = None,
    form: Annotated[
        str, typer.Option("--format", help="shell, json, dotenv or powershell.")
    ] = "shell",
) -> None:
    """Print the variables that make any Azure client use this machine's emulators."""
    from emulators.commands import host as verbs

    typer.echo(verbs.environment(host_of(state), form))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,  # the scenarios explain their own options
)
def run(context: typer.Context) -> None:
    """Run a scenario: `rehearse run online-endpoint` (see `rehearse run --list`)."""
    # The one dynamic link to the scenarios, which know nothing of the emulators.
    raise typer.Exit(import_module("scenarios.cli").main(context.args))


@app.command()
def logs(
    job: Annotated[str | None, typer.Argument(help="A job's name; none: all requests.")] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as it is written.")] = False,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Print what a job wrote, or what the emulators were asked."""
    from emulators.commands import logs as verbs

    if job is None:
        verbs.show_ledger(host_of(state), follow, as_json)
    else:
        raise typer.Exit(verbs.show_job(settings_of(state).state, job, follow))


@app.command()
def reset(
    state: State = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Empty a state folder: jobs, models, blobs, endpoints, secrets, all of it."""
    from emulators.commands import host as verbs

    folder = settings_of(state).state.expanduser().resolve()
    if not yes and not typer.confirm(f"Delete everything in {folder}?"):
        raise typer.Exit(1)
    verbs.reset(folder)
    typer.echo(f"{folder} is empty. `rehearse up` begins anew.")


@snapshot.command("save")
def snapshot_save(file: Path, state: State = None) -> None:
    """Write the whole state to FILE; the emulators may be up."""
    from emulators.commands import host as verbs

    count = verbs.save_snapshot(settings_of(state).state, file.resolve())
    typer.echo(f"{count} files in {file}. It holds this state's secrets: keep it private.")


@snapshot.command("load")
def snapshot_load(file: Path, state: State = None) -> None:
    """Replace the whole state by FILE's; the emulators must be down."""
    from emulators.commands import host as verbs

    try:
        verbs.load_snapshot(settings_of(state).state, file.resolve())
    except (ValueError, RuntimeError) as wrong:
        fail(wrong)
    typer.echo("Loaded. `rehearse up` serves it.")


@fault.command("add")
def fault_add(
    host: Annotated[str, typer.Option(help="Pattern over host names.")] = "*",
    path: Annotated[str, typer.Option(help="Pattern over paths.")] = "*",
    method: Annotated[str, typer.Option(help="One verb.")] = "*",
    status: Annotated[int | None, typer.Option(help="Answer with this status.")] = None,
    latency: Annotated[str, typer.Option(help="Wait first: 200ms, 2s.")] = "0ms",
    drop: Annotated[bool, typer.Option(help="Close without an answer.")] = False,
    rate: Annotated[float, typer.Option(min=0, max=1, help="Share of requests hit.")] = 1.0,
    count: Annotated[int | None, typer.Option(min=1, help="End after this many.")] = None,
    state: State = None,
) -> None:
    """Put a fault in force, for example --host '*.blob.*' --status 503 --rate 0.1 --count 5."""
    from emulators.commands.host import milliseconds

    body = {
        "host": host, "path": path, "method": method.upper(), "status": status, "drop": drop,
        "latency_ms": milliseconds(latency), "rate": rate, "count": count,
    }  # fmt: skip
    typer.echo(host_of(state).ask("POST", "faults", body)["id"])


@fault.command("list")
def fault_list(state: State = None, as_json: Json = False) -> None:
    """Show the faults in force."""
    found = host_of(state).ask("GET", "faults")["faults"]
    typer.echo(json.dumps(found, indent=1) if as_json else "\n".join(map(str, found)) or "none")


@fault.command("clear")
def fault_clear(
    name: Annotated[str | None, typer.Argument(help="One fault; none: all.")] = None,
    state: State = None,
) -> None:
    """Lift one fault, or all."""
    query = {} if name is None else {"id": name}
    typer.echo(f"{host_of(state).ask('DELETE', 'faults', None, **query)['lifted']} lifted")


@app.command()
def doctor(state: State = None, as_json: Json = False) -> None:
    """Check this machine: one line and one remedy for each thing that must hold."""
    from emulators.commands.doctor import report

    raise typer.Exit(report(settings_of(state), as_json))


@app.command()
def coverage(
    service: Annotated[str | None, typer.Argument(help="One emulator.")] = None,
    as_json: Json = False,
) -> None:
    """List the operations each emulator knows: served, or refused and why."""
    from emulators.commands.coverage import show

    try:
        show(service, as_json)
    except LookupError as unknown:
        raise typer.BadParameter(str(unknown)) from None
