"""Online endpoints by the unmodified Azure ML client, on the real host, in real environments."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.running import Rehearsal

CONDA = "name: bare\ndependencies:\n- python=3.11\n"
SCRIPT = """
import json, os, sys, time

def init():
    print("release", os.environ["RELEASE"])

def run(raw):
    asked = json.loads(raw)
    if asked.get("fail"):
        raise ValueError("asked to")
    time.sleep(asked.get("sleep", 0))
    return {"release": os.environ["RELEASE"], "pid": os.getpid(), "python": sys.prefix,
            "asked": asked, "home": sorted(n for n in os.environ if "SECRET" in n)}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("served")
    (made / "code").mkdir()
    (made / "code/score.py").write_text(SCRIPT)
    (made / "conda.yml").write_text(CONDA)
    (made / "ask.json").write_text('{"a": 1}')
    (made / "fail.json").write_text('{"fail": true}')
    return made


def deployment(folder: Path, endpoint: str, name: str, **more: Any) -> Any:
    from azure.ai.ml.entities import CodeConfiguration, Environment, ManagedOnlineDeployment

    given = {
        "environment": Environment(
            name="bare", image="mcr/none", conda_file=str(folder / "conda.yml")
        ),
        "code_configuration": CodeConfiguration(
            code=str(folder / "code"), scoring_script="score.py"
        ),
        "instance_type": "Standard_DS3_v2",
        "instance_count": 1,
        "environment_variables": {"RELEASE": name},
        **more,
    }
    return ManagedOnlineDeployment(name=name, endpoint_name=endpoint, **given)


@pytest.fixture(scope="module")
def endpoint(ml_client: Any, folder: Path) -> str:
    """An endpoint with blue at 100 and green at 0 per cent."""
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    made = ml_client.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name="sdk-live", auth_mode="key", tags={"a": "b"})
    ).result()
    assert made.provisioning_state == "Succeeded"
    assert made.scoring_uri == "https://sdk-live.eastus.inference.ml.azure.com/score"
    for name in ("blue", "green"):
        up = ml_client.online_deployments.begin_create_or_update(
            deployment(folder, "sdk-live", name)
        ).result()
        assert up.provisioning_state == "Succeeded"
        assert up.instance_count == 1
    made.traffic = {"blue": 100, "green": 0}
    ml_client.online_endpoints.begin_create_or_update(made).result()
    return "sdk-live"


def key_of(ml_client: Any, endpoint: str) -> str:
    key: str = ml_client.online_endpoints.get_keys(endpoint).primary_key
    return key


def ask(endpoint: str, key: str, body: Any = None, **headers: str) -> requests.Response:
    """What any client without the SDK sends."""
    return requests.post(
        f"https://{endpoint}.eastus.inference.ml.azure.com/score",
        json=body or {},
        headers={"authorization": f"Bearer {key}", **headers},
        timeout=60,
    )


def test_it_answers_with_and_without_a_deployments_name(
    ml_client: Any, endpoint: str, folder: Path
) -> None:
    file = str(folder / "ask.json")
    first = ml_client.online_endpoints.invoke(endpoint, request_file=file)
    assert json.loads(first)["release"] == "blue"
    assert json.loads(first)["asked"] == {"a": 1}
    named = ml_client.online_endpoints.invoke(endpoint, request_file=file, deployment_name="green")
    assert json.loads(named)["release"] == "green"
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError) as failed:
        ml_client.online_endpoints.invoke(
            endpoint, request_file=str(folder / "fail.json"), deployment_name="blue"
        )
    assert failed.value.status_code == 424
    response: Any = failed.value.response
    assert response.headers["ms-azureml-model-error-statuscode"] == "500"


def test_scripts_run_in_the_deployments_environment_without_our_secret(
    ml_client: Any, endpoint: str
) -> None:
    said = ask(endpoint, key_of(ml_client, endpoint)).json()
    assert Path(said["python"]) != Path(sys.prefix)
    assert "AZURE_CLIENT_SECRET" not in said["home"]


def test_it_is_listed_and_shown(ml_client: Any, endpoint: str) -> None:
    assert endpoint in [e.name for e in ml_client.online_endpoints.list()]
    shown = ml_client.online_endpoints.get(endpoint)
    assert (shown.traffic, shown.tags) == ({"blue": 100, "green": 0}, {"a": "b"})
    names = [d.name for d in ml_client.online_deployments.list(endpoint)]
    assert names == ["blue", "green"]
    one = ml_client.online_deployments.get("blue", endpoint)
    assert one.environment_variables == {"RELEASE": "blue"}
    assert one.code_configuration.scoring_script == "score.py"
    from azure.core.exceptions import ResourceNotFoundError

    with pytest.raises(ResourceNotFoundError):
        ml_client.online_endpoints.get("sdk-ghost")
    with pytest.raises(ResourceNotFoundError):
        ml_client.online_deployments.get("ghost", endpoint)


