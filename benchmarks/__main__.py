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
)  # fmt: skip
HEAD = """# Performance

Every figure is measured against a named peer or limit in the same interleaved run, so that a busy
machine is busy for both: read the ratios, not the absolute figures. `make bench` rewrites this
page; `python -m benchmarks.NAME --help` says what one benchmark does.
"""


def main() -> None:
    """Run them one after the other; a benchmark that fails is said to have failed."""
    known = [name for name in MODULES if (Path(__file__).parent / f"{name}.py").exists()]
    wanted = [name for name in sys.argv[1:] if name in known] or known
    parts = [HEAD, _conditions()]
    for name in wanted:
        print(f"… {name}", file=sys.stderr, flush=True)
        about = (import_module(f"benchmarks.{name}").__doc__ or name).strip().splitlines()[0]
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}"],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        shown = done.stdout.strip() if done.returncode == 0 else "The run failed."
        body = shown if shown.startswith("|") else f"```text\n{shown}\n```"
        parts.append(f"## {name}\n\n{about}\n\n{body}\n")
    PAGE.write_text("\n".join(parts), encoding="utf-8")


def _conditions() -> str:
    today = datetime.datetime.now(tz=datetime.UTC).date()
    return (
        f"Measured {today} on {os.cpu_count()} cores, {platform.machine()}, {platform.system()},"
        f" CPython {platform.python_version()}, loopback, load average"
        f" {os.getloadavg()[0]:.1f} at the start.\n"
    )


if __name__ == "__main__":
    main()
