"""A parent that has imported what jobs import, and forks for each; knows no job, only Python."""

from __future__ import annotations

import array
import contextlib
import gc
import importlib
import importlib.machinery
import os
import runpy
import signal
import socket
import sys
import threading
import time
import traceback
import types
from typing import Any, Iterator, NoReturn

HERE = os.path.dirname(os.path.abspath(__file__))
if sys.path and os.path.abspath(sys.path[0]) != HERE:
    sys.path.insert(0, HERE)
import leash  # type: ignore[import-not-found]  # noqa: E402  (a sibling)

_TASKS = "/proc/self/task"


def threads() -> int:
    """Count the threads of this process, native ones too where the system tells."""
    try:
        return len(os.listdir(_TASKS))
    except OSError:
        return threading.active_count()


def preload(wanted: list[str]) -> tuple[str, str] | None:
    """Import what is there; return the name after which we must not fork, and why.

    An import that failed half-way leaves modules behind that a job would not have.

    Args:
        wanted: "package.module", or "package.module:name" where the name may be a module too.
    """
    for entry in wanted:
        before = threads()
        module, _, name = entry.partition(":")
        try:
            found = importlib.import_module(module)
            if name and not hasattr(found, name):
                importlib.import_module("%s.%s" % (module, name))
        except BaseException as problem:
            # A name that is simply not there is met again by the job, in its own log.
            if getattr(problem, "name", None) not in (module, "%s.%s" % (module, name)):
                return entry, "does not import here (%r)" % (problem,)
        if threads() > before:
            return entry, "starts threads"
    return None


class Variables:
    """What importing asked of the environment variables, and what it changed there."""

    def __init__(self) -> None:
        self.before = dict(os.environ)
        self.read: set[str] = set()  # by name
        self.listed = False  # somebody went through all of them

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Take notes while the body imports."""
        kind: Any = type(os.environ)
        get, walk = kind.__getitem__, kind.__iter__

        def noting_get(environ: Any, name: Any) -> Any:
            if sys._getframe(1).f_code.co_name != "__iter__":  # `items()` names them all
                self.read.add(str(name))
            return get(environ, name)

        def noting_walk(environ: Any) -> Any:
            self.listed = True
            return walk(environ)

        kind.__getitem__, kind.__iter__ = noting_get, noting_walk
        try:
            yield
        finally:
            kind.__getitem__, kind.__iter__ = get, walk
            self.after = dict(os.environ)

    def apply(self, env: dict[str, str]) -> dict[str, str]:
        """Return a job's variables as they are once it has imported the same."""
        done = dict(env)
        for name in self.before.keys() | self.after.keys():
            old, new = self.before.get(name), self.after.get(name)
            if old != new and env.get(name) == old:
                if new is None:
                    done.pop(name, None)
                else:
                    done[name] = new
        return done


def take(control: socket.socket) -> socket.socket | None:
    """Wait for the next job's connection; None when the server is gone."""
    room = socket.CMSG_SPACE(array.array("i", [0]).itemsize)
    data, extra, _, _ = control.recvmsg(1, room)
    if not data:
        return None
    descriptors = array.array("i")
    for level, kind, content in extra:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    connection = socket.socket(fileno=descriptors[0])
    connection.set_inheritable(False)
    return connection


def serve(control: socket.socket) -> dict[str, Any] | None:
    """Fork for every connection that comes.

    Returns:
        In a job's process, its request; in the parent None, when the server is gone.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # leashes need no reaping
    while True:
        connection = take(control)
        if connection is None:
            return None
        if os.fork() == 0:
            control.close()
            return lead(connection)
        connection.close()


def lead(connection: socket.socket) -> dict[str, Any]:
    """Be the leash of one job; only the job's own process returns, with its request."""
    try:
        os.setsid()
        request: dict[str, Any] = leash.receive(connection)
        if leash.lead(connection, request):
            connection.detach()  # its descriptor is closed already
            return request
    except BaseException:
        traceback.print_exc()
    os._exit(0)


