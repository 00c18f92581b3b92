"""`up` and `down`: what they start, refuse and leave behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulators.kernel import control
from emulators.kernel.folder import run_file
from tests.cli.conftest import Command, gone
from tests.running import Rehearsal

READY_WITHIN_S = 60.0


@contextmanager
def foreground(command: Command, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A host in the foreground, once it is ready."""
    process = subprocess.Popen(
        command.words("up", "--ports", "auto", *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**command.environment, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + READY_WITHIN_S
        while not run_file(command.state).exists() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def through(env: dict[str, str]) -> httpx.Client:
    """A client that goes where `rehearse env` says."""
    import ssl

    return httpx.Client(
        proxy=env["HTTPS_PROXY"],
        verify=ssl.create_default_context(cafile=env["SSL_CERT_FILE"]),
        trust_env=False,
        timeout=30,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_that_up_started(
    rehearse: Command, number: signal.Signals
) -> None:
    rehearse.more["REHEARSAL_MLFLOW"] = "true"
    with foreground(rehearse) as process:
        said = json.loads(rehearse("status", "--json").stdout)
        names = {p["name"]: p["pid"] for p in said["processes"]}
        assert names["host"] == process.pid
        assert "mlflow" in names
        refused = rehearse.fails("up", "--ports", "auto")
        assert f"is served already, by process {process.pid}" in refused
        os.kill(process.pid, number)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Stopping.\nStopped." in output
    assert "Traceback" not in output
    assert all(gone(pid) for pid in names.values())
    assert not run_file(rehearse.state).exists()
    assert "rehearse up" in rehearse.fails("status")


def test_a_second_detached_start_leaves_the_first_alone(rehearse: Command) -> None:
    said = rehearse("up", "--detach", "--ports", "auto").stdout
    assert 'eval "$(rehearse env' in said
    first = json.loads(rehearse("status", "--json").stdout)
    assert "is served already" in rehearse.fails("up", "--detach", "--ports", "auto")
    assert "down` first" in rehearse.fails("snapshot", "load", "/dev/null")
    assert json.loads(rehearse("status", "--json").stdout)["pid"] == first["pid"]
    assert f"Stopped process {first['pid']}" in rehearse("down").stdout
    assert "No Rehearsal serves" in rehearse.fails("down")


def test_only_the_named_emulators_are_there(rehearse: Command) -> None:
    assert "no emulator nothing" in rehearse("up", "nothing", code=2).stderr
    rehearse("up", "identity", "arm", "--detach", "--ports", "auto")
    assert json.loads(rehearse("status", "--json").stdout)["services"] == ["identity", "arm"]
    env = json.loads(rehearse("env", "--format", "json").stdout)
    with through(env) as http:
        answer = http.get("https://rehearsal.blob.core.windows.net/x")
        assert (answer.status_code, answer.headers["x-ms-error-code"]) == (501, "NotEmulated")


def test_a_taken_port_is_named_and_auto_is_offered(rehearse: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for more in ((), ("--detach",)):
            said = rehearse.fails("up", "arm", "--ports", f"{port},0", *more)
            assert f"port {port} on 127.0.0.1 is taken" in said
            assert "--ports auto" in said
    assert "--ports takes" in rehearse("up", "--ports", "x", code=2).stderr


def test_two_states_run_side_by_side(rehearse: Command, tmp_path: Path) -> None:
    other = Command(tmp_path / "other")
    try:
        for command in (rehearse, other):
            command("up", "identity", "arm", "--detach", "--ports", "auto")
        environments = [json.loads(c("env", "--format", "json").stdout) for c in (rehearse, other)]
        for name in ("HTTPS_PROXY", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"):
            assert environments[0][name] != environments[1][name]
        other("down")
        assert json.loads(rehearse("status", "--json").stdout)["ready"]
    finally:
        Rehearsal(other.state).down()


def test_what_a_killed_host_left_confuses_nobody(rehearse: Command) -> None:
    rehearse("up", "identity", "--detach", "--ports", "auto")
    os.kill(control.find(rehearse.state).pid, signal.SIGKILL)
    left = run_file(rehearse.state)
    said = json.loads(left.read_text())
    assert gone(said["pid"])
    left.write_text(json.dumps({**said, "pid": os.getpid()}))  # the number is somebody else's now
    assert "No Rehearsal serves" in rehearse.fails("status")
    assert json.loads(rehearse("status", "--json", code=1).stdout)["ready"] is False
    assert "No Rehearsal serves" in rehearse.fails("down")
    rehearse("up", "identity", "--detach", "--ports", "auto")
    rehearse("down")


def test_the_folder_is_the_owner_s_alone(rehearse: Command) -> None:
    rehearse.state.mkdir(mode=0o755)
    rehearse("up", "--detach", "--ports", "auto")
    rehearse("logs")
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in rehearse.state.iterdir()}
    assert stat.S_IMODE(rehearse.state.stat().st_mode) == 0o700
    for name in ("secrets.json", "rehearsal.db", "ledger.db"):
        assert modes[name] == 0o600, name
    assert modes["run"] == modes["tls"] == 0o700
    assert stat.S_IMODE((rehearse.state / "tls" / "authority.pem").stat().st_mode) == 0o600


def test_options_reach_the_host(rehearse: Command) -> None:
    rehearse(
        "up", "identity", "storage", "--detach", "--ports", "auto", "--offline",
        "--public-data", "deny", "--time-scale", "600", "--durable",
    )  # fmt: skip
    env = json.loads(rehearse("env", "--format", "json").stdout)
    with through(env) as http:
        with pytest.raises(httpx.ProxyError, match="403"):
            http.get("https://example.invalid/")
        unknown = http.get("https://nobodyhasthisone.blob.core.windows.net/c/b.csv")
        assert (unknown.status_code, unknown.headers["x-ms-error-code"]) == (501, "NotEmulated")
        assert "--public-data deny" in unknown.text
        rehearse("fault", "add", "--latency", "120s", "--count", "1")
        began = time.monotonic()
        http.get("https://login.microsoftonline.com/common/discovery/instance")
        assert 0.15 < time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("variables", "words", "name"),
    [
        ({}, ["--time-scale", "0"], "time_scale (--time-scale or REHEARSAL_TIME_SCALE)"),
        ({}, ["--runtime", "podman"], "runtime (--runtime or REHEARSAL_RUNTIME)"),
        ({}, ["--public-data", "x"], "public_data (--public-data"),
        ({}, ["--ports", "99999,1"], "proxy_port (--ports or REHEARSAL_PROXY_PORT)"),
        ({"REHEARSAL_OFFLINE": "maybe"}, [], "offline (--offline or REHEARSAL_OFFLINE)"),
        ({"REHEARSAL_MAX_BODY_MIB": "0"}, [], "max_body_mib (REHEARSAL_MAX_BODY_MIB)"),
    ],
)
def test_a_wrong_setting_is_named(
    rehearse: Command, variables: dict[str, str], words: list[str], name: str
) -> None:
    rehearse.more.update(variables)
    assert name in rehearse.fails("up", *words)


def test_settings_come_from_the_environment_and_the_line_wins(tmp_path: Path) -> None:
    elsewhere = Command(tmp_path / "named", {"REHEARSAL_STATE": str(tmp_path / "unused")})
    elsewhere.more |= {"REHEARSAL_PROXY_PORT": "0", "REHEARSAL_EXPLICIT_PORT": "0"}
    try:
        elsewhere("up", "identity", "--detach")
        assert (tmp_path / "named" / "secrets.json").exists()
        assert not (tmp_path / "unused").exists()
    finally:
        Rehearsal(elsewhere.state).down()


def damaged(name: str, content: bytes) -> Any:
    return pytest.param(name, content, id=f"{name}-{content[:6]!r}")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        damaged("secrets.json", b"{"),
        damaged("secrets.json", b"[1]"),
        damaged("secrets.json", b""),
        damaged("secrets.json", b"\xff\xfe\x00"),
        damaged("rehearsal.db", b"this is not a database" * 100),
        damaged("tls/authority.pem", b"-----BEGIN NONSENSE-----"),
    ],
)
def test_a_damaged_folder_is_refused_by_name(rehearse: Command, name: str, content: bytes) -> None:
    file = rehearse.state / name
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    said = rehearse.fails("up", "identity", "--ports", "auto")
    assert Path(name).name in said
    assert file.read_bytes() == content


def test_a_folder_of_a_newer_version_is_refused(rehearse: Command) -> None:
    import sqlite3

    rehearse.state.mkdir()
    database = sqlite3.connect(rehearse.state / "rehearsal.db")
    database.execute("PRAGMA user_version=99")
    database.close()
    assert "newer version" in rehearse.fails("up", "--ports", "auto")


def test_a_folder_that_cannot_be_is_refused(rehearse: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for more in ((), ("--detach",)):
        said = Command(tmp_path / "file" / "state").fails("up", "--ports", "auto", *more)
        assert "cannot be written" in said
        assert "--state" in said


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("no right to mount a small file system")
    try:
        assert "No space left" in Command(folder).fails("up", "--ports", "auto")
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_damaged_ledger_is_put_aside(rehearse: Command) -> None:
    rehearse.state.mkdir()
    (rehearse.state / "ledger.db").write_bytes(b"no database at all" * 100)
    rehearse("up", "identity", "--detach", "--ports", "auto")
    assert (rehearse.state / "ledger.db.damaged").exists()
    rehearse("logs")
