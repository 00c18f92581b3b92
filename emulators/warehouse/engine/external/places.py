"""Where files lie: locations of COPY INTO and of external data sources, wildcards, folders."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from emulators.warehouse.errors import SqlError

_ABFS = re.compile(r"abfss?://([^@/]+)@([^/]+)(/.*)?", re.I)
_WASB = re.compile(r"wasbs?://([^@/]+)@([^/]+)(/.*)?", re.I)


@dataclass(frozen=True, slots=True)
class Place:
    """A path in a container; `path` may have `*` in it, or be a folder."""

    account: str
    container: str
    path: str

    @property
    def endpoint(self) -> str:
        """The blob endpoint's host."""
        return f"{self.account}.blob.core.windows.net"

    @property
    def prefix(self) -> str:
        """What all names begin with."""
        return self.path.partition("*")[0]

    def matches(self, name: str) -> bool:
        """Whether a blob belongs here: the file itself, in the folder, or by the pattern.

        Names whose last parts begin with `_` or `.` are hidden, as the service has it.
        """
        if "*" in self.path:
            pattern = ".*".join(re.escape(part) for part in self.path.split("*"))
            return re.fullmatch(pattern + "(/.*)?", name) is not None and not _hidden(name, "")
        if name == self.path:
            return True
        folder = self.path.rstrip("/") + "/" if self.path.strip("/") else ""
        return name.startswith(folder) and not _hidden(name, folder)


def _hidden(name: str, folder: str) -> bool:
    return any(part.startswith(("_", ".")) for part in name[len(folder) :].split("/") if part)


def place_of(location: str) -> Place:
    """A location as COPY INTO and external data sources write it.

    Raises:
        SqlError: 13807: it is no file of a storage account.
    """
    location = location.strip()
    spelled = _ABFS.fullmatch(location) or _WASB.fullmatch(location)
    if spelled:
        container, host, path = spelled.groups()
        return Place(host.partition(".")[0], container, (path or "").lstrip("/"))
    parts = urlsplit(location)
    host = parts.hostname or ""
    if parts.scheme.lower() != "https" or not re.fullmatch(
        r"[a-z0-9]+\.(blob|dfs)\.[a-z0-9.]+", host
    ):
        raise bad_location(location)
    container, _, path = parts.path.lstrip("/").partition("/")
    if not container:
        raise bad_location(location)
    return Place(host.partition(".")[0], container, path)


def bad_location(location: str) -> SqlError:
    text = f"Path '{location}' is not a location of a storage account that can be read from here."
    return SqlError(13807, 16, 1, text)
