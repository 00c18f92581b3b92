"""Every way Azure ML names data and assets: `azureml://…`, ARM ids, `runs:/…`, storage URLs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from emulators.machinelearning.errors import InvalidUri

PROVIDER = "Microsoft.MachineLearningServices"
ASSET_KINDS = ("data", "environments", "models", "components", "codes", "featuresets", "indexes")
ARTIFACTS = "artifacts"
"""Output name under which a run's own artifacts are addressed (`azureml://jobs/j/outputs/artifacts`)."""


@dataclass(frozen=True, slots=True)
class WorkspaceRef:
    """Which workspace a long form names."""

    subscription: str
    group: str
    workspace: str

    @property
    def arm_id(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
            f"/providers/{PROVIDER}/workspaces/{self.workspace}"
        )


@dataclass(frozen=True, slots=True)
class DatastoreUri:
    """A path in a datastore; `workspace` None is the workspace at hand (short form)."""

    datastore: str
    path: str = ""
    workspace: WorkspaceRef | None = None

    def __str__(self) -> str:
        where = ""
        if self.workspace is not None:
            at = self.workspace
            where = (
                f"subscriptions/{at.subscription}/resourcegroups/{at.group}"
                f"/workspaces/{at.workspace}/"
            )
        return f"azureml://{where}datastores/{self.datastore}/paths/{self.path}"


@dataclass(frozen=True, slots=True)
class AssetUri:
    """A versioned asset; at most one of `version` and `label` is set, none means the container.

    At most one of `workspace`, `registry` and `workspace_guid` is set; none of them is the
    workspace at hand. `kind` is the plural word of the path, such as `models`; it is empty in
    the short form `azureml:name:version`, where only the place of use tells it.
    """

    kind: str
    name: str
    version: str | None = None
    label: str | None = None
    workspace: WorkspaceRef | None = None
    registry: str | None = None
    workspace_guid: str | None = None
    location: str | None = None

    @property
    def _tail(self) -> str:
        if self.label is not None:
            return f"/labels/{self.label}"
        return "" if self.version is None else f"/versions/{self.version}"

    def __str__(self) -> str:
        if self.registry is not None:
            return f"azureml://registries/{self.registry}/{self.kind}/{self.name}{self._tail}"
        if self.workspace_guid is not None:
            return (
                f"azureml://locations/{self.location}/workspaces/{self.workspace_guid}"
                f"/{self.kind}/{self.name}{self._tail}"
            )
        if self.workspace is not None:
            return f"{self.workspace.arm_id}/{self.kind}/{self.name}{self._tail}"
        if self.kind:
            return f"azureml://{self.kind}/{self.name}{self._tail}"
        if self.label is not None:
            return f"azureml:{self.name}@{self.label}"
        return f"azureml:{self.name}" + ("" if self.version is None else f":{self.version}")


@dataclass(frozen=True, slots=True)
class JobOutputUri:
    """A path in a named output of a job; the output `artifacts` is the run's own files."""

    job: str
    output: str
    path: str = ""

    def __str__(self) -> str:
        return f"azureml://jobs/{self.job}/outputs/{self.output}/paths/{self.path}"


@dataclass(frozen=True, slots=True)
class RunUri:
    """A path in an MLflow run's artifacts."""

    run: str
    path: str = ""

    def __str__(self) -> str:
        return f"runs:/{self.run}/{self.path}"


@dataclass(frozen=True, slots=True)
class BlobUri:
    """A path in a storage account's container; an empty `account` is the workspace's own."""

    account: str
    container: str
    path: str = ""

    def __str__(self) -> str:
        return f"https://{self.account}.blob.core.windows.net/{self.container}/{quote(self.path)}"


@dataclass(frozen=True, slots=True)
class HttpsUri:
    """A web address that is no storage account of Azure's."""

    url: str

    def __str__(self) -> str:
        return self.url


Uri = DatastoreUri | AssetUri | JobOutputUri | RunUri | BlobUri | HttpsUri

_NAME = r"([^/?#]+)"
_LONG = re.compile(
    rf"subscriptions/{_NAME}/resourcegroups/{_NAME}/(?:providers/{re.escape(PROVIDER)}/)?"
    rf"workspaces/{_NAME}/(.+)\Z",
    re.IGNORECASE | re.DOTALL,
)
_DATASTORE = re.compile(
    rf"datastores/{_NAME}(?:/paths(?:/(.*))?|/(ExperimentRun/.+))?/?\Z", re.IGNORECASE | re.DOTALL
)
_ASSET = re.compile(rf"{_NAME}/{_NAME}(?:/(versions|labels)/{_NAME})?/?\Z", re.IGNORECASE)
_REGISTRY = re.compile(rf"registries/{_NAME}/(.+)\Z", re.IGNORECASE | re.DOTALL)
_LOCATION = re.compile(rf"locations/{_NAME}/workspaces/{_NAME}/(.+)\Z", re.IGNORECASE | re.DOTALL)
_JOB = re.compile(
    rf"jobs/{_NAME}/outputs/{_NAME}(?:/paths(?:/(.*))?)?/?\Z", re.IGNORECASE | re.DOTALL
)
_RUN = re.compile(r"runs:/+([^/?#]+)(?:/(.*))?\Z", re.IGNORECASE | re.DOTALL)
_SHORT = re.compile(r"([^/:@?#]+)(?::([^/:@?#]+)|@([^/:@?#]+))?\Z")
_STORAGE_HOST = re.compile(r"([a-z0-9]{3,24})\.(?:blob|dfs)\.core\.[a-z0-9.-]+\Z", re.IGNORECASE)
_STORAGE_SEGMENT = re.compile(r"([a-z0-9]{3,24})\.(?:blob|dfs)\.[a-z0-9.-]+\Z", re.IGNORECASE)
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def parse_uri(text: str) -> Uri:
    """Read any data reference or asset id.

    Storage URLs lose their query (a SAS is no part of a place).

    Raises:
        InvalidUri: none of the known forms, a path that climbs (`..`), control characters.
    """
    if not text or any(char < " " for char in text):
        raise InvalidUri(text)
    if any(part in (".", "..") for part in re.split(r"[/\\]", unquote(text))):
        raise InvalidUri(text, "a path may not hold '.' or '..'")
    found = _parse(text)
    if found is None:
        raise InvalidUri(text)
    return found


