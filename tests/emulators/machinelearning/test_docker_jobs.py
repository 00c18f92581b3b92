"""Jobs and deployments in containers, by the unmodified client on a host that runs docker."""

from __future__ import annotations

import json
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emulators.machinelearning.engine.runtime.containers.engine import MARK, mark_of
from tests import engine
from tests.emulators.machinelearning.desk import LOG_METRIC, Desk
from tests.running import Rehearsal, started


@pytest.fixture(scope="module")
def docker() -> Iterator[Any]:
    found = engine.client()
    yield found
    found.close()


@pytest.fixture(scope="module")
def host(docker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """A host whose user code runs in containers; its path is too long for a Unix socket."""
    state = tmp_path_factory.mktemp("state") / ("long" * 25)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REHEARSAL_RUNTIME", "docker")
        with started(state) as running:
            for name, value in running.env.items():
                patch.setenv(name, value)
            yield running


@pytest.fixture(scope="module")
def client(host: Rehearsal) -> Any:
    from azure.ai.ml import MLClient
    from azure.identity import ClientSecretCredential

    env = host.env
    credential = ClientSecretCredential(
        env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"]
    )
    return MLClient(
        credential,
        env["AZURE_SUBSCRIPTION_ID"],
        env["AZURE_RESOURCE_GROUP"],
        env["AZUREML_WORKSPACE_NAME"],
    )


@pytest.fixture(scope="module")
def bare(client: Any) -> str:
    """An environment that is an image alone."""
    from azure.ai.ml.entities import Environment

    made = client.environments.create_or_update(Environment(name="bare", image=engine.IMAGE))
    return f"{made.name}:{made.version}"


@pytest.fixture
def desk(client: Any, bare: str, tmp_path: Path) -> Desk:
    folder = tmp_path / "code"
    folder.mkdir()
    return Desk(client, bare, folder)


def ours(docker: Any, host: Rehearsal) -> list[Any]:
    mark = mark_of(host.state / "run")
    found: list[Any] = docker.containers.list(
        all=True, ignore_removed=True, filters={"label": f"{MARK}={mark}"}
    )
    return found


def until(true: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_job_calls_home_and_nothing_else(desk: Desk, host: Rehearsal, tmp_path: Path) -> None:
    from azure.ai.ml import Input, Output

    data = tmp_path / "data"
    data.mkdir()
    (data / "rows.csv").write_text("a\n1\n")
    made = desk.submit(
        """
        import pathlib, sys, urllib.error
        log("area", 7.5)
        try:
            urllib.request.urlopen("https://example.org/", timeout=20)
        except OSError as refused:
            print("outside:", refused)
        import socket
        try:
            socket.create_connection(("1.1.1.1", 443), timeout=5)
        except OSError as refused:
            print("network:", refused)
        given, made = map(pathlib.Path, sys.argv[1:])
        try:
            (given / "mine").touch()
        except OSError as refused:
            print("input:", refused)
        (made / "out.txt").write_text((given / "rows.csv").read_text() + os.environ["PATH"])
        print("container", os.path.exists("/.dockerenv"), os.environ.get("HOME"))
        print("machine", [n for n in os.environ if n.startswith("REHEARSAL_")])
        print("identity", urllib.request.urlopen(urllib.request.Request(
            os.environ["IDENTITY_ENDPOINT"]
            + "?api-version=2019-08-01&resource=https://management.azure.com",
            headers={"X-IDENTITY-HEADER": os.environ["IDENTITY_HEADER"]})).status)
        """,
        "python main.py ${{inputs.given}} ${{outputs.made}}",
        helper=LOG_METRIC,
        inputs={"given": Input(type="uri_folder", path=str(data))},
        outputs={"made": Output(type="uri_folder")},
    )
    ended, log = desk.wait(made), desk.log(made, host)
    assert ended.status == "Completed", log
    assert "outside: " in log
    assert "403" in log
    assert "network: [Errno 101]" in log
    assert "input: [Errno 30]" in log
    assert "container True" in log
    assert "machine []" in log
    assert "identity 200" in log
    desk.client.jobs.download(made.name, download_path=tmp_path, output_name="made")
    text = (tmp_path / "named-outputs/made/out.txt").read_text()
    assert text.startswith("a\n1\n/")


def test_a_canceled_job_leaves_no_container(desk: Desk, host: Rehearsal, docker: Any) -> None:
    made = desk.submit("import time; print('begun', flush=True); time.sleep(600)")
    until(lambda: "begun" in desk.log(made, host))
    assert len(ours(docker, host)) == 1
    desk.client.jobs.begin_cancel(made.name).wait()
    assert desk.wait(made).status == "Canceled"
    until(lambda: not ours(docker, host))


def test_a_job_that_takes_too_long_is_ended(desk: Desk, host: Rehearsal, docker: Any) -> None:
    made = desk.submit("import time; time.sleep(600)", timeout=2)
    assert desk.wait(made).status == "Canceled"
    until(lambda: not ours(docker, host))


def test_a_command_that_installs_has_a_network(desk: Desk, host: Rehearsal) -> None:
    line = "pip install -q six==1.16.0 && python main.py"
    made = desk.submit("import six; print('six is', six.__version__)", line)
    assert desk.wait(made).status == "Completed", desk.log(made, host)
    assert "six is 1.16.0" in desk.log(made, host)


def test_a_conda_file_on_an_image_that_cannot_be_fetched(
    client: Any, host: Rehearsal, tmp_path: Path
) -> None:
    from azure.ai.ml import command
    from azure.ai.ml.entities import Environment

    pip = {"pip": ["six==1.16.0"]}
    made = client.jobs.create_or_update(
        command(
            command="python -c 'import six, sys; print(six.__version__, sys.prefix)'",
            environment=Environment(
                image="mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:none",
                conda_file={"name": "x", "dependencies": ["python=3.11", pip]},
            ),
            compute="cpu-cluster",
        )
    )
    desk = Desk(client, "", tmp_path)
    assert desk.wait(made, seconds=200).status == "Completed", desk.log(made, host)
    log = desk.log(made, host)
    assert "1.16.0 /azureml-envs/azureml_" in log
    built = next(host.state.glob(f"jobs/*/{made.name}/azureml-logs/20_image_build_log.txt"))
    assert f"{engine.IMAGE} stands in for mcr.microsoft.com" in built.read_text()


SCRIPT = """
import json, os

def init():
    print("release", os.environ["RELEASE"], os.path.exists("/.dockerenv"))

def run(raw):
    asked = json.loads(raw)
    if "exit" in asked:
        os._exit(asked["exit"])
    return {"asked": asked, "container": os.path.exists("/.dockerenv"), "pid": os.getpid(),
            "model": open(os.environ["AZUREML_MODEL_DIR"] + "/model.txt").read()}
"""


def test_an_online_deployment(client: Any, host: Rehearsal, docker: Any, tmp_path: Path) -> None:
    from azure.ai.ml.entities import (
        CodeConfiguration,
        Environment,
        ManagedOnlineDeployment,
        ManagedOnlineEndpoint,
        Model,
    )
    from azure.ai.ml.exceptions import MlException

    (tmp_path / "score.py").write_text(textwrap.dedent(SCRIPT))
    (tmp_path / "model.txt").write_text("weights")
    (tmp_path / "ask.json").write_text('{"a": 1}')
    (tmp_path / "exit.json").write_text('{"exit": 3}')
    client.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name="in-docker", auth_mode="key")
    ).result()
    client.online_deployments.begin_create_or_update(
        ManagedOnlineDeployment(
            name="blue",
            endpoint_name="in-docker",
            model=Model(name="text", path=str(tmp_path / "model.txt")),
            environment=Environment(name="bare", image=engine.IMAGE),
            code_configuration=CodeConfiguration(code=str(tmp_path), scoring_script="score.py"),
            instance_type="Standard_DS3_v2",
            instance_count=1,
            environment_variables={"RELEASE": "7"},
        )
    ).result()

    def ask(name: str = "ask") -> Any:
        return json.loads(
            client.online_endpoints.invoke(
                "in-docker", deployment_name="blue", request_file=str(tmp_path / f"{name}.json")
            )
        )

    said = ask()
    assert said["asked"] == {"a": 1}
    assert said["container"] is True
    assert said["model"] == "weights"
    assert "release 7 True" in client.online_deployments.get_logs("blue", "in-docker", 50)
    with pytest.raises(MlException):
        ask("exit")
    until(lambda: ours(docker, host))
    assert ask()["asked"] == {"a": 1}
    client.online_endpoints.begin_delete("in-docker").wait()
    until(lambda: not ours(docker, host))


