"""What was acknowledged is there after the server process was killed, at any moment."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from tests.emulators.mlflow.conftest import Tracking


def test_kill_9_loses_nothing_acknowledged(client: MlflowClient, tracking: Tracking) -> None:
    experiment = client.create_experiment("killed")
    kept: list[str] = []
    starts, pid = tracking.server.starts, tracking.server.pid

    def write(names: Any) -> None:
        for number in range(2000):
            try:
                run = client.create_run(experiment, tags={"n": str(number)})
                client.log_metric(run.info.run_id, "m", number)
            except MlflowException:
                if tracking.server.starts > starts:
                    return
                continue
            names.append(run.info.run_id)
            if tracking.server.starts > starts:
                return

    writers = [threading.Thread(target=write, args=(kept,)) for _ in range(3)]
    for writer in writers:
        writer.start()
    while len(kept) < 20:
        threading.Event().wait(0.01)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    for writer in writers:
        writer.join(120)
    assert tracking.server.pid != pid
    found = client.search_runs([experiment], max_results=5000)
    whole = {r.info.run_id: r.data.metrics.get("m") for r in found}
    assert len(kept) >= 20
    assert all(whole.get(run_id) is not None for run_id in kept)
