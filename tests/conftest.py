"""Marks by file name, so that a test's kind is where it lives and cannot be forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SHARED = TESTS.parent.parent / "shared"


def _marker(path: Path) -> str:
    name = path.name
    if name.startswith("test_docker_"):
        return "docker"
    if "scenarios" in path.relative_to(TESTS).parts:
        return "scenario"
    if name.startswith(("test_wire_", "test_sdk_")):
        return "wire"
    return "unit"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(getattr(pytest.mark, _marker(item.path)))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared measured material; a clone elsewhere has none, and those tests skip."""
    if not SHARED.is_dir():
        pytest.skip("the shared corpora are not beside this checkout")
    return SHARED
