"""`rehearse doctor`: one line and one remedy for each thing that must hold."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

import typer

from emulators.kernel import control
from emulators.kernel.folder import holder
from emulators.kernel.settings import Settings, client_environment_of_process

NEEDED = ("azure-ai-ml", "mlflow", "onnxruntime", "scikit-learn", "skl2onnx", "uv", "uvicorn")
LEAST_DISK_GIB = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked."""

    check: str
    ok: bool
    says: str
    remedy: str = ""


def report(settings: Settings, as_json: bool) -> int:
    """Print the findings; 0 when all hold, 1 otherwise."""
    found = [finding for check in CHECKS for finding in check(settings)]
    if as_json:
        typer.echo(json.dumps([asdict(f) for f in found], indent=1))
    else:
        for f in found:
            mark = typer.style("ok  ", fg="green") if f.ok else typer.style("bad ", fg="red")
            typer.echo(f"{mark} {f.check}: {f.says}" + ("" if f.ok else f"\n     → {f.remedy}"))
    return 0 if all(f.ok for f in found) else 1


def _python(settings: Settings) -> Iterator[Finding]:
    good = (3, 11) <= sys.version_info[:2] < (3, 14)
    yield Finding("python", good, sys.version.split()[0], "Use Python 3.11: `make setup`.")


def _packages(settings: Settings) -> Iterator[Finding]:
    for name in NEEDED:
        try:
            yield Finding(f"package {name}", True, version(name))
        except PackageNotFoundError:
            yield Finding(f"package {name}", False, "not installed", "Run `make setup`.")


def _host(settings: Settings) -> Iterator[Finding]:
    try:
        host = control.find(settings.state)
        host.ask("GET", "status")
    except control.NotRunning as down:
        pid = holder(settings.state.expanduser())
        if pid is not None:
            remedy = "Ask again in a moment; else `rehearse down`, and see run/host.log."
            yield Finding("host", False, str(down), remedy)
            return
        yield from _ports(settings)
    else:
        yield Finding("host", True, f"up, process {host.pid}, proxy {host.proxy}")


def _state(settings: Settings) -> Iterator[Finding]:
    folder = settings.state.expanduser().resolve()
    if not folder.exists():
        yield Finding("state folder", True, f"{folder} is made at the first `rehearse up`")
        return
    open_to = folder.stat().st_mode & 0o077
    yield Finding(
        "state folder", not open_to, str(folder), f"Run `chmod 700 {folder}`: others can read it."
    )


def _variables(settings: Settings) -> Iterator[Finding]:
    environ = client_environment_of_process()
    known = {f"REHEARSAL_{name.upper()}" for name in Settings.model_fields}
    ours = {name for name in environ if name.startswith("REHEARSAL_")}
    strange = sorted(ours - known - {n for n in ours if n.startswith("REHEARSAL_UPSTREAM_")})
    yield Finding(
        "variables",
        not strange,
        ", ".join(strange) + " mean nothing" if strange else "all are known",
        "See the README's settings.",
    )
    yield from _shell(environ)


def _shell(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether this shell was led to a host that is not there any more."""
    proxy = urlsplit(environ.get("HTTPS_PROXY", ""))
    if "REHEARSAL_UPSTREAM_HTTPS_PROXY" not in environ or proxy.port is None:
        return
    try:
        socket.create_connection((proxy.hostname, proxy.port), timeout=1).close()
    except OSError:
        says = f"led to {proxy.netloc}, where nothing answers"
        yield Finding("this shell", False, says, 'Run `rehearse up`, then eval "$(rehearse env)".')
    else:
        yield Finding("this shell", True, f"led to {proxy.netloc}")


def _docker(settings: Settings) -> Iterator[Finding]:
    if settings.runtime != "docker":
        return
    import docker

    remedy = "Start Docker or name it in DOCKER_HOST, or run your code with --runtime venv."
    try:
        found = docker.from_env(timeout=10).version()["Version"]
    except docker.errors.DockerException as absent:
        yield Finding("docker", False, f"no engine answers: {absent}", remedy)
    else:
        yield Finding("docker", True, f"engine {found}")


def _ports(settings: Settings) -> Iterator[Finding]:
    ports = {
        "proxy": settings.proxy_port, "explicit": settings.explicit_port, "tds": settings.tds_port,
    }  # fmt: skip
    for name, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.host, port))
                yield Finding(f"{name} port", True, f"{port} is free")
            except OSError as taken:
                remedy = "Start with `rehearse up --ports auto`."
                yield Finding(f"{name} port", False, f"{port}: {taken.strerror}", remedy)


def _certificates(settings: Settings) -> Iterator[Finding]:
    file = settings.state.expanduser() / "tls" / "bundle.pem"
    if not file.exists():
        yield Finding("certificates", True, "made at the first `rehearse up`")
        return
    key = file.with_name("authority.pem")
    private = key.exists() and key.stat().st_mode & 0o077 == 0
    yield Finding(
        "certificates", private, str(file), f"Run `chmod 600 {key}`; others can read the key."
    )


def _disk(settings: Settings) -> Iterator[Finding]:
    folder = settings.cache_dir.expanduser()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 2**30
    yield Finding(
        "disk",
        free > LEAST_DISK_GIB,
        f"{free:.0f} GiB free for environments",
        f"Delete old environments in {settings.cache_dir}.",
    )


CHECKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    _python,
    _packages,
    _state,
    _variables,
    _host,
    _docker,
    _certificates,
    _disk,
)