BATCH = """
import os

def init():
    global factor
    (name,) = os.listdir(os.environ["AZUREML_MODEL_DIR"])
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], name)) as file:
        factor = int(file.read())
    assert os.path.exists("/.dockerenv")

def run(mini_batch):
    if os.path.basename(mini_batch[0]) == "n00.txt" and not os.path.exists("died"):
        open("died", "w").close()
        os._exit(3)
    return ["%s %d" % (os.path.basename(one), factor * int(open(one).read())) for one in mini_batch]
"""


def test_a_batch_deployment(client: Any, tmp_path: Path) -> None:
    """Its workers are containers; one dies and its mini-batch is scored by another."""
    from azure.ai.ml import Input
    from azure.ai.ml.entities import (
        BatchEndpoint,
        CodeConfiguration,
        Environment,
        Model,
        ModelBatchDeployment,
        ModelBatchDeploymentSettings,
    )

    (tmp_path / "code").mkdir()
    (tmp_path / "code/score.py").write_text(BATCH)
    (tmp_path / "factor.txt").write_text("3")
    (tmp_path / "rows").mkdir()
    for n in range(6):
        (tmp_path / f"rows/n{n:02}.txt").write_text(str(n))
    client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="docker-batch")).result()
    client.batch_deployments.begin_create_or_update(
        ModelBatchDeployment(
            name="main",
            endpoint_name="docker-batch",
            model=Model(name="factor", path=str(tmp_path / "factor.txt")),
            environment=Environment(name="bare", image=engine.IMAGE),
            code_configuration=CodeConfiguration(
                code=str(tmp_path / "code"), scoring_script="score.py"
            ),
            compute="cpu-cluster",
            settings=ModelBatchDeploymentSettings(
                mini_batch_size=2, instance_count=1, max_concurrency_per_instance=2
            ),
        )
    ).result()
    made = client.batch_endpoints.invoke(
        endpoint_name="docker-batch",
        deployment_name="main",
        input=Input(type="uri_folder", path=str(tmp_path / "rows")),
    )
    desk = Desk(client, "", tmp_path)
    assert desk.wait(made).status == "Completed"
    client.jobs.download(made.name, download_path=str(tmp_path / "out"), output_name="score")
    (found,) = (tmp_path / "out").rglob("predictions.csv")
    assert sorted(found.read_text().splitlines()) == [f"n{n:02}.txt {3 * n}" for n in range(6)]


def test_a_killed_host_takes_its_containers_along(desk: Desk, host: Rehearsal, docker: Any) -> None:
    made = desk.submit("import time; print('begun', flush=True); time.sleep(600)")
    until(lambda: "begun" in desk.log(made, host))
    left = docker.containers.create(
        engine.IMAGE, "true", labels={MARK: mark_of(host.state / "run")}
    )
    host.kill()
    until(lambda: [one.id for one in ours(docker, host)] == [left.id])
    host.up()
    until(lambda: not ours(docker, host))
    host.down()
