"""Endpoints of either kind as requests state them: whole, or as changes to what is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from emulators.kernel.http import json_object
from emulators.machinelearning.engine.endpoints.shelf import Wanted
from emulators.machinelearning.store.batch import BatchEndpoint
from emulators.machinelearning.store.endpoints import Endpoint
from emulators.machinelearning.wire.scope import caller, properties_of, words


def whole(request: Request, body: dict[str, Any]) -> Wanted:
    """What a PUT states."""
    words(body, "tags")
    return Wanted(
        properties_of(body),
        json_object(body.get("tags"), "tags"),
        json_object(body.get("identity"), "identity"),
        caller(request),
    )


def changed(
    request: Request,
    body: dict[str, Any],
    endpoint: Endpoint | BatchEndpoint,
    properties: Mapping[str, Any],
) -> Wanted:
    """What a PATCH makes of an endpoint, whose `properties` are shown so before it."""
    words(body, "tags")
    return Wanted(
        {**properties, **json_object(body.get("properties"), "properties")},
        {**endpoint.tags, **json_object(body.get("tags"), "tags")},
        {**endpoint.identity, **json_object(body.get("identity"), "identity")},
        caller(request),
    )
