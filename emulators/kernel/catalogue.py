"""operations.toml: every operation of an API we know of, served or refused and why."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, NoReturn

from starlette.requests import Request

from emulators.kernel.errors import Unsupported
from emulators.kernel.http import Operation


@dataclass(frozen=True, slots=True)
class Row:
    """One operation as the catalogue knows it."""

    name: str
    method: str
    host: str
    path: str
    status: str  # "served" or "refused"
    why: str = ""
    source: str = ""


def rows(package: str) -> list[Row]:
    """The catalogue of an emulator, in the order of its file.

    Raises:
        ValueError: a row without a name, or with a status that is neither.
    """
    text = files(package).joinpath("operations.toml").read_text(encoding="utf-8")
    found = [Row(**entry) for entry in tomllib.loads(text).get("operation", [])]
    for row in found:
        if row.status not in ("served", "refused") or (row.status == "refused" and not row.why):
            raise ValueError(f"{package}: {row.name} needs a status, and a reason when refused")
    return found


def refusals(package: str, host: str | None = None) -> list[Operation]:
    """Routes that answer `NotEmulated` for what the catalogue refuses."""
    name = package.rpartition(".")[2]
    return [
        Operation(row.name, row.method, row.path, _refuse(row, name), host=row.host)
        for row in rows(package)
        if row.status == "refused" and (host is None or row.host == host)
    ]


def _refuse(row: Row, emulator: str) -> Callable[[Request], Coroutine[Any, Any, NoReturn]]:
    async def refuse(request: Request) -> NoReturn:
        version = request.query_params.get("api-version", "none")
        raise Unsupported(
            f"{row.name} ({row.method} on {row.host}, api-version {version}): {row.why}",
            tracked=f"emulators/{emulator}/operations.toml",
        )

    return refuse
