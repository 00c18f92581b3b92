"""One interface: the SDK's classes and the plan's have every method of every port, alike."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

import azure_adapters
from azure_adapters import machinelearning, plan, ports, storage

PORTS: dict[Any, tuple[type, type]] = {
    ports.Datasets: (machinelearning.SdkDatasets, plan._Datasets),
    ports.Environments: (machinelearning.SdkEnvironments, plan._Environments),
    ports.Computes: (machinelearning.SdkComputes, plan._Computes),
    ports.Jobs: (machinelearning.SdkJobs, plan._Jobs),
    ports.Models: (machinelearning.SdkModels, plan._Models),
    ports.OnlineEndpoints: (machinelearning.SdkOnlineEndpoints, plan._OnlineEndpoints),
    ports.Blobs: (storage.SdkBlobs, plan._Blobs),
}


@pytest.mark.parametrize("port", PORTS, ids=lambda port: port.__name__)
def test_implementations_have_the_ports_signatures(port: Any) -> None:
    wanted = {name: f for name, f in vars(port).items() if inspect.isfunction(f) and name[0] != "_"}
    for made in PORTS[port]:
        for name, function in wanted.items():
            has = inspect.signature(getattr(made, name)).parameters
            assert list(has) == list(inspect.signature(function).parameters), f"{made}.{name}"
    public = {n for n, f in vars(PORTS[port][0]).items() if inspect.isfunction(f) and n[0] != "_"}
    assert public == set(wanted)


def test_only_the_settings_know_the_target() -> None:
    folder = Path(azure_adapters.__file__).parent
    for file in [*folder.glob("*.py"), *(folder.parent / "scenarios").rglob("*.py")]:
        text = file.read_text(encoding="utf-8")
        if file.name != "settings.py":
            assert '== "local"' not in text, file
            assert '== "azure"' not in text, file
