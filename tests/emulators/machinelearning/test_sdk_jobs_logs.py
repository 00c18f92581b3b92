"""Logs of jobs while they are written: by the command line, by their links, long ones too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil
import requests

from tests.emulators.machinelearning.desk import Desk
from tests.running import Rehearsal

MIB = 1 << 20
LONG_MIB = 200
MOST_MIB = 50  # what the host may grow by, however long the log


def test_the_command_line_follows_a_pipeline_to_its_end(
    desk: Desk, tmp_path: Path, rehearsal: Rehearsal
) -> None:
    from azure.ai.ml import load_job

    desk.code(
        "import time\nfor n in range(3):\n    print('turn', n, flush=True)\n    time.sleep(0.3)"
    )
    (tmp_path / "pipeline.yml").write_text(
        f"""
type: pipeline
settings: {{default_compute: azureml:serverless}}
jobs:
  turning:
    type: command
    code: code
    environment: azureml:{desk.environment}
    command: python main.py
"""
    )
    job = desk.client.jobs.create_or_update(load_job(tmp_path / "pipeline.yml"))
    said = rehearsal.rehearse("logs", "-f", job.name).splitlines()
    assert [line for line in said if line.startswith("[turning]")] == [
        f"[turning] turn {n}" for n in range(3)
    ]
    assert "Step turning Completed" in said[-1] or "Step turning Completed" in said[-2]
    assert desk.client.jobs.get(job.name).status == "Completed"


def test_a_long_log_costs_no_memory(desk: Desk, rehearsal: Rehearsal, ml_client: Any) -> None:
    job = desk.submit(
        f"""
        import sys
        line = "x" * 1023 + "\\n"
        for _ in range({LONG_MIB}):
            sys.stdout.write(line * 1024)
        """
    )
    host = psutil.Process(rehearsal.host.pid)
    desk.wait(job, status={"Running", "Completed"})
    before = host.memory_info().rss
    assert desk.wait(job).status == "Completed"
    run = ml_client.jobs._runs_operations.get_run_details(job.name)
    (url,) = [url for name, url in run.log_files.items() if name == "user_logs/std_log.txt"]
    size = 0
    with requests.get(url, stream=True, timeout=60) as answer:
        for chunk in answer.iter_content(MIB):
            size += len(chunk)
    assert size == LONG_MIB * MIB
    grown = host.memory_info().rss - before
    assert grown < MOST_MIB * MIB, f"{grown / MIB:.0f} MiB"
