"""Where a file dataset points, and which of the files there an activity means."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from emulators.datafactory.engine.connections.blobs import Blob, Store
from emulators.datafactory.engine.connections.failing import ConnectionFailed, NotEmulated
from emulators.datafactory.engine.connections.resolving import Dataset

LOCATIONS = frozenset({"azureblobstoragelocation", "azureblobfslocation", "httpserverlocation"})


@dataclass(frozen=True, slots=True)
class Place:
    """A container, a folder in it (no slashes at its ends) and a file's name, if one is named."""

    container: str
    folder: str = ""
    file: str = ""

    @property
    def path(self) -> str:
        """The whole name of the blob, or of the folder."""
        return "/".join(part for part in (self.folder, self.file) if part)

    def inside(self, name: str) -> str:
        """A blob's whole name, by its name in the folder."""
        return f"{self.folder}/{name}" if self.folder else name


@dataclass(frozen=True, slots=True)
class Found:
    """A file that was selected, and its name as a copy into another folder keeps it."""

    blob: Blob
    relative: str


def place_of(dataset: Dataset) -> Place:
    """Where a dataset of files points.

    Raises:
        ConnectionFailed: it names no container.
        NotEmulated: it points somewhere else than into a storage account.
    """
    location = dataset.get("location")
    if not isinstance(location, Mapping):
        return _old_place(dataset)
    kind = str(location.get("type", "")).lower()
    if kind not in LOCATIONS:
        raise NotEmulated(f"dataset locations of type '{location.get('type')}'")
    container = str(location.get("container") or location.get("fileSystem") or "").strip("/")
    folder = str(location.get("folderPath") or "").strip("/")
    if kind != "httpserverlocation" and not container:
        raise ConnectionFailed(
            "UserErrorMissingContainer", f"The dataset '{dataset.name}' names no container."
        )
    return Place(container, folder, str(location.get("fileName") or "").strip("/"))


def _old_place(dataset: Dataset) -> Place:
    """`AzureBlob` datasets and their like: `folderPath` begins with the container."""
    path = str(dataset.get("folderPath") or "").strip("/")
    container, _, folder = path.partition("/")
    if not container:
        raise ConnectionFailed(
            "UserErrorMissingContainer", f"The dataset '{dataset.name}' has no location."
        )
    return Place(container, folder, str(dataset.get("fileName") or ""))


@dataclass(frozen=True, slots=True)
class Selection:
    """Which files: store settings, read and checked."""

    recursive: bool = True
    wildcard_folder: str = ""
    wildcard_file: str = ""
    prefix: str = ""
    since: datetime | None = None
    until: datetime | None = None
    delete_after: bool = False

    @property
    def is_wild(self) -> bool:
        """Whether names are matched, so that none at all is no error."""
        return bool(self.wildcard_folder or self.wildcard_file or self.prefix or self.since)


def selection_of(settings: Mapping[str, Any] | None) -> Selection:
    """`storeSettings` of a source, its values evaluated.

    Raises:
        NotEmulated: one that is not honoured.
    """
    given = settings or {}
    for name in ("fileListPath", "partitionRootPath"):
        if given.get(name):
            raise NotEmulated(f"the store setting '{name}'")
    if is_true(given.get("enablePartitionDiscovery")):
        raise NotEmulated("partition discovery in file sources")
    recursive = given.get("recursive")
    return Selection(
        recursive=True if recursive is None else is_true(recursive),
        wildcard_folder=str(given.get("wildcardFolderPath") or "").strip("/"),
        wildcard_file=str(given.get("wildcardFileName") or ""),
        prefix=str(given.get("prefix") or ""),
        since=_instant(given.get("modifiedDatetimeStart")),
        until=_instant(given.get("modifiedDatetimeEnd")),
        delete_after=is_true(given.get("deleteFilesAfterCompletion")),
    )


def is_true(value: Any) -> bool:
    """A switch, as a boolean or as its text."""
    return value is True or str(value).lower() == "true"


def _instant(value: Any) -> datetime | None:
    if not value:
        return None
    try:
        found = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        raise ConnectionFailed(
            "UserErrorInvalidDateTime", f"'{value}' is not a date and time."
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


async def select(store: Store, place: Place, wanted: Selection) -> AsyncIterator[Found]:
    """The files that are meant, by name.

    Raises:
        ConnectionFailed: a file or folder that is named is not there.
    """
    if place.file and not wanted.is_wild:
        blob = await store.look(place.container, place.path)
        if blob is None or blob.folder:
            raise missing(store, place)
        yield Found(blob, place.file)
        return
    count = 0
    async for found in _matching(store, place, wanted):
        count += 1
        yield found
    if not count and not wanted.is_wild and not await _folder_exists(store, place):
        raise missing(store, place)


def missing(store: Store, place: Place) -> ConnectionFailed:
    """The failure of a source that is not there."""
    return ConnectionFailed(
        "UserErrorSourceBlobNotExist",
        f"The required Blob is missing. ContainerName: {store.endpoint}/{place.container},"
        f" path: {place.path or place.container}.",
    )


async def _folder_exists(store: Store, place: Place) -> bool:
    """An empty folder of a Data Lake is there; in a Blob account only names make folders."""
    if not place.folder:
        return await store.has_container(place.container)
    blob = await store.look(place.container, place.folder)
    return blob is not None and blob.folder


async def _matching(store: Store, place: Place, wanted: Selection) -> AsyncIterator[Found]:
    base, pattern = _pattern(place, wanted)
    start = wanted.prefix or (f"{base}/" if base else "")
    keep = start.rfind("/") + 1
    async for blob in store.listed(place.container, start):
        if blob.folder or blob.name.endswith("/"):
            continue
        if pattern is not None and not pattern.fullmatch(blob.name[keep:]):
            continue
        if pattern is None and not wanted.recursive and "/" in blob.name[keep:]:
            continue
        if not _is_within(blob, wanted):
            continue
        yield Found(blob, blob.name[keep:])


def _is_within(blob: Blob, wanted: Selection) -> bool:
    if blob.modified is None:
        return True
    late = wanted.since is None or blob.modified >= wanted.since
    return late and (wanted.until is None or blob.modified < wanted.until)


def _pattern(place: Place, wanted: Selection) -> tuple[str, re.Pattern[str] | None]:
    """The folder that matching begins in, and what names below it must look like."""
    if wanted.prefix or not (wanted.wildcard_folder or wanted.wildcard_file):
        return place.folder, None
    folder = wanted.wildcard_folder or ""
    parts = folder.split("/") if folder else []
    fixed: list[str] = [] if folder else ([place.folder] if place.folder else [])
    while parts and not re.search(r"[*?^]", parts[0]):
        fixed.append(parts.pop(0))
    below = "".join(f"{_glob(part)}/" if part != "**" else "(?:.*/)?" for part in parts)
    deeper = "(?:.*/)?" if wanted.recursive else ""
    name = _glob(wanted.wildcard_file or place.file or "*")
    return "/".join(fixed), re.compile(f"{below}{deeper}{name}")


def _glob(text: str) -> str:
    """A wildcard as an expression: `*` any characters of a name, `?` one or none, `^` escapes."""
    out, at = "", 0
    while at < len(text):
        mark = text[at]
        if mark == "^" and at + 1 < len(text):
            at += 1
            out += re.escape(text[at])
        elif mark == "*":
            out += "[^/]*"
        elif mark == "?":
            out += "[^/]?"
        else:
            out += re.escape(mark)
        at += 1
    return out
