"""What a workspace knows of how a model was made: by its REST APIs, read as they come.

The SDK's own classes for jobs know fewer kinds than there are, and MLflow's client takes seconds
to import; what is wanted here is a handful of fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from azure_adapters.promotion import Evidence, Model

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

ARM = "https://management.azure.com"
WORKSPACES_API, JOBS_API, CODES_API, COMPONENTS_API = (
    "2024-10-01", "2024-10-01", "2024-10-01", "2024-10-01",
)  # fmt: skip
COMMITS = ("mlflow.source.git.commit", "azureml.git.commit")
_DATA = re.compile(r"/data/([^/]+)/versions/([^/]+)\Z|\Aazureml:([^/:]+):([^/:]+)\Z")


class Lineage:
    """Reads one workspace's jobs, runs and code."""

    def __init__(self, credential: TokenCredential, scope: str) -> None:
        from azure.core import PipelineClient
        from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy

        self._scope = scope
        self._http: PipelineClient[Any, Any] = PipelineClient(
            ARM,
            policies=[RetryPolicy(), BearerTokenCredentialPolicy(credential, f"{ARM}/.default")],
        )
        self._tracking = ""

    def exists(self) -> bool:
        """Whether the workspace is there, and may be seen."""
        found = self._arm(self._scope, WORKSPACES_API)
        uri = str((found.get("properties") or {}).get("mlFlowTrackingUri") or "")
        base = uri.replace("azureml://", "https://", 1).replace("/mlflow/v1.0", "/mlflow/v2.0", 1)
        self._tracking = f"{base}/api/2.0/mlflow" if base else ""
        return bool(found)

    def of(self, model: Model) -> Evidence:
        """Metrics of the run that made a model, its data, its code's hash, its git commit."""
        name = model.job or self._run_of(model)
        if not name:
            return Evidence()
        run = self._mlflow(f"runs/get?run_id={quote(name)}").get("run") or {}
        metrics = {
            str(one["key"]): float(one["value"])
            for one in (run.get("data") or {}).get("metrics") or []
        }
        tags = {one["key"]: one["value"] for one in (run.get("data") or {}).get("tags") or []}
        jobs = [self._job(name)]
        root = str(tags.get("mlflow.rootRunId") or name)
        if root != name:
            jobs.append(self._job(root))
        data = dict.fromkeys(one for job in jobs for one in _data(job))
        noted = [tags, *((job.get("properties") or {}) for job in jobs)]
        commit = next((str(d[k]) for d in noted for k in COMMITS if d.get(k)), "")
        return Evidence(metrics, name, list(data), self._code(jobs[0]), commit)

    def _run_of(self, model: Model) -> str:
        query = f"name={quote(model.name)}&version={quote(model.version)}"
        found = self._mlflow(f"model-versions/get?{query}").get("model_version") or {}
        return str(found.get("run_id") or "")

    def _job(self, name: str) -> Mapping[str, Any]:
        found = self._arm(f"{self._scope}/jobs/{quote(name)}", JOBS_API)
        properties: Mapping[str, Any] = found.get("properties") or {}
        return properties

    def _code(self, job: Mapping[str, Any]) -> str:
        """The content's hash of a job's code, or of its component's; the id where it has none."""
        reference = job.get("codeId") or ""
        component = str(job.get("componentId") or "")
        if not reference and component.startswith("/"):
            spec = (self._arm(component, COMPONENTS_API).get("properties") or {}).get(
                "componentSpec"
            ) or {}
            reference = spec.get("code") or ""
        path = str(reference).removeprefix("azureml:")
        if not path.startswith("/"):
            return path
        inside = (self._arm(path, CODES_API).get("properties") or {}).get("properties") or {}
        return str(inside.get("hash_sha256") or path.rpartition("/codes/")[2])

    def _arm(self, path: str, version: str) -> Mapping[str, Any]:
        return self._get(f"{ARM}{path}?api-version={version}")

    def _mlflow(self, call: str) -> Mapping[str, Any]:
        return self._get(f"{self._tracking}/{call}") if self._tracking else {}

    def _get(self, url: str) -> Mapping[str, Any]:
        """The answer; nothing where there is nothing.

        Raises:
            azure.core.exceptions.HttpResponseError: refused, or failed.
        """
        from azure.core.exceptions import HttpResponseError
        from azure.core.rest import HttpRequest

        answer = self._http.send_request(HttpRequest("GET", url))
        if answer.status_code == 404:
            return {}
        if answer.status_code >= 400:
            raise HttpResponseError(response=answer)
        found: Mapping[str, Any] = answer.json()
        return found


def _data(job: Mapping[str, Any]) -> Iterator[str]:
    """The data a job was given: `name:version` of assets, the path of anything else."""
    for value in (job.get("inputs") or {}).values():
        uri = str((value or {}).get("uri") or "")
        match = _DATA.search(uri)
        if match:
            yield f"{match[1] or match[3]}:{match[2] or match[4]}"
        elif uri:
            yield uri.partition("/datastores/")[2] or uri
