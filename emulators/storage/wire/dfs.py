"""The DFS endpoint of an account without a hierarchical namespace: files and folders over blobs."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote

from emulators.kernel.azure_http import http_date
from emulators.kernel.errors import Unsupported
from emulators.kernel.http import Reply
from emulators.storage import errors
from emulators.storage.engine import blobs, containers, listing, paths
from emulators.storage.engine.access import Need
from emulators.storage.engine.blobs import Content, Guard
from emulators.storage.store import Blob, Container
from emulators.storage.wire import reading
from emulators.storage.wire.ask import Ask, bad_header, bad_query, checked_md5
from emulators.storage.wire.blobs import MAX_BLOCK, written_headers
from emulators.storage.wire.bodies import receive
from emulators.storage.wire.containers import names_of, version_headers
from emulators.storage.wire.routes import Route

TRACKED = "emulators/storage/README.md, Not emulated"
MAX_PAGE = 5000


def system(ask: Ask, name: str = "") -> Container:
    """The file system: a container by its other name.

    Raises:
        FilesystemNotFound: there is none.
    """
    try:
        return containers.find(ask.vault, ask.account.name, name or ask.container)
    except errors.ContainerNotFound:
        raise errors.FilesystemNotFound from None


def path_of(ask: Ask) -> str:
    """The path the request is about, without slashes around it."""
    return ask.blob.strip("/")


def properties(ask: Ask) -> dict[str, str]:
    """The `x-ms-properties` header: names with base64 values.

    Raises:
        InvalidHeaderValue: it does not read.
    """
    found = {}
    for item in ask.header("x-ms-properties").split(","):
        name, _, value = item.strip().partition("=")
        if name:
            try:
                found[name] = base64.b64decode(value, validate=True).decode("latin-1")
            except (binascii.Error, ValueError):
                raise bad_header("x-ms-properties", item) from None
    return found


def _properties_header(metadata: dict[str, str]) -> str:
    return ",".join(
        f"{name}={base64.b64encode(value.encode('latin-1', 'replace')).decode()}"
        for name, value in metadata.items()
        if name.lower() != paths.FOLDER
    )


def content(ask: Ask) -> Content:
    """A file's headers as the DFS endpoint names them."""
    return Content(
        content_type=ask.header("x-ms-content-type") or "application/octet-stream",
        content_encoding=ask.header("x-ms-content-encoding"),
        content_language=ask.header("x-ms-content-language"),
        content_disposition=ask.header("x-ms-content-disposition"),
        cache_control=ask.header("x-ms-cache-control"),
        metadata=properties(ask),
    )


async def list_systems(ask: Ask) -> Reply:
    found, more = containers.page(
        ask.vault,
        ask.account.name,
        prefix=ask.values.get("prefix", ""),
        start=listing.name_of(ask.values.get("continuation", "")),
        at_most=_at_most(ask),
    )
    rows = [
        {"name": c.name, "lastModified": http_date(c.modified), "eTag": f'"{c.etag}"'}
        for c in found
    ]
    headers = {"x-ms-continuation": listing.marker_of(more)} if more else {}
    return _json({"filesystems": rows}, headers)


def _json(value: object, headers: dict[str, str]) -> Reply:
    import orjson

    return Reply(200, orjson.dumps(value), headers, "application/json;charset=utf-8")


def _at_most(ask: Ask) -> int:
    text = ask.values.get("maxresults", "")
    if text and not (text.isascii() and text.isdigit() and int(text) > 0):
        raise bad_query("maxResults", text)
    return min(int(text), MAX_PAGE) if text else MAX_PAGE


async def create_system(ask: Ask) -> Reply:
    try:
        made = containers.create(
            ask.vault, ask.account.name, ask.container, metadata=properties(ask)
        )
    except errors.ContainerAlreadyExists:
        raise errors.FilesystemAlreadyExists from None
    headers = version_headers(made.etag, made.modified)
    return Reply(201, headers=headers | {"x-ms-namespace-enabled": "false"})


async def delete_system(ask: Ask) -> Reply:
    found = system(ask)
    containers.check(ask.vault, found, ask.conditions(), ask.lease_id(), write=True)
    containers.delete(ask.vault, found)
    return Reply(202)


async def system_properties(ask: Ask) -> Reply:
    found = system(ask)
    headers = version_headers(found.etag, found.modified) | {"x-ms-namespace-enabled": "false"}
    if found.metadata:
        headers["x-ms-properties"] = _properties_header(found.metadata)
    return Reply(200, headers=headers)