def test_logs_have_what_the_script_printed(ml_client: Any, endpoint: str) -> None:
    log = ml_client.online_deployments.get_logs("green", endpoint, lines=200)
    assert "release green" in log
    assert "ready for serving traffic" in log
    last = ml_client.online_deployments.get_logs("green", endpoint, lines=1)
    assert len(last.splitlines()) == 1
    start = ml_client.online_deployments.get_logs(
        "green", endpoint, lines=5, container_type="storage-initializer"
    )
    assert "green" in start


def test_keys_are_regenerated_one_by_one(ml_client: Any, endpoint: str) -> None:
    before = ml_client.online_endpoints.get_keys(endpoint)
    ml_client.online_endpoints.begin_regenerate_keys(endpoint, key_type="secondary").result()
    after = ml_client.online_endpoints.get_keys(endpoint)
    assert after.primary_key == before.primary_key
    assert after.secondary_key != before.secondary_key
    assert ask(endpoint, before.secondary_key).status_code == 401
    assert ask(endpoint, after.secondary_key).status_code == 200


def test_traffic_moves_in_parts(ml_client: Any, endpoint: str, folder: Path) -> None:
    """Asked without the SDK too: in one process its invoke() repeats the last deployment's name."""
    shown = ml_client.online_endpoints.get(endpoint)
    shown.traffic = {"blue": 50, "green": 50}
    ml_client.online_endpoints.begin_create_or_update(shown).result()
    key = key_of(ml_client, endpoint)
    seen = Counter(ask(endpoint, key).json()["release"] for _ in range(60))
    assert set(seen) == {"blue", "green"}
    code = (
        "import os, sys\n"
        "from azure.ai.ml import MLClient\n"
        "from azure.identity import ClientSecretCredential as C\n"
        "e = os.environ\n"
        "m = MLClient(C(e['AZURE_TENANT_ID'], e['AZURE_CLIENT_ID'], e['AZURE_CLIENT_SECRET']),\n"
        "  e['AZURE_SUBSCRIPTION_ID'], e['AZURE_RESOURCE_GROUP'], e['AZUREML_WORKSPACE_NAME'])\n"
        "for _ in range(20):\n"
        "    print(m.online_endpoints.invoke(sys.argv[1], request_file=sys.argv[2]))\n"
    )
    fresh = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, endpoint, str(folder / "ask.json")],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    seen = Counter(json.loads(line)["release"] for line in fresh.stdout.splitlines())
    assert set(seen) == {"blue", "green"}
    shown.traffic, shown.mirror_traffic = {"blue": 100}, {"green": 20}
    mirrored = ml_client.online_endpoints.begin_create_or_update(shown).result()
    assert mirrored.mirror_traffic == {"green": 20}
    assert {ask(endpoint, key).json()["release"] for _ in range(10)} == {"blue"}
    shown.mirror_traffic = {}
    ml_client.online_endpoints.begin_create_or_update(shown).result()


def test_an_update_fails_no_request(ml_client: Any, endpoint: str, folder: Path) -> None:
    """New code, then two instances, under steady load."""
    key, stop = key_of(ml_client, endpoint), threading.Event()

    def load() -> list[tuple[int, str, int]]:
        found = []
        with requests.Session() as session:
            while not stop.is_set():
                answer = session.post(
                    f"https://{endpoint}.eastus.inference.ml.azure.com/score",
                    json={},
                    headers={"authorization": f"Bearer {key}"},
                    timeout=60,
                )
                said = answer.json() if answer.status_code == 200 else {}
                found.append((answer.status_code, said.get("release", ""), said.get("pid", 0)))
        return found

    changed = folder / "changed"
    changed.mkdir()
    (changed / "score.py").write_text(SCRIPT.replace('"release": os', '"release": "new " + os'))
    from azure.ai.ml.entities import CodeConfiguration

    more: dict[str, Any] = {
        "code_configuration": CodeConfiguration(code=str(changed), scoring_script="score.py")
    }
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(load)
        try:
            ml_client.online_deployments.begin_create_or_update(
                deployment(folder, endpoint, "blue", **more)
            ).result()
            more |= {"instance_count": 2}
            twice = ml_client.online_deployments.begin_create_or_update(
                deployment(folder, endpoint, "blue", **more)
            ).result()
        finally:
            stop.set()
        found = asked.result()
    assert twice.instance_count == 2
    assert {status for status, _, _ in found} == {200}
    assert next(release for _, release, _ in found) == "blue"
    assert ask(endpoint, key).json()["release"] == "new blue"


