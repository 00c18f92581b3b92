"""Versioned assets: containers, versions, where job outputs lie, uploads under way."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emulators.kernel.store import Table


@dataclass(frozen=True, slots=True)
class AssetContainer:
    """All versions of a name; made by the first of them."""

    owner: str  # workspace guid, or "registry:<name>"
    kind: str  # "data", "environments", "models", "components", "codes"
    key: str  # name in lower case: Azure ML's names differ in more than case
    name: str
    created: datetime  # UTC
    modified: datetime  # UTC
    created_by: str
    latest: str | None = None  # version made last
    next_number: int = 1  # one more than the largest integer version
    made: int = 0  # versions made so far: orders those of the same instant
    anonymous: bool = True  # holds nothing but anonymous versions
    archived: bool = False
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AssetVersion:
    """One version; what makes up its content never changes."""

    owner: str
    kind: str
    key: str  # name in lower case
    version: str  # a string on the wire, even when it looks like a number
    name: str
    number: int  # n-th made of its container
    properties: dict[str, Any]  # as on the wire, URIs in canonical form
    created: datetime  # UTC
    modified: datetime  # UTC
    created_by: str
    modified_by: str


@dataclass(frozen=True, slots=True)
class CodeHash:
    """Finds a code version by its content, whatever random name it was given."""

    workspace: str  # guid
    digest: str  # the client's sha256
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class JobOutput:
    """Where a job's named output lies; written by the jobs engine once it knows."""

    workspace: str  # guid
    job: str
    output: str
    uri: str  # azureml://…/datastores/…/paths/…
    kind: str = "uri_folder"


@dataclass(frozen=True, slots=True)
class Upload:
    """A container handed out for a version whose files are on their way."""

    workspace: str  # guid
    kind: str
    key: str  # name in lower case
    version: str
    id: str
    account: str
    container: str


CONTAINERS = Table("ml_asset_containers", AssetContainer, key=("owner", "kind", "key"))
VERSIONS = Table("ml_asset_versions", AssetVersion, key=("owner", "kind", "key", "version"))
CODE_HASHES = Table("ml_code_hashes", CodeHash, key=("workspace", "digest"))
JOB_OUTPUTS = Table("ml_job_outputs", JobOutput, key=("workspace", "job", "output"))
UPLOADS = Table("ml_uploads", Upload, key=("workspace", "kind", "key", "version"))
