"""Changes of a workspace's artifacts: accepted first, their result at the address in `Location`."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from emulators.datafactory.engine import resources
from emulators.datafactory.engine.resources import Child
from emulators.datafactory.store import Factory
from emulators.datafactory.wire.scope import DEV_HOST, factory_of
from emulators.kernel.azure_http import LONG_RUNNING, POLL_MS, begin, finish
from emulators.kernel.errors import NotFound
from emulators.kernel.http import Operation, Reply, context_of, links_of

PATH = "/operationResults/{operation}"


def answered(request: Request, at: Child, state: str, body: object = None) -> Reply:
    """The answer to a change that is done: a factory says so, a workspace says Accepted.

    Args:
        state: the word for what a workspace is doing: Creating, Deleting, Renaming.
        body: the artifact as it is now; None when it is gone.
    """
    if at.factory.kind != "synapse":
        return Reply(200, body)
    ctx = context_of(request)
    gone = state == "Deleting"
    operation = begin(ctx, "|".join((at.factory.id, "" if gone else at.kind, at.key)))
    finish(ctx, operation.id)
    version = request.query_params.get("api-version", "")
    where = f"{PATH.format(operation=operation.id)}?api-version={version}"
    url = links_of(request).to(request.scope["azure_host"], where)
    said: dict[str, Any] = {"operationId": operation.id, "name": at.name, "state": state}
    return Reply(202, said, {"Location": url, "x-ms-retry-after-ms": POLL_MS})


def _kept(request: Request, factory: Factory) -> Child | None:
    """The artifact that an operation of this workspace changed; None when it removed one.

    Raises:
        NotFound: it has no such operation.
    """
    name = request.path_params["operation"]
    found = context_of(request).store.get(LONG_RUNNING, name)
    parts = found.resource.split("|") if found is not None else []
    if len(parts) != 3 or parts[0] != factory.id:
        raise NotFound(f"The operation '{name[:100]}' was not found.")
    return Child(factory, parts[1], parts[2]) if parts[1] else None


async def result(request: Request) -> Reply:
    """What a change came to."""
    from emulators.datafactory.wire.children import encode

    factory = factory_of(request)
    at = _kept(request, factory)
    if at is None:
        return Reply(204)
    return Reply(200, encode(factory, resources.get(context_of(request), at)))


WORKSPACE_OPERATIONS = [Operation("OperationResults_Get", "GET", PATH, result, host=DEV_HOST)]
