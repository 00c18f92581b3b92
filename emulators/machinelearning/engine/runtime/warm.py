"""Warm runners: one importing parent an environment, found, started, limited and let go."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from emulators.machinelearning.engine.runtime import variables
from emulators.machinelearning.engine.runtime.commands import PythonCommand
from emulators.machinelearning.engine.runtime.definition import Prepared
from emulators.machinelearning.engine.runtime.imports import top_level
from emulators.machinelearning.engine.runtime.launch import Launch
from emulators.machinelearning.engine.runtime.process import (
    LeashedProcess,
    NotStarted,
    Stream,
    request_of,
)
from emulators.machinelearning.engine.runtime.variables import ParentVariables

RUNNER = Path(__file__).parent / "inside" / "runner.py"
LOG = "warm.log"  # what parents print, and why jobs start cold
MOST = 3  # parents at a time
IDLE = 600.0  # seconds without a job after which a parent goes
MOST_ALIKE = 2  # parents of one kind that only variables tell apart
PATIENCE = 180.0  # seconds a parent may take to import everything
_MOST_CULPRITS = 8  # imports that may turn out not to be shareable before we give up


@dataclass(slots=True)
class _Runner:
    """One parent process."""

    python: Path
    variables: ParentVariables
    modules: frozenset[str]
    control: socket.socket
    process: asyncio.subprocess.Process
    used: float = 0.0  # loop time
    idle: asyncio.TimerHandle | None = None

    def alive(self) -> bool:
        return self.process.returncode is None and self.control.fileno() >= 0

    def let_go(self) -> None:
        """Close its connection, at which it exits; jobs it forked go on."""
        if self.idle is not None:
            self.idle.cancel()
        self.control.close()


@dataclass(slots=True)
class WarmRunners:
    """The parents of one server. Whatever goes wrong here ends in `NotStarted`: start cold."""

    folder: Path  # for what parents print
    most: int = MOST
    idle: float = IDLE  # seconds
    _runners: list[_Runner] = field(default_factory=list)
    _culprits: dict[Path, set[str]] = field(default_factory=dict)  # python -> not to preload
    _hopeless: set[tuple[Path, frozenset[str]]] = field(default_factory=set)
    _turns: dict[tuple[Path, frozenset[str]], asyncio.Lock] = field(default_factory=dict)

    async def start(
        self,
        prepared: Prepared,
        launch: Launch,
        command: PythonCommand,
        env: dict[str, str],
        modules: frozenset[str],
    ) -> LeashedProcess:
        """Fork a job from a parent that has imported `modules`, made first if need be.

        Raises:
            NotStarted: start it cold.
        """
        full = {**env, **command.env}
        runner = await self.ready(prepared, full, modules)
        stream, theirs = await Stream.pair()
        process = LeashedProcess(stream, launch, warm=True)
        with theirs:
            try:
                socket.send_fds(runner.control, [b"j"], [theirs.fileno()])
            except OSError as gone:
                stream.close()
                self._forget(runner)
                raise NotStarted(f"the warm runner is gone: {gone}") from None
        if isinstance(launch.command, str):
            full |= _as_from_bash(full, launch, prepared.python.parent / command.argv[0])
        request = request_of(launch, full) | {
            "argv": list(command.argv),
            "arguments": list(command.arguments),
            "script": command.script,
            "module": command.module,
            "unbuffered": command.unbuffered,
        }
        try:
            await stream.send(request)
        except BaseException:
            stream.close()
            raise
        return await process.begin(timeout=20)

    async def ready(
        self, prepared: Prepared, env: Mapping[str, str], modules: frozenset[str]
    ) -> _Runner:
        """Return a parent that has imported `modules` in this environment.

        Raises:
            NotStarted: there cannot be one.
        """
        reason = variables.unfit(env)
        if reason:
            raise NotStarted(reason)
        what = (prepared.python, modules)
        async with self._turns.setdefault(what, asyncio.Lock()):
            runner = self._find(prepared.python, env, modules)
            if runner is None:
                if what in self._hopeless:
                    raise NotStarted("its imports do not bear a warm runner")
                try:
                    runner = await self._make(prepared.python, env, modules)
                except (NotStarted, OSError, TimeoutError) as problem:
                    self._give_up(what, str(problem))
                    raise NotStarted(str(problem)) from None
                self._make_room()
                self._runners.append(runner)
            self._touch(runner)
        return runner

    def processes(self) -> list[int]:
        """Return the process ids of the parents."""
        return [runner.process.pid for runner in self._runners if runner.alive()]

    async def close(self) -> None:
        """Let every parent go and wait for its end."""
        runners, self._runners = self._runners, []
        for runner in runners:
            runner.let_go()
        await asyncio.gather(*(_ended(runner.process) for runner in runners))

    def _find(
        self, python: Path, env: Mapping[str, str], modules: frozenset[str]
    ) -> _Runner | None:
        differ: list[frozenset[str]] = []
        for runner in tuple(self._runners):
            if not runner.alive():
                self._forget(runner)
            elif runner.python == python and modules <= runner.modules:
                names = runner.variables.in_the_way(env)
                if not names:
                    return runner
                differ.append(names)
        if len(differ) >= MOST_ALIKE:
            names = frozenset.intersection(*differ)
            self._give_up((python, modules), f"imports read what always differs: {sorted(names)}")
        return None

    def _give_up(self, what: tuple[Path, frozenset[str]], why: str) -> None:
        self._hopeless.add(what)
        self._note(f"{what[0]}: jobs start cold: {why}")

    def _make_room(self) -> None:
        while len(self._runners) >= self.most:
            self._forget(min(self._runners, key=lambda runner: runner.used))

    def _touch(self, runner: _Runner) -> None:
        loop = asyncio.get_running_loop()
        runner.used = loop.time()
        if runner.idle is not None:
            runner.idle.cancel()
        runner.idle = loop.call_later(self.idle, self._forget, runner)

    def _forget(self, runner: _Runner) -> None:
        runner.let_go()
        if runner in self._runners:
            self._runners.remove(runner)

    def _note(self, line: str) -> None:
        with (self.folder / LOG).open("a", encoding="utf-8") as log:
            log.write(line + "\n")

    async def _make(self, python: Path, env: Mapping[str, str], modules: frozenset[str]) -> _Runner:
        """Start a parent; once more without each import that cannot be shared."""
        culprits = self._culprits.setdefault(python, set())
        env = variables.parents(env)
        for _ in range(_MOST_CULPRITS):
            wanted = sorted(entry for entry in modules if top_level(entry) not in culprits)
            if not wanted:
                break
            stream, control, process = await _spawn(python, env, self.folder)
            try:
                await stream.send({"modules": wanted})
                event = await asyncio.wait_for(stream.receive(), PATIENCE)
            except BaseException:
                control.close()
                process.kill()
                raise
            finally:
                stream.close()
            if event and event["event"] == "ready":
                noted = ParentVariables(
                    env, frozenset(event["read"]), event["listed"], frozenset(event["packages"])
                )
                return _Runner(python, noted, modules, control, process)
            control.close()
            await _ended(process)
            if not event:
                raise NotStarted("the warm runner ended while importing")
            culprits.add(top_level(event["module"]))
            self._note(f"{python}: {event['module']} {event['why']}: left to each job")
        raise NotStarted("its imports cannot be shared")


def _as_from_bash(env: Mapping[str, str], launch: Launch, program: Path) -> dict[str, str]:
    """Return the variables that a shell sets for the one command it is told to run."""
    return {"PWD": str(launch.cwd), "SHLVL": env.get("SHLVL", "0"), "_": str(program)}


async def _spawn(
    python: Path, env: dict[str, str], folder: Path
) -> tuple[Stream, socket.socket, asyncio.subprocess.Process]:
    """Start a parent.

    Returns:
        A stream for its first words, a second descriptor of the same connection for handing over
        jobs, and its process.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    stream, theirs, control = await Stream.pair_and_control()
    with theirs, (folder / LOG).open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(str(python), str(RUNNER), str(theirs.fileno())),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=env,
            cwd=folder,
            start_new_session=True,
        )
    return stream, control, process


async def _ended(process: asyncio.subprocess.Process) -> None:
    try:
        await asyncio.wait_for(process.wait(), 5)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
