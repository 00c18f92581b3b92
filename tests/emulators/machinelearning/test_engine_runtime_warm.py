"""Warm runners: a fork tells nothing a new interpreter would not, and starts at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import psutil
import pytest

from emulators.machinelearning.engine.runtime import builder, interpreters
from emulators.machinelearning.engine.runtime.launch import Limits
from emulators.machinelearning.engine.runtime.runtimes import (
    Definition,
    Launch,
    Outcome,
    Prepared,
    Runtimes,
)
from emulators.machinelearning.engine.runtime.warm import LOG

ENV = {"PATH": os.defpath, "HOME": "/nowhere", "MINE": "1", "LANG": "C.UTF-8"}


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp() / "runtime-cache"  # one for all test files


class Bench:
    """A façade with a code folder, in one event loop."""

    def __init__(self, cache: Path, folder: Path, cold: bool = False) -> None:
        self.runtimes = Runtimes(cache, folder / "run", cold=cold)
        self.folder = folder
        self.code = folder / "code"
        self.code.mkdir(exist_ok=True)
        self.prepared: Prepared | None = None
        self.count = 0

    def write(self, name: str, text: str) -> None:
        path = self.code / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    async def begin(self, command: Any, env: dict[str, str] | None = None, **limits: Any) -> Any:
        if self.prepared is None:
            self.prepared = await self.runtimes.prepare(Definition(requirements=("iniconfig",)))
        self.count += 1
        self.log = self.folder / f"log-{self.runtimes.cold}-{self.count}"
        launch = Launch(command, self.code, ENV | (env or {}), self.log, Limits(**limits))
        return await self.runtimes.start(self.prepared, launch, self.code)

    async def run(self, command: Any, env: dict[str, str] | None = None) -> tuple[Outcome, str]:
        process = await self.begin(command, env)
        outcome = await process.wait()
        self.warm = process.warm
        return outcome, self.log.read_text()


Work = Callable[[Bench], Coroutine[Any, Any, Any]]


def bench(cache: Path, folder: Path, work: Work, cold: bool = False) -> Any:
    async def inner() -> Any:
        one = Bench(cache, folder, cold)
        try:
            return await work(one)
        finally:
            await one.runtimes.close()

    return asyncio.run(inner())


PROBE = """
    import iniconfig, os, sys, json, __main__, threading, signal
    if __name__ == "__main__":
        print(sys.argv, sys.path[0], [p for p in sys.path if "inside" in p])
        print(sorted(vars(__main__)), __file__, type(__loader__).__name__, __package__)
        print(getattr(__spec__, "name", None), os.getcwd(), os.getsid(0) == os.getpid())
        print(json.dumps(dict(os.environ), sort_keys=True))
        print(sorted(n for n in sys.modules if n in ("leash", "runner")))
        print(os.popen("echo $MINE $OTHER").read().strip(), sys.stdin.read() == "", sys.executable)
        print(sys.stdout.encoding, sys.stdout.line_buffering, sys.stdout.write_through)
        print([signal.getsignal(n) for n in (2, 13, 15, 17)], threading.active_count())
        print(sorted(os.listdir("/proc/self/fd"))[:3], sys.prefix, sys.flags.dev_mode)
        print(getattr(sys, "orig_argv", [""]))
"""
FINISHES = """
    import iniconfig, sys, atexit, threading, time
    how = sys.argv[1]
    atexit.register(print, "at exit")
    def late():
        time.sleep(0.1)
        print("late")
    threading.Thread(target=late).start()
    kept = open("kept-" + sys.argv[2] + "-" + how, "w")
    kept.write("x" * 10)
    class Mine(Exception): pass
    def inner():
        try:
            {}["a"]
        except KeyError:
            raise Mine("deep")
    if how == "raise": inner()
    if how == "hook":
        sys.excepthook = lambda *a: print("hooked", a[0].__name__)
        inner()
    if how == "text": sys.exit("said")
    if how == "number": sys.exit(5)
    if how == "none": sys.exit()
    if how == "hard":
        import os
        os._exit(9)
    if how == "import": import not_there
    print("err", file=sys.stderr)
"""
PROCESSES = """
    import iniconfig, multiprocessing, os, sys
    def square(x): return x * x
    if __name__ == "__main__":
        with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
            print(pool.map(square, range(4)))
        print(multiprocessing.current_process().name, multiprocessing.parent_process())
