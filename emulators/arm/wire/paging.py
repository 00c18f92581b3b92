"""Pages of ARM lists: `$top`, and a `$skiptoken` in the next link."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from starlette.requests import Request

from emulators.arm.errors import InvalidSkipToken, InvalidTop
from emulators.kernel.azure_http import page
from emulators.kernel.http import Reply, links_of

T = TypeVar("T")
PAGE = 1000


def paged(
    request: Request, found: Sequence[T], key: Callable[[T], str], encode: Callable[[T], Any]
) -> Reply:
    """A page of `found`, which is in the order of `key`.

    The token names the last key that was handed out, so what is added or removed meanwhile
    neither repeats nor hides anything else.

    Raises:
        InvalidTop, InvalidSkipToken: as written in the query.
    """
    top, after = _top(request), _after(request)
    rest = [one for one in found if after is None or key(one) > after]
    shown = rest[:top]
    link = None
    if len(rest) > len(shown):
        kept = [
            (name, value)
            for name, value in request.query_params.multi_items()
            if name.lower() != "$skiptoken"
        ]
        token = base64.urlsafe_b64encode(key(shown[-1]).encode()).decode()
        query = urlencode([*kept, ("$skiptoken", token)], quote_via=quote, safe="$")
        link = links_of(request).arm(f"{request.scope['azure_path']}?{query}")
    return page([encode(one) for one in shown], link)


def _top(request: Request) -> int:
    given = request.query_params.get("$top")
    if given is None:
        return PAGE
    if not (given.isascii() and given.isdigit()) or len(given) > 9 or int(given) < 1:
        raise InvalidTop(given)
    return min(int(given), PAGE)


def _after(request: Request) -> str | None:
    given = request.query_params.get("$skiptoken") or request.query_params.get("$skipToken")
    if not given:
        return None
    try:
        return base64.urlsafe_b64decode(given.encode("ascii")).decode()
    except ValueError:
        raise InvalidSkipToken from None
