"""How the server process is started: its command and the environment MLflow reads."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import emulators


def server_environment(given: Mapping[str, str], state: Path) -> dict[str, str]:
    """The environment of the server: the caller's, without anything that configures MLflow."""
    kept = {k: v for k, v in given.items() if not k.lstrip("_").startswith("MLFLOW_")}
    return {
        **kept,
        # The folder that holds this package and nothing of the user's: a folder called `mlflow`
        # where Rehearsal was started must not be taken for the library.
        "PYTHONPATH": str(Path(emulators.__file__).parents[1]),
        "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{state / 'default.db'}",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(state / "artifacts"),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SGI_NAME": "uvicorn",
        "_MLFLOW_IN_JOB_EXECUTOR": "false",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        # One request at a time computes; more threads only hold memory.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
    }


def server_command(state: Path, cache: Path, socket: Path, *, durable: bool) -> list[str]:
    """The command line of the server process."""
    command = [sys.executable, "-P", "-W", "ignore", "-m", "emulators.mlflow", "--serve"]
    command += ["--state", str(state), "--cache", str(cache), "--socket", str(socket)]
    return [*command, "--durable"] if durable else command
