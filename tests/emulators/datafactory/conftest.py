"""The unmodified clients of Data Factory and Synapse on the shared host."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from tests.running import Rehearsal


def models() -> Any:
    """The models of azure-mgmt-datafactory: their hints take text for maps and refuse it."""
    return import_module("azure.mgmt.datafactory.models")


def code(refused: pytest.ExceptionInfo[Any]) -> str:
    """The service's code in an error of a client."""
    return str(refused.value.error.code)


@pytest.fixture(scope="session")
def credential(rehearsal: Rehearsal) -> Iterator[Any]:
    """The seeded service principal's; the environment stays set while it lives."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in rehearsal.env.items():
            patch.setenv(name, value)
        from azure.identity import ClientSecretCredential

        env = rehearsal.env
        yield ClientSecretCredential(
            env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"]
        )


@pytest.fixture(scope="session")
def factories(rehearsal: Rehearsal, credential: Any) -> Any:
    """azure-mgmt-datafactory 9.3 on the subscription."""
    from azure.mgmt.datafactory import DataFactoryManagementClient

    return DataFactoryManagementClient(credential, rehearsal.env["AZURE_SUBSCRIPTION_ID"])


@pytest.fixture(scope="session")
def group(rehearsal: Rehearsal) -> str:
    return rehearsal.env["AZURE_RESOURCE_GROUP"]