"""
COMMANDS = [
    "python probe.py 'a b' --c",
    "python -u probe.py",
    "python sub/../probe.py",
    "OTHER=2 python3 link.py",
    "python -m probe x",
    "python -m package.module y",
    "python -m package",
    "python broken.py",
    *(f"python finishes.py {how} 0" for how in ("raise", "hook", "text", "number", "none", "hard")),
    "python finishes.py import 0",
    "python finishes.py end 0",
    "python processes.py fork",
    "python processes.py spawn",
]


def minors() -> list[str]:
    known = interpreters.installed(builder.uv_program())
    return sorted({f"{one.version.major}.{one.version.minor}" for one in known})


@pytest.mark.parametrize("python", ["3.8", "3.11", "3.13"])
def test_a_fork_is_like_a_new_interpreter(cache: Path, tmp_path: Path, python: str) -> None:
    """Same output to the byte, same exit code, for scripts that look at everything they can."""
    if python not in minors():
        pytest.skip(f"this machine has no Python {python}")
    definition = Definition(requirements=("iniconfig==2.0.0",), python=python)

    async def work(one: Bench) -> list[Any]:
        for name, text in (("probe", PROBE), ("finishes", FINISHES), ("processes", PROCESSES)):
            one.write(f"{name}.py", text)
        one.write("sub/placeholder.py", "")
        one.write("package/__init__.py", "")
        one.write("package/module.py", PROBE)
        one.write("package/__main__.py", PROBE)
        one.write("broken.py", "import iniconfig\nthis is no Python\n")
        if not (one.code / "link.py").exists():
            (one.code / "link.py").symlink_to(one.code / "probe.py")
        one.prepared = await one.runtimes.prepare(definition)
        results = []
        for command in COMMANDS:
            outcome, text = await one.run(command)
            results.append((command, outcome.code, text))
            assert one.warm != one.runtimes.cold, command
            kept = sorted(path.read_text() for path in one.code.glob("kept-*"))
            results.append(("kept", len(kept), "".join(kept)))
            for path in one.code.glob("kept-*"):
                path.unlink()
        return results

    warm = bench(cache, tmp_path, work)
    cold = bench(cache, tmp_path, work, cold=True)
    for one, other in zip(warm, cold, strict=True):
        assert one[:2] == other[:2]
        assert one[2].splitlines() == other[2].splitlines(), one[0]


def test_what_is_started_again_starts_at_once(cache: Path, tmp_path: Path) -> None:
    async def work(one: Bench) -> list[float]:
        one.write("a.py", "import time\nprint(time.time())\nimport iniconfig\n")
        await one.run("python a.py", {"AZUREML_RUN_ID": "0", "MLFLOW_RUN_ID": "x"})
        taken = []
        for n in range(5):
            began = time.time()
            _, text = await one.run("python a.py", {"AZUREML_RUN_ID": str(n), "STEP": str(n)})
            assert one.warm
            taken.append(float(text) - began)
        assert len([1 for name, _ in one.runtimes.processes() if name == "warm runner"]) == 1
        return taken

    assert min(bench(cache, tmp_path, work)) < 0.3


def test_random_numbers_differ_between_forks(cache: Path, tmp_path: Path) -> None:
    async def work(one: Bench) -> set[str]:
        one.write("a.py", "import random, iniconfig, uuid, tempfile\nprint(random.random())\n")
        return {(await one.run("python a.py"))[1] for _ in range(4)}

    assert len(bench(cache, tmp_path, work)) == 4


def test_a_fork_is_limited_and_ended_like_any_process(cache: Path, tmp_path: Path) -> None:
    async def work(one: Bench) -> None:
        one.write("a.py", SLEEPS)
        process = await one.begin("python a.py")
        assert process.warm
        while not one.log.exists() or len(one.log.read_text().split()) < 2:
            await asyncio.sleep(0.02)
        outcome = await process.cancel(grace=0.2)
        assert outcome.reason == "Cancelled"
        assert not any(psutil.pid_exists(int(pid)) for pid in one.log.read_text().split())
        timed = await (await one.begin("python a.py", seconds=0.2)).wait()
        assert timed.reason == "TimedOut"
        one.write("b.py", "import iniconfig, time\nx = bytearray(150 << 20)\ntime.sleep(60)\n")
        big = await (await one.begin("python b.py", memory=100 << 20)).wait()
        assert big.reason == "OutOfMemory"

    bench(cache, tmp_path, work)


SLEEPS = """
    import iniconfig, os, subprocess, signal, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(os.getpid(), subprocess.Popen(["sleep", "300"], start_new_session=True).pid)
    time.sleep(300)
