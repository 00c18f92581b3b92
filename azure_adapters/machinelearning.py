"""Azure Machine Learning by azure-ai-ml: assets, jobs, models and online endpoints."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure_adapters.ports import Answer, Asset, DeploymentFailed, JobFailed, Say
from azure_adapters.target import Target

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.core import PipelineClient

LOG_TAIL = 15  # lines of a deployment's log that a failure is told with


class Lines(io.TextIOBase):
    """A text stream that hands every full line on: what the SDK prints becomes progress."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._rest = ""

    def write(self, text: str) -> int:
        """Take text as print does; whole lines go on at once."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip(" ."):
                self._say(line.rstrip())
        return len(text)

    def end(self) -> None:
        """Hand on what had no line end."""
        if self._rest.strip(" ."):
            self._say(self._rest)
        self._rest = ""


@contextlib.contextmanager
def _printed_to(say: Say) -> Iterator[None]:
    """Catch what the SDK prints: logs it streams, dots while it waits, colours after an upload.

    `say` itself may print: it is called with the streams that were there before.
    """
    out, err = sys.stdout, sys.stderr

    def outside(line: str) -> None:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            say(line)

    lines = Lines(outside)
    with contextlib.redirect_stdout(lines), contextlib.redirect_stderr(lines):
        yield
    lines.end()


def quiet() -> contextlib.AbstractContextManager[None]:
    """Drop what the SDK prints."""
    return _printed_to(lambda line: None)


def client(target: Target) -> MLClient:
    """Return a client of the target's workspace; importing azure-ai-ml takes seconds."""
    import logging

    from azure.ai.ml import MLClient

    # Several of its loggers set their own level when imported, and print blank lines and the like.
    for noisy in [*logging.root.manager.loggerDict, "azure", "msrest", "urllib3"]:
        if noisy.startswith(("azure", "msrest", "urllib3")):
            logging.getLogger(noisy).setLevel(logging.ERROR)
    names = target.names
    return MLClient(
        target.credential,
        names.subscription_id,
        names.resource_group,
        names.workspace,
        show_progress=False,
        enable_telemetry=False,
    )


def _asset(entity: Any) -> Asset:
    return Asset(str(entity.name), str(entity.version), dict(entity.tags or {}))


def _find(operations: Any, name: str, version: str | None) -> Any:
    from azure.ai.ml.exceptions import MlException
    from azure.core.exceptions import ResourceNotFoundError

    try:
        if version:
            return operations.get(name, version=version)
        return operations.get(name, label="latest")
    except (ResourceNotFoundError, MlException) as missing:
        # For want of a latest version the SDK raises its own exception, told apart by its words.
        if isinstance(missing, MlException) and "does not exist" not in str(missing):
            raise
        raise LookupError(f"no {name}:{version or 'latest'}") from missing


class SdkDatasets:
    """Data assets of the workspace."""

    def __init__(self, ml: MLClient) -> None:
        self._ml = ml

    def register(self, file: Path, *, path: Path | None = None) -> Asset:
        """Register a new version from a data YAML, with `path` in place of the YAML's own."""
        from azure.ai.ml import load_data

        override = [{"path": str(path.resolve())}] if path else []
        with quiet():
            made = self._ml.data.create_or_update(load_data(file, params_override=override))
        return _asset(made)

    def get(self, name: str, version: str | None = None) -> Asset:
        """Return a version, the latest when none is named.

        Raises:
            LookupError: no such asset.
        """
        return _asset(_find(self._ml.data, name, version))


class SdkEnvironments:
    """Environments of the workspace."""

    def __init__(self, ml: MLClient) -> None:
        self._ml = ml

    def register(self, file: Path) -> Asset:
        """Register a new version from an environment YAML."""
        from azure.ai.ml import load_environment

        return _asset(self._ml.environments.create_or_update(load_environment(file)))


class SdkComputes:
    """Compute clusters of the workspace."""

    def __init__(self, ml: MLClient) -> None:
        self._ml = ml

    def ensure(self, file: Path) -> str:
        """Create or update the cluster of a compute YAML; return its name."""
        from azure.ai.ml import load_compute

        with quiet():
            return str(self._ml.compute.begin_create_or_update(load_compute(file)).result().name)


