"""Run every benchmark and write docs/performance.md: `make bench`."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import sys
from importlib import import_module
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
MODULES = (
    "control_plane", "scoring", "gateway", "storage", "warm_runner", "jobs", "batch", "scenario",
    "datafactory_runs",
    "expressions", "warehouse_rows", "predict",
)  # fmt: skip
HEAD = """# Performance

Every figure is measured against a named peer or limit in the same interleaved run, so that a busy
machine is busy for both: read the ratios, not the absolute figures. `make bench` rewrites this
page; `python -m benchmarks.NAME --help` says what one benchmark does.
"""


def main() -> None:
    """Run all, or those named, one after the other; the others' sections stay as they are."""
    known = [name for name in MODULES if (Path(__file__).parent / f"{name}.py").exists()]
    wanted = [name for name in sys.argv[1:] if name in known] or known
    sections = _sections()
    for name in wanted:
        print(f"… {name}", file=sys.stderr, flush=True)
        sections[name] = _section(name)
    parts = [HEAD, *(sections[name] for name in known if name in sections)]
    PAGE.write_text("\n".join(parts), encoding="utf-8")


def _sections() -> dict[str, str]:
    """The page's sections as they are, by benchmark."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    parts = text.split("\n## ")[1:]
    return {part.partition("\n")[0]: f"## {part.rstrip()}\n" for part in parts}


def _section(name: str) -> str:
    conditions = _conditions()
    about = (import_module(f"benchmarks.{name}").__doc__ or name).strip().splitlines()[0]
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    # The SDK prints dots while it waits, ahead of a benchmark's first line.
    shown = done.stdout.strip().lstrip(".") if done.returncode == 0 else "The run failed."
    body = shown if shown.startswith("|") else f"```text\n{shown}\n```"
    return f"## {name}\n\n{about}\n\n{body}\n\n{conditions}"


def _conditions() -> str:
    today = datetime.datetime.now(tz=datetime.UTC).date()
    return (
        f"Measured {today} on {os.cpu_count()} cores, {platform.machine()}, {platform.system()},"
        f" CPython {platform.python_version()}, loopback, load average"
        f" {os.getloadavg()[0]:.1f} at the start.\n"
    )


if __name__ == "__main__":
    main()
