"""A fresh clone in a clean container of the Debian Python 3.11 image: the two commands do it."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
IMAGE = "python:3.11-slim-bookworm"
DOCKERFILE = f"""
FROM {IMAGE}
RUN apt-get update -qq && apt-get install -y -qq make >/dev/null
WORKDIR /clone
COPY . .
RUN make setup
"""


def engine() -> Any:
    """The Docker client, or None where no engine answers."""
    import docker

    try:
        client = docker.from_env()
        client.ping()
    except docker.errors.DockerException:
        return None
    return client


@pytest.fixture(scope="module")
def clone() -> Iterator[tuple[Any, str]]:
    """An image of what is committed, set up by `make setup`."""
    client = engine()
    if client is None:
        pytest.skip("no Docker engine answers on this machine")
    committed = subprocess.run(
        ["git", "archive", "--format=tar", "HEAD"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    context = io.BytesIO(committed)
    with tarfile.open(fileobj=context, mode="a") as tar:
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(DOCKERFILE)
        tar.addfile(info, io.BytesIO(DOCKERFILE.encode()))
    context.seek(0)
    image, _ = client.images.build(
        fileobj=context, custom_context=True, tag="rehearsal-clone:test", rm=True
    )
    yield client, image.id
    client.close()


def run(clone: tuple[Any, str], command: str) -> str:
    client, image = clone
    container = client.containers.run(image, ["bash", "-c", command], detach=True, init=True)
    try:
        code = container.wait(timeout=1500)["StatusCode"]
        text = container.logs().decode(errors="replace")
    finally:
        container.remove(force=True)
    assert code == 0, text[-4000:]
    return str(text)


@pytest.mark.timeout(1800)
def test_make_demo_in_a_clean_container(clone: tuple[Any, str]) -> None:
    assert "succeeded: online-endpoint on local" in run(clone, "make demo")


@pytest.mark.timeout(1800)
def test_make_test_in_a_clean_container(clone: tuple[Any, str]) -> None:
    """Set-up, checks and the kernel's tests; `make soak` runs all of them there."""
    assert " passed" in run(clone, "make test PYTEST_ARGS='-q tests/kernel'")


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_all_of_make_test_in_a_clean_container(clone: tuple[Any, str]) -> None:
    assert " passed" in run(clone, "make test")
