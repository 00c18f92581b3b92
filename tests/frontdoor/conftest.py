"""One door with the tiny app for all client tests, and the variables that lead clients to it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from emulators.kernel.client_env import ClientFacts, variables
from tests.frontdoor.tiny import Door, open_door

CLEAN = ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH")


@pytest.fixture(scope="session")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with open_door(tmp_path_factory.mktemp("frontdoor")) as opened:
        yield opened


@pytest.fixture(scope="session")
def environment(door: Door) -> dict[str, str]:
    """A clean environment and `rehearse env`'s variables, nothing else."""
    facts = ClientFacts(
        proxy_port=door.ports.proxy,
        ca_bundle=str(door.authority.bundle_file),
        node_ca=str(door.authority.node_file),
        tenant_id="11111111-1111-1111-1111-111111111111",
        client_id="22222222-2222-2222-2222-222222222222",
        client_secret="a-secret",
        subscription_id="33333333-3333-3333-3333-333333333333",
        resource_group="rehearsal",
        workspace="rehearsal",
        region="eastus",
        storage_account="acct",
        storage_key="a2V5",
        mlflow_token="token",
    )
    clean = {name: os.environ[name] for name in CLEAN if name in os.environ}
    return clean | variables(facts, {})
