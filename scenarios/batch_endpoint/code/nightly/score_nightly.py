"""Start a job of the batch endpoint over a data asset, wait for it, and note what it was."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from urllib.request import Request, urlopen

from azure.identity import DefaultAzureCredential

ENDED = ("Completed", "Failed", "Canceled")


def asset(name: str, version: str) -> str:
    """Return the id of a data asset of this job's workspace."""
    return (
        f"azureml:/subscriptions/{os.environ['AZUREML_ARM_SUBSCRIPTION']}"
        f"/resourceGroups/{os.environ['AZUREML_ARM_RESOURCEGROUP']}"
        "/providers/Microsoft.MachineLearningServices"
        f"/workspaces/{os.environ['AZUREML_ARM_WORKSPACE_NAME']}/data/{name}/versions/{version}"
    )


def ask(url: str, body: object = None) -> dict:
    """Send one request as this job's identity."""
    token = DefaultAzureCredential().get_token("https://ml.azure.com/.default").token
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data, headers), timeout=60) as answer:
        return json.load(answer)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", required=True, help="the endpoint's scoring URI")
    parser.add_argument("--data", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--report", required=True)
    args = parser.parse_args()
    files = {"JobInputType": "UriFolder", "Uri": asset(args.data, args.version)}
    job = ask(args.jobs, {"properties": {"InputData": {"files": files}}})
    print(f"started {job['name']}")
    while (status := job["properties"]["status"]) not in ENDED:
        time.sleep(1)
        job = ask(f"{args.jobs}/{job['name']}")
    Path(args.report).mkdir(parents=True, exist_ok=True)
    (Path(args.report) / "job.json").write_text(json.dumps({"job": job["name"], "status": status}))
    print(f"{job['name']} {status}")
    if status != "Completed":
        sys.exit(f"the batch job {job['name']} is {status}")


if __name__ == "__main__":
    main()