async def set_system_properties(ask: Ask) -> Reply:
    found = system(ask)
    containers.check(ask.vault, found, ask.conditions(), ask.lease_id())
    changed = containers.set_metadata(ask.vault, found, properties(ask))
    return Reply(200, headers=version_headers(changed.etag, changed.modified))


async def list_paths(ask: Ask) -> Reply:
    recursive = ask.values.get("recursive", "").lower()
    if recursive not in ("true", "false"):
        raise bad_query("recursive", recursive)
    container = system(ask)
    await names_of(ask, container)
    found, more = paths.page(
        ask.vault,
        container,
        ask.values.get("directory", "").strip("/"),
        recursive=recursive == "true",
        start=listing.name_of(ask.values.get("continuation", "")),
        at_most=_at_most(ask),
    )
    headers = {"x-ms-continuation": listing.marker_of(more)} if more else {}
    return _json({"paths": [_row(entry) for entry in found]}, headers)


def _row(entry: paths.Entry) -> dict[str, str]:
    row = {"name": entry.name}
    if entry.is_folder:
        row |= {"isDirectory": "true", "contentLength": "0"}
    if entry.blob is not None:
        row |= {
            "contentLength": str(entry.blob.size),
            "etag": entry.blob.etag,
            "lastModified": http_date(entry.blob.modified),
        }
    return row


async def create_path(ask: Ask) -> Reply:
    if ask.header("x-ms-rename-source"):
        return await _rename(ask)
    for header in ("x-ms-acl", "x-ms-owner", "x-ms-group", "x-ms-permissions", "x-ms-umask"):
        if ask.header(header):
            raise Unsupported(f"access control lists ({header})", tracked=TRACKED)
    kind = ask.values.get("resource", "").lower()
    if kind not in ("file", "directory"):
        raise bad_query("resource", kind)
    made = paths.make(
        ask.vault,
        system(ask),
        path_of(ask),
        content(ask),
        ask.creation_guard(),
        folder=kind == "directory",
    )
    return Reply(201, headers=written_headers(made))


async def _rename(ask: Ask) -> Reply:
    ask.operation = "Path_Rename"
    source, _, signature = ask.header("x-ms-rename-source").partition("?")
    name, _, path = source.lstrip("/").partition("/")
    if not name or not path:
        raise bad_header("x-ms-rename-source", source)
    if "sig=" in signature:
        raise Unsupported("a signature of its own on the source of a rename", tracked=TRACKED)
    if ask.caller.grant is not None and unquote(name) != ask.container:
        raise errors.AuthorizationFailure
    if not (ask.caller.may("d") or ask.caller.may("m")):
        raise errors.PermissionMismatch
    source_guard = Guard(ask.conditions("x-ms-source-"), ask.lease_id("x-ms-source-lease-id"))
    paths.rename(
        ask.vault,
        (system(ask, unquote(name)), unquote(path).strip("/")),
        (system(ask), path_of(ask)),
        (source_guard, ask.guard()),
    )
    return Reply(201, headers={"x-ms-request-server-encrypted": "true"})


async def update_path(ask: Ask) -> Reply:
    action = ask.values.get("action", "").lower()
    actions = {"append": _append, "flush": _flush, "setproperties": _set_properties}
    if action in ("setaccesscontrol", "setaccesscontrolrecursive"):
        raise Unsupported("access control lists on paths", tracked=TRACKED)
    if action not in actions:
        raise bad_query("action", action)
    return await actions[action](ask)


def _position(ask: Ask) -> int:
    text = ask.values.get("position", "")
    if not (text.isascii() and text.isdigit()):
        raise bad_query("position", text)
    return int(text)


def _file(ask: Ask) -> Blob:
    found = paths.find(ask.vault, system(ask), path_of(ask))
    if found.is_folder or found.blob is None:
        raise errors.PathNotFound
    return found.blob


async def _append(ask: Ask) -> Reply:
    ask.operation = "Path_Append"
    position = _position(ask)
    if position < _file(ask).size:
        raise bad_query("position", str(position))
    written = await receive(ask, MAX_BLOCK)
    try:
        found = _file(ask)
        paths.append(ask.vault, found, position, written, ask.lease_id())
        headers = {"x-ms-request-server-encrypted": "true"}
        if ask.values.get("flush", "").lower() == "true":
            made = paths.flush(ask.vault, found, position + written.size, None, closed=_closes(ask))
            headers |= version_headers(made.etag, made.modified)
    except errors.StorageError:
        ask.vault.files.remove_unheld([written.file])
        raise
    return Reply(202, headers=headers)


