"""Where storage accounts deliver events of blobs to triggers: Event Grid's webhook protocol."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request

from emulators.datafactory.engine.triggers import events
from emulators.datafactory.engine.triggers.watch import watch_of
from emulators.datafactory.wire.callbacks import HOST
from emulators.kernel.errors import BadRequest
from emulators.kernel.http import Operation, Reply, context_of, read_body

VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"


class UnknownSubscription(BadRequest):
    """No trigger waits for events of this subscription, or the code is wrong.

    Not 404: to that, an event would be delivered again for a day.
    """

    code = "EventSubscriptionNotFound"


async def receive(request: Request) -> Reply:
    """Take events; what is answered 200 has been recorded and fires, once."""
    ctx, name = context_of(request), request.path_params["subscription"]
    state = events.trigger_of(ctx, name, request.query_params.get("code", ""))
    if state is None:
        raise UnknownSubscription("No trigger waits for these events.")
    try:
        given: Any = orjson.loads(await read_body(request, 4 << 20))
    except orjson.JSONDecodeError:
        given = None
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise BadRequest("Events are an array of objects.")
    if given and given[0].get("eventType") == VALIDATION:
        code = (given[0].get("data") or {}).get("validationCode")
        return Reply(200, {"validationResponse": code})
    fired, watch = events.receive(ctx, state, given), watch_of(ctx)
    if watch is not None:
        for run in fired:
            watch.start_all(run)
    return Reply(200)


OPERATIONS = [
    Operation(
        "Events_Receive",
        "POST",
        f"{events.PATH}/{{subscription}}",
        receive,
        HOST,
        api_version=False,
        authenticate=False,
    )
]
