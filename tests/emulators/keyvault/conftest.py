"""A site with a vault, and what it takes to ask it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulators.arm.service import SPEC as ARM
from emulators.identity.service import SPEC as IDENTITY
from emulators.keyvault.service import MANAGEMENT, SPEC
from tests.site import Site

AUDIENCE = "https://vault.azure.net"


class VaultSite(Site):
    """A site whose folder's vault is asked by `vault`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, [IDENTITY, ARM, SPEC, MANAGEMENT])

        async def start() -> None:
            assert ARM.lifespan is not None
            assert SPEC.lifespan is not None
            async with ARM.lifespan(self.ctx), SPEC.lifespan(self.ctx):
                return

        asyncio.run(start())
        self.name = self.ctx.secrets.values["default_vault"]

    def vault(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """Ask a vault (by default the folder's) as its administrator, or by `oid`."""
        name, oid = options.pop("name", self.name), options.pop("oid", None)
        mark = "&" if "?" in path else "?"
        url = f"https://{name}.vault.azure.net{path}{mark}api-version=7.6"
        token = self.token(AUDIENCE, object_id=oid)
        return self.ask(method, url, token=token, json=body, **options)

    def make(self, name: str, **properties: Any) -> httpx.Response:
        """Make a vault."""
        return self.arm("PUT", f"{VAULTS}/{name}", json=vault_body(**properties))


VAULTS = "resourceGroups/rehearsal/providers/Microsoft.KeyVault/vaults"


def vault_body(**properties: Any) -> dict[str, Any]:
    return {"location": "eastus", "properties": properties}


@pytest.fixture
def site(tmp_path: Path) -> VaultSite:
    return VaultSite(tmp_path)


def code(answer: httpx.Response) -> tuple[int, str]:
    """Status and the error's code, the inner one where there is one."""
    error = answer.json()["error"]
    return answer.status_code, error.get("innererror", error)["code"]
