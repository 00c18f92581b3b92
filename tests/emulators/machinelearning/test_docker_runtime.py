"""The docker runtime on a real engine: images built, containers bounded, ended and forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emulators.machinelearning.engine.runtime.containers.engine import MARK, mark_of
from emulators.machinelearning.engine.runtime.containers.options import ContainerOptions
from emulators.machinelearning.engine.runtime.launch import Launch, Limits, Mount, Outcome
from emulators.machinelearning.engine.runtime.problems import BuildFailed, EnvironmentRefused
from emulators.machinelearning.engine.runtime.process import NotStarted
from emulators.machinelearning.engine.runtime.runtimes import Definition, Prepared, Runtimes
from tests import engine

BARE = Definition(image=engine.IMAGE)


@pytest.fixture(scope="module")
def docker() -> Iterator[Any]:
    found = engine.client()
    yield found
    found.close()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


class Bench:
    """Runtimes in a folder of their own, and an event loop."""

    def __init__(self, docker: Any, cache: Path, folder: Path) -> None:
        self.docker, self.folder = docker, folder
        self.options = ContainerOptions()
        self.cache = cache
        self.run_dir = folder / "run"
        self.run_dir.mkdir()
        self.work = folder / "wd"
        self.work.mkdir()

    def __call__(self, work: Callable[[Runtimes], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            runtimes = Runtimes(self.cache, self.run_dir, runtime="docker", containers=self.options)
            try:
                return await asyncio.wait_for(work(runtimes), 200)
            finally:
                await runtimes.close()

        return asyncio.run(main())

    def launch(self, command: Any, **more: Any) -> Launch:
        env = more.pop("env", {"GIVEN": "1"})
        return Launch(command, self.work, env, self.folder / "log", **more)

    def outcome(self, command: Any, **more: Any) -> Outcome:
        async def work(runtimes: Runtimes) -> Outcome:
            ready = await runtimes.prepare(BARE)
            return await (await runtimes.start(ready, self.launch(command, **more))).wait()

        found: Outcome = self(work)
        return found

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def containers(self) -> list[Any]:
        label = f"{MARK}={mark_of(self.run_dir)}"
        found: list[Any] = self.docker.containers.list(
            all=True, ignore_removed=True, filters={"label": label}
        )
        return found

    def until_none(self, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while self.containers():
            assert time.monotonic() < deadline, self.containers()
            time.sleep(0.05)


@pytest.fixture
def bench(docker: Any, cache: Path, tmp_path: Path) -> Bench:
    return Bench(docker, cache, tmp_path)


def test_both_streams_in_order_and_files_that_are_ours(bench: Bench) -> None:
    given = bench.folder / "given"
    given.write_text("data")
    command = (
        f"for i in 1 2 3; do echo out$i; echo err$i >&2; done; cat {given}; touch made;"
        f" touch {given} || echo cannot; env; exit 7"
    )
    ended = bench.outcome(command, mounts=(Mount(given),))
    assert (ended.reason, ended.code) == ("Failed", 7)
    assert bench.log.startswith("out1\nerr1\nout2\nerr2\nout3\nerr3\ndata")
    assert "cannot" in bench.log
    assert "GIVEN=1" in bench.log
    assert (bench.work / "made").stat().st_uid == os.getuid()
    bench.until_none()
    assert not list((bench.run_dir / "docker").glob("c-*"))


def test_a_process_of_this_machine_may_find_it(bench: Bench) -> None:
    async def work(runtimes: Runtimes) -> bool:
        ready = await runtimes.prepare(BARE)
        running = await runtimes.start(ready, bench.launch(["sleep", "30"]))
        inside = Path(f"/proc/{running.pid}/root/.dockerenv").exists()
        assert runtimes.processes() == [("job process", running.pid)]
        ended = await running.cancel(grace=1)
        assert ended.reason == "Cancelled"
        return inside or os.getuid() != 0

    assert bench(work)
    bench.until_none()


@pytest.mark.parametrize(
    ("command", "limits", "reason"),
    [
        ("python -c 'x = bytearray(300 << 20)'", Limits(memory=100 << 20), "OutOfMemory"),
        ("python -c 'x = bytearray(300 << 20)' || exit 5", Limits(memory=100 << 20), "OutOfMemory"),
        ("sleep 60 & sleep 60", Limits(seconds=1), "TimedOut"),
        ("kill -9 $$", Limits(), "Killed"),
        ("no-such-program", Limits(), "Failed"),
        ("setsid sleep 600 & exit 0", Limits(), "Completed"),
    ],
)
def test_how_it_ends(bench: Bench, command: str, limits: Limits, reason: str) -> None:
    assert bench.outcome(command, limits=limits).reason == reason
    bench.until_none()


def test_processors_are_bounded(bench: Bench) -> None:
    spin = (
        "import time; e = time.time() + 2\nwhile time.time() < e: pass\nprint(time.process_time())"
    )
    assert bench.outcome(["python", "-c", spin], limits=Limits(cores=1)).ok
    bench.options = ContainerOptions(cores=0.25)
    assert bench.outcome(["python", "-c", spin]).ok
    free, bounded = map(float, bench.log.split())
    assert bounded < 0.9 < 2 * free


def test_shared_memory_is_azures_or_what_is_asked_for(bench: Bench) -> None:
    for limits in (Limits(), Limits(shared_memory=64 << 20)):
        assert bench.outcome("df -m --output=size /dev/shm | tail -1", limits=limits).ok
    assert bench.log.split() == ["2048", "64"]


def test_there_is_no_network_and_no_way_home_without_a_door(bench: Bench) -> None:
    bench.outcome("cat /proc/net/route | wc -l; ls /run/rehearsal")
    assert bench.log.split() == ["1", "inside", "own"]


def test_a_container_that_is_removed_is_lost(bench: Bench) -> None:
    async def work(runtimes: Runtimes) -> Outcome:
        ready = await runtimes.prepare(BARE)
        running = await runtimes.start(ready, bench.launch("sleep 600"))
        await asyncio.to_thread(bench.containers()[0].remove, force=True)
        return await running.wait()

    assert bench(work).reason == "Lost"


def test_a_paused_container_is_ended_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emulators.machinelearning.engine.runtime.containers.process.PATIENCE", 0.5)

    async def work(runtimes: Runtimes) -> Outcome:
        ready = await runtimes.prepare(BARE)
        running = await runtimes.start(ready, bench.launch("sleep 600"))
        await asyncio.to_thread(bench.containers()[0].pause)
        return await running.cancel(grace=0)

    assert bench(work).reason == "Lost"
    bench.until_none()


def test_what_cannot_be_started_says_why(bench: Bench) -> None:
    with pytest.raises(NotStarted, match="does not exist"):
        bench.outcome("true", mounts=(Mount(bench.folder / "absent"),))
    bench.until_none()


def test_a_build_context_is_built_once_and_as_it_is(bench: Bench, tmp_path: Path) -> None:
    context = tmp_path / "context"
    (context / "sub").mkdir(parents=True)
    (context / "sub/Dockerfile").write_text(
        f"FROM {engine.IMAGE}\nCOPY data.txt /data.txt\nENV MARK=7\nRUN echo in the build"
        f' {tmp_path.name}\nENTRYPOINT ["false"]\n'
    )
    (context / "data.txt").write_text(str(tmp_path))
    (context / "secret.txt").write_text("x")
    (context / ".dockerignore").write_text("# kept out\nsecret.txt\n")
    asked = Definition(context=context, dockerfile="sub/Dockerfile")
    said: list[str] = []

    async def work(runtimes: Runtimes) -> tuple[Prepared, Prepared]:
        first = await runtimes.prepare(asked, said.append)
        again = await runtimes.prepare(asked, said.append)
        running = await runtimes.start(first, bench.launch("cat /data.txt; echo $MARK"))
        assert (await running.wait()).ok
        return first, again

    first, again = bench(work)
    bench.until_none()
    bench.docker.images.remove(first.image, force=True)
    assert (first.cached, again.cached) == (False, True)
    assert first.image == again.image
    assert any("in the build" in line for line in said)
    assert bench.log == f"{tmp_path}7\n"


def test_a_build_that_fails_ends_with_its_own_words(bench: Bench, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {engine.IMAGE}\nRUN echo reason; exit 3\n")
    with pytest.raises(BuildFailed, match=r"(?s)reason.*returned a non-zero code: 3"):
        bench(lambda runtimes: runtimes.prepare(Definition(context=context)))
    with pytest.raises(EnvironmentRefused, match="no 'Other'"):
        bench(lambda runtimes: runtimes.prepare(Definition(context=context, dockerfile="Other")))


def test_a_build_that_is_cancelled_stops(bench: Bench, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(
        f"FROM {engine.IMAGE}\nRUN echo {tmp_path.name}; sleep 600\n"
    )

    async def work(runtimes: Runtimes) -> None:
        begun = asyncio.Event()

        def progress(line: str) -> None:
            if "Running in" in line:
                begun.set()

        task = asyncio.create_task(runtimes.prepare(Definition(context=context), progress))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    before = {one.id for one in bench.docker.containers.list(ignore_removed=True)}
    bench(work)
    deadline = time.monotonic() + 15
    while {one.id for one in bench.docker.containers.list(ignore_removed=True)} - before:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_images_that_cannot_be_had_are_refused_by_name(bench: Bench) -> None:
    bench.options = ContainerOptions(pull=False)
    with pytest.raises(EnvironmentRefused, match=r"'nobody/nothing:1'.*offline"):
        bench(lambda runtimes: runtimes.prepare(Definition(image="nobody/nothing:1")))
    with pytest.raises(EnvironmentRefused, match="relax"):
        bench(lambda runtimes: runtimes.prepare(Definition(python="3.8")))
    ready = bench(lambda runtimes: runtimes.prepare(Definition(python="3.8", relax=True)))
    assert ready.version.startswith("3.11")
    assert "3.8" in " ".join(ready.notes)


@pytest.fixture
def odd_image(bench: Bench) -> Iterator[Callable[[str], str]]:
    import docker

    made = []

    def make(line: str) -> str:
        text = f"FROM {engine.IMAGE}\n{line}\n"
        image, _ = bench.docker.images.build(fileobj=io.BytesIO(text.encode()), rm=True)
        made.append(image.id)
        return str(image.id)

    yield make
    for one in made:
        with contextlib.suppress(docker.errors.ImageNotFound):  # it went with one built on it
            bench.docker.images.remove(one, force=True)


def test_an_image_without_python_is_refused(bench: Bench, odd_image: Callable[[str], str]) -> None:
    image = odd_image("RUN rm /usr/bin/python*")
    with pytest.raises(EnvironmentRefused, match="has no Python"):
        bench(lambda runtimes: runtimes.prepare(Definition(image=image)))


def test_conda_of_an_image_makes_the_environment(
    bench: Bench, odd_image: Callable[[str], str]
) -> None:
    """A stand-in for conda takes the words that we give it; the real one is not here."""
    lines = [
        "#!/bin/sh",
        '[ "$1" = clean ] && exit 0',
        '[ "$1 $2 $3 $4" = "env create -q -p" ] && grep -q openjdk "$7" || exit 9',
        'exec python -m venv "$5"',
    ]
    text = "\\n".join(lines)
    script = f"RUN printf '{text}' >/usr/bin/conda && chmod +x /usr/bin/conda"
    asked = Definition(image=odd_image(script), conda="dependencies: [python=3.11, openjdk]\n")
    ready = bench(lambda runtimes: runtimes.prepare(asked))
    bench.docker.images.remove(ready.image, force=True)
    assert ready.python.as_posix().startswith("/azureml-envs/azureml_")


def attached(bench: Bench, command: list[str]) -> list[str]:
    async def work(runtimes: Runtimes) -> list[str]:
        return await runtimes.words(await runtimes.prepare(BARE), bench.launch(command))

    found: list[str] = bench(work)
    return found


def test_a_program_stands_for_a_container(bench: Bench) -> None:
    words = attached(bench, ["sh", "-c", 'echo got "$@"; exit 4', "sh"])
    assert subprocess.run([*words, "more"], check=False).returncode == 4
    assert bench.log == "got more\n"
    killed = attached(bench, ["sh", "-c", "kill -9 $$"])
    assert subprocess.run(killed, check=False).returncode == -9
    bench.until_none()


def test_it_takes_the_container_along(bench: Bench) -> None:
    words = attached(bench, ["sh", "-c", "echo begun; sleep 600"])
    process = subprocess.Popen(words)
    deadline = time.monotonic() + 20
    while "begun" not in (bench.log if (bench.folder / "log").exists() else ""):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    bench.until_none()


def test_what_a_killed_server_left_is_swept(bench: Bench) -> None:
    label = {MARK: mark_of(bench.run_dir)}
    bench.docker.containers.create(engine.IMAGE, "true", labels=label)
    other = bench.docker.containers.create(engine.IMAGE, "true", labels={MARK: "another"})
    bench(lambda runtimes: runtimes.sweep())
    assert not bench.containers()
    other.reload()
    other.remove()