"""


def test_jobs_outlive_the_runner_that_forked_them_but_not_the_server(
    cache: Path, tmp_path: Path
) -> None:
    async def work(one: Bench) -> None:
        one.write("a.py", "import iniconfig, time\ntime.sleep(0.5)\nprint('done')\n")
        process = await one.begin("python a.py")
        runner = dict(one.runtimes.processes())["warm runner"]
        psutil.Process(runner).kill()
        assert (await process.wait()).last_lines == ("done",)
        again = await one.begin("python a.py")
        assert again.warm
        assert (await again.wait()).ok

    bench(cache, tmp_path, work)


def test_a_package_that_starts_threads_is_left_to_the_job(tmp_path: Path) -> None:
    definition = Definition(requirements=("iniconfig==2.0.0", "pluggy==1.5.0"))
    threads = "import threading, time\nthreading.Thread(target=time.sleep, args=(2,)).start()\n"

    async def work(one: Bench) -> None:
        one.prepared = await one.runtimes.prepare(definition)
        site = next((one.prepared.folder or Path()).glob("lib/*/site-packages"))
        (site / "threads.py").write_text(threads)
        one.write("a.py", "import iniconfig, pluggy, threads, sys\nprint('ran')\n")
        _, text = await one.run("python a.py")
        assert one.warm
        assert text == "ran\n"
        assert "threads starts threads" in (one.folder / "run" / LOG).read_text()

    bench(tmp_path / "cache", tmp_path, work)


def test_the_folder_that_gunicorn_remembers_is_the_jobs_own(tmp_path: Path) -> None:
    """MLflow imports it, and it reads PWD while it is imported: that must not end warm starts."""

    async def work(one: Bench) -> None:
        one.prepared = await one.runtimes.prepare(Definition(requirements=("iniconfig==2.0.0",)))
        site = next((one.prepared.folder or Path()).glob("lib/*/site-packages"))
        (site / "gunicorn").mkdir()
        (site / "gunicorn" / "__init__.py").write_text("from gunicorn import config\n")
        (site / "gunicorn" / "config.py").write_text(
            "import os\nclass Chdir:\n    default = os.environ.get('PWD', os.getcwd())\n"
        )
        source = "import gunicorn, os\nprint(gunicorn.config.Chdir.default == os.getcwd())"
        one.write("a.py", source)
        _, text = await one.run("python a.py", {"PWD": str(one.folder)})
        assert one.warm
        assert text == "True\n"

    bench(tmp_path / "cache", tmp_path, work)


def test_an_import_that_failed_half_way_leaves_nothing_to_the_job(tmp_path: Path) -> None:
    """It left modules of the first try in the job's process, which no new process would have."""
    definition = Definition(requirements=("iniconfig==2.0.0",))
    fails_once = (
        "import os, half.part\n"
        "first = os.path.join(os.path.dirname(__file__), 'first')\n"
        "if not os.path.exists(first):\n"
        "    open(first, 'w').close()\n"
        "    raise OSError('not this time')\n"
    )

    async def work(one: Bench) -> None:
        one.prepared = await one.runtimes.prepare(definition)
        site = next((one.prepared.folder or Path()).glob("lib/*/site-packages"))
        (site / "half").mkdir()
        (site / "half" / "part.py").write_text("import os\nloaded_in = os.getpid()\n")
        (site / "half" / "__init__.py").write_text(fails_once)
        one.write("a.py", "import iniconfig, half, os\nprint(half.part.loaded_in == os.getpid())")
        _, text = await one.run("python a.py")
        assert one.warm
        assert text == "True\n"
        assert "half does not import here" in (one.folder / "run" / LOG).read_text()

    bench(tmp_path / "cache", tmp_path, work)


