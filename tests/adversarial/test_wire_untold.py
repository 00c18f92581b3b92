"""Last: what was attacked told no secret, in no log, ledger, status or answer."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.adversarial.conftest import Target
from tests.cli.conftest import Command

JWT = re.compile(rb"eyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}")
SIGNATURE = re.compile(rb"[?&]sig=[A-Za-z0-9%+/]{20,}")
NO_SECRETS = {"tenant_id", "subscription_id", "client_id", "object_id", "default_account"}


def secret_values(target: Target) -> dict[str, bytes]:
    """Every secret by name; of a key in PEM its first line of content."""
    values = json.loads((target.running.state / "secrets.json").read_text())
    found = {}
    for name, value in values.items():
        text = value.splitlines()[1] if value.startswith("-----BEGIN") else value
        if name not in NO_SECRETS and len(text) >= 16:
            found[name] = text.encode()
    return found


def test_no_secret_is_in_what_the_host_writes_for_people(attacked: Target) -> None:
    attacked.running.host.ask("GET", "ledger", None, last="1")  # writes what it holds
    secrets = secret_values(attacked)
    assert len(secrets) >= 4
    written = attacked.logs()
    jobs = attacked.running.state.glob("jobs/*/*/user_logs/*")
    endpoints = attacked.running.state.glob("endpoints/**/*.log")
    written |= {place: place.read_bytes() for place in (*jobs, *endpoints) if place.is_file()}
    assert any(place.name == "ledger.db" for place in written)
    for place, content in written.items():
        told = [name for name, value in secrets.items() if value in content]
        assert not told, (place, told)
        assert not JWT.search(content), place
        assert not SIGNATURE.search(content), place


def test_no_secret_is_in_what_the_verbs_print(attacked: Target) -> None:
    command = Command(attacked.running.state)
    secrets = secret_values(attacked)
    for words in (["status"], ["status", "--json"], ["logs", "--json", "-n", "10000"], ["doctor"]):
        said = command(*words).stdout.encode()
        assert not [name for name, value in secrets.items() if value in said], words
        assert not JWT.search(said), words


def test_no_secret_is_in_a_command_line(attacked: Target) -> None:
    """Everybody on the machine can read those."""
    import psutil

    secrets = secret_values(attacked).values()
    family = [psutil.Process(attacked.pid), *psutil.Process(attacked.pid).children(recursive=True)]
    for process in family:
        line = " ".join(process.cmdline()).encode()
        assert not [value for value in secrets if value in line]


def test_no_failure_of_ours_was_provoked(attacked: Target) -> None:
    log: Path = attacked.running.state / "run" / "host.log"
    assert "Traceback" not in log.read_text()
