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
from typing import TYPE_CHECKING, Any

import typer

from emulators.kernel import control, snapshots
from emulators.kernel.folder import holder, is_state
from emulators.kernel.settings import Settings, client_environment_of_process

if TYPE_CHECKING:
    from emulators.kernel.control import Host

MOMENT_S = 1.5


def ports(text: str) -> dict[str, int]:
    """`auto`, or `PROXY,EXPLICIT[,TDS]`, as settings; nothing when empty."""
    if not text:
        return {}
    if text == "auto":
        return {"proxy_port": 0, "explicit_port": 0, "tds_port": 0}
    found = re.fullmatch(r"(\d{1,5}),(\d{1,5})(?:,(\d{1,5}))?", text)
    if not found:
        raise typer.BadParameter(
            "--ports takes `auto` or PROXY,EXPLICIT[,TDS], for example 8440,8441,8433"
        )
    names = ("proxy_port", "explicit_port", "tds_port")
    return {n: int(port) for n, port in zip(names, found.groups(), strict=True) if port}


def milliseconds(text: str) -> int:
    """`200ms` or `2s` in milliseconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)", text)
    if not found:
        raise typer.BadParameter("a time is written 200ms or 2s")
    return round(float(found.group(1)) * (1000 if found.group(2) == "s" else 1))


def serve_here(settings: Settings, names: Sequence[str]) -> None:
    """Serve until a signal.

    Raises:
        AlreadyRunning, UnusableState, PortTaken, BadUpstream: their messages say what to do.
        Exit: anything else; said in short, and in full in the log.
    """
    from emulators.kernel.door import PortTaken
    from emulators.kernel.folder import AlreadyRunning, UnusableState, log_file, open_folder
    from emulators.kernel.hostlog import kept
    from emulators.kernel.upstream import BadUpstream

    log = log_file(open_folder(settings.state))
    with kept(log), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            runner.run(_until_signalled(settings, names))
        except (AlreadyRunning, UnusableState, PortTaken, BadUpstream):
            raise
        except Exception as bug:
            with log.open("a", encoding="utf-8", errors="backslashreplace") as file:
                traceback.print_exc(file=file)
            why = f"Rehearsal failed: {type(bug).__name__}: {bug}\nDetails: {log}"
            typer.secho(why, err=True, fg="red")
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
    with busy("Starting"):
        host = control.detach(settings.state, arguments)
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


def show_status(state: Path, as_json: bool) -> None:
    """Print what the host says of itself; code 1 when there is none."""
    try:
        host = control.find(state)
        said = host.ask("GET", "status")
    except control.NotRunning:
        if as_json:
            where = str(state.expanduser().resolve())
            typer.echo(json.dumps({"ready": False, "state": where, "processes": []}, indent=1))
            raise typer.Exit(1) from None
        raise
    said |= {"proxy": host.proxy, "explicit": host.explicit}
    if as_json:
        typer.echo(json.dumps(said, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(soft_wrap=True, highlight=False)
    console.print(
        f"[green]up[/] · state {said['state']} · proxy 127.0.0.1:{host.proxy}"
        f" · https://localhost:{host.explicit}{_more_ports(said)}"
        f" · {_faults_in_words(said['faults'])}"
    )
    table = Table("process", "of", "pid", "MiB", box=None, header_style="dim")
    for process in said["processes"]:
        row = (process["name"], process["of"], process["pid"], process["rss_mib"])
        table.add_row(*map(str, row))
    console.print(table)
    for what, count in sorted(said["refusals"].items(), key=lambda item: -item[1])[:20]:
        typer.echo(f"refused {count} x {what}")


def _more_ports(said: dict[str, Any]) -> str:
    return "".join(f" · {what} localhost:{port}" for what, port in said.get("ports", {}).items())


def _faults_in_words(count: int) -> str:
    return "no fault in force" if not count else f"{count} fault{'s' * (count > 1)} in force"


def show_faults(host: Host, as_json: bool) -> None:
    """Print the faults in force."""
    found = host.ask("GET", "faults")["faults"]
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    for fault in found:
        does = [f"answers {fault['status']}"] if fault["status"] else []
        does += [f"waits {fault['latency_ms']} ms"] if fault["latency_ms"] else []
        does += ["drops"] if fault["drop"] else []
        where = f"{fault['method']} {fault['host']} {fault['path']}"
        left = "" if fault["count"] is None else f", {fault['count']} times more"
        rate = "" if fault["rate"] == 1 else f", {fault['rate']:.0%} of them"
        typer.echo(f"{fault['id']}  {where}  {' and '.join(does)}{rate}{left}")
    if not found:
        typer.echo(_faults_in_words(0).capitalize() + ".")


def environment(host: Host, form: str) -> str:
    """The client's variables in one of the printable forms."""
    from emulators.kernel.client_env import FORMATS, render

    if form not in FORMATS:
        raise typer.BadParameter(f"--format takes one of {', '.join(FORMATS)}")
    inherited = dict(client_environment_of_process())
    return render(host.ask("POST", "environment", inherited), form).rstrip("\n")


def check_services(names: Sequence[str]) -> None:
    """Refuse names that no emulator has, before anything is started."""
    from emulators.kernel import registry

    unknown = sorted(set(names) - set(registry.known()))
    if unknown:
        raise typer.BadParameter(
            f"no emulator {', '.join(unknown)}; there are: {', '.join(registry.known())}"
        )


def check_reset(state: Path) -> None:
    """Refuse to empty what is no state folder, or holds more than one.

    Raises:
        ValueError: it is not safe to.
    """
    if not state.exists() or not any(state.iterdir()):
        return
    around = {Path.home().resolve(), *Path.cwd().resolve().parents, Path.cwd().resolve()}
    if state in around or (state / ".git").exists():
        raise ValueError(f"{state} holds more than a state: remove what you want by hand.")
    if not is_state(state) and any(place.name != "run" for place in state.iterdir()):
        raise ValueError(f"{state} holds no state of Rehearsal: nothing is removed.")


def reset(state: Path) -> None:
    """Empty the folder; a host that serves it is stopped first.

    Raises:
        OSError: something cannot be removed.
    """
    with busy("Emptying"):
        with suppress(control.NotRunning):
            control.stop(control.find(state))
        if state.exists():
            for place in state.iterdir():
                shutil.rmtree(
                    place
                ) if place.is_dir() and not place.is_symlink() else place.unlink()


def save_snapshot(state: Path, file: Path) -> tuple[int, int]:
    """Save by the host when it is up, so that nothing moves meanwhile; else directly.

    Returns:
        The number of files, and the archive's size in bytes.
    """
    state = state.expanduser().resolve()
    with busy("Saving"):
        try:
            told = control.find(state).ask("POST", "snapshot", {"file": str(file)})
            return int(told["files"]), int(told["bytes"])
        except control.NotRunning:
            if holder(state) is not None:
                raise
            return snapshots.save(state, file), file.stat().st_size


def load_snapshot(state: Path, file: Path) -> None:
    """Load into a folder that no host serves.

    Raises:
        RuntimeError: a host is up.
        ValueError: the file is no snapshot; the state is as it was.
    """
    state = state.expanduser().resolve()
    pid = holder(state)
    if pid is not None:
        raise RuntimeError(f"Process {pid} serves {state}: `rehearse down` first.")
    with busy("Loading"):
        snapshots.load(file, state)
