"""A WebHook activity waits on through the death of the host, and is called back after it."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.running import Rehearsal, started

asked: list[dict[str, Any]] = []


class Endpoint(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(202)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        return None


class Arm:
    """Data Factory by plain requests: the host's ports change when it comes up again."""

    def __init__(self, host: Rehearsal) -> None:
        env = host.env
        self.env = env
        self.proxies = {"https": env["HTTPS_PROXY"]}
        self.factory = (
            f"https://management.azure.com/subscriptions/{env['AZURE_SUBSCRIPTION_ID']}"
            f"/resourceGroups/{env['AZURE_RESOURCE_GROUP']}/providers/Microsoft.DataFactory"
            f"/factories/{env['AZURE_DATA_FACTORY_NAME']}"
        )
        form = {
            "grant_type": "client_credentials",
            "client_id": env["AZURE_CLIENT_ID"],
            "client_secret": env["AZURE_CLIENT_SECRET"],
            "resource": "https://management.azure.com/",
        }
        login = f"https://login.microsoftonline.com/{env['AZURE_TENANT_ID']}/oauth2/token"
        self.token = ""
        self.token = self.send("POST", login, data=form)["access_token"]

    def send(self, method: str, url: str, **more: Any) -> Any:
        answer = requests.request(
            method,
            url if "?" in url or "login." in url else f"{url}?api-version=2018-06-01",
            headers={"Authorization": f"Bearer {self.token}"} if self.token else {},
            proxies=self.proxies,
            verify=self.env["SSL_CERT_FILE"],
            timeout=30,
            **more,
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None


def test_a_web_hook_outlives_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    endpoint = HTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=endpoint.serve_forever, daemon=True).start()
    hook = {
        "name": "Hook",
        "type": "WebHook",
        "typeProperties": {
            "method": "POST",
            "url": f"http://127.0.0.1:{endpoint.server_address[1]}/",
            "body": {"a": 1},
        },
    }
    with started(tmp_path) as host:
        arm = Arm(host)
        pipeline = f"{arm.factory}/pipelines/Hooked"
        arm.send("PUT", pipeline, json={"properties": {"activities": [hook]}})
        run = arm.send("POST", f"{pipeline}/createRun", json={})["runId"]
        deadline = time.monotonic() + 20
        while not asked and time.monotonic() < deadline:
            time.sleep(0.02)
        host.kill()
        host.up()
        arm = Arm(host)
        arm.send("POST", asked[0]["callBackUri"], json={"said": "after"})
        found: Any = {}
        while found.get("status") not in ("Succeeded", "Failed") and time.monotonic() < deadline:
            found = arm.send("GET", f"{arm.factory}/pipelineruns/{run}")
            time.sleep(0.05)
        assert found["status"] == "Succeeded", found
        window = {
            "lastUpdatedAfter": "2000-01-01T00:00:00Z", "lastUpdatedBefore": "2100-01-01T00:00:00Z",
        }  # fmt: skip
        rows = arm.send("POST", f"{arm.factory}/pipelineruns/{run}/queryActivityruns", json=window)
        assert rows["value"][0]["output"]["said"] == "after"
    endpoint.shutdown()
    assert len({one["callBackUri"] for one in asked}) == 1  # asked again, if not noted in time
