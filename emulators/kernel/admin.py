"""The emulator's own questions and orders, under `/_emulator/` on the explicit door."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
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
    from emulators.kernel.context import Context

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
            "ports": dict(ctx.announced.ports),
            "state": str(ctx.state),
            "refusals": dict(ctx.ledger.refusals),
            "faults": len(ctx.faults.all()),
            "processes": await asyncio.to_thread(processes, os.getpid(), ctx.state),
        },
    )


def processes(root: int, state: Path) -> list[dict[str, object]]:
    """The host process and every process below it, with what each is and for whom it works."""
    import psutil

    found: list[dict[str, object]] = []
    try:
        main = psutil.Process(root)
        below = main.children(recursive=True)
    except psutil.Error:
        return found
    for process in [main, *below]:
        try:
            words, folder = process.cmdline(), Path(process.cwd())
            name, of = ("host", "") if process.pid == root else _role(words, folder, state)
            about = {
                "name": name,
                "pid": process.pid,
                "of": of,
                "parent": process.ppid(),
                "rss_mib": round(process.memory_info().rss / 2**20, 1),
                "command": " ".join(words)[:200],
            }
        except (psutil.Error, OSError):
            continue  # it ended while we looked
        if words:
            found.append(about)
    return found


def _role(command: list[str], folder: Path, state: Path) -> tuple[str, str]:
    """What a process of ours is (`mlflow`, `job`, `worker`, `runner`, ...) and of which thing."""
    name = _program(command)
    inside = folder.relative_to(state).parts if folder.is_relative_to(state) else ()
    match inside:
        case ("jobs", _, job, *_) if name not in ("leash", "runner") or len(inside) > 3:
            return ("leash" if name == "leash" else "job"), job
        case ("endpoints", _, endpoint, deployment, *_):
            return name, f"{endpoint}/{deployment}"
    return name, ""


def _program(command: list[str]) -> str:
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
        _check(fault)
    except (TypeError, ValueError) as wrong:
        raise BadRequest(f"Not a fault: {wrong}") from None
    ctx.faults.add(fault)
    return Reply(201, dataclasses.asdict(fault))


def _check(fault: Fault) -> None:
    """Refuse what could not strike, or only by accident.

    Raises:
        ValueError, TypeError: the message says what is wrong.
    """
    if not all(isinstance(v, str) for v in (fault.id, fault.host, fault.path, fault.method)):
        raise ValueError("host, path and method are patterns: texts")
    if fault.status is not None and not 200 <= fault.status <= 599:
        raise ValueError("a status is between 200 and 599")
    if fault.latency_ms < 0 or not 0 <= fault.rate <= 1 or (fault.count or 1) < 1:
        raise ValueError("a latency is at least 0, a rate between 0 and 1, a count at least 1")
    if fault.status is None and not fault.drop and not fault.latency_ms:
        raise ValueError("it does nothing: give a status, a latency, or drop")


async def _clear_faults(app: App, request: Request) -> Reply:
    lifted = context_of(request).faults.clear(request.query_params.get("id"))
    return Reply(200, {"lifted": lifted})


async def _ledger(app: App, request: Request) -> Reply:
    query, ledger = request.query_params, context_of(request).ledger
    try:
        newest = ledger.newest()
        after, limit = int(query.get("after", "0")), int(query.get("limit", "1000"))
        if "last" in query:
            after = max(0, newest - int(query["last"]))
    except ValueError:
        raise BadRequest("after, last and limit are numbers.") from None
    entries = ledger.entries(after=after, kind=query.get("kind"), limit=min(limit, 10_000))
    rows: list[dict[str, Any]] = [
        {"number": e.number, "at": e.at.isoformat(), "kind": e.kind, **e.fields} for e in entries
    ]
    return Reply(200, {"newest": newest, "entries": rows})


async def _snapshot(app: App, request: Request) -> Reply:
    ctx, body = context_of(request), await read_json(request)
    ctx.ledger.flush()
    file = Path(str(body.get("file", "")))
    try:
        # Collected on the loop and in a transaction: nothing of ours changes meanwhile.
        with snapshots.held_still(ctx.state, _unchanging(ctx)) as files:
            count = await asyncio.to_thread(snapshots.write, files, file)
    except OSError as why:
        raise BadRequest(f"{file} cannot be written: {why.strerror or why}.") from None
    return Reply(200, {"files": count, "bytes": file.stat().st_size})


@contextmanager
def _unchanging(ctx: Context) -> Iterator[None]:
    """Neither the store nor anybody's own databases are written."""
    with ctx.store.transaction(), ExitStack() as held:
        for still in ctx.stills:
            held.enter_context(still())
        yield


_ORDERS: dict[tuple[str, str], Callable[[App, Request], Awaitable[Reply]]] = {
    ("GET", "status"): _status,
    ("POST", "environment"): _environment,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "ledger"): _ledger,
    ("POST", "snapshot"): _snapshot,
}
