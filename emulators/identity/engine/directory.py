"""The directory's rules: who may change it, and how its lists are filtered."""

from __future__ import annotations

import re
from collections.abc import Iterable

from emulators.identity.store import Application
from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.kernel.peers import SYSTEM_OBJECT

MAY_WRITE = "Application.ReadWrite.All"
_TEXT = r"'((?:[^']|'')*)'"
_EQUAL = re.compile(rf"^(\w+) eq {_TEXT}$")
_STARTS = re.compile(rf"^startswith\((\w+),\s*{_TEXT}\)$", re.IGNORECASE)
_ANY = re.compile(rf"^(\w+)/any\((\w+):\s*\2 eq {_TEXT}\)$", re.IGNORECASE)


def may_write(ctx: Context, object_id: str, roles: object) -> bool:
    """Say whether a caller may change the directory.

    The seeded service principal may, so that scripts can make further identities; others need
    the app role that they would need in Entra.
    """
    granted = isinstance(roles, list) and MAY_WRITE in roles
    return granted or object_id in (ctx.secrets.object_id, SYSTEM_OBJECT)


def select(apps: Iterable[Application], given: str | None) -> list[Application]:
    """The applications that a Graph `$filter` lets pass.

    Raises:
        Unsupported: a filter of another form.
    """
    if not given:
        return list(apps)
    text = given.strip()
    if match := _EQUAL.match(text):
        name, _, value = match[1].lower(), None, _plain(match[2])
        return [app for app in apps if value in (v.lower() for v in _values(app, name, text))]
    if match := _STARTS.match(text):
        name, start = match[1].lower(), _plain(match[2])
        return [
            app
            for app in apps
            if any(v.lower().startswith(start) for v in _values(app, name, text))
        ]
    if match := _ANY.match(text):
        name, value = match[1].lower(), _plain(match[3])
        return [app for app in apps if value in (v.lower() for v in _values(app, name, text))]
    raise _other(given)


def _values(app: Application, name: str, text: str) -> list[str]:
    known = {
        "appid": [app.app_id],
        "displayname": [app.name],
        "id": [app.id, app.principal_id],
        "identifieruris": app.uris,
        "serviceprincipalnames": [app.app_id, *app.uris],
    }
    if name not in known:
        raise _other(text)
    return known[name]


def _plain(text: str) -> str:
    return text.replace("''", "'").lower()


def _other(text: str) -> Unsupported:
    return Unsupported(
        f"the directory filter '{text[:200]}'", tracked="emulators/identity/README.md"
    )
