"""Azure Machine Learning's schedules by azure-ai-ml."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from azure_adapters.machinelearning import quiet

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


class SdkSchedules:
    """Schedules of the workspace."""

    def __init__(self, ml: MLClient) -> None:
        self._ml = ml

    def create(self, file: Path, inputs: Mapping[str, str | int | float]) -> str:
        """Create or update the schedule of a YAML with inputs of its job replaced; its name."""
        from azure.ai.ml import load_job

        # Like load_model_batch_deployment, it has no public name.
        from azure.ai.ml.entities._load_functions import load_schedule

        schedule: Any = load_schedule(file)
        job = file.parent / yaml.safe_load(file.read_text(encoding="utf-8"))["create_job"]
        told = [
            {f"inputs.{n}.path" if str(v).startswith("azureml:") else f"inputs.{n}": v}
            for n, v in inputs.items()
        ]
        schedule.create_job = load_job(job, params_override=told)
        with quiet():
            return str(self._ml.schedules.begin_create_or_update(schedule).result().name)

    def trigger(self, schedule: str) -> str:
        """Let it submit its job once, now; return the job's name."""
        return str(self._ml.schedules.trigger(schedule).job_name)

    def remove(self, schedule: str) -> None:
        """Disable and delete it; one that is not there is no error."""
        from azure.core.exceptions import ResourceNotFoundError

        with contextlib.suppress(ResourceNotFoundError), quiet():
            self._ml.schedules.begin_disable(schedule).result()
            self._ml.schedules.begin_delete(schedule).result()
