"""Lease operations of containers and blobs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from emulators.kernel.http import Reply
from emulators.storage import errors
from emulators.storage.engine import blobs, containers, leases
from emulators.storage.engine.access import Need
from emulators.storage.engine.conditions import check_write
from emulators.storage.store import Lease
from emulators.storage.wire.ask import Ask, bad_header, missing_header
from emulators.storage.wire.containers import found_container, version_headers
from emulators.storage.wire.routes import Route

Step = tuple[Lease | None, int, dict[str, str]]
"""The lease afterwards, the status of the answer, its headers."""


def _required(ask: Ask, name: str) -> str:
    found = ask.lease_id(name)
    if found is None:
        raise missing_header(name)
    return found


def _acquire(ask: Ask, lease: Lease | None, now: datetime) -> Step:
    duration_s = ask.number("x-ms-lease-duration", least=leases.FOREVER)
    if duration_s is None:
        raise missing_header("x-ms-lease-duration")
    identity = ask.lease_id("x-ms-proposed-lease-id") or ask.ctx.ids.guid()
    taken = leases.acquire(lease, now, identity, duration_s)
    return taken, 201, {"x-ms-lease-id": taken.id}


def _renew(ask: Ask, lease: Lease | None, now: datetime) -> Step:
    renewed = leases.renew(lease, now, _required(ask, "x-ms-lease-id"))
    return renewed, 200, {"x-ms-lease-id": renewed.id}


def _change(ask: Ask, lease: Lease | None, now: datetime) -> Step:
    proposed = _required(ask, "x-ms-proposed-lease-id")
    changed = leases.change(lease, now, _required(ask, "x-ms-lease-id"), proposed)
    return changed, 200, {"x-ms-lease-id": changed.id}


def _release(ask: Ask, lease: Lease | None, now: datetime) -> Step:
    leases.release(lease, _required(ask, "x-ms-lease-id"))
    return None, 200, {}


def _break(ask: Ask, lease: Lease | None, now: datetime) -> Step:
    broken, left_s = leases.break_(lease, now, ask.number("x-ms-lease-break-period"))
    return broken, 202, {"x-ms-lease-time": str(left_s)}


ACTIONS: dict[str, Callable[[Ask, Lease | None, datetime], Step]] = {
    "acquire": _acquire,
    "renew": _renew,
    "change": _change,
    "release": _release,
    "break": _break,
}


def _act(ask: Ask, stored: leases.Stored) -> Step:
    action = ask.header("x-ms-lease-action").lower()
    if not action:
        raise missing_header("x-ms-lease-action")
    if action not in ACTIONS:
        raise bad_header("x-ms-lease-action", action)
    if action == "break" and not (ask.caller.may("d") or ask.caller.may("w")):
        raise errors.PermissionMismatch
    if action != "break" and not ask.caller.may("w"):
        raise errors.PermissionMismatch
    return ACTIONS[action](ask, leases.load(stored), ask.ctx.clock.now())


async def lease_container(ask: Ask) -> Reply:
    found = found_container(ask)
    check_write(ask.conditions(), (found.etag, found.modified))
    lease, status, headers = _act(ask, found.lease)
    containers.set_lease(ask.vault, found, leases.dump(lease))
    return Reply(status, headers={**version_headers(found.etag, found.modified), **headers})


async def lease_blob(ask: Ask) -> Reply:
    ask.refuse_unserved_headers()
    found = blobs.find(ask.vault, found_container(ask), ask.blob)
    check_write(ask.conditions(), (found.etag, found.modified))
    lease, status, headers = _act(ask, found.lease)
    blobs.change(ask.vault, found, version=False, lease=leases.dump(lease))
    return Reply(status, headers={**version_headers(found.etag, found.modified), **headers})


C = "restype=container&comp=lease"
HOLD = Need("c", "wd", service_signature=False)
ROUTES = [
    Route("LeaseContainer", "PUT", "container", C, HOLD, lease_container),
    Route("LeaseBlob", "PUT", "blob", "comp=lease", Need("o", "wd"), lease_blob),
]