class SdkJobs:
    """Jobs of the workspace."""

    def __init__(self, ml: MLClient) -> None:
        self._ml = ml

    def submit(self, file: Path, inputs: Mapping[str, str | int | float]) -> str:
        """Submit a job YAML with some of its inputs replaced; return the job's name."""
        from azure.ai.ml import load_job

        override = [
            {
                f"inputs.{name}.path"
                if str(value).startswith("azureml:")
                else f"inputs.{name}": value
            }
            for name, value in inputs.items()
        ]
        job = load_job(file, params_override=override)
        with quiet():
            return str(self._ml.jobs.create_or_update(job).name)

    def wait(self, job: str, say: Say) -> None:
        """Stream the job's log to `say` until it ends.

        Raises:
            JobFailed: it did not complete.
        """
        from azure.ai.ml.exceptions import JobException

        try:
            with _printed_to(say):
                self._ml.jobs.stream(job)
        except JobException as ended:
            raise JobFailed(f"job {job} failed: {_reason(str(ended))}") from ended
        status = text_of(self._ml.jobs.get(job).status)
        if status != "Completed":
            raise JobFailed(f"job {job} ended as {status}")

    def children(self, job: str) -> Mapping[str, str]:
        """Return the status of each step of a pipeline, by its display name."""
        found = self._ml.jobs.list(parent_job_name=job)
        return {str(child.display_name or child.name): text_of(child.status) for child in found}

    def download(self, job: str, output: str, folder: Path) -> Path:
        """Fetch a named output of a job that has ended; return the folder that holds its files.

        Raises:
            LookupError: the job has no such output.
        """
        with quiet():
            self._ml.jobs.download(job, download_path=folder, output_name=output)
        found = folder / "named-outputs" / output
        if not found.is_dir():
            raise LookupError(f"job {job} has no output {output!r}")
        return found


def text_of(value: Any) -> str:
    """Return a status as text; the SDK gives some as an enumeration's member."""
    return str(getattr(value, "value", value))


def _reason(text: str) -> str:
    """Take the message out of the JSON that the SDK wraps a failed job's error in."""
    start, end = text.find("{"), text.rfind("}")
    try:
        error = json.loads(text[start : end + 1])
        return str(error.get("error", error).get("message", text))
    except (ValueError, AttributeError):
        return text.strip()


class SdkModels:
    """The model registry of the workspace."""

    def __init__(self, ml: MLClient) -> None:
        self._ml = ml

    def register(self, name: str, path: str, tags: Mapping[str, str]) -> Asset:
        """Register an MLflow model from a local folder or a job's output."""
        from azure.ai.ml.entities import Model

        model = Model(name=name, path=path, type="mlflow_model", tags=dict(tags))
        with quiet():
            return _asset(self._ml.models.create_or_update(model))

    def get(self, name: str, version: str | None = None) -> Asset:
        """Return a version, the latest when none is named.

        Raises:
            LookupError: no such model.
        """
        return _asset(_find(self._ml.models, name, version))

    def tag(self, model: Asset, tags: Mapping[str, str]) -> Asset:
        """Add tags to a version; those it has stay."""
        entity = _find(self._ml.models, model.name, model.version)
        entity.tags = {**(entity.tags or {}), **tags}
        return _asset(self._ml.models.create_or_update(entity))

    def download(self, model: Asset, folder: Path) -> Path:
        """Fetch a version's files into `folder`; return the folder that holds its MLmodel.

        Raises:
            LookupError: no MLflow model.
        """
        with quiet():
            self._ml.models.download(model.name, version=model.version, download_path=folder)
        found = sorted(folder.rglob("MLmodel"), key=lambda file: len(file.parts))
        if not found:
            raise LookupError(f"{model.reference} is no MLflow model")
        return found[0].parent


@dataclass(frozen=True, slots=True)
class Door:
    """How to ask one endpoint, over a connection that is kept."""

    uri: str
    key: str
    http: PipelineClient[Any, Any]