def test_a_broken_script_fails_with_the_logs_reason_and_the_old_one_serves(
    ml_client: Any, endpoint: str, folder: Path
) -> None:
    from azure.ai.ml.entities import CodeConfiguration
    from azure.core.exceptions import HttpResponseError

    broken = folder / "broken"
    broken.mkdir()
    (broken / "score.py").write_text("import a_package_nobody_has\n")
    code = CodeConfiguration(code=str(broken), scoring_script="score.py")
    with pytest.raises(HttpResponseError) as failed:
        ml_client.online_deployments.begin_create_or_update(
            deployment(folder, endpoint, "green", code_configuration=code)
        ).result()
    assert "a_package_nobody_has" in str(failed.value)
    assert ml_client.online_deployments.get("green", endpoint).provisioning_state == "Failed"
    log = ml_client.online_deployments.get_logs("green", endpoint, lines=50)
    assert "ModuleNotFoundError: No module named 'a_package_nobody_has'" in log
    key = key_of(ml_client, endpoint)
    old = ask(endpoint, key, **{"azureml-model-deployment": "green"})
    assert old.json()["release"] == "green"
    mended = ml_client.online_deployments.begin_create_or_update(
        deployment(folder, endpoint, "green", environment_variables={"RELEASE": "mended"})
    ).result()
    assert mended.provisioning_state == "Succeeded"


def test_endpoint_tokens_and_entra_tokens(ml_client: Any, folder: Path, rehearsal: Any) -> None:
    from azure.ai.ml.entities import ManagedOnlineEndpoint
    from azure.identity import ClientSecretCredential

    modes = {"sdk-aml": "aml_token", "sdk-aml2": "aml_token", "sdk-aad": "aad_token"}
    for name, mode in modes.items():
        ml_client.online_endpoints.begin_create_or_update(
            ManagedOnlineEndpoint(name=name, auth_mode=mode)
        ).result()
    for name in ("sdk-aml", "sdk-aad"):
        ml_client.online_deployments.begin_create_or_update(
            deployment(folder, name, "blue")
        ).result()
    file = str(folder / "ask.json")
    for name in ("sdk-aml", "sdk-aad"):
        said = ml_client.online_endpoints.invoke(name, request_file=file, deployment_name="blue")
        assert json.loads(said)["release"] == "blue"
    blue = {"azureml-model-deployment": "blue"}
    own = ml_client.online_endpoints.get_keys("sdk-aml").access_token
    foreign = ml_client.online_endpoints.get_keys("sdk-aml2").access_token
    assert ask("sdk-aml", own, **blue).status_code == 200
    assert ask("sdk-aml", foreign, **blue).status_code == 401
    env = rehearsal.env
    entra = ClientSecretCredential(
        env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"]
    )
    right = entra.get_token("https://ml.azure.com/.default").token
    wrong = entra.get_token("https://management.azure.com/.default").token
    assert ask("sdk-aad", right, **blue).status_code == 200
    assert ask("sdk-aad", wrong, **blue).status_code == 401
    for name in modes:
        ml_client.online_endpoints.begin_delete(name).result()


def test_many_ask_at_once(ml_client: Any, endpoint: str, folder: Path) -> None:
    from azure.ai.ml.entities import OnlineRequestSettings

    wide = OnlineRequestSettings(max_concurrent_requests_per_instance=50)
    ml_client.online_deployments.begin_create_or_update(
        deployment(folder, endpoint, "blue", request_settings=wide, instance_count=2)
    ).result()
    key = key_of(ml_client, endpoint)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: ask(endpoint, key, {"n": n, "sleep": 0.02}), range(64)))
    assert [r.json()["asked"]["n"] for r in found] == list(range(64))
    assert len({r.json()["pid"] for r in found}) == 2


def test_a_deployment_goes_then_its_endpoint(ml_client: Any, endpoint: str, folder: Path) -> None:
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    with pytest.raises(HttpResponseError, match="100 %"):
        ml_client.online_deployments.begin_delete("blue", endpoint).result()
    ml_client.online_deployments.begin_delete("green", endpoint).result()
    key = key_of(ml_client, endpoint)
    gone = ask(endpoint, key, **{"azureml-model-deployment": "green"})
    assert gone.status_code == 404
    ml_client.online_endpoints.begin_delete(endpoint).result()
    with pytest.raises(ResourceNotFoundError):
        ml_client.online_endpoints.get(endpoint)
    assert ask(endpoint, key).status_code == 404


def test_no_key_is_in_what_the_host_writes(rehearsal: Rehearsal) -> None:
    secrets = json.loads((rehearsal.state / "secrets.json").read_text())
    keys = [v for k, v in secrets.items() if "ml/endpoint" in k] + [secrets["client_secret"]]
    rehearsal.rehearse("status", "--json")
    for file in rehearsal.state.rglob("*"):
        if not file.is_file() or file.name == "secrets.json" or "tls" in file.parts:
            continue
        data = file.read_bytes()
        assert not [k for k in keys if k.encode() in data], file
