"""Pages are current: generated parts, links, the two commands, and code that runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.generate import ROOT, pages, rewritten
from tests.running import Rehearsal

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
RUN = ("python", "bash")
"""Fences in these languages run; `sh`, `text` and the rest are to be read."""


def blocks() -> list[tuple[Path, int, str, str]]:
    found = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            if match[1] in RUN:
                line = text.count("\n", 0, match.start()) + 1
                found.append((page, line, match[1], match[2]))
    return found


@pytest.mark.parametrize("page", pages(), ids=lambda p: str(p.relative_to(ROOT)))
def test_generated_parts_are_current(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert rewritten(text) == text, "run `make docs`"


@pytest.mark.parametrize("page", pages(), ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    broken = [to for to in LINK.findall(text) if not (page.parent / to).exists()]
    assert not broken


def test_readme_opens_with_the_two_commands_and_a_picture() -> None:
    opening = (ROOT / "README.md").read_text(encoding="utf-8")[:1500]
    assert "make demo" in opening
    assert "make test" in opening
    assert "](docs/demo.svg)" in opening


@pytest.mark.parametrize(
    ("page", "line", "language", "code"),
    blocks(),
    ids=[f"{page.relative_to(ROOT)}:{line}" for page, line, _, _ in blocks()],
)
def test_code_in_pages_runs(
    page: Path, line: int, language: str, code: str, rehearsal: Rehearsal, tmp_path: Path
) -> None:
    """Python and bash blocks run as they stand, by the variables that `rehearse env` prints."""
    folder = str(Path(sys.executable).parent)
    env = {
        **os.environ,
        **rehearsal.env,
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "REHEARSAL_STATE": str(tmp_path / "state"),
        "REHEARSAL_PROXY_PORT": "0",
        "REHEARSAL_EXPLICIT_PORT": "0",
        "REHEARSAL_MLFLOW": "false",
    }
    command = [sys.executable, "-c", code]
    if language == "bash":
        # A page's steps build on each other: this one may need what an earlier one started.
        script = f"set -euo pipefail\ntrap 'rehearse down >/dev/null 2>&1 || true' EXIT\n{code}"
        starts = "rehearse up" in code
        command = ["bash", "-c", script if starts else f"rehearse up --detach\n{script}"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tmp_path, env=env, timeout=180
    )
    assert done.returncode == 0, done.stdout + done.stderr
