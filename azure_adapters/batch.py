"""Azure Machine Learning's batch endpoints by azure-ai-ml."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure_adapters.machinelearning import quiet, text_of
from azure_adapters.ports import Asset

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

OUTPUT = "score"


class SdkBatchEndpoints:
    """Batch endpoints, their deployments and their jobs."""

    def __init__(self, ml: MLClient) -> None:
        self._ml = ml

    def create(self, file: Path, name: str) -> str:
        """Create or update the endpoint of a YAML under `name`; return the URI of its jobs."""
        from azure.ai.ml import load_batch_endpoint

        endpoint = load_batch_endpoint(file, params_override=[{"name": name}])
        with quiet():
            made = self._ml.batch_endpoints.begin_create_or_update(endpoint).result()
        return str(made.scoring_uri)

    def deploy(
        self, file: Path, endpoint: str, model: Asset, environment: Asset | None = None
    ) -> str:
        """Create or update a deployment from a YAML; return its name. The default stays."""
        # The `az ml` extension loads such a YAML by this very function, which has no public name.
        from azure.ai.ml.entities._load_functions import load_model_batch_deployment

        override = [{"endpoint_name": endpoint}, {"model": model.reference}]
        if environment is not None:
            override.append({"environment": environment.reference})
        deployment = load_model_batch_deployment(file, params_override=override)
        with quiet():
            made = self._ml.batch_deployments.begin_create_or_update(deployment).result()
        return str(made.name)

    def default(self, endpoint: str, deployment: str) -> None:
        """Let a deployment score what is sent without a deployment's name."""
        entity = self._ml.batch_endpoints.get(endpoint)
        entity.defaults = {"deployment_name": deployment}
        with quiet():
            self._ml.batch_endpoints.begin_create_or_update(entity).result()

    def invoke(
        self,
        endpoint: str,
        source: Path | str,
        *,
        deployment: str | None = None,
        experiment: str | None = None,
        mini_batch_size: int | None = None,
    ) -> str:
        """Start a job over a folder, which is uploaded when it is a local one; return its name."""
        from azure.ai.ml import Input
        from azure.ai.ml.constants._endpoint import EndpointInvokeFields

        # The SDK keeps the deployment's header of one call for all later ones (azure-ai-ml 1.35).
        EndpointInvokeFields.DEFAULT_HEADER.pop(EndpointInvokeFields.MODEL_DEPLOYMENT, None)
        more: dict[str, Any] = {}
        if experiment:
            more["experiment_name"] = experiment
        if mini_batch_size:
            more["params_override"] = [{"mini_batch_size": mini_batch_size}]
        path = str(source.resolve()) if isinstance(source, Path) else source
        with quiet():
            job = self._ml.batch_endpoints.invoke(
                endpoint_name=endpoint,
                deployment_name=deployment,
                inputs={"files": Input(type="uri_folder", path=path)},
                **more,
            )
        return str(job.name)

    def predictions(self, job: str, folder: Path) -> Path:
        """Fetch the file of predictions of a job that has completed into `folder`.

        Raises:
            LookupError: it made none.
        """
        with quiet():
            self._ml.jobs.download(job, download_path=folder, output_name=OUTPUT)
        found = sorted(one for one in folder.rglob("*") if one.is_file())
        if not found:
            raise LookupError(f"job {job} made no predictions")
        return found[0]

    def jobs(self, endpoint: str, deployment: str | None = None) -> Mapping[str, str]:
        """Return the status of each job that the endpoint started, or one deployment of it."""
        if deployment is None:
            found = self._ml.batch_endpoints.list_jobs(endpoint)
        else:
            found = self._ml.batch_deployments.list_jobs(endpoint, name=deployment)
        return {str(job.name): text_of(job.status) for job in found}

    def remove(self, endpoint: str, deployment: str) -> None:
        """Delete one deployment."""
        with quiet():
            self._ml.batch_deployments.begin_delete(deployment, endpoint).result()

    def delete(self, endpoint: str) -> None:
        """Delete an endpoint with all its deployments; one that is not there is no error."""
        from azure.core.exceptions import ResourceNotFoundError

        with contextlib.suppress(ResourceNotFoundError), quiet():
            self._ml.batch_endpoints.begin_delete(endpoint).result()
