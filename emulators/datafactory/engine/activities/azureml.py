"""The AzureMLExecutePipeline activity: a pipeline job in a Machine Learning workspace, awaited.

Published pipelines, which Azure's activity starts by their GUIDs, are made by the retired first
SDK only, and are not emulated. Here `mlPipelineId` names a registered pipeline component: `name`,
`name:version` or its ARM id; its latest version when none is named.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from emulators.datafactory.engine.activities.base import RUNTIME, ActivityFailed, Call, Done
from emulators.datafactory.engine.activities.failing import connecting
from emulators.datafactory.engine.activities.outgoing import Answer, Ask
from emulators.datafactory.engine.activities.requests import caller_of
from emulators.datafactory.engine.activities.service_fields import fields
from emulators.datafactory.engine.activities.web import exchange
from emulators.datafactory.engine.connections import credentials
from emulators.datafactory.engine.connections.credentials import Caller
from emulators.datafactory.engine.connections.failing import NotEmulated
from emulators.datafactory.engine.connections.places import is_true
from emulators.datafactory.engine.connections.resolving import LinkedService, linked_service_of

ARM = "https://management.azure.com"
RESOURCE = "https://management.azure.com/"
API = "2024-10-01"
PACE_S = 2.0
NOT_FOUND, REFUSED, RUN_FAILED = "4124", "4123", "4126"
ENDED = ("Completed", "Failed", "Canceled")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_OF_ARM = re.compile(r".*/components/([^/]+)(?:/versions/([^/]+))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace and who asks it."""

    call: Call
    path: str  # ARM id
    linked: LinkedService
    caller: Caller

    async def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """One request to the workspace, below its ARM id."""
        if self.linked.get("servicePrincipalId"):
            given = self.linked.properties
            token = await credentials.service_principal_token(self.caller, given, RESOURCE)
        else:
            token = credentials.managed_identity_token(self.caller, RESOURCE)
        url = f"{ARM}{self.path}{path}?api-version={API}"
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        raw = b"" if body is None else json.dumps(body).encode()
        if raw:
            headers["Content-Type"] = "application/json"
        answer, _ = await exchange(self.call.ctx, Ask(method, url, headers, raw))
        return answer


async def run(call: Call) -> Done:
    """Submit the job and wait for its end; a cancelled activity cancels its job.

    An attempt that a restart interrupted goes on waiting for the job it had noted.

    Source: learn.microsoft.com/azure/data-factory/transform-data-machine-learning-service.

    Raises:
        ActivityFailed: the workspace refuses, or the job does not complete.
    """
    started = call.ctx.clock.monotonic()
    with connecting(call, REFUSED):
        workspace = _workspace(call)
        name = str(call.noted.get("job") or "")
        seen = {"mlPipelineId": call.value("mlPipelineId"), "mlWorkspace": workspace.path}
        if not name:
            body = await _job(workspace)
            name = call.ctx.ids.guid()
            call.note({"job": name})
            _checked(await workspace.ask("PUT", f"/jobs/{name}", body), "submit the pipeline")
        try:
            properties = await _awaited(workspace, name)
        except asyncio.CancelledError:
            if not call.leaving():
                await asyncio.shield(workspace.ask("POST", f"/jobs/{name}/cancel"))
            raise
    if properties["status"] != "Completed":
        raise ActivityFailed(
            RUN_FAILED,
            f"Azure ML pipeline run failed with status: '{properties['status']}'. Azure ML pipeline"
            f" run Id: '{name}'. Please check in Azure Machine Learning for more error logs.",
        )
    output = {**_record(name, properties), **fields(call.ctx, started, "ExternalActivity")}
    return Done(output, seen, (RUNTIME,))


def _workspace(call: Call) -> Workspace:
    linked = linked_service_of(call.published, call.activity.linked_service, call.scope)
    if linked.kind != "azuremlservice":
        raise ActivityFailed(
            "4111", "AzureMLExecutePipeline activity has wrong LinkedService definition type."
        )
    words = [str(linked.get(n) or "") for n in ("subscriptionId", "resourceGroupName")]
    name = str(linked.get("mlWorkspaceName") or "")
    if not name or not all(words):
        raise ActivityFailed(
            "4103", "Please provide value for the required property 'mlWorkspaceName'."
        )
    path = (
        f"/subscriptions/{words[0]}/resourceGroups/{words[1]}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{name}"
    )
    return Workspace(call, path, linked, caller_of(call).within(linked.scope))


