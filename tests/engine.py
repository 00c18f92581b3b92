"""The Docker Engine of this machine, for tests that need one."""

from __future__ import annotations

from typing import Any

import pytest

IMAGE = "python:3.11-slim-bookworm"


def client() -> Any:
    """A client of the engine; the test is skipped, with the reason, where none answers."""
    import docker

    try:
        found = docker.from_env()
        found.ping()
    except docker.errors.DockerException as absent:
        pytest.skip(f"no Docker Engine answers on this machine: {absent}")
    try:
        found.images.get(IMAGE)
    except docker.errors.ImageNotFound:
        pytest.skip(f"the image {IMAGE} is not on this machine")
    return found
