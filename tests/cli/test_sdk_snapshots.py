"""A snapshot holds everything, taken while the host works; what is no snapshot changes nothing."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulators.kernel import snapshots
from emulators.kernel.folder import UnusableState
from tests.cli.conftest import Command, gone
from tests.running import Rehearsal, started

SCORE = """
import os

def init():
    pass

def run(raw):
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "w.txt")) as file:
        return {"weights": file.read()}
"""


class Team:
    """The official clients on one host; several hosts follow each other."""

    def __init__(self, running: Rehearsal, patch: pytest.MonkeyPatch) -> None:
        for name, value in running.env.items():
            patch.setenv(name, value)
        from azure.ai.ml import MLClient
        from azure.identity import ClientSecretCredential
        from azure.storage.blob import ContainerClient

        self.env = env = running.env
        self.bare: Any = None
        self.blobs = ContainerClient.from_connection_string(
            env["AZURE_STORAGE_CONNECTION_STRING"], "kept"
        )
        credential = ClientSecretCredential(
            env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"]
        )
        self.ml = MLClient(
            credential,
            env["AZURE_SUBSCRIPTION_ID"],
            env["AZURE_RESOURCE_GROUP"],
            env["AZUREML_WORKSPACE_NAME"],
        )

    def begin(self, script: str) -> str:
        """Submit a job; returns its name."""
        from azure.ai.ml import command

        job = command(command=script, environment=self.bare, display_name="kept")
        return str(self.ml.jobs.create_or_update(job).name)

    def make(self, folder: Path) -> str:
        """One of everything; returns the job's name."""
        from azure.ai.ml.entities import (
            CodeConfiguration,
            Environment,
            ManagedOnlineDeployment,
            ManagedOnlineEndpoint,
            Model,
        )

        (folder / "code").mkdir()
        (folder / "code/score.py").write_text(SCORE)
        (folder / "w.txt").write_text("weighty")
        (folder / "conda.yml").write_text("name: bare\ndependencies:\n- python=3.11\n")
        self.bare = Environment(name="bare", image="mcr/none", conda_file=str(folder / "conda.yml"))
        self.blobs.create_container()
        self.ml.models.create_or_update(Model(name="weights", path=str(folder / "w.txt")))
        script = "python -c \"import mlflow; mlflow.log_metric('loss', 0.25); print('said it')\""
        job = self.begin(script)
        self.ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="kept")).result()
        deployment = ManagedOnlineDeployment(
            name="blue",
            endpoint_name="kept",
            model="azureml:weights:1",
            environment=self.bare,
            code_configuration=CodeConfiguration(
                code=str(folder / "code"), scoring_script="score.py"
            ),
            instance_type="Standard_DS3_v2",
            instance_count=1,
        )
        self.ml.online_deployments.begin_create_or_update(deployment).result()
        self.ml.jobs.stream(job)
        return job

    def score(self) -> Any:
        """The endpoint's answer, by its own key."""
        import requests

        key = self.ml.online_endpoints.get_keys("kept").primary_key
        answer = requests.post(
            "https://kept.eastus.inference.ml.azure.com/score",
            json={},
            headers={"authorization": f"Bearer {key}", "azureml-model-deployment": "blue"},
            timeout=60,
        )
        return answer.json()

    def metric(self, run: str) -> float:
        """What the job logged."""
        from mlflow import MlflowClient

        return float(
            MlflowClient(self.env["MLFLOW_TRACKING_URI"]).get_run(run).data.metrics["loss"]
        )


def processes(running: Rehearsal) -> dict[str, tuple[int, str]]:
    said = json.loads(Command(running.state)("status", "--json").stdout)
    return {process["name"]: (process["pid"], process["of"]) for process in said["processes"]}


def writer(team: Team, stop: threading.Event, acknowledged: list[str]) -> Callable[[], None]:
    def write() -> None:
        number = 0
        while not stop.is_set():
            name = f"{number % 40}"
            team.blobs.upload_blob(name, name.encode() * 5000, overwrite=True)
            acknowledged.append(name)
            number += 1

    return write


