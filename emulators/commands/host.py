"""Verbs about the host: start, show, print its environment, empty, save and load its state."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from emulators.kernel import control, snapshots
from emulators.kernel.settings import Settings, client_environment_of_process

if TYPE_CHECKING:
    from emulators.kernel.control import Host

MOMENT_S = 1.5


def ports(text: str) -> dict[str, int]:
    """`auto`, or `PROXY,EXPLICIT`, as settings; nothing when empty."""
    if not text:
        return {}
    if text == "auto":
        return {"proxy_port": 0, "explicit_port": 0}
    found = re.fullmatch(r"(\d{1,5}),(\d{1,5})", text)
    if not found:
        raise typer.BadParameter("--ports takes `auto` or PROXY,EXPLICIT, for example 8440,8441")
    return {"proxy_port": int(found.group(1)), "explicit_port": int(found.group(2))}


def milliseconds(text: str) -> int:
    """`200ms` or `2s` in milliseconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)", text)
    if not found:
        raise typer.BadParameter("a time is written 200ms or 2s")
    return round(float(found.group(1)) * (1000 if found.group(2) == "s" else 1))


def serve_here(settings: Settings, names: Sequence[str]) -> None:
    """Serve until a signal; exit code 1 with one clear line when that cannot be."""
    from emulators.kernel.folder import AlreadyRunning, log_file, open_folder
    from emulators.kernel.hostlog import kept

    try:
        log = log_file(open_folder(settings.state))
        with kept(log):
            _serve(settings, names, log)
    except (AlreadyRunning, OSError, LookupError, ValueError) as why:
        typer.secho(str(why), err=True, fg="red")
        raise typer.Exit(1) from None


def _serve(settings: Settings, names: Sequence[str], log: Path) -> None:
    from emulators.kernel.folder import AlreadyRunning

    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_until_signalled(settings, names))
    except (AlreadyRunning, OSError, LookupError, ValueError):
        raise
    except Exception as bug:
        with log.open("a", encoding="utf-8") as file:
            traceback.print_exc(file=file)
        typer.secho(
            f"Rehearsal failed: {type(bug).__name__}: {bug}\nLog: {log}", err=True, fg="red"
        )
        raise typer.Exit(1) from None


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's event loop where it can be had."""
    try:
        import uvloop
    except ImportError:  # Windows
        return None
    return uvloop.new_event_loop


async def _until_signalled(settings: Settings, names: Sequence[str]) -> None:
    from emulators.kernel.host import serve, until_signalled

    started = time.monotonic()
    async with until_signalled() as stop:
        async with serve(settings, names) as running:
            seconds = time.monotonic() - started
            _say_ready(settings, running.ports.proxy, running.ports.explicit, seconds)
            await stop.wait()
            typer.echo("Stopping.")
        typer.echo("Stopped.")


def start_detached(settings: Settings, arguments: Sequence[str]) -> None:
    """Start in the background and say what to do next."""
    started = time.monotonic()
    try:
        with busy("Starting"):
            host = control.detach(settings.state, arguments)
    except (RuntimeError, OSError, ValueError) as why:
        typer.secho(str(why), err=True, fg="red")
        raise typer.Exit(1) from None
    _say_ready(settings, host.proxy, host.explicit, time.monotonic() - started)


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Say on standard error what is under way, when it takes more than a moment."""

    def say() -> None:
        typer.echo(f"{what}…", err=True)

    timer = threading.Timer(MOMENT_S, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _say_ready(settings: Settings, proxy: int, explicit: int, seconds: float) -> None:
    state = "" if str(settings.state) == ".rehearsal" else f" --state {settings.state}"
    typer.echo(
        f"Rehearsal is up in {seconds:.1f} s: proxy 127.0.0.1:{proxy},"
        f" also https://localhost:{explicit}.\n"
        f'Next:  eval "$(rehearse env{state})"   then run any Azure code as it is.\n'
        f"Also:  rehearse status{state} · rehearse logs -f{state} · rehearse down{state}"
    )
    sys.stdout.flush()


def show_status(host: Host, as_json: bool) -> None:
    """Print what the host says of itself."""
    said = host.ask("GET", "status")
    said |= {"proxy": host.proxy, "explicit": host.explicit}
    if as_json:
        typer.echo(json.dumps(said, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(
        f"[green]up[/] · state {said['state']} · proxy 127.0.0.1:{host.proxy}"
        f" · https://localhost:{host.explicit} · {said['faults']} faults"
    )
    table = Table("process", "pid", "MiB", box=None, header_style="dim")
    for process in said["processes"]:
        table.add_row(process["name"], str(process["pid"]), str(process["rss_mib"]))
    console.print(table)
    for what, count in sorted(said["refusals"].items(), key=lambda item: -item[1])[:20]:
        console.print(f"[yellow]refused {count} x[/] {what}")


def environment(host: Host, form: str) -> str:
    """The client's variables in one of the printable forms."""
    from emulators.kernel.client_env import FORMATS, render

    if form not in FORMATS:
        raise typer.BadParameter(f"--format takes one of {', '.join(FORMATS)}")
    inherited = dict(client_environment_of_process())
    return render(host.ask("POST", "environment", inherited), form).rstrip("\n")


def reset(state: Path) -> None:
    """Empty the folder; a host that serves it is stopped first."""
    with suppress(control.NotRunning):
        control.stop(control.find(state))
    shutil.rmtree(state, ignore_errors=True)


def save_snapshot(state: Path, file: Path) -> int:
    """Save by the host when it is up, so that nothing moves meanwhile; else directly."""
    try:
        return int(control.find(state).ask("POST", "snapshot", {"file": str(file)})["files"])
    except control.NotRunning:
        return snapshots.save(state.expanduser().resolve(), file)


def load_snapshot(state: Path, file: Path) -> None:
    """Load into a folder that no host serves.

    Raises:
        RuntimeError: a host is up.
    """
    try:
        host = control.find(state)
    except control.NotRunning:
        snapshots.load(file, state.expanduser().resolve())
        return
    raise RuntimeError(f"Process {host.pid} serves this state: `rehearse down` first.")
