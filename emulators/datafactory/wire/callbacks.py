"""Callbacks of WebHook activities: open to whoever was given the URL."""

from __future__ import annotations

from starlette.requests import Request

from emulators.datafactory.engine.activities import webhook
from emulators.kernel.errors import BadRequest, NotFound
from emulators.kernel.http import Operation, Reply, context_of, read_body

HOST = "*.svc.datafactory.azure.com"


class CallbackMissing(NotFound):
    """The callback was taken, timed out, or never was."""

    code = "CallbackNotFound"


class InvalidCallback(BadRequest):
    """A callback whose body is no JSON."""

    code = "InvalidCallbackBody"


async def call_back(request: Request) -> Reply:
    ctx = context_of(request)
    body = await read_body(request, 4 << 20)
    secret = request.query_params.get("callbackUrl", "")
    try:
        taken = webhook.accept(ctx, request.path_params["id"], secret, body)
    except ValueError as wrong:
        raise InvalidCallback(f"The body of a callback must be JSON: {wrong}.") from None
    if not taken:
        raise CallbackMissing("No webhook activity waits for this callback.")
    return Reply(200)


PATH = f"{webhook.PATH}/{{id}}"
OPERATIONS = [
    Operation(
        "WebHooks_CallBack", "POST", PATH, call_back, HOST, api_version=False, authenticate=False
    )
]
