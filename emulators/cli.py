"""The command line: each verb in a few lines, each explained by its --help."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from pydantic import ValidationError

from emulators.kernel.settings import Settings

if TYPE_CHECKING:
    from emulators.kernel.control import Host

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
    values = {name: value for name, value in {"state": state, **given}.items() if value is not None}
    try:
        return Settings(**values)
    except ValidationError as wrong:
        fail("\n".join(map(_told, wrong.errors())))


def _told(error: Mapping[str, Any]) -> str:
    name = str(error["loc"][0]) if error["loc"] else "settings"
    option = "--ports or " if name.endswith("_port") else ""
    if name in inspect.signature(up).parameters:
        option = f"--{name.replace('_', '-')} or "
    return (
        f"{name} ({option}REHEARSAL_{name.upper()}):"
        f" {error['msg'][:1].lower()}{error['msg'][1:]}, not {error['input']!r}."
    )


def host_of(state: Path | None) -> Host:
    """The running host; NotRunning, which says how to start one, ends the command."""
    from emulators.kernel.control import find

    return find(settings_of(state).state)


@app.command()
def up(
    services: Annotated[list[str] | None, typer.Argument(help="Only these emulators.")] = None,
    state: State = None,
    detach: Annotated[bool, typer.Option("--detach", help="In the background.")] = False,
    ports: Annotated[str, typer.Option(help="PROXY,EXPLICIT[,TDS], or `auto` for free ones.")] = "",
    offline: Annotated[
        bool | None, typer.Option("--offline", help="Refuse hosts that are not Azure's.")
    ] = None,
    runtime: Annotated[
        str | None, typer.Option(help="venv, host or docker: where your code runs.")
    ] = None,
    relax: Annotated[
        bool | None, typer.Option("--relax", help="Let impossible pins move to the nearest.")
    ] = None,
    cold: Annotated[bool | None, typer.Option("--cold", help="No warm runners.")] = None,
    durable: Annotated[
        bool | None, typer.Option("--durable", help="Survive power loss too.")
    ] = None,
    time_scale: Annotated[
        float | None, typer.Option(help="Our waits pass this many times faster.")
    ] = None,
    public_data: Annotated[
        str | None, typer.Option(help="cache or deny: blobs of accounts that are not here.")
    ] = None,
) -> None:
    """Start the emulators, here or in the background, and say what to do next.

    Examples: rehearse up · rehearse up --detach --ports auto --state /tmp/one · rehearse up arm
    identity storage. It ends by Ctrl-C, or by `rehearse down`.
    """
    from emulators.commands import host as verbs

    settings = settings_of(
        state, offline=offline, runtime=runtime, relax=relax, cold=cold, durable=durable,
        time_scale=time_scale, public_data=public_data, **verbs.ports(ports),
    )  # fmt: skip
    verbs.check_services(services or [])
    if detach:
        verbs.start_detached(settings, [a for a in sys.argv[1:] if a != "--detach"])
    else:
        verbs.serve_here(settings, services or [])


@app.command()
def down(state: State = None) -> None:
    """Stop the emulators of a state folder; what they keep stays.

    Examples: rehearse down · rehearse down --state /tmp/one
    """
    from emulators.commands.host import busy
    from emulators.kernel.control import stop

    host = host_of(state)
    with busy("Stopping"):
        ended = stop(host)
    typer.echo(f"Stopped process {host.pid}." if ended else f"Killed process {host.pid}.")


@app.command()
def status(state: State = None, as_json: Json = False) -> None:
    """Show whether it is up, its processes, and what it refused to emulate.

    Examples: rehearse status · rehearse status --json. The code is 1 when it is not up.
    """
    from emulators.commands import host as verbs

    verbs.show_status(settings_of(state).state, as_json)


@app.command()
def env(
    state: State = None,
    form: Annotated[
        str, typer.Option("--format", help="shell, json, dotenv or powershell.")
    ] = "shell",
) -> None:
    """Print the variables that make any Azure client use this machine's emulators.

    Examples: eval "$(rehearse env)" · rehearse env --format dotenv > .env · rehearse env --format
    powershell | Out-String | Invoke-Expression
    """
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


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,  # it explains its own options
)
def promote(context: typer.Context) -> None:
    """Promote a model: `rehearse promote NAME --from dev --to staging` (see `--help`)."""
    raise typer.Exit(import_module("scenarios.promoting").main(context.args))


@app.command()
def logs(
    job: Annotated[str | None, typer.Argument(help="A job's name; none: all requests.")] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as it is written.")] = False,
    tail: Annotated[
        int, typer.Option("-n", "--tail", min=0, max=10_000, help="This many requests.")
    ] = 200,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Print what a job wrote, or what the emulators were asked.

    Examples: rehearse logs -f · rehearse logs -n 20 --json · rehearse logs -f JOB
    """
    from emulators.commands import logs as verbs

    if job is None:
        verbs.show_ledger(host_of(state), tail, follow=follow, as_json=as_json)
    else:
        verbs.show_job(settings_of(state).state, job, follow=follow, as_json=as_json)