def test_everything_moves_to_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--runtime", "host")
    archive = tmp_path / "all.tar.gz"
    with started(tmp_path / "one", *options) as running:
        team = Team(running, monkeypatch)
        job = team.make(tmp_path)
        sleeper = team.begin("sleep 300")
        stop, acknowledged = threading.Event(), list[str]()
        thread = threading.Thread(target=writer(team, stop, acknowledged))
        thread.start()
        try:
            while len(acknowledged) < 45:
                stop.wait(0.05)
            before = set(acknowledged)
            said = Command(running.state)("snapshot", "save", str(archive)).stdout
        finally:
            stop.set()
            thread.join()
        assert "It holds this state's secrets" in said
        assert archive.stat().st_mode & 0o777 == 0o600
        assert team.score() == {"weights": "weighty"}  # it went on meanwhile
        secret = running.env["AZURE_CLIENT_SECRET"]
        there = processes(running)
        assert {"host", "mlflow", "worker", "job"} <= set(there)
        assert there["worker"][1] == "kept/blue"
        assert there["job"][1] == sleeper
    assert all(gone(pid) for pid, _ in there.values()), there
    Command(tmp_path / "two")("snapshot", "load", str(archive))
    with started(tmp_path / "two", *options) as running:
        team = Team(running, monkeypatch)
        assert running.env["AZURE_CLIENT_SECRET"] == secret
        for name in before:
            assert team.blobs.download_blob(name).readall() == name.encode() * 5000
        assert team.ml.jobs.get(job).status == "Completed"
        assert "said it" in Command(running.state)("logs", job).stdout
        assert team.ml.jobs.get(sleeper).status == "Failed"  # its process did not move
        assert "Submit it again" in Command(running.state)("logs", "-f", sleeper).stdout
        assert team.metric(job) == 0.25
        team.ml.models.download("weights", "1", download_path=tmp_path / "back")
        assert next((tmp_path / "back").rglob("w.txt")).read_text() == "weighty"
        assert team.score() == {"weights": "weighty"}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A small state that nobody serves."""
    folder = tmp_path / "state"
    (folder / "jobs/ws/j/run").mkdir(parents=True)
    (folder / "run").mkdir()
    (folder / "secrets.json").write_text("{}")
    (folder / "jobs/ws/j/run/kept.txt").write_text("kept")
    (folder / "run/host.log").write_text("left out")
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_only_the_folder_s_own_run_is_left_out(state: Path, tmp_path: Path) -> None:
    """A user's file may lie in a folder of that name."""
    assert snapshots.save(state, tmp_path / "a.tgz") == 2
    snapshots.load(tmp_path / "a.tgz", tmp_path / "new")
    assert content(tmp_path / "new") == {
        "secrets.json": b"{}", "jobs/ws/j/run/kept.txt": b"kept",
    }  # fmt: skip
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def archive_of(path: Path, *entries: tarfile.TarInfo, files: int = 1, version: int = 1) -> Path:
    """An archive as somebody might make it who means no good."""
    with tarfile.open(path, "w:gz") as tar:
        about = json.dumps({"format": version, "files": files}).encode()
        first = tarfile.TarInfo("rehearsal-snapshot.json")
        first.size = len(about)
        tar.addfile(first, io.BytesIO(about))
        for entry in entries:
            tar.addfile(entry, io.BytesIO(b"x" * entry.size))
    return path


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, 1 if kind == tarfile.REGTYPE else 0
    return made


