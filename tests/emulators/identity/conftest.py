"""A site with identity and the resource manager, and a way to ask for tokens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from emulators.arm.service import SPEC as ARM_SPEC
from emulators.identity.service import SPEC
from tests.site import LOGIN, Site

AskToken = Callable[..., httpx.Response]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, [SPEC, ARM_SPEC])


@pytest.fixture
def ask_token(site: Site) -> AskToken:
    """Ask the version 2 endpoint for a token of the seeded application; fields may be replaced.

    None leaves a field out.
    """

    def ask(
        *, tenant: str | None = None, path: str = "oauth2/v2.0/token", **fields: str | None
    ) -> httpx.Response:
        secrets = site.ctx.secrets
        form: dict[str, str | None] = {
            "grant_type": "client_credentials",
            "client_id": secrets.client_id,
            "client_secret": secrets.client_secret,
            "scope": "https://management.azure.com/.default",
            **fields,
        }
        sent = {name: value for name, value in form.items() if value is not None}
        return site.ask("POST", f"{LOGIN}/{tenant or secrets.tenant_id}/{path}", data=sent)

    return ask
