"""The least of the resource manager and of storage that the tracking service asks of its peers."""

from __future__ import annotations

import hashlib
from typing import Any
from xml.sax.saxutils import escape

from starlette.requests import Request

from emulators.kernel.errors import NotFound
from emulators.kernel.http import Operation, Reply, ServiceSpec, context_of, read_json

WORKSPACE = (
    "/subscriptions/{sub}/resourceGroups/{rg}/providers"
    "/Microsoft.MachineLearningServices/workspaces/{workspace}"
)
GUIDS = {
    "one": "11111111-aaaa-4aaa-8aaa-000000000001",
    "two": "11111111-aaaa-4aaa-8aaa-000000000002",
}


class FakeAzure:
    """Workspaces `one` and `two`, a model table and blobs, all in memory."""

    def __init__(self) -> None:
        self.resources: dict[str, dict[str, Any]] = {}
        self.blobs: dict[str, bytes] = {}
        self.blocks: dict[str, bytes] = {}

    def specs(self) -> list[ServiceSpec]:
        """The two services."""
        audience = ("https://management.azure.com", "https://storage.azure.com")
        return [
            ServiceSpec("arm", ("management.azure.com",), self._arm, audiences=audience),
            ServiceSpec(
                "storage",
                ("*.blob.core.windows.net",),
                self._storage,
                dialect="storage",
            ),
        ]

    def _arm(self) -> list[Operation]:
        model = f"{WORKSPACE}/models/{{name}}"
        version = f"{model}/versions/{{version}}"
        return [
            Operation("Workspaces_Get", "GET", WORKSPACE, self._workspace),
            Operation("Datastores_Get", "GET", f"{WORKSPACE}/datastores/{{name}}", self._datastore),
            Operation(
                "ListSecrets", "POST", f"{WORKSPACE}/datastores/{{name}}/listSecrets", self._secrets
            ),
            Operation("Models_List", "GET", f"{WORKSPACE}/models", self._list),
            Operation("Versions_List", "GET", f"{model}/versions", self._list),
            *(Operation(f"Models_{m}", m, model, self._one) for m in ("GET", "PUT", "DELETE")),
            *(Operation(f"Versions_{m}", m, version, self._one) for m in ("GET", "PUT", "DELETE")),
        ]

    async def _workspace(self, request: Request) -> Reply:
        name = request.path_params["workspace"]
        if name not in GUIDS:
            raise NotFound("no such workspace")
        return Reply(200, {"name": name, "properties": {"workspaceId": GUIDS[name]}})

    async def _datastore(self, request: Request) -> Reply:
        name = request.path_params["workspace"]
        inside = {"accountName": "acct", "containerName": f"{request.path_params['name']}-{name}"}
        return Reply(200, {"properties": inside})

    async def _secrets(self, request: Request) -> Reply:
        return Reply(200, {"secretsType": "AccountKey", "key": "c2VjcmV0"})

    async def _list(self, request: Request) -> Reply:
        prefix = request.scope["azure_path"].rstrip("/") + "/"
        found = [
            r
            for path, r in sorted(self.resources.items())
            if path.startswith(prefix) and "/" not in path.removeprefix(prefix)
        ]
        return Reply(200, {"value": found})

    async def _one(self, request: Request) -> Reply:
        path = request.scope["azure_path"]
        if request.method == "PUT":
            return self._put(path, await read_json(request), request)
        if path not in self.resources:
            raise NotFound(f"no {path}")
        if request.method == "DELETE":
            gone = [p for p in self.resources if p == path or p.startswith(f"{path}/")]
            for each in gone:
                del self.resources[each]
            return Reply(200)
        return Reply(200, self.resources[path])

    def _put(self, path: str, body: dict[str, Any], request: Request) -> Reply:
        now = context_of(request).clock.now().isoformat()
        old = self.resources.get(path, {})
        created = (old.get("systemData") or {}).get("createdAt", now)
        self.resources[path] = {
            **body,
            "name": path.rpartition("/")[2],
            "systemData": {"createdAt": created, "lastModifiedAt": now, "createdBy": "dev"},
        }
        kept = (old.get("properties") or {}).get("nextVersion", "1")
        if "/versions/" not in path:
            self.resources[path]["properties"]["nextVersion"] = kept
        else:
            self._count(path)
        return Reply(201, self.resources[path])

    def _count(self, path: str) -> None:
        container, _, number = path.partition("/versions/")
        holder = self.resources.setdefault(
            container, {"name": container.rpartition("/")[2], "properties": {}}
        )
        following = max(int(holder["properties"].get("nextVersion", "1")), int(number) + 1)
        holder["properties"]["nextVersion"] = str(following)

    def _storage(self) -> list[Operation]:
        return [
            Operation("Put", "PUT", "/{container}/{blob:path}", self._put_blob),
            Operation("Get", "GET", "/{container}/{blob:path}", self._get_blob),
            Operation("Head", "HEAD", "/{container}/{blob:path}", self._get_blob),
            Operation("Delete", "DELETE", "/{container}/{blob:path}", self._delete_blob),
        ]

    async def _put_blob(self, request: Request) -> Reply:
        at, query = request.path_params, request.query_params
        name = f"{at['container']}/{at['blob']}"
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
        if query.get("comp") == "block":
            self.blocks[f"{name}#{query['blockid']}"] = bytes(body)
        elif query.get("comp") == "blocklist":
            parts = [part.partition("</Latest>")[0] for part in body.decode().split("<Latest>")[1:]]
            self.blobs[name] = b"".join(self.blocks.pop(f"{name}#{part}") for part in parts)
        elif at["blob"]:
            self.blobs[name] = bytes(body)
        return Reply(201)

    async def _get_blob(self, request: Request) -> Reply:
        at = request.path_params
        if not at["blob"]:
            return self._list_blobs(at["container"], dict(request.query_params))
        found = self.blobs.get(f"{at['container']}/{at['blob']}")
        if found is None:
            raise NotFound("no such blob")
        etag = f'"{hashlib.sha256(found).hexdigest()[:8]}"'
        asked = request.headers.get("x-ms-range") or request.headers.get("range")
        headers = {"etag": etag, "x-ms-blob-type": "BlockBlob"}
        if asked and found:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            part = found[int(first) : int(last or len(found)) + 1]
            end = int(first) + len(part) - 1
            headers["content-range"] = f"bytes {first}-{end}/{len(found)}"
            return Reply(206, part, headers)
        if asked:
            return Reply(416, "", {"x-ms-error-code": "InvalidRange"})
        return Reply(200, found, {**headers, "content-length": str(len(found))})

    def _list_blobs(self, container: str, query: dict[str, str]) -> Reply:
        prefix, flat = query["prefix"], "delimiter" not in query
        names = [
            n.removeprefix(f"{container}/") for n in self.blobs if n.startswith(f"{container}/")
        ]
        files, folders = [], set()
        for name in sorted(n for n in names if n.startswith(prefix)):
            head, slash, _ = name.removeprefix(prefix).partition("/")
            if slash and not flat:
                folders.add(f"{prefix}{head}/")
            else:
                files.append(name)
        listed = "".join(
            f"<Blob><Name>{escape(n)}</Name><Properties><Content-Length>"
            f"{len(self.blobs[f'{container}/{n}'])}</Content-Length></Properties></Blob>"
            for n in files
        ) + "".join(f"<BlobPrefix><Name>{escape(f)}</Name></BlobPrefix>" for f in sorted(folders))
        body = f"<EnumerationResults><Blobs>{listed}</Blobs><NextMarker/></EnumerationResults>"
        return Reply(200, body, media="application/xml")

    async def _delete_blob(self, request: Request) -> Reply:
        at = request.path_params
        if self.blobs.pop(f"{at['container']}/{at['blob']}", None) is None:
            raise NotFound("no such blob")
        return Reply(202)