BAD: dict[str, Callable[[Path, Path], Path]] = {
    "no-file": lambda t, good: t / "missing",
    "no-archive": lambda t, good: _written(t, b"plain text"),
    "empty": lambda t, good: _written(t, b""),
    "cut": lambda t, good: _written(t, good.read_bytes()[: len(good.read_bytes()) // 2]),
    "bit": lambda t, good: _written(t, _flipped(good.read_bytes())),
    "no-manifest": lambda t, good: _plain(t),
    "newer": lambda t, good: archive_of(t / "x", version=2),
    "fewer": lambda t, good: archive_of(t / "x", entry("secrets.json"), files=2),
    "no-state": lambda t, good: archive_of(t / "x", entry("other.txt")),
    "climbs": lambda t, good: archive_of(t / "x", entry("../../climbed")),
    "absolute": lambda t, good: archive_of(t / "x", entry(f"{t}/climbed/../../climbed")),
    "link": lambda t, good: archive_of(t / "x", entry("a", tarfile.SYMTYPE, "/etc/passwd")),
    "hard-link": lambda t, good: archive_of(t / "x", entry("a", tarfile.LNKTYPE, "/etc/passwd")),
    "device": lambda t, good: archive_of(t / "x", entry("a", tarfile.CHRTYPE)),
}


def _written(folder: Path, data: bytes) -> Path:
    (folder / "x").write_bytes(data)
    return folder / "x"


def _flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x10]) + data[middle + 1 :]


def _plain(folder: Path) -> Path:
    with tarfile.open(folder / "x", "w:gz") as tar:
        tar.addfile(entry("secrets.json"), io.BytesIO(b"x"))
    return folder / "x"


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_snapshot_changes_nothing(state: Path, tmp_path: Path, kind: str) -> None:
    good = tmp_path / "good.tgz"
    snapshots.save(state, good)
    before = content(state)
    with pytest.raises((snapshots.NotASnapshot, OSError)):
        snapshots.load(BAD[kind](tmp_path, good), state)
    assert content(state) == before
    assert not list(tmp_path.rglob("climbed"))
    assert {p.name for p in tmp_path.iterdir()} <= {"state", "good.tgz", "x"}


def test_the_verb_says_in_one_line_what_is_wrong(rehearse: Command, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    assert "is not a snapshot" in rehearse.fails("snapshot", "load", str(tmp_path / "text"))
    assert "No such file" in rehearse.fails("snapshot", "load", str(tmp_path / "missing"))


def test_another_s_folder_is_neither_replaced_nor_emptied(rehearse: Command, state: Path) -> None:
    snapshots.save(state, state.parent / "a.tgz")
    foreign = Command(state.parent / "foreign")
    foreign.state.mkdir()
    (foreign.state / "thesis.txt").write_text("years of work")
    assert "holds other files" in foreign.fails("snapshot", "load", str(state.parent / "a.tgz"))
    assert "nothing is removed" in foreign.fails("reset", "--yes")
    assert "more than a state" in Command(Path.home()).fails("reset", "--yes")
    assert content(foreign.state) == {"thesis.txt": b"years of work"}


def test_reset_asks_and_empties(rehearse: Command) -> None:
    rehearse("up", "identity", "--detach", "--ports", "auto")
    rehearse("reset", code=1, given="n\n")
    assert (rehearse.state / "secrets.json").exists()
    rehearse("reset", given="y\n")
    assert list(rehearse.state.iterdir()) == []
    assert "No Rehearsal serves" in rehearse.fails("status")
    rehearse("reset", "--yes")


def test_a_folder_cut_while_it_is_saved_is_saved_whole(state: Path, tmp_path: Path) -> None:
    """A running job may cut a file of its own at any moment."""
    big = state / "jobs/ws/j/big"
    big.write_bytes(b"x" * 100_000)
    with snapshots.held_still(state) as files:
        big.write_bytes(b"y")
        (state / "secrets.json").unlink()
        (state / "secrets.json").write_text('{"new": 1}')
        snapshots.write(files, tmp_path / "a.tgz")
    snapshots.load(tmp_path / "a.tgz", tmp_path / "new")
    assert (tmp_path / "new/secrets.json").read_text() == "{}"
    assert UnusableState.__bases__ == (ValueError,)  # what the command line takes for a refusal
