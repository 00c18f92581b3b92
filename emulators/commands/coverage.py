"""`rehearse coverage`: what each emulator serves, and what it refuses and why."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from emulators.kernel import catalogue, registry


def packages() -> list[str]:
    """The packages of the emulators, in the registry's order."""
    return list(
        dict.fromkeys(where.rpartition(".service")[0] for where in registry.known().values())
    )


def show(service: str | None, as_json: bool) -> None:
    """Print the catalogue of one emulator, or of all.

    Raises:
        LookupError: no emulator of that name.
    """
    wanted = packages()
    if service is not None:
        registry.load(service)
        wanted = [registry.known()[service].rpartition(".service")[0]]
    rows = [(p.rpartition(".")[2], row) for p in wanted for row in catalogue.rows(p)]
    if as_json:
        typer.echo(json.dumps([{"emulator": name, **asdict(row)} for name, row in rows], indent=1))
        return
    for name, row in rows:
        mark = "served " if row.status == "served" else "refused"
        typer.echo(f"{mark} {name:16} {row.name:44} {row.method:6} {row.path}  {row.why}")
    served = sum(row.status == "served" for _, row in rows)
    typer.echo(f"{served} served, {len(rows) - served} refused")
