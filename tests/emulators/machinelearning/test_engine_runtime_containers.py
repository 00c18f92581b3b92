"""The docker runtime as far as it goes without an engine: plans, requests, and its absence."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.machinelearning.engine.runtime.containers import building, plans, specs
from emulators.machinelearning.engine.runtime.containers.options import BASE, ContainerOptions
from emulators.machinelearning.engine.runtime.containers.plans import Build, Probed
from emulators.machinelearning.engine.runtime.containers.sockets import listening
from emulators.machinelearning.engine.runtime.definition import Definition, Prepared, Wanted
from emulators.machinelearning.engine.runtime.launch import Launch, Limits, Mount
from emulators.machinelearning.engine.runtime.problems import EnvironmentRefused
from emulators.machinelearning.engine.runtime.process import NotStarted
from emulators.machinelearning.engine.runtime.runtimes import Runtimes

PREPARED = Prepared(Path("/usr/bin/python"), "3.11.2", "docker", "k", image="sha256:1")
NAMES = st.text("ABCDEFGH", min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("python", "image"),
    [
        (None, "python:3.11-slim-bookworm"),
        ("==3.8.*", "python:3.8-slim-bookworm"),
        ("==3.9.13", "python:3.9-slim-bookworm"),
        (">=3.8,<3.10", "python:3.9-slim-bookworm"),
    ],
)
def test_the_base_follows_the_python_that_is_asked_for(python: str | None, image: str) -> None:
    assert plans.base_for(BASE, python) == image


def test_a_python_that_nothing_here_runs_in_is_refused() -> None:
    with pytest.raises(EnvironmentRefused, match=r"3\.6"):
        plans.base_for(BASE, "==3.6.*")


def test_only_azure_ml_images_have_a_stand_in() -> None:
    known = plans.stand_in("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04")
    assert known is not None
    assert known.python == "==3.8.*"
    assert plans.stand_in("mcr.microsoft.com/dotnet/sdk:8.0") is None
    assert plans.stand_in("somebody/else") is None


def test_a_conda_file_is_condas_affair_where_there_is_conda() -> None:
    asked = Definition(conda="dependencies: [python=3.9, {pip: [six]}]", requirements=("attrs",))
    with_pip = plans.packages_of(asked, None, has_conda=False)
    assert with_pip.python == "==3.9.*"
    assert with_pip.requirements == ("attrs", "six")
    assert plans.packages_of(asked, None, has_conda=True).requirements == ("attrs",)


def test_a_build_by_pip_says_what_goes_in_and_where() -> None:
    wanted = Wanted("==3.11.*", ("six==1.16.0", "setuptools==70.0"), ("--pre",))
    made = plans.by_pip("base:1", "/usr/bin/python3", wanted, "abc")
    assert made.files == {"requirements.txt": "--pre\nsix==1.16.0\nsetuptools==70.0\nwheel\n"}
    assert made.dockerfile.startswith("FROM base:1\n")
    assert "ENV PATH=/azureml-envs/azureml_abc/bin:$PATH" in made.dockerfile


def test_a_build_by_conda_keeps_the_file_as_it_is() -> None:
    made = plans.by_conda("base:1", "name: x\n", "abc")
    assert made.files == {"conda.yaml": "name: x\n"}
    assert "conda env create -q -p /azureml-envs/azureml_abc" in made.dockerfile


def test_another_python_is_refused_but_for_its_patch() -> None:
    found = Probed("/usr/bin/python", "3.11.2", None, {})
    plans.check_python("x", found, "==3.11.9")
    plans.check_python("x", found, None)
    with pytest.raises(EnvironmentRefused, match="relax"):
        plans.check_python("x", found, "==3.8.*")


DOCKERFILE = """# syntax
from --platform=linux/amd64 mcr.microsoft.com/azureml/a:1 AS build
RUN echo FROM nowhere
FROM python:3.11
COPY --from=build /a /a
FROM build
FROM scratch
FROM $BASE
"""


def test_the_bases_of_a_dockerfile() -> None:
    assert plans.bases_in(DOCKERFILE) == ["mcr.microsoft.com/azureml/a:1", "python:3.11"]
    again = plans.rebased(DOCKERFILE, {"mcr.microsoft.com/azureml/a:1": "b:2"})
    assert "from --platform=linux/amd64 b:2 AS build" in again
    assert plans.rebased(DOCKERFILE, {}) == DOCKERFILE


def test_the_key_of_a_context_follows_names_modes_and_content(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("1")
    keys = {plans.key_of_context(tmp_path, "FROM x", {"x": "1"})}
    keys.add(plans.key_of_context(tmp_path, "FROM x", {"x": "2"}))
    file.chmod(0o755)
    keys.add(plans.key_of_context(tmp_path, "FROM x", {"x": "1"}))
    file.write_text("2")
    keys.add(plans.key_of_context(tmp_path, "FROM x", {"x": "1"}))
    file.rename(tmp_path / "b.txt")
    keys.add(plans.key_of_context(tmp_path, "FROM x", {"x": "1"}))
    assert len(keys) == 5
    assert plans.key_of(Build("a", {}), "1") != plans.key_of(Build("a", {}), "2")


@pytest.mark.parametrize(
    ("image", "asked"),
    [
        ("a", ("a", "latest")),
        ("a:1", ("a", "1")),
        ("host:5000/a", ("host:5000/a", "latest")),
        ("host:5000/a:1", ("host:5000/a", "1")),
        ("a@sha256:1", ("a@sha256:1", None)),
    ],
)
def test_the_parts_of_an_images_name(image: str, asked: tuple[str, str | None]) -> None:
    assert building.named(image) == asked


@given(st.dictionaries(NAMES, NAMES), st.dictionaries(NAMES, NAMES), st.frozensets(NAMES))
def test_containers_have_what_is_given_and_nothing_of_the_machine(
    machine: dict[str, str], own: dict[str, str], asked: frozenset[str]
) -> None:
    env = {**machine, "PATH": "/bin", "REHEARSAL_X": "1", **own}
    found = specs.variables(env, asked, ContainerOptions(machine=machine))
    assert all(env[name] == value for name, value in found.items())
    assert {n for n in asked if n in env} <= found.keys()
    assert {n for n, v in own.items() if machine.get(n) != v} <= found.keys()
    assert not {n for n in found if machine.get(n) == found[n]} - asked
    assert not {"PATH", "REHEARSAL_X"} & (found.keys() - own.keys() - asked)


def test_a_name_that_the_platform_gives_is_kept() -> None:
    options = ContainerOptions(machine={"HOSTNAME": "this"})
    found = specs.variables({"HOSTNAME": "endpoint-blue", "HOME": "/me"}, frozenset(), options)
    assert found == {"HOSTNAME": "endpoint-blue"}
    assert specs.variables({"HOSTNAME": "this"}, frozenset(), options) == {}


def request(folder: Path, **more: object) -> dict[str, object]:
    options = ContainerOptions(memory=5 << 20, cores=1.5, open_doors=None)
    shared = specs.Shared("mark", "7:8", folder / "home", {8440: "proxy.s"})
    log = folder / "log"
    launch = Launch(["x"], folder / "wd", {}, log, **more)  # type: ignore[arg-type]
    return specs.config(PREPARED, launch, folder / "own", shared, options)


def test_a_container_has_no_network_unless_it_needs_one(tmp_path: Path) -> None:
    def network(**more: object) -> object:
        host = request(tmp_path, **more)["HostConfig"]
        assert isinstance(host, dict)
        return host["NetworkMode"]

    assert network() == "none"
    assert network(network="bridge") == "bridge"
    options = ContainerOptions()
    installs = Launch("pip install six && python x.py", tmp_path, {}, tmp_path)
    assert specs.network_of(installs, options) == "bridge"
    home = Launch("pip install six", tmp_path, {}, tmp_path, network="home")
    assert specs.network_of(home, options) == "home"


def test_the_limits_of_a_launch_go_before_the_usual_ones(tmp_path: Path) -> None:
    usual, own = request(tmp_path), request(tmp_path, limits=Limits(cores=2, memory=9 << 20))
    for made, memory, cores in ((usual, 5 << 20, 1_500_000_000), (own, 9 << 20, 2_000_000_000)):
        host = made["HostConfig"]
        assert isinstance(host, dict)
        assert (host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (memory, memory, cores)


def test_what_is_mounted_twice_is_writable_when_one_says_so(tmp_path: Path) -> None:
    mounts = (Mount(tmp_path / "in"), Mount(tmp_path / "wd"), Mount(tmp_path / "out", True))
    host = request(tmp_path, mounts=mounts)["HostConfig"]
    assert isinstance(host, dict)
    found = {one["Target"]: one["ReadOnly"] for one in host["Mounts"]}
    assert found[str(tmp_path / "in")] is True
    assert found[str(tmp_path / "wd")] is False
    assert found[str(tmp_path / "out")] is False
    assert found[str(tmp_path / "log")] is False
    assert found["/run/rehearsal/inside"] is True
    assert len(found) == len(host["Mounts"])


def test_a_socket_may_lie_deep(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 200)
    deep.mkdir()
    with listening(deep / "x.s") as server, socket.socket(socket.AF_UNIX) as client:
        assert (deep / "x.s").stat().st_mode & 0o777 == 0o600
        server.setblocking(False)
        link = tmp_path / "x.s"
        link.symlink_to(deep / "x.s")
        if len(str(link)) < 100:
            client.connect(str(link))
            server.accept()[0].close()


def test_without_an_engine_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")

    async def work() -> None:
        runtimes = Runtimes(tmp_path, tmp_path / "run", runtime="docker")
        await runtimes.sweep()
        with pytest.raises(EnvironmentRefused, match="REHEARSAL_RUNTIME=venv"):
            await runtimes.prepare(Definition(image="python:3.11"))
        with pytest.raises(NotStarted, match="DOCKER_HOST"):
            await runtimes.start(PREPARED, Launch("true", tmp_path, {}, tmp_path / "log"))
        await runtimes.close()

    asyncio.run(work())