async def _job(workspace: Workspace) -> dict[str, Any]:
    """The job that the activity describes: its pipeline component as the one step."""
    call = workspace.call
    for name in ("mlPipelineEndpointId", "mlParentRunId"):
        if call.value(name):
            raise NotEmulated(f"'{name}' of AzureMLExecutePipeline: published pipeline endpoints")
    component = await _component(workspace, str(call.value("mlPipelineId") or ""))
    inputs = {
        str(name): {"jobInputType": "literal", "value": _text(value)}
        for name, value in (call.value("mlPipelineParameters") or {}).items()
    }
    for name, one in (call.value("dataPathAssignments") or {}).items():
        store, path = one.get("DataStoreName"), str(one.get("RelativePath") or "").strip("/")
        uri = f"azureml://datastores/{store}/paths/{path}"
        inputs[str(name)] = {"jobInputType": "uri_folder", "uri": uri}
    bound = {
        name: {"job_input_type": "literal", "value": f"${{{{parent.inputs.{name}}}}}"}
        for name in inputs
    }
    goes_on = is_true(call.value("continueOnStepFailure"))
    return {
        "properties": {
            "jobType": "Pipeline",
            "displayName": call.activity.name,
            "experimentName": str(call.value("experimentName") or call.run.pipeline),
            "tags": {"azureml.pipelineComponent": component.rpartition("/components/")[2]},
            "properties": {"adfPipelineRunId": call.run.id, "adfActivityRunId": call.id},
            "settings": {"continue_on_step_failure": goes_on},
            "inputs": inputs,
            "jobs": {"pipeline": {"type": "pipeline", "componentId": component, "inputs": bound}},
        }
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


async def _component(workspace: Workspace, wanted: str) -> str:
    """The ARM id of the pipeline component's version.

    Raises:
        ActivityFailed: there is none of that name.
        NotEmulated: the GUID of a published pipeline.
    """
    if not wanted:
        raise ActivityFailed(
            "2103", "Please provide value for the required property 'mlPipelineId'."
        )
    of_arm = _OF_ARM.fullmatch(wanted)
    name, version = of_arm.groups() if of_arm else (wanted.partition(":")[::2])
    if not of_arm and _GUID.fullmatch(name):
        raise NotEmulated("published pipelines, which only the retired first SDK makes")
    path = f"/components/{quote(name)}"
    if not version:
        container = await workspace.ask("GET", path)
        found = _checked(container, f"find the pipeline component '{name}'")
        version = str(found["properties"].get("latestVersion"))
    answer = await workspace.ask("GET", f"{path}/versions/{quote(version)}")
    component = _checked(answer, f"find the pipeline component '{wanted}'")
    kind = str((component["properties"].get("componentSpec") or {}).get("type", ""))
    if kind.lower().removesuffix("_component") != "pipeline":
        raise ActivityFailed(
            NOT_FOUND, f"The component '{wanted}' is no pipeline component but a {kind}."
        )
    return str(component["id"])


def _checked(answer: Answer, doing: str) -> Mapping[str, Any]:
    if answer.status not in (200, 201, 202):
        raise ActivityFailed(
            NOT_FOUND if answer.status == 404 else REFUSED,
            f"Request sent to Azure Machine Learning for operation '{doing}' failed with http"
            f" status code '{answer.reason}'. Error message from Azure Machine Learning:"
            f" '{answer.text}'",
        )
    found = json.loads(answer.body)
    assert isinstance(found, dict)
    return found


async def _awaited(workspace: Workspace, name: str) -> Mapping[str, Any]:
    while True:
        answer = await workspace.ask("GET", f"/jobs/{name}")
        found = _checked(answer, "look at the pipeline run")
        properties: Mapping[str, Any] = found["properties"]
        if properties.get("status") in ENDED:
            return {**properties, "systemData": found.get("systemData") or {}}
        await workspace.call.ctx.clock.sleep(PACE_S)


def _record(name: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """The run as the activity's output shows it."""
    stamps = properties["systemData"]
    return {
        "runId": name,
        "status": properties["status"],
        "experimentName": properties.get("experimentName"),
        "startTimeUtc": stamps.get("createdAt"),
        "endTimeUtc": stamps.get("lastModifiedAt"),
        "tags": properties.get("tags") or {},
        "properties": properties.get("properties") or {},
    }