def _parse(text: str) -> Uri | None:
    lower = text.lower()
    if lower.startswith("azureml://"):
        return _azureml(text[len("azureml://") :])
    if lower.startswith("azureml:"):
        rest = text[len("azureml:") :]
        return _arm(rest) if rest.startswith("/") else _short(rest)
    for start, read in _OTHERS:
        if lower.startswith(start):
            return read(text)
    return None


def _run(text: str) -> Uri | None:
    match = _RUN.match(text)
    return RunUri(match[1], match[2] or "") if match else None


def _azureml(rest: str) -> Uri | None:
    for pattern, make in ((_LONG, _long), (_REGISTRY, _registry), (_LOCATION, _location)):
        match = pattern.match(rest)
        if match:
            return make(match)
    match = _DATASTORE.match(rest)
    if match:
        return DatastoreUri(match[1], match[2] or match[3] or "")
    match = _JOB.match(rest)
    if match:
        return JobOutputUri(match[1], match[2], match[3] or "")
    return _asset(rest)


def _long(match: re.Match[str]) -> Uri | None:
    at = WorkspaceRef(match[1], match[2], match[3])
    inner = _DATASTORE.match(match[4])
    if inner:
        return DatastoreUri(inner[1], inner[2] or inner[3] or "", at)
    found = _asset(match[4])
    if found is None:
        return None
    return AssetUri(found.kind, found.name, found.version, found.label, workspace=at)


def _registry(match: re.Match[str]) -> Uri | None:
    found = _asset(match[2])
    if found is None:
        return None
    return AssetUri(found.kind, found.name, found.version, found.label, registry=match[1])


def _location(match: re.Match[str]) -> Uri | None:
    found = _asset(match[3])
    if found is None:
        return None
    return AssetUri(
        found.kind,
        found.name,
        found.version,
        found.label,
        workspace_guid=match[2],
        location=match[1],
    )


def _asset(rest: str) -> AssetUri | None:
    match = _ASSET.match(rest)
    if not match or match[1].lower() not in ASSET_KINDS:
        return None
    labelled = (match[3] or "").lower() == "labels"
    return AssetUri(
        match[1].lower(),
        match[2],
        None if labelled else match[4],
        match[4] if labelled else None,
    )


def _arm(text: str) -> Uri | None:
    match = _LONG.match(text.lstrip("/"))
    return _long(match) if match else None


def _short(rest: str) -> AssetUri | None:
    match = _SHORT.match(rest)
    return AssetUri("", match[1], match[2], match[3]) if match else None


def _web(text: str) -> Uri | None:
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        return None
    if not host:
        return None
    path = unquote(parts.path.lstrip("/"))
    account = ""
    if host in LOOPBACK:
        # The explicit door names the account first; a client that drops it means its own.
        first, _, rest = path.partition("/")
        named = _STORAGE_SEGMENT.match(first)
        if named:
            account, path = named[1].lower(), rest
    else:
        match = _STORAGE_HOST.match(host)
        if not match:
            return HttpsUri(text)
        account = match[1].lower()
    container, _, path = path.partition("/")
    return BlobUri(account, container, path) if container else None


def _hadoop(text: str) -> Uri | None:
    try:
        parts = urlsplit(text)
        host, container = parts.hostname or "", parts.username or ""
    except ValueError:
        return None
    match = _STORAGE_HOST.match(host)
    if not match or not container:
        return None
    return BlobUri(match[1].lower(), unquote(container), unquote(parts.path.lstrip("/")))


_OTHERS: tuple[tuple[str | tuple[str, ...], Callable[[str], Uri | None]], ...] = (
    ("/", _arm),
    ("runs:/", _run),
    (("https://", "http://"), _web),
    (("abfss://", "abfs://", "wasbs://", "wasb://"), _hadoop),
)

_ARM_ANY = re.compile(
    rf"(?:azureml:)?/?/subscriptions/{_NAME}/resourcegroups/{_NAME}/providers/{re.escape(PROVIDER)}"
    rf"/workspaces/{_NAME}/([a-z]+)/{_NAME}(?:/.*)?\Z",
    re.IGNORECASE | re.DOTALL,
)


def name_in_arm_id(text: str, kind: str) -> str:
    """The name of a workspace's child of `kind` (`computes`, `datastores`) given by id or name.

    `serverless`, `azureml:cpu-cluster` and `{WS}/computes/cpu-cluster` are all accepted.

    Raises:
        InvalidUri: an id of another kind.
    """
    match = _ARM_ANY.match(text)
    if match:
        if match[4].lower() != kind.lower():
            raise InvalidUri(text, f"an id of '{kind}' is expected")
        return match[5]
    name = text.removeprefix("azureml:")
    if not name or "/" in name or ":" in name:
        raise InvalidUri(text, f"an id of '{kind}' is expected")
    return name
