"""Rewrite the generated parts of the documentation: `python -m tests.docs.generate`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from emulators.commands.coverage import packages
from emulators.kernel import catalogue
from emulators.kernel.settings import Settings

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"(<!-- generated: ([\w-]+)(?: ([\w.-]+))? -->\n).*?(<!-- end -->)", re.DOTALL)


def settings(_: str) -> str:
    """Every knob, from the class that reads it."""
    rows = ["| setting | default | |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        rows.append(f"| `{name}` | {default} | {field.description} |")
    return "\n".join(rows)


def coverage(_: str) -> str:
    """How many operations each emulator serves and refuses."""
    rows = ["| emulator | served | refused by name |", "| --- | ---: | ---: |"]
    for package in packages():
        count = Counter(row.status for row in catalogue.rows(package))
        name = package.rpartition(".")[2]
        rows.append(f"| {name} | {count['served']} | {count['refused']} |")
    return "\n".join(rows)


def operations(name: str) -> str:
    """What one emulator's catalogue serves, and what it refuses and why."""
    found = catalogue.rows(f"emulators.{name}")
    served = [f"`{row.name}`" for row in found if row.status == "served"]
    rows = ["Served: " + ", ".join(sorted(set(served))) + ".", ""]
    refused = [row for row in found if row.status == "refused"]
    if refused:
        rows += ["| refused | why |", "| --- | --- |"]
        rows += [f"| `{row.name}` | {row.why} |" for row in refused]
    return "\n".join(rows).rstrip()


MAKERS: dict[str, Callable[[str], str]] = {
    "settings": settings,
    "coverage": coverage,
    "operations": operations,
}


def pages() -> list[Path]:
    """Every page of the documentation."""
    return [
        *sorted(ROOT.glob("*.md")),
        *sorted((ROOT / "docs").glob("*.md")),
        *sorted((ROOT / "emulators").glob("*/README.md")),
        *sorted(ROOT.glob("scenarios/**/README.md")),
        *sorted(ROOT.glob("data/**/README.md")),
    ]


def rewritten(text: str) -> str:
    """A page with its generated parts made anew."""
    return BLOCK.sub(lambda m: f"{m[1]}\n{MAKERS[m[2]](m[3] or '')}\n\n{m[4]}", text)


def main() -> None:
    """Rewrite every page that is not current."""
    for page in pages():
        text = page.read_text(encoding="utf-8")
        wanted = rewritten(text)
        if wanted != text:
            page.write_text(wanted, encoding="utf-8")
            print("rewrote", page.relative_to(ROOT))


if __name__ == "__main__":
    main()
