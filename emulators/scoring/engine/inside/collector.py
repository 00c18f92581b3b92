"""Settings of the data collector package, so that a script which uses it can start."""

from __future__ import annotations

import os

SETTINGS = ("AZUREML_MDC_CONFIG_PATH", "AZUREML_MDC_ENABLED")


def prepare() -> None:
    """Without settings of the deployment's own: collectors start, accept data and drop it.

    Azure refuses to construct a Collector there; here a script runs as it does with collection on.
    """
    if any(name in os.environ for name in SETTINGS):
        return
    os.environ["AZUREML_MDC_ENABLED"] = "true"
    os.environ["AZUREML_MDC_SAMPLE_RATE"] = "0"
    os.environ["AZUREML_MDC_WORKER_DISABLED"] = "true"
