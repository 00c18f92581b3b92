"""The environment variables of a job's process, as Azure ML's runtime sets them."""

from __future__ import annotations

from collections.abc import Mapping

from emulators.kernel.access import RUN, RUN_SCOPE
from emulators.kernel.context import Context
from emulators.machinelearning.engine.jobs.data import Values
from emulators.machinelearning.engine.jobs.tracking import base_url
from emulators.machinelearning.store.jobs import Job
from emulators.machinelearning.store.workspaces import Workspace

RUN_TOKEN_LIFETIME_S = 30 * 24 * 3600
ML_AUDIENCE = "https://ml.azure.com"


def of_job(
    ctx: Context,
    ws: Workspace,
    job: Job,
    values: Values,
    *,
    own: Mapping[str, str],
    experiment_id: str | None,
) -> dict[str, str]:
    """All variables of the process; the job's own win.

    Args:
        own: what the job itself asks for.
        experiment_id: MLflow's; None without MLflow.

    Source: the list in the tests of the public runtime, and learn.microsoft.com's pages on job
    environment variables.
    """
    token = ctx.tokens.issue(
        ML_AUDIENCE,
        lifetime_s=RUN_TOKEN_LIFETIME_S,
        claims={RUN: job.name, RUN_SCOPE: ws.arm_id},
    )
    service = f"https://{ctx.settings.region}.api.azureml.ms"
    tracking = base_url(ctx, ws)
    found = {
        **ctx.peers.environment(),
        "AZUREML_RUN_ID": job.name,
        "AZUREML_ROOT_RUN_ID": job.root,
        "AZUREML_ARM_SUBSCRIPTION": ws.subscription,
        "AZUREML_ARM_RESOURCEGROUP": ws.group,
        "AZUREML_ARM_WORKSPACE_NAME": ws.name,
        "AZUREML_ARM_PROJECT_NAME": job.experiment,
        "AZUREML_WORKSPACE_ID": ws.guid,
        "AZUREML_WORKSPACE_SCOPE": ws.arm_id,
        "AZUREML_RUN_TOKEN": token,
        "AZUREML_RUN_TOKEN_EXPIRY": str(int(ctx.clock.now().timestamp()) + RUN_TOKEN_LIFETIME_S),
        "AZUREML_SERVICE_ENDPOINT": service,
        "AZUREML_DISCOVERY_SERVICE_ENDPOINT": f"{service}/discovery",
        "AZUREML_EXPERIMENT_SCOPE": f"{ws.arm_id}/experiments/{job.experiment}",
        "MLFLOW_TRACKING_URI": tracking,
        "MLFLOW_REGISTRY_URI": tracking,
        "MLFLOW_TRACKING_TOKEN": token,
        "MLFLOW_RUN_ID": job.name,
        "MLFLOW_EXPERIMENT_NAME": job.experiment,
        # A job's own process count: one node, one process.
        "MASTER_ADDR": "127.0.0.1",
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "1",
        "NODE_RANK": "0",
    }
    if job.root != job.name and job.parent is not None:
        found["AZUREML_PARENT_RUN_ID"] = job.parent
    if experiment_id is not None:
        found["AZUREML_EXPERIMENT_ID"] = experiment_id
        found["MLFLOW_EXPERIMENT_ID"] = experiment_id
    for name, value in values.inputs.items():
        if value is not None:
            found[f"AZURE_ML_INPUT_{name}"] = found[f"AZUREML_DATAREFERENCE_{name}"] = value
    for name, path in values.outputs.items():
        found[f"AZURE_ML_OUTPUT_{name}"] = found[f"AZUREML_DATAREFERENCE_{name}"] = path
    return {**found, **own}
