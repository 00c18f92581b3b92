"""What a scenario may ask of the cloud: Protocols and the plain values that cross them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Say = Callable[[str], None]  # takes a line of progress; never a secret


@dataclass(frozen=True, slots=True)
class Asset:
    """A named, versioned thing in the workspace."""

    name: str
    version: str
    tags: Mapping[str, str]

    @property
    def reference(self) -> str:
        """As CLI v2 YAML refers to it."""
        return f"azureml:{self.name}:{self.version}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint said to one request, whatever its status."""

    status: int
    body: Any  # decoded JSON where it is JSON, else text
    deployment: str  # which deployment answered; "" when the service does not say
    ms: float

    @property
    def ok(self) -> bool:
        return self.status == 200


class JobFailed(RuntimeError):
    """A job ended as Failed or Canceled; the message has its name and its last words."""


class DeploymentFailed(RuntimeError):
    """A deployment did not become healthy; the message has the last lines of its log."""


class Datasets(Protocol):
    """Data assets."""

    def register(self, file: Path, *, path: Path | None = None) -> Asset:
        """Register a new version from a data YAML, with `path` in place of the YAML's own."""
        ...

    def get(self, name: str, version: str | None = None) -> Asset:
        """Return a version, the latest when none is named.

        Raises:
            LookupError: no such asset.
        """
        ...


class Environments(Protocol):
    """Environments that jobs and deployments run in."""

    def register(self, file: Path) -> Asset:
        """Register a new version from an environment YAML."""
        ...


class Computes(Protocol):
    """Compute clusters."""

    def ensure(self, file: Path) -> str:
        """Create or update the cluster of a compute YAML; return its name."""
        ...


class Jobs(Protocol):
    """Training and other jobs."""

    def submit(self, file: Path, inputs: Mapping[str, str | int | float]) -> str:
        """Submit a job YAML with some of its inputs replaced; return the job's name."""
        ...

    def wait(self, job: str, say: Say) -> None:
        """Stream the job's log to `say` until it ends.

        Raises:
            JobFailed: it did not complete.
        """
        ...

    def children(self, job: str) -> Mapping[str, str]:
        """Return the status of each step of a pipeline, by its display name."""
        ...

    def download(self, job: str, output: str, folder: Path) -> Path:
        """Fetch a named output of a job that has ended; return the folder that holds its files."""
        ...


class Models(Protocol):
    """The model registry of the workspace."""

    def register(self, name: str, path: str, tags: Mapping[str, str]) -> Asset:
        """Register an MLflow model from a local folder or a job's output."""
        ...

    def get(self, name: str, version: str | None = None) -> Asset:
        """Return a version, the latest when none is named.

        Raises:
            LookupError: no such model.
        """
        ...

    def tag(self, model: Asset, tags: Mapping[str, str]) -> Asset:
        """Add tags to a version; those it has stay."""
        ...

    def download(self, model: Asset, folder: Path) -> Path:
        """Fetch a version's files into `folder`; return the folder that holds its MLmodel.

        Raises:
            LookupError: no MLflow model.
        """
        ...


class OnlineEndpoints(Protocol):
    """Managed online endpoints and their deployments."""

    def create(self, file: Path, name: str) -> str:
        """Create or update the endpoint of a YAML under `name`; return its scoring URI."""
        ...

    def deploy(self, file: Path, endpoint: str, model: Asset, environment: Asset) -> str:
        """Create or update a deployment from a YAML; return its name. Traffic is not touched.

        Raises:
            DeploymentFailed: it did not become healthy.
        """
        ...

    def traffic(self, endpoint: str, shares: Mapping[str, int]) -> None:
        """Set the percentage of requests that each deployment gets; 100 together, or 0."""
        ...

    def mirror(self, endpoint: str, shares: Mapping[str, int]) -> None:
        """Copy a percentage of the requests to a deployment without traffic; {} ends it."""
        ...

    def invoke(self, endpoint: str, body: Any, deployment: str | None = None) -> Answer:
        """Send one request, to a named deployment or by the traffic rules; never retried.

        Args:
            endpoint: its name.
            body: JSON value.
            deployment: the deployment to ask past the traffic rules.
        """
        ...

    def logs(self, endpoint: str, deployment: str, lines: int = 50) -> str:
        """Return the last lines of a deployment's log."""
        ...

    def remove(self, endpoint: str, deployment: str) -> None:
        """Delete one deployment; it must have no traffic."""
        ...

    def delete(self, endpoint: str) -> None:
        """Delete an endpoint with all its deployments; one that is not there is no error."""
        ...


