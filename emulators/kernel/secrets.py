"""The state folder's own secrets: made once, random, readable by the owner only."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock

from emulators.kernel.ids import secret_key, secret_token


@dataclass(slots=True)
class Secrets:
    """Names and secrets of one state folder; every change is on disk before it returns."""

    path: Path | None
    values: dict[str, str] = field(default_factory=dict)
    read_only: bool = False
    _lock: RLock = field(default_factory=RLock)

    @classmethod
    def open(cls, state: Path | None, *, read_only: bool = False) -> Secrets:
        """Load the folder's secrets, or begin new ones. `None` keeps them in memory.

        `read_only` is for any process but the host, which alone may write the file.
        """
        if state is None:
            return cls(None)
        path = state / "secrets.json"
        values = _read(path) if path.exists() else {}
        opened = cls(path, values, read_only)
        if not read_only:
            opened._begin()
        return opened

    def _begin(self) -> None:
        """Make what readers of the file rely on."""
        for name in ("tenant_id", "subscription_id", "client_id", "object_id"):
            self.guid(name)
        assert self.client_secret

    def _get(self, name: str, make: Callable[[], str]) -> str:
        with self._lock:
            if name not in self.values:
                self.values[name] = make()
                self._save()
            return self.values[name]

    def _save(self) -> None:
        if self.read_only:
            raise PermissionError("only the host may make or change the state folder's secrets")
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(self.values, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)

    def guid(self, name: str) -> str:
        """A GUID that this state folder keeps under `name`."""
        return self._get(name, lambda: str(uuid.uuid4()))

    @property
    def tenant_id(self) -> str:
        return self.guid("tenant_id")

    @property
    def subscription_id(self) -> str:
        return self.guid("subscription_id")

    @property
    def client_id(self) -> str:
        return self.guid("client_id")

    @property
    def object_id(self) -> str:
        """Object id of the seeded service principal."""
        return self.guid("object_id")

    @property
    def client_secret(self) -> str:
        return self._get("client_secret", lambda: secret_token(30))

    def key(self, name: str) -> str:
        """A base64 key of 64 bytes kept under `name`, for example `storage/acct/key1`."""
        return self._get(f"key/{name}", secret_key)

    def token(self, name: str) -> str:
        """A URL-safe secret kept under `name`."""
        return self._get(f"token/{name}", secret_token)

    def put(self, name: str, value: str) -> None:
        """Keep `value` under `name`, for example after a key is regenerated."""
        with self._lock:
            self.values[name] = value
            self._save()

    def regenerate_key(self, name: str) -> str:
        """Replace the key kept under `name`; the old one no longer opens anything."""
        self.put(f"key/{name}", secret_key())
        return self.key(name)

    def text(self, name: str, make: Callable[[], str]) -> str:
        """Any other secret text, made once by `make` (a private key in PEM, say)."""
        return self._get(name, make)

    def forget(self, prefix: str) -> None:
        """Drop every secret whose name begins with `prefix`."""
        with self._lock:
            self.values = {k: v for k, v in self.values.items() if not k.startswith(prefix)}
            self._save()


def _read(path: Path) -> dict[str, str]:
    """The secrets in a file.

    Raises:
        ValueError: it is damaged; the message tells nothing of what is in it.
    """
    try:
        values = json.loads(path.read_bytes())
    except ValueError:
        values = None
    if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
        raise ValueError(f"{path.name} is damaged")
    return values
