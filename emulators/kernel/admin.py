"""The emulator's own questions and orders, under `/_emulator/` on the explicit door."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from emulators.kernel import snapshots
from emulators.kernel.errors import BadRequest, Forbidden, NotFound
from emulators.kernel.faults import Fault
from emulators.kernel.http import Reply, context_of, read_json
from emulators.kernel.peers import SYSTEM_OBJECT

if TYPE_CHECKING:
    from emulators.kernel.app import App

PREFIX = "/_emulator/"
AUDIENCE = "https://rehearsal.invalid/admin"
"""Audience of the token the command line makes from the state folder's own secrets."""


async def answer(app: App, request: Request, path: str) -> Reply:
    """Answer an order; all but `ready` need the state folder's own token."""
    what = path.removeprefix(PREFIX).strip("/")
    if what == "ready":
        return Reply(200, app.ready())
    _authenticate(request)
    key = (request.method, what)
    if key not in _ORDERS:
        raise NotFound(f"Rehearsal has no {request.method} {path}.")
    return await _ORDERS[key](app, request)


def _authenticate(request: Request) -> None:
    _, _, token = request.headers.get("authorization", "").partition(" ")
    principal = context_of(request).tokens.verify(token, [AUDIENCE])
    if principal.object_id != SYSTEM_OBJECT:
        raise Forbidden("Only the state folder's owner may do this.")


async def _status(app: App, request: Request) -> Reply:
    ctx = context_of(request)
    return Reply(
        200,
        {
            **app.ready(),
            "pid": os.getpid(),
            "state": str(ctx.state),
            "refusals": dict(ctx.ledger.refusals),
            "faults": len(ctx.faults.all()),
            "processes": await asyncio.to_thread(processes, os.getpid()),
        },
    )


def processes(root: int) -> list[dict[str, object]]:
    """The host process and every process below it, with a name that says what each does."""
    import psutil

    found: list[dict[str, object]] = []
    try:
        main = psutil.Process(root)
        for process in [main, *main.children(recursive=True)]:
            try:
                words = process.cmdline()
                found.append(
                    {
                        "name": "host" if process.pid == root else _name_of(words),
                        "pid": process.pid,
                        "parent": process.ppid(),
                        "rss_mib": round(process.memory_info().rss / 2**20, 1),
                        "command": " ".join(words)[:200],
                    }
                )
            except psutil.Error:
                continue
    except psutil.Error:
        return found
    return found


def _name_of(command: list[str]) -> str:
    """`mlflow`, `worker`, `runner`, ... from a command line of ours; else the program's name."""
    for index, word in enumerate(command):
        if word == "-m" and index + 1 < len(command):
            return command[index + 1].removeprefix("emulators.").partition(".")[0]
        if word.endswith(".py"):
            return Path(word).stem
    return Path(command[0]).name if command else "gone"


async def _environment(app: App, request: Request) -> Reply:
    inherited = await read_json(request)
    return Reply(200, app.environment({k: str(v) for k, v in inherited.items()}))


async def _faults(app: App, request: Request) -> Reply:
    return Reply(200, {"faults": [dataclasses.asdict(f) for f in context_of(request).faults.all()]})


async def _add_fault(app: App, request: Request) -> Reply:
    ctx, body = context_of(request), await read_json(request)
    try:
        fault = Fault(**{**body, "id": body.get("id") or f"fault-{ctx.ids.hex(6)}"})
    except TypeError as wrong:
        raise BadRequest(f"Not a fault: {wrong}") from None
    ctx.faults.add(fault)
    return Reply(201, dataclasses.asdict(fault))


async def _clear_faults(app: App, request: Request) -> Reply:
    lifted = context_of(request).faults.clear(request.query_params.get("id"))
    return Reply(200, {"lifted": lifted})


async def _ledger(app: App, request: Request) -> Reply:
    query = request.query_params
    entries = context_of(request).ledger.entries(
        after=int(query.get("after", "0")),
        kind=query.get("kind"),
        limit=min(int(query.get("limit", "1000")), 10_000),
    )
    rows: list[dict[str, Any]] = [
        {"number": e.number, "at": e.at.isoformat(), "kind": e.kind, **e.fields} for e in entries
    ]
    return Reply(200, {"entries": rows})


async def _snapshot(app: App, request: Request) -> Reply:
    ctx, body = context_of(request), await read_json(request)
    ctx.ledger.flush()
    # On the loop on purpose: nothing of ours changes while it is written.
    count = snapshots.save(ctx.state, Path(str(body["file"])))
    return Reply(200, {"files": count})


_ORDERS: dict[tuple[str, str], Callable[[App, Request], Awaitable[Reply]]] = {
    ("GET", "status"): _status,
    ("POST", "environment"): _environment,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "ledger"): _ledger,
    ("POST", "snapshot"): _snapshot,
}