class BatchEndpoints(Protocol):
    """Batch endpoints: deployments that score folders of files in jobs."""

    def create(self, file: Path, name: str) -> str:
        """Create or update the endpoint of a YAML under `name`; return the URI of its jobs."""
        ...

    def deploy(
        self, file: Path, endpoint: str, model: Asset, environment: Asset | None = None
    ) -> str:
        """Create or update a deployment from a YAML; return its name. The default stays.

        Args:
            file: the YAML.
            endpoint: its endpoint.
            model: takes the place of the YAML's own.
            environment: the same for a deployment with a script; None where there is no code.
        """
        ...

    def default(self, endpoint: str, deployment: str) -> None:
        """Let a deployment score what is sent without a deployment's name."""
        ...

    def invoke(
        self,
        endpoint: str,
        source: Path | str,
        *,
        deployment: str | None = None,
        experiment: str | None = None,
        mini_batch_size: int | None = None,
    ) -> str:
        """Start a job over a folder, which is uploaded when it is a local one; return its name.

        Args:
            endpoint: its name.
            source: a local folder, or a reference such as `azureml:name:version`.
            deployment: None is the endpoint's default.
            experiment: None is the service's choice.
            mini_batch_size: files a mini-batch; None is the deployment's.
        """
        ...

    def predictions(self, job: str, folder: Path) -> Path:
        """Fetch the file of predictions of a job that has completed into `folder`.

        Raises:
            LookupError: it made none.
        """
        ...

    def jobs(self, endpoint: str, deployment: str | None = None) -> Mapping[str, str]:
        """Return the status of each job that the endpoint started, or one deployment of it."""
        ...

    def remove(self, endpoint: str, deployment: str) -> None:
        """Delete one deployment."""
        ...

    def delete(self, endpoint: str) -> None:
        """Delete an endpoint with all its deployments; one that is not there is no error."""
        ...


class Schedules(Protocol):
    """Jobs that are submitted again and again."""

    def create(self, file: Path, inputs: Mapping[str, str | int | float]) -> str:
        """Create or update the schedule of a YAML with inputs of its job replaced; its name."""
        ...

    def trigger(self, schedule: str) -> str:
        """Let it submit its job once, now; return the job's name."""
        ...

    def remove(self, schedule: str) -> None:
        """Disable and delete it; one that is not there is no error."""
        ...


@dataclass(frozen=True, slots=True)
class Promoted:
    """What came of a promotion."""

    done: bool  # whether the model is in place in the target now
    version: str  # that is in place there; "" where none is
    why: str  # why it was refused; "" when it was not


class Stages(Protocol):
    """The other workspaces that a model passes, and the registry that it goes through."""

    def registry(self, file: Path, name: str) -> str:
        """Make the registry of a YAML under `name` unless it is there; return its name."""
        ...

    def workspace(self, file: Path, name: str) -> Adapters:
        """Make the workspace of a YAML under `name` unless it is there; return its adapters."""
        ...

    def promote(
        self, model: Asset, registry: str, source: str, target: str, *, metric: str, min_gain: float
    ) -> Promoted:
        """Put a model in place in the next workspace, if it is better than what is in place.

        Args:
            model: as it is registered in `source`.
            registry: which it goes through.
            source: name of a workspace; "" is the one that these adapters are connected to.
            target: name of a workspace.
            metric: what it must be better in.
            min_gain: by at least so much.
        """
        ...


class Blobs(Protocol):
    """Blobs of the workspace's storage account."""

    def write(self, container: str, name: str, data: bytes) -> str:
        """Store `data`, replacing what was there; return the blob's URL."""
        ...

    def signed(self, container: str, minutes: int) -> str:
        """Return a signature (a query without its `?`) that reads a container's blobs so long."""
        ...

    def fetch(self, url: str) -> bytes:
        """Return the bytes of the blob at `url`.

        Raises:
            azure.core.exceptions.ResourceNotFoundError: no such container or blob.
        """
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything is: names that code outside the SDKs, such as a pipeline, has to be told."""

    subscription_id: str
    resource_group: str
    workspace: str
    tenant_id: str = ""
    client_id: str = ""  # of the application that the adapters sign in as; "" for a person
    vault_url: str = ""  # without a slash at its end
    sql_server: str = ""  # "host,port" of the SQL pool's server
    sql_database: str = ""

    @property
    def workspace_id(self) -> str:
        """The workspace's ARM id."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"
        )


