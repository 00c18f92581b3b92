"""A pool of real processes: started, fed, crashed, restarted, stopped; nothing outlives it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from emulators.kernel import frames
from emulators.kernel.workers import PoolStopped, Request, Response, WorkerFailed, WorkerPool

WORKER = """
import importlib.util, json, os, socket, subprocess, sys, time

spec = importlib.util.spec_from_file_location("frames", FRAMES)
frames = importlib.util.module_from_spec(spec)
sys.modules["frames"] = frames
spec.loader.exec_module(frames)
path, number = sys.argv[-3], int(sys.argv[-1])
link = socket.socket(socket.AF_UNIX)
link.connect(path)
head = json.dumps({"worker": number, "window": WINDOW}).encode()
if MODE == "refuse":
    link.sendall(frames.encode(frames.FAILED, 0, 0, head, b"no model"))
    sys.exit(3)
if MODE == "exit":
    print("last words", flush=True)
    sys.exit(4)
if MODE == "hang":
    time.sleep(60)
if MODE == "garbage":
    link.sendall(b"HTTP/1.1 200 OK at your service, this is no frame at all")
    time.sleep(60)
link.sendall(frames.encode(frames.HELLO, 0, 0, head, b""))
reader = frames.FrameReader()
while True:
    data = link.recv(65536)
    if not data:
        break
    for frame in reader.feed(data):
        if frame.body == b"die":
            os._exit(9)
        if frame.body == b"child":
            child = subprocess.Popen(["sleep", "60"])
            frame = frame._replace(body=str(child.pid).encode())
        if frame.body.startswith(b"sleep"):
            time.sleep(float(frame.body[5:]))
        body = frame.body + b"|%d|%d" % (os.getpid(), number)
        link.sendall(frames.encode(frames.RESPONSE, frame.id, 200, b"A: b\\r\\nC:d\\r\\n", body))
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="w-", dir="/tmp") as path:
        yield Path(path)


def make(folder: Path, *, mode: str = "serve", window: int = 4, count: int = 1) -> WorkerPool:
    source = f"FRAMES = {frames.__file__!r}\nMODE = {mode!r}\nWINDOW = {window}\n{WORKER}"
    (folder / "worker.py").write_text(source)
    return WorkerPool(
        [sys.executable, "-S", str(folder / "worker.py")],
        env=dict(os.environ),
        cwd=folder,
        count=count,
        log=folder / "log.txt",
        sockets=folder,
    )


@contextlib.asynccontextmanager
async def started(pool: WorkerPool) -> AsyncIterator[WorkerPool]:
    await pool.start(20)
    try:
        yield pool
    finally:
        await pool.stop(grace_s=1)


def ask(body: bytes) -> Request:
    return Request("POST", "/score?x=1", [("a", "b\r\nc: injected")], body)


def pid_of(response: Response) -> int:
    return int(response.body.split(b"|")[1])


def gone(pid: int) -> bool:
    end = time.monotonic() + 5
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_answers_come_back_to_who_asked(folder: Path) -> None:
    async def scenario() -> None:
        async with started(make(folder, count=2)) as pool:
            answers = await asyncio.gather(*(pool.call(ask(b"%d" % i)) for i in range(200)))
            assert [a.body.split(b"|")[0] for a in answers] == [b"%d" % i for i in range(200)]
            assert len({pid_of(a) for a in answers}) == 2
            assert answers[0].headers == [("A", "b"), ("C", "d")]
            assert pool.in_flight == 0
            assert pool.healthy

    asyncio.run(scenario())


def test_a_line_end_in_a_header_makes_no_header() -> None:
    assert ask(b"").head() == b"POST /score?x=1\na: b  c: injected"


@pytest.mark.parametrize(
    ("mode", "why"), [("refuse", "no model"), ("exit", "exited with code 4.*\n.*last words")]
)
def test_a_worker_that_cannot_boot_says_why(folder: Path, mode: str, why: str) -> None:
    async def scenario() -> None:
        pool = make(folder, mode=mode)
        with pytest.raises(WorkerFailed, match=why):
            await pool.start(20)
        assert pool.pids == []

    asyncio.run(scenario())


@pytest.mark.parametrize("mode", ["hang", "garbage"])
def test_a_worker_that_never_says_hello_is_given_up(folder: Path, mode: str) -> None:
    async def scenario() -> None:
        pool = make(folder, mode=mode)
        with pytest.raises(WorkerFailed, match="not ready within"):
            await pool.start(0.6)
        assert pool.pids == []

    asyncio.run(scenario())


def test_a_command_that_is_not_there_says_so(folder: Path) -> None:
    async def scenario() -> None:
        pool = WorkerPool(
            ["/no/such/python"], env={}, cwd=folder, count=1, log=folder / "l", sockets=folder
        )
        with pytest.raises(WorkerFailed, match="cannot start /no/such/python"):
            await pool.start(5)

    asyncio.run(scenario())