class SdkOnlineEndpoints:
    """Managed online endpoints. Requests go straight to the scoring URI, as a caller's do.

    The SDK's own `invoke` is not used: it keeps the deployment header of one call for the next
    (azure-ai-ml 1.35), raises on any status but 200, and asks for the keys anew every time.
    """

    def __init__(self, ml: MLClient) -> None:
        self._ml = ml
        self._doors: dict[str, Door] = {}

    def create(self, file: Path, name: str) -> str:
        """Create or update the endpoint of a YAML under `name`; return its scoring URI."""
        from azure.ai.ml import load_online_endpoint

        endpoint = load_online_endpoint(file, params_override=[{"name": name}])
        self._close(name)
        with quiet():
            made = self._ml.online_endpoints.begin_create_or_update(endpoint).result()
        return str(made.scoring_uri)

    def deploy(self, file: Path, endpoint: str, model: Asset, environment: Asset) -> str:
        """Create or update a deployment from a YAML; return its name. Traffic is not touched.

        Raises:
            DeploymentFailed: it did not become healthy.
        """
        from azure.ai.ml import load_online_deployment
        from azure.core.exceptions import HttpResponseError

        override = [
            {"endpoint_name": endpoint},
            {"model": model.reference},
            {"environment": environment.reference},
        ]
        deployment = load_online_deployment(file, params_override=override)
        name = str(deployment.name)
        try:
            with quiet():
                self._ml.online_deployments.begin_create_or_update(deployment).result()
        except HttpResponseError as failed:
            tail = self._log_or_nothing(endpoint, name)
            raise DeploymentFailed(f"{name}: {failed.message}\n{tail}".strip()) from failed
        return name

    def traffic(self, endpoint: str, shares: Mapping[str, int]) -> None:
        """Set the percentage of requests that each deployment gets; 100 together, or 0."""
        self._change(endpoint, traffic=dict(shares))

    def mirror(self, endpoint: str, shares: Mapping[str, int]) -> None:
        """Copy a percentage of the requests to a deployment without traffic; {} ends it."""
        self._change(endpoint, mirror_traffic=dict(shares))

    def _change(self, endpoint: str, **fields: dict[str, int]) -> None:
        entity = self._ml.online_endpoints.get(endpoint)
        for name, value in fields.items():
            setattr(entity, name, value)
        with quiet():
            self._ml.online_endpoints.begin_create_or_update(entity).result()

    def invoke(self, endpoint: str, body: Any, deployment: str | None = None) -> Answer:
        """Send one request, to a named deployment or by the traffic rules; never retried.

        Args:
            endpoint: its name.
            body: JSON value.
            deployment: the deployment to ask past the traffic rules.
        """
        from azure.core.rest import HttpRequest

        if endpoint not in self._doors:
            self._doors[endpoint] = self._door(endpoint)
        door = self._doors[endpoint]
        headers = {"Authorization": f"Bearer {door.key}"}
        if deployment:
            headers["azureml-model-deployment"] = deployment
        started = time.perf_counter()
        response = door.http.send_request(HttpRequest("POST", door.uri, json=body, headers=headers))
        text = response.text()
        spent_ms = (time.perf_counter() - started) * 1000
        said = response.headers.get("azureml-model-deployment", "")
        return Answer(int(response.status_code), _decoded(text), str(said), spent_ms)

    def _door(self, endpoint: str) -> Door:
        from azure.core import PipelineClient

        uri = str(self._ml.online_endpoints.get(endpoint).scoring_uri)
        keys = self._ml.online_endpoints.get_keys(endpoint)
        key = getattr(keys, "primary_key", None) or getattr(keys, "access_token", None)
        # No policies: in particular none that retries.
        return Door(uri, str(key), PipelineClient(uri, policies=[]))

    def _close(self, endpoint: str) -> None:
        if door := self._doors.pop(endpoint, None):
            door.http.close()

    def logs(self, endpoint: str, deployment: str, lines: int = 50) -> str:
        """Return the last lines of a deployment's log."""
        return str(self._ml.online_deployments.get_logs(deployment, endpoint, lines))

    def _log_or_nothing(self, endpoint: str, deployment: str) -> str:
        from azure.core.exceptions import AzureError

        try:
            return self.logs(endpoint, deployment, LOG_TAIL)
        except AzureError:
            return ""

    def remove(self, endpoint: str, deployment: str) -> None:
        """Delete one deployment; it must have no traffic."""
        with quiet():
            self._ml.online_deployments.begin_delete(deployment, endpoint).result()

    def delete(self, endpoint: str) -> None:
        """Delete an endpoint with all its deployments; one that is not there is no error."""
        from azure.core.exceptions import ResourceNotFoundError

        self._close(endpoint)
        with contextlib.suppress(ResourceNotFoundError), quiet():
            self._ml.online_endpoints.begin_delete(endpoint).result()


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
