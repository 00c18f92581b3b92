"""A pipeline run as a Gantt chart, in text and as SVG, from its stored rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any

from emulators.datafactory.engine.definitions import Activity, pipeline_of
from emulators.datafactory.store import ActivityRun, PipelineRun

if TYPE_CHECKING:
    from rich.text import Text

MARKS = {
    "Succeeded": "✓",
    "Failed": "✗",
    "Cancelled": "■",
    "InProgress": "▶",
    "Skipped": "·",
    "Inactive": "○",
}
COLOURS = {
    "Succeeded": "green",
    "Failed": "red",
    "Cancelled": "yellow",
    "InProgress": "blue",
    "Queued": "cyan",
    "Canceling": "yellow",
    "Skipped": "bright_black",
    "Inactive": "bright_black",
}
"""Status -> colour on a terminal."""
WIDEST = 140
"""Columns beyond which a chart in text is no easier to read."""
BARELESS = frozenset({"Skipped", "Inactive"})
STEPS_S = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
)  # fmt: skip
"""Distances of the axis' ticks, in seconds."""
_PASS = re.compile(r"\[\d+\]$")


@dataclass(frozen=True, slots=True)
class Line:
    """One activity run in the chart; times in seconds after the run's start."""

    label: str
    depth: int
    row: ActivityRun
    begin_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A run laid out: its lines from top to bottom, and how long it has taken so far."""

    run: PipelineRun
    lines: tuple[Line, ...]
    length_s: float


def laid_out(run: PipelineRun, rows: Iterable[ActivityRun]) -> Chart:
    """Lines in the order of starts, what is inside a container under it, pass by pass."""
    rows = sorted(rows, key=lambda row: row.sequence)
    zero = run.start or run.queued
    moments = [m for row in rows for m in (row.start, row.end) if m is not None]
    until = run.end or max([*moments, run.updated or zero])
    lines = []
    for label, depth, row in _tree(rows):
        begin, end = _after(zero, row.start), _after(zero, row.end or until)
        lines.append(Line(label, depth, row, begin, max(begin, end)))
    return Chart(run, tuple(lines), max(0.0, _after(zero, until)))


def _after(zero: datetime, moment: datetime) -> float:
    return (moment - zero).total_seconds()


def _tree(rows: Sequence[ActivityRun]) -> Iterator[tuple[str, int, ActivityRun]]:
    inside: dict[str, list[ActivityRun]] = {}
    for row in rows:
        inside.setdefault(_container(row.path), []).append(row)
    known = {_activity(row.path) for row in rows}
    for container in list(inside):  # of a run that is shown in part
        if container not in known:
            inside.setdefault("", []).extend(inside.pop(container) if container else [])

    def under(container: str, depth: int) -> Iterator[tuple[str, int, ActivityRun]]:
        held = sorted(inside.get(container, []), key=lambda row: (_passes(row), row.sequence))
        last = {_activity(row.path): row for row in held}
        for row in held:
            yield _label(row), depth, row
            if last[_activity(row.path)] is row:
                yield from under(_activity(row.path), depth + 1)

    yield from under("", 0)


def _activity(path: str) -> str:
    """A path without the attempt."""
    return path.rsplit("#", 1)[0]


def _container(path: str) -> str:
    """The activity in which an activity run is, "" at the top: `Each[2]/If` of `Each[2]/If/A#0`."""
    return _PASS.sub("", path.rpartition("/")[0])


def _passes(row: ActivityRun) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\[(\d+)\](?=/)", row.path))


def _label(row: ActivityRun) -> str:
    numbers = "".join(f"[{number}]" for number in _passes(row)[-1:])
    attempt = f", attempt {row.attempt + 1}" if row.attempt else ""
    return f"{row.name}{numbers}{attempt}"


def span(seconds: float) -> str:
    """A length of time for people: `0.25 s`, `4 min 30 s`, `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.2f}".rstrip("0").rstrip(".") + " s"
    whole = round(seconds)
    if whole < 3600:
        rest = f" {whole % 60} s" if whole % 60 else ""
        return f"{whole // 60} min{rest}"
    minutes = whole // 60 % 60
    hours = whole // 3600
    head = f"{hours // 24} d {hours % 24} h" if hours >= 48 else f"{hours} h"
    return f"{head} {minutes} min" if minutes else head


def text(run: PipelineRun, rows: Iterable[ActivityRun], width: int = 100) -> Text:
    """The chart for a terminal of `width` columns; `str()` of it is plain text."""
    from rich.text import Text

    chart = laid_out(run, rows)
    labels = [f"{'  ' * line.depth}{line.label}" for line in chart.lines]
    left = min(max([8, *map(len, labels)]), max(12, width // 3))
    room = max(10, width - left - 16)
    found = Text()
    found.append(f"{run.pipeline} ", style="bold")
    found.append(f"{run.status} ", style=COLOURS.get(run.status, ""))
    found.append(f"{span(chart.length_s)}  {run.id}\n")
    if run.message:
        found.append(f"{run.message}\n", style="red")
    for label, line in zip(labels, chart.lines, strict=True):
        status = line.row.status
        colour = COLOURS.get(status, "")
        cut = label if len(label) <= left else f"{label[: left - 1]}…"
        found.append(f"{cut:<{left}} ")
        found.append(f"{MARKS.get(status, ' ')} ", style=colour)
        found.append(_bar(line, chart.length_s, room), style=colour)
        took = status.lower() if status in BARELESS else span(line.end_s - line.begin_s)
        found.append(f" {took}\n")
    axis = span(chart.length_s)
    found.append(f"{'':<{left + 3}}0{axis:>{max(1, room - 1)}}\n", style="bright_black")
    return found


def _bar(line: Line, length_s: float, room: int) -> str:
    if length_s <= 0:
        first, last = 0, 1
    else:
        first = min(room - 1, int(line.begin_s / length_s * room))
        last = max(first + 1, round(line.end_s / length_s * room))
    drawn = "·" if line.row.status in BARELESS else "█" * (last - first)
    return f"{' ' * first}{drawn}".ljust(room)[:room]


SEPARATED = "\u00a0· "
LEFT, AREA, RIGHT, ROW, TOP = 250, 640, 110, 24, 66
STYLE = """
.page{fill:#ffffff}.ink{fill:#1f2328}.soft{fill:#59636e}.grid{stroke:#d1d9e0;stroke-width:1}
.stripe{fill:#f6f8fa}.Succeeded{fill:#1a7f37}.Failed{fill:#cf222e}.Cancelled{fill:#bf8700}
.InProgress{fill:#0969da}.Skipped,.Inactive{fill:#818b98}.wrong{fill:#cf222e}
text{font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif;font-size:12px}
.title{font-size:15px;font-weight:600}
@media (prefers-color-scheme:dark){.page{fill:#0d1117}.ink{fill:#f0f6fc}.soft{fill:#9198a1}
.grid{stroke:#3d444d}.stripe{fill:#151b23}.Succeeded{fill:#3fb950}.Failed,.wrong{fill:#f85149}
.Cancelled{fill:#d29922}.InProgress{fill:#4493f8}.Skipped,.Inactive{fill:#656c76}}
""".replace("\n", "")


def svg(run: PipelineRun, rows: Iterable[ActivityRun]) -> str:
    """The chart as one SVG document; its colours follow the reader's light or dark scheme."""
    chart = laid_out(run, rows)
    bottom = TOP + ROW * len(chart.lines)
    width, height = LEFT + AREA + RIGHT, bottom + 34
    head = f"{run.pipeline}: {run.status}, {span(chart.length_s)}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" role="img" aria-label="{escape(head)}">',
        f"<title>{escape(head)}</title><style>{STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height}" rx="8"/>',
        f'<text class="ink title" x="16" y="27">{escape(run.pipeline)}</text>',
        f'<text x="16" y="47"><tspan class="{run.status}">{run.status}</tspan>'
        f'<tspan class="soft">{SEPARATED}{span(chart.length_s)}{SEPARATED}{escape(run.id)}</tspan>'
        f'<tspan class="wrong">{escape(_short(run.message, 90, SEPARATED))}</tspan></text>',
    ]
    parts += [
        f'<rect class="stripe" x="8" y="{y}" width="{width - 16}" height="{ROW}"/>'
        for y in range(TOP + ROW, bottom, 2 * ROW)
    ]
    parts += _axis(chart, bottom)
    parts += [part for at, line in enumerate(chart.lines) for part in _drawn(chart, line, at)]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _short(words: str, most: int, before: str = "") -> str:
    line = " ".join(words.split())
    return "" if not line else before + (line if len(line) <= most else f"{line[: most - 1]}…")


def _x(chart: Chart, second: float) -> float:
    return LEFT + (second / chart.length_s * AREA if chart.length_s > 0 else 0.0)


def _axis(chart: Chart, bottom: int) -> Iterator[str]:
    wanted = chart.length_s / 8
    step = next((each for each in STEPS_S if each >= wanted), STEPS_S[-1])
    while chart.length_s / step > 12:
        step *= 2
    tick = 0
    while tick <= chart.length_s + 1e-9:
        x = _x(chart, tick)
        yield f'<line class="grid" x1="{x:.1f}" y1="{TOP - 4}" x2="{x:.1f}" y2="{bottom + 4}"/>'
        yield (
            f'<text class="soft" x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">'
            f"{span(tick) if tick else '0'}</text>"
        )
        tick += step


def _drawn(chart: Chart, line: Line, at: int) -> Iterator[str]:
    y = TOP + ROW * at
    status = line.row.status
    took = span(line.end_s - line.begin_s)
    said = f"{line.label} ({line.row.type}): {status}, {took}"
    if line.row.error.get("message"):
        said += f"\n{line.row.error.get('errorCode')}: {line.row.error['message']}"
    yield f"<g><title>{escape(said)}</title>"
    indent = 16 + 14 * line.depth
    shown = escape(_short(line.label, max(8, (LEFT - indent) // 7)))
    yield f'<text class="ink" x="{indent}" y="{y + 16}">{shown}</text>'
    begin = _x(chart, line.begin_s)
    if status in BARELESS:
        yield f'<circle class="{status}" cx="{begin:.1f}" cy="{y + 12}" r="3"/>'
    else:
        length = max(2.0, _x(chart, line.end_s) - begin)
        yield (
            f'<rect class="{status}" x="{begin:.1f}" y="{y + 5}" width="{length:.1f}" height="14"'
            ' rx="3"/>'
        )
    after = status.lower() if status in BARELESS else f"{MARKS.get(status, '')} {took}"
    yield f'<text class="soft" x="{LEFT + AREA + 12}" y="{y + 16}">{escape(after)}</text></g>'


def of_wire(
    run: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], definition: Mapping[str, Any]
) -> tuple[PipelineRun, list[ActivityRun]]:
    """A run and its activity runs from what the service shows of them.

    `definition` is the pipeline's `properties`: with it the chart knows what is inside what.
    """
    begun = _moment(run["runStart"])
    shown = PipelineRun(
        factory="",
        id=run["runId"],
        pipeline=run["pipelineName"],
        group=run.get("runGroupId") or run["runId"],
        status=run["status"],
        definition={},
        parameters={},
        invoked_by={},
        trigger={},
        queued=begun,
        start=begun,
        end=_moment(run["runEnd"]) if run.get("runEnd") else None,
        updated=_moment(run["lastUpdated"]) if run.get("lastUpdated") else None,
        message=run.get("message") or "",
    )
    holders = dict(_holders(pipeline_of(shown.pipeline, definition).activities, ()))
    passes: dict[tuple[str, str], int] = {}
    found = []
    for at, row in enumerate(rows):
        holder = holders.get(row["activityName"], ())
        path = _wire_path(row, holder, passes)
        found.append(_wire_row(row, path, at))
    return shown, found


def _holders(
    activities: Sequence[Activity], holder: tuple[Activity, ...]
) -> Iterator[tuple[str, tuple[Activity, ...]]]:
    for activity in activities:
        yield activity.name, holder
        for branch in activity.branches:
            yield from _holders(branch.activities, (*holder, activity))


def _wire_path(
    row: Mapping[str, Any], holder: Sequence[Activity], passes: dict[tuple[str, str], int]
) -> str:
    """The path a row has in the store; passes are numbered as they began."""
    parts = []
    for container in holder:
        if container.kind in ("foreach", "until"):
            key = (container.name, str(row.get("iterationHash") or ""))
            known = sum(1 for name, _ in passes if name == container.name)
            parts.append(f"{container.name}[{passes.setdefault(key, known)}]")
        else:
            parts.append(container.name)
    return "/".join([*parts, f"{row['activityName']}#{row.get('retryAttempt') or 0}"])


def _wire_row(row: Mapping[str, Any], path: str, at: int) -> ActivityRun:
    end = row.get("activityRunEnd")
    return ActivityRun(
        run=row["pipelineRunId"],
        id=row["activityRunId"],
        name=row["activityName"],
        type=row["activityType"],
        path=path,
        sequence=at,
        status=row["status"],
        start=_moment(row["activityRunStart"]),
        end=_moment(end) if end else None,
        error=dict(row.get("error") or {}),
        attempt=row.get("retryAttempt") or 0,
    )


def _moment(text: str) -> datetime:
    # The service writes seven digits of a second; the last is beyond what is kept here.
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
