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
factory = typer.Typer(
    no_args_is_help=True,
    help="Data Factory: load a factory as it lies in git, run its pipelines, see what ran.",
)
app.add_typer(fault, name="fault")
app.add_typer(snapshot, name="snapshot")
app.add_typer(factory, name="datafactory")

State = Annotated[
    Path | None,
    typer.Option("--state", help="State folder (default .rehearsal).", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON value instead of text.")]
FactoryName = Annotated[
    str | None,
    typer.Option("--factory", help="The factory (default: the seeded one).", show_default=False),
]
Group = Annotated[
    str | None,
    typer.Option("--resource-group", "-g", help="Its resource group (default: the seeded one)."),
]


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


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,  # it explains its own options
)
def model(context: typer.Context) -> None:
    """Export a model to ONNX for PREDICT: `rehearse model export-onnx NAME` (see `--help`)."""
    raise typer.Exit(import_module("scenarios.exporting").main(context.args))


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


@factory.command("load")
def factory_load(
    folder: Annotated[Path, typer.Argument(help="The factory's folder in git.")],
    name: Annotated[
        str | None,
        typer.Option("--factory", help="Which factory file, or the name to give it."),
    ] = None,
    group: Group = None,
    parameters: Annotated[
        Path | None,
        typer.Option("--global-parameters", help="A …_GlobalParameters.json to put on top."),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", help="NAME=VALUE: a global parameter, or a template's name."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only say what does not hold.")] = False,
    start: Annotated[
        bool, typer.Option(help="Start the triggers that the folder says are started.")
    ] = True,
    state: State = None,
) -> None:
    """Publish a factory as it lies in git: check all of it, then put it in order.

    Examples: rehearse datafactory load ./adf · rehearse datafactory load ./adf --factory adf-dev
    --global-parameters globalParameters/adf-dev_GlobalParameters.json · rehearse datafactory load
    ./adf --check · rehearse datafactory load ./adf -p stage=test -p
    Vault_properties_typeProperties_baseUrl=https://v.vault.azure.net/
    """
    from emulators.commands import datafactory as verbs

    options = {
        "factory": name, "group": group, "global_parameters": parameters, "param": param or [],
        "check": check, "start": start,
    }  # fmt: skip
    verbs.load(settings_of(state), folder, options)


@factory.command("run")
def factory_run(
    pipeline: Annotated[
        str, typer.Argument(help="The pipeline's name, or a file of one that is not published.")
    ],
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="NAME=VALUE of a parameter.")
    ] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Until it has ended.")] = False,
    name: FactoryName = None,
    group: Group = None,
    state: State = None,
) -> None:
    """Begin a run of a pipeline and print its id.

    Examples: rehearse datafactory run Score -p month=2026-11 --follow · rehearse datafactory run
    Score -p 'tables=["a","b"]' · rehearse datafactory run pipeline/Score.json -f. With --follow the
    code is 1 when the run does not succeed.
    """
    from emulators.commands import datafactory as verbs

    with verbs.wire(settings_of(state), name, group) as there:
        verbs.run(there, pipeline, verbs.pairs(param or []), follow=follow)


@factory.command("list")
def factory_list(
    name: FactoryName = None, group: Group = None, state: State = None, as_json: Json = False
) -> None:
    """Show what is published: pipelines with their parameters, triggers with their state.

    Example: rehearse datafactory list --factory adf-dev
    """
    from emulators.commands import datafactory as verbs

    with verbs.wire(settings_of(state), name, group) as there:
        verbs.show_list(there, as_json)


@factory.command("runs")
def factory_runs(
    pipeline: Annotated[str | None, typer.Argument(help="Only of this pipeline.")] = None,
    name: FactoryName = None,
    group: Group = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """List the runs of pipelines, the newest first.

    Examples: rehearse datafactory runs · rehearse datafactory runs Score --json
    """
    from emulators.commands import datafactory as verbs

    with verbs.wire(settings_of(state), name, group) as there:
        verbs.show_runs(there, pipeline, as_json)


@factory.command("show")
def factory_show(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run's id.")],
    svg: Annotated[Path | None, typer.Option(help="Write the chart to this file, too.")] = None,
    name: FactoryName = None,
    group: Group = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Show a run with its activities as a chart over time.

    Examples: rehearse datafactory show RUN · rehearse datafactory show RUN --svg run.svg
    """
    from emulators.commands import datafactory as verbs

    with verbs.wire(settings_of(state), name, group) as there:
        verbs.show_run(there, run_id, svg, as_json)


@factory.command("cancel")
def factory_cancel(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run's id.")],
    recursive: Annotated[
        bool, typer.Option("--recursive", help="The runs that it began, too.")
    ] = False,
    name: FactoryName = None,
    group: Group = None,
    state: State = None,
) -> None:
    """Cancel a run.

    Example: rehearse datafactory cancel RUN --recursive
    """
    from emulators.commands import datafactory as verbs

    with verbs.wire(settings_of(state), name, group) as there:
        verbs.cancel(there, run_id, recursive)


@factory.command("start-trigger")
def factory_start(
    trigger: str, name: FactoryName = None, group: Group = None, state: State = None
) -> None:
    """Start a trigger: from now on it fires.

    Example: rehearse datafactory start-trigger Nightly
    """
    from emulators.commands import datafactory as verbs

    with verbs.wire(settings_of(state), name, group) as there:
        verbs.switch(there, trigger, "start")


@factory.command("stop-trigger")
def factory_stop(
    trigger: str, name: FactoryName = None, group: Group = None, state: State = None
) -> None:
    """Stop a trigger: it fires no more, and can be changed.

    Example: rehearse datafactory stop-trigger Nightly
    """
    from emulators.commands import datafactory as verbs

    with verbs.wire(settings_of(state), name, group) as there:
        verbs.switch(there, trigger, "stop")


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
