"""Processes on their leash: started, logged, limited, ended as a whole, dead with the server."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from emulators.machinelearning.engine.runtime.launch import Launch, Limits, Outcome
from emulators.machinelearning.engine.runtime.process import LeashedProcess, start_cold


def launch(tmp_path: Path, command: Any, **limits: Any) -> Launch:
    return Launch(
        command=command,
        cwd=tmp_path,
        env={"PATH": f"{Path(sys.executable).parent}:{os.defpath}", "GREETING": "hello"},
        log=tmp_path / "log.txt",
        limits=Limits(**limits),
    )


async def begun(one: Launch) -> LeashedProcess:
    return await start_cold(one, dict(one.env))


def run(one: Launch) -> Outcome:
    async def work() -> Outcome:
        return await (await begun(one)).wait()

    return asyncio.run(work())


async def until(true: Any, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.02)


def written(path: Path) -> bool:
    return path.exists() and path.read_text().strip() != ""


def test_output_of_both_streams_is_kept_in_order(tmp_path: Path) -> None:
    done = run(launch(tmp_path, "echo one; echo two >&2; echo three; pwd; echo $GREETING"))
    assert done.ok
    assert done.code == 0
    assert done.last_lines == ("one", "two", "three", str(tmp_path), "hello")
    assert (tmp_path / "log.txt").read_text().splitlines()[:3] == ["one", "two", "three"]


def test_exit_code_and_last_lines_of_a_failure(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("from before\n")
    done = run(launch(tmp_path, ["bash", "-c", "seq 1 30; exit 7"]))
    assert (done.reason, done.code, done.signal) == ("Failed", 7, None)
    assert done.last_lines == tuple(str(n) for n in range(11, 31))
    assert (tmp_path / "log.txt").read_text().startswith("from before\n1\n")
    assert "code 7" in done.sentence()


def test_last_lines_are_only_its_own(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("from before\n")
    assert run(launch(tmp_path, "true")).last_lines == ()


@pytest.mark.parametrize(
    ("command", "code"), [(["no-such-program"], 127), (["/etc/passwd"], 126), ("nope-nope", 127)]
)
def test_a_command_that_cannot_start_says_so_in_the_log(
    tmp_path: Path, command: Any, code: int
) -> None:
    done = run(launch(tmp_path, command))
    assert (done.reason, done.code) == ("Failed", code)
    assert done.last_lines


def test_a_folder_that_is_not_there_says_so_in_the_log(tmp_path: Path) -> None:
    missing = Launch("true", tmp_path / "gone", {"PATH": os.defpath}, tmp_path / "log.txt")
    done = run(missing)
    assert done.code == 126
    assert "gone" in done.last_lines[-1]


def test_a_signal_from_elsewhere_is_a_kill(tmp_path: Path) -> None:
    done = run(launch(tmp_path, "kill -9 $$"))
    assert (done.reason, done.code, done.signal) == ("Killed", None, 9)
    done = run(launch(tmp_path, "bash -c 'kill -9 $$'; exit $?"))
    assert (done.reason, done.code, done.signal) == ("Killed", 137, 9)


def test_time_limit(tmp_path: Path) -> None:
    done = run(launch(tmp_path, "echo before; sleep 60", seconds=0.3))
    assert done.reason == "TimedOut"
    assert done.seconds < 10
    assert done.last_lines == ("before",)


def test_memory_limit_counts_all_processes_together(tmp_path: Path) -> None:
    hold = "import time; x = bytearray(80 << 20); time.sleep(60)"
    command = f'python -c "{hold}" & python -c "{hold}" & wait'
    done = run(launch(tmp_path, command, memory=120 << 20))
    assert done.reason == "OutOfMemory"
    assert done.seconds < 20


def test_memory_below_the_limit_is_left_alone(tmp_path: Path) -> None:
    done = run(launch(tmp_path, "python -c 'x = bytearray(20 << 20)'; sleep 0.5", memory=500 << 20))
    assert done.ok


def test_cores_bound_the_processors(tmp_path: Path) -> None:
    done = run(launch(tmp_path, ["python", "-c", CORES], cores=1))
    assert done.last_lines == ("1",)


CORES = "import os; print(len(os.sched_getaffinity(0)))"


def test_cancel_ends_grandchildren_too_even_those_in_sessions_of_their_own(tmp_path: Path) -> None:
    command = (
        "setsid sleep 300 & echo $! >> pids; (trap '' TERM; sleep 301) & echo $! >> pids; "
        "(sleep 302 & echo $! >> pids); echo ready > ready; wait"
    )

    async def work() -> Outcome:
        process = await begun(launch(tmp_path, command))
        await until(lambda: written(tmp_path / "ready"))
        return await process.cancel(grace=0.3)

    done = asyncio.run(work())
    assert done.reason == "Cancelled"
    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 3
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_process_may_use_its_grace_to_clean_up(tmp_path: Path) -> None:
    command = "trap 'echo cleaned; exit 3' TERM; echo ready > ready; while :; do sleep 0.05; done"

    async def work() -> Outcome:
        process = await begun(launch(tmp_path, command))
        await until(lambda: written(tmp_path / "ready"))
        return await process.cancel(grace=10)

    done = asyncio.run(work())
    assert (done.reason, done.code) == ("Cancelled", 3)
    assert done.last_lines[-1] == "cleaned"
    assert done.seconds < 9


def test_what_a_command_leaves_behind_is_ended(tmp_path: Path) -> None:
    done = run(launch(tmp_path, "setsid nohup sleep 300 & echo $!"))
    assert done.ok
    assert done.seconds < 5
    assert not psutil.pid_exists(int(done.last_lines[-1]))


def test_much_output_stays_out_of_memory(tmp_path: Path) -> None:
    before = psutil.Process().memory_info().rss
    done = run(launch(tmp_path, "yes 0123456789012345678901234567890123456789 | head -c 80000000"))
    assert done.ok
    assert (tmp_path / "log.txt").stat().st_size == 80_000_000
    assert psutil.Process().memory_info().rss - before < 20 << 20


def test_waiting_twice_and_being_cancelled_while_waiting_are_harmless(tmp_path: Path) -> None:
    async def work() -> tuple[Outcome, Outcome]:
        process = await begun(launch(tmp_path, "sleep 0.5; echo end"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process.wait(), 0.05)
        return await process.wait(), await process.cancel()

    first, second = asyncio.run(work())
    assert first.ok
    assert first == second


def test_a_start_that_is_cancelled_starts_nothing(tmp_path: Path) -> None:
    async def work() -> None:
        for turns in range(0, 12, 2):
            start = asyncio.create_task(begun(launch(tmp_path, ["sleep", "1234"])))
            for _ in range(turns):
                await asyncio.sleep(0)
            start.cancel()
            with pytest.raises(asyncio.CancelledError):
                await start
        await until(lambda: not [p for p in psutil.process_iter() if sleeping(p)])

    asyncio.run(work())


def sleeping(process: psutil.Process) -> bool:
    try:
        return "1234" in process.cmdline()
    except psutil.Error:
        return False


def test_a_lost_leash_takes_its_process_along(tmp_path: Path) -> None:
    async def work() -> Outcome:
        process = await begun(launch(tmp_path, "echo $$ > pid; exec sleep 300"))
        await until(lambda: written(tmp_path / "pid"))
        leash = psutil.Process(process.pid).parent()
        assert leash is not None
        leash.kill()
        return await process.wait()

    assert asyncio.run(work()).reason == "Lost"
    pid = int((tmp_path / "pid").read_text())
    asyncio.run(until(lambda: not alive(pid)))


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


SERVER = """
    import asyncio, os, sys
    from pathlib import Path
    from emulators.machinelearning.engine.runtime.launch import Launch
    from emulators.machinelearning.engine.runtime.process import start_cold

    async def main():
        here = Path(sys.argv[1])
        command = "setsid sleep 300 & echo $! > away; echo $$ > pid; exec sleep 301"
        launch = Launch(command, here, {"PATH": os.defpath}, here / "log.txt")
        await (await start_cold(launch, dict(launch.env))).wait()

    asyncio.run(main())
"""


def test_everything_dies_with_a_server_that_is_killed(tmp_path: Path) -> None:
    server = subprocess.Popen([sys.executable, "-c", textwrap.dedent(SERVER), str(tmp_path)])
    try:
        asyncio.run(until(lambda: written(tmp_path / "pid") and written(tmp_path / "away")))
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()
    for name in ("pid", "away"):
        pid = int((tmp_path / name).read_text())
        asyncio.run(until(lambda pid=pid: not alive(pid)))
