"""What every route of this service shares: scopes, callers, list parameters, envelopes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from starlette.requests import Request

from emulators.kernel.azure_http import accepted, begin, finish, page, system_data
from emulators.kernel.context import Context
from emulators.kernel.errors import BadRequest, Unsupported
from emulators.kernel.http import Reply, context_of, links_of, principal_of
from emulators.machinelearning.engine import workspaces
from emulators.machinelearning.errors import ValidationError
from emulators.machinelearning.store.workspaces import Workspace

ARM_HOST = "management.azure.com"
ML_HOST = "*.api.azureml.ms"
PROVIDER = "providers/Microsoft.MachineLearningServices"
SUBSCRIPTION = "/subscriptions/{sub}"
GROUP = SUBSCRIPTION + "/resourceGroups/{rg}"
WORKSPACES = f"{GROUP}/{PROVIDER}/workspaces"
WS = WORKSPACES + "/{ws}"
TYPE = "Microsoft.MachineLearningServices/workspaces"
PAGE = 100

T = TypeVar("T")


def workspace_of(request: Request) -> Workspace:
    """The workspace in the path (`{sub}`, `{rg}`, `{ws}`).

    Raises:
        SubscriptionMissing, ResourceMissing: it does not exist.
    """
    at = request.path_params
    return workspaces.get(context_of(request), at["sub"], at["rg"], at["ws"])


def caller(request: Request) -> str:
    """Who made the request, as `systemData` names them."""
    principal = principal_of(request)
    return principal.app_id or principal.object_id


def honoured(request: Request, *known: str) -> dict[str, str]:
    """The query parameters by lower-case name, without `api-version`.

    Raises:
        Unsupported: one that this operation does not act on, so that nothing is ignored.
    """
    given = {k.lower(): v for k, v in request.query_params.items() if k.lower() != "api-version"}
    unknown = sorted(set(given) - {name.lower() for name in known})
    if unknown:
        raise Unsupported(
            f"the query parameter '{unknown[0]}' of {request.method} {request.url.path}",
            tracked="emulators/machinelearning/README.md",
        )
    return given


def integer(given: dict[str, str], name: str, default: int) -> int:
    """A non-negative integer parameter.

    Raises:
        ValidationError: it is something else.
    """
    text = given.get(name.lower())
    if text is None or text == "":
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise ValidationError(f"The value '{text}' of '{name}' is not valid.", target=name)
    return int(text)


def paged(
    request: Request, items: Sequence[T], encode: Callable[[T], Any], size: int = PAGE
) -> Reply:
    """The part of a list that `$top` and `$skip` ask for, and the link to the next.

    `$top` is how many the caller wants in all; without it pages of `size` follow each other.
    """
    given = {k.lower(): v for k, v in request.query_params.items()}
    skip, top = integer(given, "$skip", 0), integer(given, "$top", 0)
    wanted = min(top, size) if top else size
    shown = items[skip : skip + wanted]
    link = None
    left = top - len(shown) if top else len(items)
    if skip + len(shown) < len(items) and left > 0 and shown:
        query = {
            k: v for k, v in request.query_params.items() if k.lower() not in ("$skip", "$top")
        }
        query["$skip"] = str(skip + len(shown))
        if top:
            query["$top"] = str(left)
        host, path = request.scope["azure_host"], request.scope["azure_path"]
        link = links_of(request).to(host, f"{path}?{urlencode(query, quote_via=quote)}")
    return page([encode(item) for item in shown], link)


def stamps(created: datetime, modified: datetime, by: str, changed_by: str = "") -> dict[str, str]:
    """`systemData` with its second author."""
    data = system_data(created, modified, by)
    data["lastModifiedBy"] = changed_by or by
    return data


def properties_of(body: dict[str, Any]) -> dict[str, Any]:
    """The `properties` of an ARM body.

    Raises:
        BadRequest: they are missing, or no object.
    """
    found = body.get("properties")
    if not isinstance(found, dict):
        raise BadRequest("The request content was invalid: 'properties' must be an object.")
    return found


def words(given: dict[str, Any], *names: str) -> None:
    """Check that maps of text are that.

    Raises:
        ValidationError: one is something else.
    """
    for name in names:
        value = given.get(name)
        if value is None:
            continue
        fine = isinstance(value, dict) and all(
            isinstance(v, str | int | float | bool | None) for v in value.values()
        )
        if not fine:
            raise ValidationError(f"The field '{name}' must be a map of text.", target=name)


def asset_words(given: dict[str, Any]) -> None:
    """Check what every asset has: maps of text, a description, flags.

    Raises:
        ValidationError: one is of another kind.
    """
    words(given, "tags", "properties")
    if not isinstance(given.get("description"), str | None):
        raise ValidationError("The field 'description' must be text.", target="description")
    for flag in ("isArchived", "isAnonymous"):
        if not isinstance(given.get(flag), bool | None):
            raise ValidationError(f"The field '{flag}' must be true or false.", target=flag)


def status_path(sub: str, location: str, operation_id: str, kind: str = "mfe") -> str:
    """Where a long-running operation of this service is polled."""
    return (
        f"/subscriptions/{sub}/{PROVIDER}/locations/{location}/{kind}OperationsStatus/"
        f"{operation_id}"
    )


def done(
    request: Request,
    resource: str,
    *,
    status: int,
    body: object = None,
    kind: str = "mfe",
    location: str | None = None,
) -> Reply:
    """Answer as a long-running operation whose work is already finished at the first poll."""
    ctx = context_of(request)
    operation = begin(ctx, resource)
    finish(ctx, operation.id)
    path = status_path(
        request.path_params["sub"], location or ctx.settings.region, operation.id, kind
    )
    return accepted(request, operation, path, status=status, body=body, location=status == 202)


def first(values: Iterable[T]) -> T | None:
    """The first of them, or None."""
    return next(iter(values), None)


def context_and_workspace(request: Request) -> tuple[Context, Workspace]:
    """Both at once, for handlers that need both."""
    return context_of(request), workspace_of(request)
