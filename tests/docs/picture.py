"""Draw docs/demo.svg from a real run of `make demo`: `python -m tests.docs.picture`."""

from __future__ import annotations

import re
import subprocess
from io import StringIO

from rich.console import Console
from rich.highlighter import RegexHighlighter
from rich.theme import Theme

from tests.docs.generate import ROOT

WIDTH = 118
SHOWN = re.compile(r"^ *[\d.]+ s [✔✘] |^Rehearsal is up|^Next:|] Step |^succeeded|^failed")
FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""The drawing uses the reader's own monospace font: nothing is fetched to show it."""


class Marks(RegexHighlighter):
    """Colours for what the eye looks for."""

    base_style = "demo."
    highlights = (
        r"(?P<good>✔|succeeded)",
        r"(?P<bad>✘|failed:)",
        r"(?P<time>^ *[\d.]+ s)",
        r"(?P<log>^ +\|.*)",
    )


def main() -> None:
    """Run the demo and keep what a person would read of it."""
    done = subprocess.run(["make", "demo"], cwd=ROOT, capture_output=True, text=True, check=True)
    theme = Theme(
        {"demo.good": "bold green", "demo.bad": "bold red", "demo.time": "cyan", "demo.log": "dim"}
    )
    console = Console(
        record=True, width=WIDTH, file=StringIO(), force_terminal=True, theme=theme,
        highlighter=Marks(),
    )  # fmt: skip
    console.print("[bold]$ make demo[/]")
    for line in done.stdout.splitlines():
        if SHOWN.search(line):
            console.print(line, markup=False, no_wrap=True, overflow="ellipsis", crop=True)
    svg = FONTS.sub("", console.export_svg(title="Rehearsal"))
    (ROOT / "docs" / "demo.svg").write_text(svg.replace("\xa0", "&#160;"), encoding="utf-8")


if __name__ == "__main__":
    main()