def become(request: dict[str, Any], variables: dict[str, str], path: list[str]) -> None:
    """Give this process the environment and arguments that a new interpreter would have.

    Args:
        request: what to run; see `leash`.
        variables: the whole environment.
        path: module search path of this interpreter, without any script's folder.
    """
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
    sys.argv = list(request["arguments"])
    if hasattr(sys, "orig_argv"):
        sys.orig_argv = list(request["argv"])
    sys.executable = os.path.join(os.path.dirname(sys.executable), request["argv"][0])
    sys.path[:] = path
    for name in ("leash", "runner"):
        sys.modules.pop(name, None)
    if request.get("unbuffered"):
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(write_through=True)  # type: ignore[union-attr]
    _refresh(sys.modules)
    importlib.invalidate_caches()


def _refresh(modules: dict[str, Any]) -> None:
    """Undo what modules remembered of the parent."""
    tempfile = modules.get("tempfile")
    if tempfile is not None:
        tempfile.tempdir = None
    process = modules.get("multiprocessing.process")
    if process is not None:
        process.ORIGINAL_DIR = os.getcwd()
    gunicorn = modules.get("gunicorn.config")
    if gunicorn is not None:  # MLflow brings it along; it remembers the folder it is loaded in
        gunicorn.Chdir.default = os.getcwd()
    numpy_random = modules.get("numpy.random")
    if numpy_random is not None:  # the standard library's generator reseeds by itself
        numpy_random.seed()


def run(request: dict[str, Any]) -> None:
    """Run the request's script or module as `__main__`."""
    main = types.ModuleType("__main__")
    vars(main).update(__builtins__=sys.modules["builtins"], __annotations__={})
    sys.modules["__main__"] = main
    if request.get("module"):
        sys.path.insert(0, os.getcwd())
        module_runner: Any = runpy
        module_runner._run_module_as_main(request["module"])
        return
    script = request["script"]
    sys.path.insert(0, os.path.dirname(os.path.realpath(script)))
    if sys.version_info >= (3, 9):
        script = os.path.join(os.getcwd(), script)
    loader = importlib.machinery.SourceFileLoader("__main__", script)
    vars(main).update(__file__=script, __cached__=None, __loader__=loader)
    with open(script, "rb") as file:
        code = compile(file.read(), script, "exec", dont_inherit=True)
    exec(code, vars(main))


def finish(request: dict[str, Any]) -> NoReturn:
    """Run the request and leave as the interpreter would, without our own frames in sight."""
    try:
        run(request)
    except SystemExit:
        raise
    except BaseException as problem:
        trace = problem.__traceback__
        while trace is not None and _ours(trace.tb_frame.f_code.co_filename):
            trace = trace.tb_next
        sys.excepthook(type(problem), problem.with_traceback(trace), trace)
        sys.exit(130 if isinstance(problem, KeyboardInterrupt) else 1)
    sys.exit(0)


def _ours(filename: str) -> bool:
    return filename == __file__ or filename in ("<frozen runpy>", runpy.__file__)


def main() -> None:
    """Import what the first line on the inherited socket names, then fork for who comes."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    leash.prctl(leash.SET_PDEATHSIG, signal.SIGKILL)
    wanted = leash.receive(control)["modules"]
    path = [entry for entry in sys.path if os.path.abspath(entry) != HERE]
    sys.path[:] = path
    began = time.monotonic()
    variables = Variables()
    with variables.watched():
        culprit = preload(wanted)
    if culprit is not None:
        leash.tell(control, event="culprit", module=culprit[0], why=culprit[1])
        return
    gc.collect()
    gc.freeze()
    leash.tell(
        control,
        event="ready",
        seconds=time.monotonic() - began,
        read=sorted(variables.read),
        listed=variables.listed,
        packages=sorted({name.partition(".")[0] for name in sys.modules}),
    )
    request = serve(control)
    if request is None:
        os._exit(0)
    become(request, variables.apply(request["env"]), path)
    finish(request)


if __name__ == "__main__":
    main()