@pytest.mark.parametrize(
    ("imports", "env"),
    [
        ("import iniconfig", {"PYTHONPATH": "/tmp"}),
        ("import os", {}),
        ("import kills", {}),
    ],
)
def test_where_there_is_no_warm_start_there_is_a_cold_one(
    tmp_path: Path, imports: str, env: dict[str, str]
) -> None:
    async def work(one: Bench) -> None:
        one.prepared = await one.runtimes.prepare(Definition(requirements=("iniconfig==2.0.0",)))
        site = next((one.prepared.folder or Path()).glob("lib/*/site-packages"))
        (site / "kills.py").write_text("import os, sys\n'runner' in sys.argv[0] and os._exit(1)")
        one.write("a.py", f"{imports}\nprint('ran')\n")
        for _ in range(2):
            _, text = await one.run("python a.py", env)
            assert not one.warm
            assert text == "ran\n"

    bench(tmp_path / "cache", tmp_path, work)


def test_parents_are_limited_in_number_and_in_idle_time(cache: Path, tmp_path: Path) -> None:
    async def work(one: Bench) -> None:
        one.write("a.py", "import iniconfig\n")
        one.runtimes.warm_runners.idle = 0.3
        one.runtimes.warm_runners.most = 1
        await one.run("python a.py", {"PYTHONHASHSEED": "1"})
        await one.run("python a.py", {"PYTHONHASHSEED": "2"})
        assert len(one.runtimes.processes()) == 1
        await asyncio.sleep(0.6)
        assert one.runtimes.processes() == []

    bench(cache, tmp_path, work)


SERVER = """
    import asyncio, sys
    from pathlib import Path
    from emulators.machinelearning.engine.runtime.runtimes import *

    async def main():
        cache, here = map(Path, sys.argv[1:])
        runtimes = Runtimes(cache, here / "run")
        prepared = await runtimes.prepare(Definition(requirements=("iniconfig",)))
        launch = Launch("python a.py", here, {"PATH": "/bin:/usr/bin"}, here / "log")
        process = await runtimes.start(prepared, launch, here)
        pids = [pid for _, pid in runtimes.processes()]
        (here / "pids").write_text(f"{process.warm} {pids}")
        await process.wait()

    asyncio.run(main())
"""


def test_parents_and_forks_die_with_a_server_that_is_killed(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import iniconfig, time\ntime.sleep(300)\n")
    server = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SERVER), str(cache), str(tmp_path)]
    )
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "pids").exists() or not (tmp_path / "pids").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        server.kill()
        server.wait()
    warm, _, pids = (tmp_path / "pids").read_text().partition(" ")
    assert warm == "True"
    left = [int(pid) for pid in pids.strip("[]").split(",")]
    assert len(left) == 2
    psutil.wait_procs([psutil.Process(pid) for pid in left if psutil.pid_exists(pid)], timeout=10)
    assert not any(psutil.pid_exists(pid) for pid in left)


MLFLOW = """
    import mlflow, numpy, sys
    from sklearn.linear_model import LogisticRegression
    assert mlflow.get_tracking_uri() == sys.argv[1], mlflow.get_tracking_uri()
    with mlflow.start_run() as run:
        mlflow.log_metric("a", 1.5)
        mlflow.log_param("drawn", numpy.random.rand())
    print(run.info.run_id, mlflow.get_run(run.info.run_id).data.params["drawn"])
"""


def test_mlflow_logs_from_forks_each_to_its_own_place(tmp_path: Path) -> None:
    """MLflow reads where to log when it logs, not while it is imported in the parent."""
    stores = [tmp_path / "0.db", tmp_path / "1.db"]

    async def work(one: Bench) -> list[str]:
        one.write("a.py", MLFLOW)
        one.prepared = await one.runtimes.prepare(Definition(runtime="host"))
        said: list[str] = []
        for store in stores:
            if said:
                shutil.copy(stores[0], store)  # making its tables anew would take MLflow long
            uri = f"sqlite:///{store}"
            env = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
            outcome, text = await one.run(["python", "a.py", uri], env)
            assert outcome.ok, text
            assert one.warm, (one.folder / "run" / LOG).read_text()
            said.append(outcome.last_lines[-1])
        return said

    lines = bench(tmp_path / "cache", tmp_path, work)
    (first, drawn), (second, again) = (line.split() for line in lines)
    assert drawn != again  # numpy was seeded anew
    assert [runs_of(store) for store in stores] == [{first: 1.5}, {first: 1.5, second: 1.5}]


def runs_of(store: Path) -> dict[str, float]:
    with contextlib.closing(sqlite3.connect(store)) as open_store:
        return dict(open_store.execute("select run_uuid, value from metrics").fetchall())
