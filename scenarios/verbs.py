"""What every verb of this package does alike: run by its words, refuse with a line."""

from __future__ import annotations

from typing import NoReturn

import typer


def run(app: typer.Typer, arguments: list[str], name: str) -> int:
    """Run a verb with the words after its name; return its exit code."""
    try:
        app(args=arguments, prog_name=name)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def refuse(why: str) -> NoReturn:
    """Say why nothing was done, and end with code 1."""
    typer.secho(why, err=True, fg="red")
    raise typer.Exit(1)
