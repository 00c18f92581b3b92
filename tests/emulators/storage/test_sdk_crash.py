"""kill -9 while many clients write: what was acknowledged is there, and nothing else is."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from pathlib import Path

from azure.core.exceptions import AzureError
from azure.storage.blob import ContainerClient

from emulators.kernel.secrets import Secrets
from emulators.kernel.store_sqlite import SqliteStore
from emulators.storage.store import BLOBS, BLOCKS
from tests.running import Rehearsal

ROUNDS = 3


class Writer(threading.Thread):
    """Writes blobs of its own until the server is gone; remembers what was acknowledged."""

    def __init__(self, client: ContainerClient, number: int, chance: random.Random) -> None:
        super().__init__()
        self.client, self.number, self.chance = client, number, chance
        self.known: dict[str, str | None] = {}  # name: digest, None when deleted
        self.unsure: set[str] = set()
        self.stopped = False

    def run(self) -> None:
        while not self.stopped:
            name = f"w{self.number}/{self.chance.randrange(12)}"
            self.unsure.add(name)
            try:
                self.known[name] = self._change(name)
            except AzureError:
                return
            self.unsure.discard(name)

    def _change(self, name: str) -> str | None:
        if self.known.get(name) and self.chance.random() < 0.2:
            self.client.delete_blob(name)
            return None
        data = os.urandom(self.chance.choice([10, 5_000, 400_000]))
        self.client.upload_blob(name, data, overwrite=True)
        return hashlib.sha256(data).hexdigest()


def container_of(running: Rehearsal) -> ContainerClient:
    secrets = Secrets.open(running.state)
    account = secrets.values["default_account"]
    return ContainerClient(
        f"https://localhost:{running.host.explicit}/{account}.blob.core.windows.net",
        "crash",
        credential={
            "account_name": account,
            "account_key": secrets.key(f"storage/{account}/key1"),
        },
        connection_verify=str(running.state / "tls" / "ca.pem"),
        retry_total=0,
        max_single_put_size=1 << 17,
        max_block_size=1 << 17,
    )


def test_what_was_acknowledged_survives(tmp_path: Path) -> None:
    chance = random.Random(7)
    running = Rehearsal(tmp_path / "state", ("storage",))
    known: dict[str, str | None] = {}
    try:
        for number in range(ROUNDS):
            running.up()
            client = container_of(running)
            if number == 0:
                client.create_container()
            check(client, known)
            writers = [Writer(client, n, random.Random(chance.random())) for n in range(3)]
            for writer in writers:
                writer.known = {
                    k: v for k, v in known.items() if k.startswith(f"w{writer.number}/")
                }
                writer.start()
            time.sleep(0.3 + chance.random())
            running.kill()
            for writer in writers:
                writer.join()
                known |= writer.known
                for name in writer.unsure:
                    known.pop(name, None)
                    known[name] = "?"
        running.up()
        check(container_of(running), known)
    finally:
        running.down()
    check_files(running.state)


def check(client: ContainerClient, known: dict[str, str | None]) -> None:
    """Everything acknowledged is there; what was on its way is old, new or absent, but whole."""
    listed = {blob.name for blob in client.list_blobs()} if known else set()
    for name, digest in known.items():
        if digest == "?":
            if name in listed:
                known[name] = hashlib.sha256(client.download_blob(name).readall()).hexdigest()
            else:
                known[name] = None
        elif digest is None:
            assert name not in listed, f"{name} was deleted"
        else:
            found = hashlib.sha256(client.download_blob(name).readall()).hexdigest()
            assert found == digest, name


def check_files(state: Path) -> None:
    """No file that no record holds, no record whose file is not there."""
    store = SqliteStore(state / "rehearsal.db")
    held = {str(part[0]) for blob in store.scan(BLOBS) for part in blob.parts}
    held |= {block.file for block in store.scan(BLOCKS)}
    store.close()
    files = {p.name for p in (state / "storage").glob("??/*")}
    assert files == held
    assert list((state / "storage" / "partial").iterdir()) == []