class Secrets(Protocol):
    """The key vault."""

    def keep_credential(self, name: str) -> str:
        """Keep the secret of the application that these adapters sign in as; return its version.

        Raises:
            LookupError: they sign in by something else.
        """
        ...

    def keep(self, name: str, value: str) -> str:
        """Keep a secret; return its version."""
        ...

    def let_read(self, principal: str) -> None:
        """Let a principal read every secret of the vault; it may do so already."""
        ...


@dataclass(frozen=True, slots=True)
class PublishedFactory:
    """A data factory with what a folder put into it."""

    name: str
    principal: str  # object id of its managed identity; "" without one
    pipelines: tuple[str, ...]
    triggers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunActivity:
    """What one activity of a run came to."""

    name: str
    type: str
    status: str
    seconds: float
    output: Mapping[str, Any]
    error: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FactoryRun:
    """A pipeline run that has ended."""

    id: str
    pipeline: str
    status: str  # Succeeded, Failed or Cancelled
    message: str
    activities: tuple[RunActivity, ...]  # by start; one row for each attempt

    def activity(self, name: str) -> RunActivity:
        """Return an activity's last attempt.

        Raises:
            LookupError: it never started.
        """
        found = [one for one in self.activities if one.name == name]
        if not found:
            raise LookupError(f"{name} did not run in {self.pipeline}, run {self.id}")
        return found[-1]


@dataclass(frozen=True, slots=True)
class Called:
    """What a stored procedure came to."""

    status: int  # what it returned
    rows: tuple[Mapping[str, Any], ...]  # of all its result sets


class Warehouse(Protocol):
    """A dedicated SQL pool."""

    def deploy(
        self, folder: Path, values: Mapping[str, str], database: str | None = None
    ) -> tuple[str, ...]:
        """Run the `.sql` files of a folder by name; return their names.

        They run in the pool, or in another database of its server: logins are made in `master`.
        A line `GO` ends a batch; `$(name)` in a string literal is one of `values`.

        Raises:
            DeploymentFailed: a batch failed; the message has the file and the server's words.
            LookupError: a variable without a value.
        """
        ...

    def execute(self, statement: str, *values: Any) -> list[Mapping[str, Any]]:
        """Run one statement with `%s` for each value; return the rows of its last result set."""
        ...

    def call(self, procedure: str, values: Mapping[str, Any]) -> Called:
        """Call a procedure by named arguments."""
        ...


class Factories(Protocol):
    """A data factory: pipelines, their runs, their triggers."""

    def publish(self, folder: Path, values: Mapping[str, str | int]) -> PublishedFactory:
        """Publish a folder in git mode; `values` take the place of its global parameters' own.

        Raises:
            LookupError: a value for a global parameter that the folder does not declare.
        """
        ...

    def run(self, pipeline: str, parameters: Mapping[str, Any]) -> str:
        """Start a run; return its id."""
        ...

    def wait(self, run: str, say: Say) -> FactoryRun:
        """Wait until a run has ended, telling each activity that ends; return what came of it."""
        ...

    def start(self, trigger: str, in_seconds: float) -> None:
        """Start a schedule trigger that was published, to fire first `in_seconds` from now.

        Raises:
            RuntimeError: the factory has another time than this machine.
        """
        ...

    def fired(self, trigger: str, timeout_s: float = 300) -> str:
        """Wait until a trigger has started a run of its pipeline; return the run's id.

        Raises:
            TimeoutError: it did not.
        """
        ...

    def stop(self, trigger: str) -> None:
        """Stop a trigger; one that does not run, or is not there, is no error."""
        ...


@dataclass(frozen=True, slots=True)
class Adapters:
    """Everything that a scenario may use, connected to one target."""

    suffix: str  # short and stable for one workspace: makes region-wide names unique
    data: Datasets
    environments: Environments
    computes: Computes
    jobs: Jobs
    models: Models
    endpoints: OnlineEndpoints
    batch: BatchEndpoints
    schedules: Schedules
    stages: Stages
    blobs: Blobs
    place: Place
    secrets: Secrets
    factories: Factories
    warehouse: Warehouse