def test_a_crash_fails_what_ran_and_nothing_that_waited(folder: Path) -> None:
    async def scenario() -> None:
        async with started(make(folder)) as pool:
            before = pid_of(await pool.call(ask(b"x")))
            bodies = [b"die", *(b"%d" % i for i in range(20))]
            answers = await asyncio.gather(
                *(pool.call(ask(body)) for body in bodies), return_exceptions=True
            )
            assert isinstance(answers[0], WorkerFailed)
            rest = [a for a in answers[1:] if isinstance(a, Response)]
            assert [a.body.split(b"|")[0] for a in rest] == bodies[1:]
            assert {pid_of(a) for a in rest} != {before}

    asyncio.run(scenario())


def test_a_cancelled_call_leaves_the_others(folder: Path) -> None:
    async def scenario() -> None:
        async with started(make(folder, window=1)) as pool:
            slow = asyncio.create_task(pool.call(ask(b"sleep0.3")))
            queued = asyncio.create_task(pool.call(ask(b"queued")))
            last = asyncio.create_task(pool.call(ask(b"last")))
            await asyncio.sleep(0.05)
            slow.cancel()
            queued.cancel()
            assert (await last).body.startswith(b"last|")
            assert pool.in_flight == 0

    asyncio.run(scenario())


def test_a_worker_that_holds_a_request_too_long_is_replaced(folder: Path) -> None:
    async def scenario() -> None:
        async with started(make(folder)) as pool:
            pool.kill_after_s = 0.2
            with pytest.raises(WorkerFailed, match="killed by signal 9"):
                await pool.call(ask(b"sleep30"))
            assert (await pool.call(ask(b"x"))).body.startswith(b"x|")

    asyncio.run(scenario())


def test_a_pool_whose_workers_cannot_start_again_fails_what_waits(folder: Path) -> None:
    async def scenario() -> None:
        async with started(make(folder)) as pool:
            source = (folder / "worker.py").read_text()
            (folder / "worker.py").write_text(source.replace("MODE = 'serve'", "MODE = 'refuse'"))
            asked = [pool.call(ask(body)) for body in (b"die", b"1", b"2")]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert all(isinstance(answer, WorkerFailed) for answer in answers)
            assert "no model" in str(answers[2])
            assert not pool.healthy
            with pytest.raises(WorkerFailed, match="no model"):
                await pool.call(ask(b"3"))
            (folder / "worker.py").write_text(source)
            while not pool.healthy:
                await asyncio.sleep(0.05)
            assert (await pool.call(ask(b"4"))).body.startswith(b"4|")

    asyncio.run(scenario())


def test_a_request_too_large_for_a_frame_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with started(make(folder)) as pool:
            monkeypatch.setattr(frames, "MAX_BODY_BYTES", 100)
            with pytest.raises(frames.BadFrame):
                await pool.call(ask(b"x" * 101))
            assert pool.in_flight == 0

    asyncio.run(scenario())


def test_stopping_ends_workers_and_their_children(folder: Path) -> None:
    async def scenario() -> tuple[int, int]:
        async with started(make(folder)) as pool:
            answer = await pool.call(ask(b"child"))
            late = asyncio.create_task(pool.call(ask(b"sleep0.2")))
            await asyncio.sleep(0.05)
            await pool.stop()
            assert (await late).body.startswith(b"sleep0.2|")
            with pytest.raises(PoolStopped):
                await pool.call(ask(b"x"))
        return pid_of(answer), int(answer.body.split(b"|")[0])

    worker, child = asyncio.run(scenario())
    assert gone(worker)
    assert gone(child)
    assert list(folder.glob("*.s")) == []


def test_a_long_log_is_cut(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from emulators.kernel import workers

    monkeypatch.setattr(workers, "LOG_LIMIT_BYTES", 1000)
    monkeypatch.setattr(workers, "LOG_KEPT_BYTES", 100)
    log = folder / "log.txt"
    log.write_bytes(b"a" * 1500 + b"end")
    workers._cut(log)
    assert log.read_bytes() == b""
    assert (folder / "log.txt.1").read_bytes() == b"a" * 97 + b"end"


def test_a_socket_path_too_long_is_refused_at_once(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    with pytest.raises(ValueError, match="too long"):
        WorkerPool(["x"], env={}, cwd=tmp_path, count=1, log=tmp_path / "l", sockets=deep)


def test_the_scoring_worker_dies_with_a_killed_server(folder: Path) -> None:
    import subprocess

    (folder / "score.py").write_text("def init():\n    pass\n\ndef run(data):\n    return data\n")
    command = [sys.executable, "-m", "emulators.scoring", "serve", "--port", "0"]
    server = subprocess.Popen(
        [*command, "--entry-script", str(folder / "score.py"), "--log", str(folder / "log")],
        stdout=subprocess.PIPE,
        cwd=Path(frames.__file__).parents[2],
    )
    assert server.stdout is not None
    assert server.stdout.readline().startswith(b"listening on ")
    (worker,) = psutil.Process(server.pid).children()
    server.send_signal(signal.SIGKILL)
    server.wait()
    assert gone(worker.pid)