def _closes(ask: Ask) -> bool:
    """Whether the caller says that the file is whole now."""
    return ask.values.get("close", "").lower() == "true"


async def _flush(ask: Ask) -> Reply:
    ask.operation = "Path_Flush"
    said = content(ask)
    given = Content(
        content_type=ask.header("x-ms-content-type"),
        content_encoding=said.content_encoding,
        content_language=said.content_language,
        content_disposition=said.content_disposition,
        cache_control=said.cache_control,
        md5=checked_md5(ask.header("x-ms-content-md5")),
    )
    _file(ask)
    found = blobs.for_change(ask.vault, system(ask), path_of(ask), ask.guard())
    made = paths.flush(ask.vault, found, _position(ask), given, closed=_closes(ask))
    headers = written_headers(made) | {"Content-Length": "0"}
    return Reply(200, headers=headers)


async def _set_properties(ask: Ask) -> Reply:
    ask.operation = "Path_SetProperties"
    container = system(ask)
    paths.find(ask.vault, container, path_of(ask))
    found = blobs.for_change(ask.vault, container, path_of(ask), ask.guard())
    metadata = properties(ask) if ask.header("x-ms-properties") else None
    changed = paths.set_properties(ask.vault, found, content(ask), metadata)
    return Reply(200, headers=version_headers(changed.etag, changed.modified))


async def read_path(ask: Ask) -> Reply:
    container = system(ask)
    if paths.find(ask.vault, container, path_of(ask)).is_folder:
        raise errors.PathNotFound
    ask.blob = path_of(ask)
    return await reading.get(ask)


async def path_properties(ask: Ask) -> Reply:
    if ask.values.get("action", "").lower() in ("getaccesscontrol", "checkaccess"):
        raise Unsupported("access control lists on paths", tracked=TRACKED)
    found = paths.find(ask.vault, system(ask), path_of(ask))
    kind = {"x-ms-resource-type": "directory" if found.is_folder else "file"}
    if found.blob is None:
        return Reply(200, headers=kind | {"Content-Length": "0"})
    ask.blob = path_of(ask)
    reply = await reading.head(ask)
    shown = {"x-ms-properties": _properties_header(found.blob.metadata), **kind}
    return Reply(200, headers={**reply.headers, **shown})


async def delete_path(ask: Ask) -> Reply:
    paths.delete(
        ask.vault,
        system(ask),
        path_of(ask),
        ask.guard(),
        recursive=ask.values.get("recursive", "").lower() == "true",
    )
    return Reply(200, headers={"x-ms-deletion-id": ask.ctx.ids.guid()})


async def lease_path(ask: Ask) -> Reply:
    from emulators.storage.wire.leasing import lease_blob

    ask.blob = path_of(ask)
    return await lease_blob(ask)


S = "resource=filesystem"
ACCOUNT = "resource=account"
OWN_C, OWN_D, OWN_R, OWN_W = (
    Need("c", letters, service_signature=False) for letters in ("cw", "d", "r", "w")
)
ROUTES = [
    Route("Service_ListFileSystems", "GET", "service", ACCOUNT, Need("s", "l"), list_systems),
    Route("FileSystem_Create", "PUT", "container", S, OWN_C, create_system),
    Route("FileSystem_Delete", "DELETE", "container", S, OWN_D, delete_system),
    Route("FileSystem_GetProperties", "HEAD", "container", S, OWN_R, system_properties),
    Route("FileSystem_SetProperties", "PATCH", "container", S, OWN_W, set_system_properties),
    Route("FileSystem_ListPaths", "GET", "container", S, Need("c", "l"), list_paths),
    Route("Path_Create", "PUT", "blob", "", Need("o", "cw"), create_path),
    Route("Path_Update", "PATCH", "blob", "", Need("o", "aw"), update_path),
    Route("Path_Read", "GET", "blob", "", Need("o", "r"), read_path),
    Route("Path_GetProperties", "HEAD", "blob", "", Need("o", "re"), path_properties),
    Route("Path_Delete", "DELETE", "blob", "", Need("o", "d"), delete_path),
    Route("Path_Lease", "POST", "blob", "", Need("o", "wd"), lease_path),
]


def query_of(values: dict[str, str], level: str) -> str:
    """What tells DFS operations apart beside verb and level."""
    resource = values.get("resource", "").lower()
    if level == "blob" or not resource:
        return ""
    return f"resource={resource}"
