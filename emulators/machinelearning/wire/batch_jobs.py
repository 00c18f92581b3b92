"""The jobs of batch endpoints as their data plane shows them, and the door they are started by."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import orjson

from emulators.kernel.access import Asked
from emulators.kernel.azure_http import system_data
from emulators.kernel.context import Context
from emulators.kernel.errors import MethodNotAllowed, NotFound, ServiceError, Unauthorized
from emulators.kernel.http import Call
from emulators.kernel.tokens import Principal
from emulators.machinelearning.engine import workspaces
from emulators.machinelearning.engine.batch import invocation, records, submission
from emulators.machinelearning.errors import ValidationError
from emulators.machinelearning.store.batch import BatchEndpoint
from emulators.machinelearning.store.jobs import Job
from emulators.machinelearning.store.workspaces import Workspace

AUDIENCES = ("https://ml.azure.com",)
JOBS = "Microsoft.MachineLearningServices/workspaces/batchEndpoints/jobs"
"""What starting and reading jobs is called in roles.

Source: learn.microsoft.com/azure/machine-learning/how-to-authenticate-batch-endpoint.
"""

TYPE = "Microsoft.MachineLearningServices/workspaces/batchEndpoints/jobs"

_BARE = re.compile(
    r'("(?:[^"\\]|\\.)*(?:"|\\?\Z))|(?<![\w$])([A-Za-z_$][\w$]*+)(?=\s*+:)', re.DOTALL
)
"""A JSON string, or a name before a colon that has no quotes."""


class BadToken(Unauthorized):
    """No Entra token, or one that does not hold here."""

    code = "Unauthorized"


class Said(NamedTuple):
    """An answer of the data plane."""

    status: int
    body: bytes


class Sent(NamedTuple):
    """A request to the data plane of one endpoint."""

    method: str
    path: str
    headers: dict[bytes, bytes]
    body: bytes

    def header(self, name: bytes) -> str:
        """A header's value, "" where it is absent."""
        return self.headers.get(name, b"").decode("latin-1").strip()


def encode_job(ws: Workspace, endpoint: BatchEndpoint, job: Job) -> dict[str, Any]:
    """A job as the data plane shows it.

    Source: an answer of the real service in the documentation of the public Ansible module
    azure_rm_ml_batch_endpoint_invoke (there with its keys in snake case).
    """
    asked = job.properties
    studio = f"https://ml.azure.com/runs/{job.name}?wsid={ws.arm_id}"
    properties = {
        "name": asked.get("displayName") or job.name,
        "description": asked.get("description"),
        "experimentName": job.experiment,
        "status": job.status,
        "provisioningState": "Succeeded",
        "error": job.error,
        "tags": asked.get("tags") or {},
        "properties": {**(asked.get("properties") or {}), **job.added},
        "interactionEndpoints": {
            "Studio": {"jobEndpointType": "Studio", "endpoint": studio},
        },
        "output": {},
    }
    return {
        "id": f"{ws.arm_id}/batchEndpoints/{endpoint.name}/jobs/{job.name}",
        "name": job.name,
        "type": TYPE,
        "properties": {k: v for k, v in properties.items() if v is not None},
        "systemData": system_data(job.created, job.ended or job.created, job.created_by),
    }


def answer(ctx: Context, endpoint: BatchEndpoint, sent: Sent, call: Call) -> Said:
    """Answer one request to `https://{endpoint}.{region}.inference.ml.azure.com`."""
    try:
        return _answered(ctx, endpoint, sent, call)
    except ServiceError as refused:
        error: dict[str, Any] = {"code": refused.code, "message": refused.message}
        if refused.target:
            error["target"] = refused.target
        return Said(refused.status, orjson.dumps({"error": error}))


def _answered(ctx: Context, endpoint: BatchEndpoint, sent: Sent, call: Call) -> Said:
    ws = workspaces.by_guid(ctx, endpoint.workspace)
    if ws is None:
        raise NotFound(f"The workspace of the endpoint '{endpoint.name}' is gone.")
    principal = _caller(ctx, sent)
    verb = "read" if sent.method == "GET" else "write"
    ctx.access.check(
        principal, Asked(f"{JOBS}/{verb}", f"{ws.arm_id}/batchEndpoints/{endpoint.name}/jobs")
    )
    by = principal.app_id or principal.object_id
    parts = [part for part in sent.path.split("/") if part]
    if parts[:1] != ["jobs"] or len(parts) > 2:
        raise NotFound(f"The batch endpoint '{endpoint.name}' has no path '{sent.path}'.")
    if sent.method == "POST" and len(parts) == 1:
        call.operation = "BatchEndpoints_Invoke"
        return _invoked(ctx, ws, endpoint, sent, by)
    if sent.method != "GET":
        raise MethodNotAllowed(f"{sent.method} is not allowed on {sent.path}.")
    found = submission.jobs_of_endpoint(ctx, ws, endpoint, None)
    if len(parts) == 1:
        call.operation = "BatchEndpoints_ListJobs"
        shown = [encode_job(ws, endpoint, job) for job in found]
        return Said(200, orjson.dumps({"value": shown}))
    call.operation = "BatchEndpoints_GetJob"
    for job in found:
        if job.name == parts[1]:
            return Said(200, orjson.dumps(encode_job(ws, endpoint, job)))
    raise NotFound(f"The batch endpoint '{endpoint.name}' has no job '{parts[1]}'.")


def _caller(ctx: Context, sent: Sent) -> Principal:
    scheme, _, token = sent.header(b"authorization").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise BadToken("A Microsoft Entra token for https://ml.azure.com is required.")
    try:
        return ctx.tokens.verify(token.strip(), AUDIENCES)
    except Unauthorized as refused:
        raise BadToken(refused.message) from None


def read_body(raw: bytes) -> Any:
    """A JSON body; names without quotes are taken, as the service's own reader takes them.

    Raises:
        orjson.JSONDecodeError: it is no JSON even so.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return orjson.loads(
            _BARE.sub(lambda m: m[1] or f'"{m[2]}"', raw.decode("utf-8", "replace"))
        )


def _invoked(ctx: Context, ws: Workspace, endpoint: BatchEndpoint, sent: Sent, by: str) -> Said:
    try:
        body = read_body(sent.body)
    except orjson.JSONDecodeError as wrong:
        raise ValidationError(f"The request's body is not JSON: {wrong}.") from None
    if not isinstance(body, dict):
        raise ValidationError("The request's body must be a JSON object.")
    deployment = records.chosen(ctx, endpoint, sent.header(b"azureml-model-deployment"))
    asked = invocation.read(body)
    request = sent.header(b"repeatability-request-id")
    started = submission.Started(ws, endpoint, deployment, by, request)
    job = submission.invoke(ctx, started, asked)
    return Said(201, orjson.dumps(encode_job(ws, endpoint, job)))
