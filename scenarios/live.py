"""A run as it is watched on a terminal: each step with its time, the latest line under it."""

from __future__ import annotations

import time

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from scenarios.report import Outcome, Step


class Watching:
    """Prints steps as they end; on a terminal also the one that runs. A context manager."""

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        self._console = console
        self._verbose = verbose or not console.is_terminal
        self._name = ""
        self._line = ""
        self._began = 0.0
        self._spinner = Spinner("dots")
        self._live = Live(
            console=console, get_renderable=self._now, transient=True, refresh_per_second=8
        )

    def __enter__(self) -> Watching:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def begins(self, name: str) -> None:
        """Show the step that begins."""
        self._name, self._line, self._began = name, "", time.perf_counter()

    def says(self, line: str) -> None:
        """Show a line of the running step: all of them when verbose or piped, else the latest."""
        self._line = line
        if self._verbose:
            self._console.print(Text(f"         | {line}", style="dim"), soft_wrap=True)

    def ended(self, step: Step) -> None:
        """Print a step for good."""
        self._name = ""
        good = step.status == "succeeded"
        line = Text().append(f"{step.seconds:6.1f} s ", style="dim")
        line.append("\u2714 " if good else "\u2718 ", style="green" if good else "red")
        line.append(step.name, style="bold" if good else "bold red")
        if step.detail:
            line.append(f"  {step.detail}", style="dim" if good else "red")
        self._console.print(line, soft_wrap=True)

    def _now(self) -> RenderableType:
        if not self._name:
            return Text("")
        self._spinner.update(text=Text(f"{time.perf_counter() - self._began:4.1f} s  {self._name}"))
        line = Text(f"         {self._line}"[: self._console.width - 1], style="dim")
        return Group(self._spinner, line)


def conclude(console: Console, outcome: Outcome) -> None:
    """Print how the run ended."""
    colour = "green" if outcome.status == "succeeded" else "red"
    console.print(
        f"[bold {colour}]{outcome.status}[/]: {outcome.scenario} on {outcome.target}, "
        f"{len(outcome.steps)} steps in {outcome.seconds:.1f} s"
    )
