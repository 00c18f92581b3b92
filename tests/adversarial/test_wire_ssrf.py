"""Addresses that a client names: none makes the server call there as somebody it trusts."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.adversarial.conftest import ARM, ML, Target

CREDENTIALS = (
    "authorization",
    "x-ms-copy-source-authorization",
    "x-identity-header",
    "cookie",
    "secret",
)
STORAGE = {"x-ms-version": "2024-11-04"}


class Canary:
    """A server on loopback that remembers who called it, and with what."""

    def __init__(self) -> None:
        self.calls: list[dict[str, str]] = []
        calls = self.calls

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                calls.append({name.lower(): value for name, value in self.headers.items()})
                self.send_response(200)
                self.send_header("content-length", "6")
                self.end_headers()
                self.wfile.write(b"canary")

            do_HEAD = do_POST = do_PUT = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                return None

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def canary() -> Iterator[Canary]:
    made = Canary()
    yield made
    made.server.shutdown()


@pytest.fixture(autouse=True)
def told_nothing(canary: Canary) -> Iterator[None]:
    """Whoever is called, no credential of ours goes along."""
    canary.calls.clear()
    yield
    for call in canary.calls:
        assert not set(call) & set(CREDENTIALS), call
        assert "sig=" not in json.dumps(call)


def sources(target: Target, canary: Canary) -> dict[str, str]:
    explicit = target.running.host.explicit
    return {
        "loopback": f"http://127.0.0.1:{canary.port}/x",
        "loopback-name": f"http://localhost:{canary.port}/x",
        "loopback-tls": f"https://127.0.0.1:{canary.port}/x",
        "metadata": "http://169.254.169.254/metadata/identity/oauth2/token?resource=https://management.azure.com/",
        "identity": f"https://localhost:{explicit}/msi/token?resource={ARM}&api-version=2019-08-01",
        "orders": f"https://localhost:{explicit}/_emulator/status",
        "arm": f"{target.group}?api-version=2021-04-01",
        "file": "file:///etc/passwd",
        "bare": "/etc/passwd",
        "user-info": f"https://{target.env['AZURE_STORAGE_ACCOUNT']}.blob.core.windows.net@127.0.0.1:{canary.port}/x",
        "look-alike": f"http://blob.core.windows.net.localhost:{canary.port}/x",
    }


KINDS = ("loopback", "loopback-name", "loopback-tls", "metadata", "identity", "orders", "arm",
         "file", "bare", "user-info", "look-alike")  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["copy", "from-url", "block"])
def test_storage_copies_from_no_such_place(
    attacked: Target, canary: Canary, kind: str, how: str
) -> None:
    attacked.upload("copies", "kept", b"kept")
    url = f"{attacked.account}/copies/stolen"
    headers = {**STORAGE, "x-ms-copy-source": sources(attacked, canary)[kind]}
    if how == "from-url":
        headers["x-ms-blob-type"] = "BlockBlob"
    if how == "block":
        url += "?comp=block&blockid=QQ%3D%3D"
    token = attacked.token("https://storage.azure.com")
    answer = attacked.ask("PUT", url, token=token, headers=headers)
    assert answer.status_code in {400, 401, 403, 404, 409, 501}, answer.text
    assert answer.headers["x-ms-error-code"]
    assert canary.calls == []


@pytest.mark.parametrize("kind", KINDS)
def test_mlflow_registers_no_model_from_there(attacked: Target, canary: Canary, kind: str) -> None:
    ws = attacked.workspace.removeprefix(ARM)
    base = f"{ML}/mlflow/v1.0{ws}/api/2.0/mlflow"
    body = {"name": f"stolen-{kind}", "source": sources(attacked, canary)[kind]}
    attacked.ask("POST", f"{base}/registered-models/create", token=attacked.token(), json=body)
    answer = attacked.ask(
        "POST", f"{base}/model-versions/create", token=attacked.token(), json=body
    )
    assert answer.status_code == 400, answer.text
    assert canary.calls == []


@pytest.mark.parametrize("kind", KINDS)
def test_no_asset_brings_its_content_along(attacked: Target, canary: Canary, kind: str) -> None:
    """An asset may name any https address, as in Azure; it is not called with who we are."""
    uri = sources(attacked, canary)[kind]
    for path, properties in (
        (f"/models/m-{kind}/versions/1", {"modelUri": uri, "modelType": "custom_model"}),
        (f"/data/d-{kind}/versions/1", {"dataUri": uri, "dataType": "uri_file"}),
        (f"/codes/c-{kind}/versions/1", {"codeUri": uri}),
    ):
        answer = attacked.arm("PUT", path, {"properties": properties})
        assert answer.status_code < 500 or answer.status_code == 501
        assert "root:" not in attacked.arm("GET", path).text


@pytest.mark.parametrize(
    "kind", ["metadata", "identity", "orders", "arm", "file", "bare", "loopback"]
)
def test_a_job_s_input_is_fetched_as_a_stranger(
    attacked: Target, canary: Canary, kind: str
) -> None:
    uri = sources(attacked, canary)[kind]
    name = f"ssrf-{kind}"
    environment = attacked.arm(
        "PUT", "/environments/bare/versions/1", {"properties": {"image": "mcr/none", "condaFile":
        "name: bare\ndependencies:\n- python=3.11\n"}},
    )  # fmt: skip
    assert environment.status_code in {200, 201}, environment.text
    job = attacked.arm("PUT", f"/jobs/{name}", {"properties": {
        "jobType": "Command", "command": "cat ${{inputs.x}}",
        "environmentId": environment.json()["id"],
        "inputs": {"x": {"jobInputType": "uri_file", "uri": uri}},
    }})  # fmt: skip
    if job.status_code >= 400:
        return
    status = attacked.ended(name)
    logs = [p.read_text() for p in attacked.running.state.glob(f"jobs/*/{name}/user_logs/*")]
    said = "\n".join(logs)
    assert "access_token" not in said
    assert '"processes"' not in said
    assert "root:x:" not in said
    if kind not in ("loopback",):
        assert status == "Failed"


def test_no_issuer_is_called_for_its_keys(attacked: Target, canary: Canary) -> None:
    """A federated assertion names its issuer; what is not known is refused, not asked."""
    import base64

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    issuer = f"http://127.0.0.1:{canary.port}"
    claims = {"iss": issuer, "sub": "a", "aud": "api://AzureADTokenExchange"}
    assertion = f"{part({'alg': 'RS256', 'kid': 'x', 'jku': issuer})}.{part(claims)}.AAAA"
    env = attacked.env
    answer = attacked.ask(
        "POST",
        f"https://login.microsoftonline.com/{env['AZURE_TENANT_ID']}/oauth2/v2.0/token",
        data={
            "grant_type": "client_credentials",
            "client_id": env["AZURE_CLIENT_ID"],
            "client_assertion": assertion,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "scope": f"{ARM}/.default",
        },
    )
    assert answer.status_code in {400, 401}
    assert canary.calls == []


def test_public_data_is_only_asked_of_storage(attacked: Target, canary: Canary) -> None:
    for host in (
        "127.0.0.1.blob.core.windows.net",
        "a..blob.core.windows.net",
        "x@y.blob.core.windows.net",
    ):
        answer = attacked.exchange(f"GET /c/b HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(),
                                   attacked.account.removeprefix("https://"))  # fmt: skip
        assert answer.split(b" ")[1] in {b"400", b"403", b"404", b"409", b"401"}
    assert canary.calls == []


def test_a_deployment_s_template_is_not_fetched_from_inside(
    attacked: Target, canary: Canary
) -> None:
    for kind in ("loopback", "identity", "file", "metadata"):
        url = f"{attacked.group}/providers/Microsoft.Resources/deployments/stolen-{kind}"
        body = {
            "properties": {
                "mode": "Incremental",
                "templateLink": {"uri": sources(attacked, canary)[kind]},
            }
        }
        answer = attacked.ask(
            "PUT", url, token=attacked.token(), params={"api-version": "2024-03-01"}, json=body
        )
        assert answer.status_code >= 400, answer.text
    assert canary.calls == []