@app.command()
def reset(
    state: State = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Empty a state folder: jobs, models, blobs, endpoints, secrets, all of it.

    Example: rehearse reset --yes. A host that serves it is stopped first.
    """
    from emulators.commands import host as verbs

    folder = settings_of(state).state.expanduser().resolve()
    verbs.check_reset(folder)
    if not yes and not typer.confirm(f"Delete everything in {folder}?"):
        raise typer.Exit(1)
    verbs.reset(folder)
    typer.echo(f"{folder} is empty. `rehearse up` begins anew.")


@snapshot.command("save")
def snapshot_save(
    file: Annotated[Path, typer.Argument(help="The archive to write.")], state: State = None
) -> None:
    """Write the whole state to FILE; the emulators may be up.

    Example: rehearse snapshot save seeded.tar.gz
    """
    from emulators.commands import host as verbs

    count, size = verbs.save_snapshot(settings_of(state).state, file.resolve())
    typer.echo(
        f"{count} files, {size / 2**20:.1f} MiB in {file}. It holds this state's secrets: keep it"
        " private."
    )


@snapshot.command("load")
def snapshot_load(
    file: Annotated[Path, typer.Argument(help="An archive that `save` wrote.")],
    state: State = None,
) -> None:
    """Replace the whole state by FILE's; the emulators must be down.

    Example: rehearse snapshot load seeded.tar.gz && rehearse up --detach
    """
    from emulators.commands import host as verbs

    verbs.load_snapshot(settings_of(state).state, file.resolve())
    typer.echo("Loaded. `rehearse up` serves it.")


@fault.command("add")
def fault_add(
    host: Annotated[str, typer.Option(help="Pattern over host names.")] = "*",
    path: Annotated[str, typer.Option(help="Pattern over paths.")] = "*",
    method: Annotated[str, typer.Option(help="One verb.")] = "*",
    status: Annotated[
        int | None, typer.Option(min=200, max=599, help="Answer with this status.")
    ] = None,
    retry_after: Annotated[
        int | None, typer.Option(min=0, help="Seconds to send as Retry-After.")
    ] = None,
    latency: Annotated[str, typer.Option(help="Wait first: 200ms, 2s.")] = "0ms",
    drop: Annotated[bool, typer.Option("--drop", help="Close without an answer.")] = False,
    rate: Annotated[float, typer.Option(min=0, max=1, help="Share of requests hit.")] = 1.0,
    count: Annotated[int | None, typer.Option(min=1, help="End after this many.")] = None,
    state: State = None,
) -> None:
    """Put a fault in force; print its name.

    Examples: rehearse fault add --host '*.blob.*' --status 503 --count 2 · rehearse fault add
    --path '*/jobs/*' --latency 2s --rate 0.1 · rehearse fault add --method PUT --drop
    """
    from emulators.commands.host import milliseconds

    body = {
        "host": host, "path": path, "method": method.upper(), "status": status, "drop": drop,
        "latency_ms": milliseconds(latency), "rate": rate, "count": count,
        "retry_after_s": retry_after,
    }  # fmt: skip
    typer.echo(host_of(state).ask("POST", "faults", body)["id"])


@fault.command("list")
def fault_list(state: State = None, as_json: Json = False) -> None:
    """Show the faults in force, and how often each may still strike.

    Example: rehearse fault list --json
    """
    from emulators.commands.host import show_faults

    show_faults(host_of(state), as_json)


@fault.command("clear")
def fault_clear(
    name: Annotated[str | None, typer.Argument(help="One fault; none: all.")] = None,
    state: State = None,
) -> None:
    """Lift one fault, or all.

    Examples: rehearse fault clear · rehearse fault clear fault-1a2b3c
    """
    query = {} if name is None else {"id": name}
    lifted = host_of(state).ask("DELETE", "faults", None, **query)["lifted"]
    if name is not None and not lifted:
        fail(f"There is no fault {name}: `rehearse fault list` names them.")
    typer.echo(f"{lifted} lifted")


@app.command()
def doctor(state: State = None, as_json: Json = False) -> None:
    """Check this machine: one line and one remedy for each thing that must hold.

    Example: rehearse doctor. The code is 1 when something does not hold.
    """
    from emulators.commands.doctor import report

    raise typer.Exit(report(settings_of(state), as_json))


@app.command()
def coverage(
    service: Annotated[str | None, typer.Argument(help="One emulator.")] = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """List the operations each emulator knows: served, or refused and why.

    Examples: rehearse coverage storage · rehearse coverage --json. It is the same for every state.
    """
    from emulators.commands.coverage import show

    try:
        show(service, as_json)
    except LookupError as unknown:
        fail(unknown)


def main() -> None:
    """Run the command line. What a verb could not do is one line; anything else is our bug."""
    try:
        app(prog_name="rehearse")
    except (OSError, RuntimeError, ValueError) as why:
        typer.secho(str(why), err=True, fg="red")
        sys.exit(1)
