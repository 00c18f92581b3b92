"""Virtual environments: built whole, found again, refused by name; commands started in them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emulators.machinelearning.engine.runtime import builder, environments, interpreters
from emulators.machinelearning.engine.runtime.containers.options import ContainerOptions
from emulators.machinelearning.engine.runtime.definition import Definition, Prepared
from emulators.machinelearning.engine.runtime.problems import BuildFailed, EnvironmentRefused
from emulators.machinelearning.engine.runtime.runtimes import Launch, Outcome, Runtimes

CONDA = """
name: tiny
channels: [conda-forge, defaults]
dependencies:
  - python={python}
  - pip=20.1.1
  - pip:
      - iniconfig==2.0.0
"""


def minors() -> set[str]:
    known = interpreters.installed(builder.uv_program())
    return {f"{one.version.major}.{one.version.minor}" for one in known}


def prepare(cache: Path, definition: Definition, lines: list[str] | None = None) -> Prepared:
    said = [] if lines is None else lines

    async def work() -> Prepared:
        return await Runtimes(cache, cache / "run").prepare(definition, said.append)

    return asyncio.run(work())


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp() / "runtime-cache"  # one for all test files


def ask(prepared: Prepared, code: str) -> str:
    done = subprocess.run([str(prepared.python), "-c", code], capture_output=True, check=True)
    return done.stdout.decode().strip()


@pytest.mark.parametrize("python", ["3.8", "3.9", "3.12"])
def test_conda_file_becomes_an_environment_of_that_python(cache: Path, python: str) -> None:
    if python not in minors():
        pytest.skip(f"this machine has no Python {python}")
    lines: list[str] = []
    ready = prepare(cache, Definition(conda=CONDA.format(python=python)), lines)
    assert ready.version.startswith(f"{python}.")
    assert ready.packages["iniconfig"] == "2.0.0"
    assert ask(ready, "import sys, pkg_resources, iniconfig; print(sys.prefix)") == str(
        ready.folder
    )
    assert any("iniconfig==2.0.0" in line for line in lines)
    assert ready.folder is not None
    program = subprocess.run(
        [ready.folder / "bin" / "pip", "--version"], capture_output=True, check=True
    )
    assert str(ready.folder).encode() in program.stdout  # programs were moved along


def test_the_same_content_is_found_in_milliseconds(cache: Path) -> None:
    text = CONDA.format(python=f"{sys.version_info[0]}.{sys.version_info[1]}")
    first = prepare(cache, Definition(conda=text))
    began = time.perf_counter()
    again = prepare(cache, Definition(conda="# another comment\n" + text))
    assert time.perf_counter() - began < 0.2
    assert again.cached
    assert again.python == first.python
    assert again.packages == first.packages


def test_two_builders_of_the_same_environment_make_one(tmp_path: Path) -> None:
    definition = Definition(requirements=("iniconfig==2.0.0",))
    lines: list[str] = []

    async def work() -> list[Prepared]:
        both = [Runtimes(tmp_path, tmp_path / str(n)) for n in range(2)]
        return list(await asyncio.gather(*(r.prepare(definition, lines.append) for r in both)))

    one, other = asyncio.run(work())
    assert one.python == other.python
    assert sorted([one.cached, other.cached]) == [False, True]
    assert sum(line.startswith("Installed") for line in lines) == 1


def test_a_cancelled_build_leaves_nothing(tmp_path: Path) -> None:
    async def work() -> None:
        runtimes = Runtimes(tmp_path, tmp_path / "run")
        slow = asyncio.create_task(runtimes.prepare(Definition(requirements=("numpy==2.2.0",))))
        while not list((tmp_path / "envs").glob("*.building-*")):
            await asyncio.sleep(0.01)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow

    asyncio.run(work())
    assert [path.suffix for path in (tmp_path / "envs").iterdir()] == [".lock"]


def test_what_a_killed_build_left_is_neither_used_nor_kept(tmp_path: Path) -> None:
    definition = Definition(requirements=("iniconfig==2.0.0",))
    key = environments.key_of(environments.wanted_by(definition), relax=False)
    half = tmp_path / "envs" / f"{key}.building-x" / "env" / "bin"
    unfinished = tmp_path / "envs" / key / "bin"
    for folder in (half, unfinished):
        folder.mkdir(parents=True)
        (folder / "python").symlink_to(sys.executable)
    ready = prepare(tmp_path, definition)
    assert not ready.cached
    assert not half.exists()
    assert ask(ready, "import iniconfig; print(1)") == "1"


def test_an_environment_whose_interpreter_is_gone_is_built_anew(tmp_path: Path) -> None:
    definition = Definition(requirements=("iniconfig==2.0.0",))
    first = prepare(tmp_path, definition)
    first.python.unlink()
    assert not prepare(tmp_path, definition).cached


def test_a_python_that_is_not_here_is_named_and_relax_offered(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentRefused, match=r"Python ==3\.2\.\*.*relax") as refused:
        prepare(tmp_path, Definition(conda=CONDA.format(python="3.2")))
    assert refused.value.relaxable


def test_a_pin_that_cannot_be_had_is_named_and_relax_offered(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match=r"(?s)iniconfig==0\.0\.77.*relax") as refused:
        prepare(tmp_path, Definition(requirements=("iniconfig==0.0.77",)))
    assert refused.value.relaxable
    assert [path.suffix for path in (tmp_path / "envs").iterdir()] == [".lock"]


def test_host_is_our_own(tmp_path: Path) -> None:
    ready = prepare(tmp_path, Definition(runtime="host", conda="anything"))
    assert ready.python == Path(sys.executable)
    assert ready.notes


def test_a_command_finds_the_environments_python_and_programs(cache: Path, tmp_path: Path) -> None:
    async def work() -> Outcome:
        runtimes = Runtimes(cache, tmp_path / "run")
        ready = await runtimes.prepare(Definition(requirements=("iniconfig==2.0.0",)))
        command = "python -c 'import iniconfig, sys; print(sys.prefix)'; command -v pip; env"
        launch = Launch(command, tmp_path, {"PATH": os.defpath, "A": "1"}, tmp_path / "log")
        outcome = await (await runtimes.start(ready, launch)).wait()
        await runtimes.close()
        prefix, pip, *variables = (tmp_path / "log").read_text().splitlines()
        assert prefix == str(ready.folder)
        assert pip == f"{ready.folder}/bin/pip"
        assert {"A=1", f"VIRTUAL_ENV={ready.folder}", "OMP_NUM_THREADS=1"} <= set(variables)
        return outcome

    assert asyncio.run(work()).ok


def test_close_ends_what_runs(tmp_path: Path) -> None:
    async def work() -> Outcome:
        runtimes = Runtimes(tmp_path, tmp_path / "run", runtime="host")
        launch = Launch("sleep 300", tmp_path, {"PATH": os.defpath}, tmp_path / "log")
        running = await runtimes.start(await runtimes.prepare(Definition()), launch)
        await runtimes.close()
        return await running.wait()

    assert asyncio.run(work()).reason == "Cancelled"


@pytest.mark.parametrize("runtime", ["venv", "host"])
def test_what_a_command_installs_is_its_own(cache: Path, tmp_path: Path, runtime: str) -> None:
    """`pip install` in a command must change neither the cached environment nor Rehearsal's."""
    command = (
        "pip install -q --no-deps six==1.15.0 && python -c '"
        "import six, packaging, sys; print(six.__version__, sys.prefix)'"
    )

    async def work() -> tuple[Prepared, Outcome]:
        runtimes = Runtimes(cache, tmp_path / "run", runtime=runtime)  # type: ignore[arg-type]
        ready = await runtimes.prepare(Definition(requirements=("six==1.16.0", "packaging")))
        env = {name: os.environ[name] for name in os.environ if name.startswith(("PIP", "HOME"))}
        launch = Launch(command, tmp_path, env | {"PATH": os.defpath}, tmp_path / "log")
        outcome = await (await runtimes.start(ready, launch)).wait()
        await runtimes.close()
        return ready, outcome

    ready, outcome = asyncio.run(work())
    assert outcome.ok, outcome.last_lines
    version, prefix = outcome.last_lines[-1].split()
    assert version == "1.15.0"
    assert Path(prefix).parent == tmp_path / "run" / "layers"
    assert ask(ready, "import six; print(six.__version__ != '1.15.0')") == "True"
    assert list((tmp_path / "run" / "layers").iterdir()) == []


def test_a_build_goes_out_as_the_machine_does_not_by_a_door_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # an earlier run's, which has ended
    monkeypatch.setenv("REHEARSAL_UPSTREAM_HTTPS_PROXY", "")
    code, lines = asyncio.run(builder.run(["env"], lambda _line: None))
    assert code == 0
    assert not [line for line in lines if line.startswith("HTTPS_PROXY=")]


def test_offline_nothing_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`rehearse up --offline` built environments from the index all the same."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    cut_off = Runtimes(tmp_path, tmp_path / "run", containers=ContainerOptions(pull=False))
    definition = Definition(requirements=("iniconfig==2.0.0",))
    with pytest.raises(BuildFailed, match="--offline") as refused:
        asyncio.run(cut_off.prepare(definition))
    assert not refused.value.relaxable
    assert not list((tmp_path / "envs").glob("*/env.json"))
