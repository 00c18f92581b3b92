"""The pipeline corpus: each case is played, and every key of what it expects is checked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from emulators.datafactory.engine.runs.values import as_text
from emulators.datafactory.store import ActivityRun, PipelineRun
from tests.conformance.pipeline_play import Played, play

TOLERANCE_S = 0.5


def run(path: Path) -> dict[str, Any]:
    """Play every case under a folder, or the one in a file."""
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    passed, failed = 0, []
    for file in files:
        case = json.loads(file.read_text(encoding="utf-8"))
        problems = check(case)
        if problems:
            name = case.get("id", file.stem)
            failed.append({"id": name, "expected": case["expected"], "got": problems})
        else:
            passed += 1
    return {"passed": passed, "failed": failed}


def check(case: Mapping[str, Any]) -> list[str]:
    """What of a case's expectation does not hold."""
    expected = case["expected"]
    try:
        played = play(case)
    except Exception as error:
        return [f"broke: {type(error).__name__}: {error}"]
    if expected.get("deployError"):
        return _refusal(expected, played)
    if played.refused is not None:
        return [f"publishing refused it: {played.refused}"]
    problems = []
    for key, value in expected.items():
        if key == "unspecified":
            continue
        checker = CHECKS.get(key)
        if checker is None:
            problems.append(f"nobody checks the expectation '{key}'")
        else:
            problems += checker(value, played)
    return problems


def _refusal(expected: Mapping[str, Any], played: Played) -> list[str]:
    if played.refused is None:
        return ["publishing let it pass"]
    text = expected.get("messageContains", "")
    return [] if text in played.refused else [f"{text!r} is not in {played.refused!r}"]


def _differs(what: str, wanted: Any, got: Any) -> list[str]:
    return [] if wanted == got else [f"{what}: expected {wanted!r}, got {got!r}"]


def _main(played: Played) -> PipelineRun:
    return played.runs[0]


def _rows(played: Played, name: str, run: PipelineRun | None = None) -> list[ActivityRun]:
    return [r for r in played.rows[(run or _main(played)).id] if r.name == name]


def _last_attempts(rows: Iterable[ActivityRun]) -> list[ActivityRun]:
    last = {}
    for row in rows:
        last[row.path.rsplit("#", 1)[0]] = row
    return list(last.values())


def check_status(wanted: str, played: Played) -> list[str]:
    return _differs("status", wanted, _main(played).status)


def check_activities(
    wanted: Mapping[str, Any], played: Played, run: PipelineRun | None = None
) -> list[str]:
    problems = []
    for name, each in wanted.items():
        statuses = [row.status for row in _last_attempts(_rows(played, name, run))]
        ran = [status for status in statuses if status != "Skipped"]
        if each is None:
            problems += _differs(name, [], ran)
        elif isinstance(each, list):
            if Counter(each) not in (Counter(statuses), Counter(ran)):
                problems.append(f"{name}: expected {each!r}, got {statuses!r}")
        else:
            problems += _differs(name, each, statuses[-1] if statuses else None)
    return problems


def check_order(wanted: list[str], played: Played) -> list[str]:
    rows = [r for r in played.rows[_main(played).id] if r.name in wanted and r.status != "Skipped"]
    got = list(dict.fromkeys(row.name for row in rows))
    return _differs("order", wanted, got)


def _seconds(run: PipelineRun) -> float:
    if run.start is None or run.end is None:
        return float("nan")
    return (run.end - run.start).total_seconds()


def check_seconds(wanted: float, played: Played) -> list[str]:
    got = _seconds(_main(played))
    return [] if abs(got - wanted) <= TOLERANCE_S else [f"seconds: expected {wanted}, got {got}"]


def check_seconds_min(wanted: float, played: Played) -> list[str]:
    got = _seconds(_main(played))
    return [] if got >= wanted - TOLERANCE_S else [f"seconds: at least {wanted}, got {got}"]


def check_seconds_max(wanted: float, played: Played) -> list[str]:
    got = _seconds(_main(played))
    return [] if got <= wanted + TOLERANCE_S else [f"seconds: at most {wanted}, got {got}"]


def check_parallel(wanted: Mapping[str, int], played: Played) -> list[str]:
    problems = []
    for name, most in wanted.items():
        rows = [row for row in _rows(played, name) if row.end is not None]
        begun = [
            sum(1 for other in rows if other.start <= row.start < (other.end or row.start))
            for row in rows
        ]
        problems += _differs(f"parallel {name}", most, max(begun, default=0))
    return problems


def check_attempts(wanted: Mapping[str, int], played: Played) -> list[str]:
    got = {name: len(_rows(played, name)) for name in wanted}
    return _differs("attempts", dict(wanted), got)


def check_variables(wanted: Mapping[str, Any], played: Played) -> list[str]:
    held = _main(played).variables
    return _differs("variables", dict(wanted), {name: held.get(name) for name in wanted})


def check_variables_unordered(wanted: Mapping[str, list[Any]], played: Played) -> list[str]:
    held = _main(played).variables
    problems = []
    for name, values in wanted.items():
        got = sorted(map(json.dumps, held.get(name) or []))
        problems += _differs(name, sorted(map(json.dumps, values)), got)
    return problems


def _label(ask: Any) -> str:
    return f"{ask.method} {ask.url}"


def check_requests(wanted: list[str], played: Played) -> list[str]:
    return _differs("requests", wanted, [_label(ask) for ask in played.asked])


def _asked_by(key: str, played: Played) -> list[Any]:
    """Requests by `METHOD url`, by URL, or by the activity that sent them."""
    urls = {
        row.input.get("url")
        for row in _rows(played, key)
        if isinstance(row.input, dict) and row.input.get("url")
    }
    return [ask for ask in played.asked if key in (_label(ask), ask.url) or ask.url in urls]


def _paired(wanted: Any, played: Played) -> list[tuple[Any, Any]]:
    """Expectations with the requests they are of: a list by position, a map by `_asked_by`."""
    if isinstance(wanted, list):
        return [(each, ask) for each, ask in zip(wanted, played.asked, strict=False)]
    if isinstance(wanted, Mapping):
        known = {key: _asked_by(key, played) for key in wanted}
        if any(known.values()):
            return [(wanted[key], asks[0] if asks else None) for key, asks in known.items()]
    return [(wanted, played.asked[0] if played.asked else None)]


def check_bodies(wanted: Any, played: Played) -> list[str]:
    problems = []
    for each, ask in _paired(wanted, played):
        if ask is None:
            problems.append(f"no request has the body {each!r}")
            continue
        text = ask.body.decode()
        if isinstance(each, str):
            problems += _differs("body", each, text)
        else:
            problems += _differs("body", each, json.loads(text or "null"))
    return problems


def check_headers(wanted: Any, played: Played) -> list[str]:
    problems = []
    for each, ask in _paired(wanted, played):
        sent = {} if ask is None else {n.lower(): v for n, v in ask.headers.items()}
        for name, value in each.items():
            problems += _differs(f"header {name}", value, sent.get(name.lower()))
    return problems


def check_output_keys(wanted: Mapping[str, list[str]], played: Played) -> list[str]:
    problems = []
    for name, keys in wanted.items():
        rows = _last_attempts(_rows(played, name))
        output = rows[-1].output if rows else {}
        missing = [key for key in keys if key not in (output or {})]
        if missing:
            problems.append(f"output of {name} lacks {missing}")
    return problems


def check_errors(wanted: Mapping[str, Mapping[str, Any]], played: Played) -> list[str]:
    problems = []
    for name, each in wanted.items():
        rows = _last_attempts(_rows(played, name))
        error = rows[-1].error if rows else {}
        for key, value in each.items():
            if key == "messageContains":
                if str(value) not in str(error.get("message", "")):
                    problems.append(f"error of {name}: {value!r} is not in {error!r}")
            else:
                problems += _differs(f"{key} of {name}", value, error.get(key))
    return problems


def check_child_runs(wanted: list[Mapping[str, Any]], played: Played) -> list[str]:
    mine = {run.id for run in played.runs}
    children = [run for run in played.every_run if run.id not in mine]
    if len(children) != len(wanted):
        return [f"child runs: expected {len(wanted)}, got {len(children)}"]
    problems = []
    for each, run in zip(wanted, children, strict=True):
        problems += _differs("child's pipeline", each.get("pipeline", run.pipeline), run.pipeline)
        problems += _differs("child's status", each.get("status", run.status), run.status)
        for name, value in (each.get("parameters") or {}).items():
            got = run.parameters.get(name)
            if value not in (got, as_text(got)):
                problems.append(f"child's parameter {name}: expected {value!r}, got {got!r}")
    return problems


def check_runs(wanted: list[Mapping[str, Any]], played: Played) -> list[str]:
    if len(wanted) != len(played.runs):
        return [f"runs: expected {len(wanted)}, got {len(played.runs)}"]
    problems = []
    for at, each in enumerate(wanted):
        found = _check_run(each, played, played.runs[at])
        problems += [f"run {at}: {problem}" for problem in found]
    return problems


def _check_run(wanted: Mapping[str, Any], played: Played, run: PipelineRun) -> list[str]:
    problems = []
    for key, value in wanted.items():
        if key == "activities":
            problems += check_activities(value, played, run)
        elif key in RUN_FACTS:
            problems += _differs(key, value, RUN_FACTS[key](value, played, run))
        else:
            problems.append(f"nobody checks '{key}' of a run")
    return problems


def _near(wanted: float, moment: datetime | None, played: Played) -> float | None:
    """The second of a moment after the first run was asked for; `wanted` when it is that near."""
    if moment is None:
        return None
    got = (moment - played.runs[0].queued).total_seconds()
    return wanted if abs(got - wanted) <= TOLERANCE_S else got


RUN_FACTS: Mapping[str, Callable[[Any, Played, PipelineRun], Any]] = {
    "status": lambda wanted, played, run: run.status,
    "startSecond": lambda wanted, played, run: _near(wanted, run.start, played),
    "endSecond": lambda wanted, played, run: _near(wanted, run.end, played),
    "queuedBefore": lambda wanted, played, run: run.start is not None and run.start > run.queued,
    "sameRunGroup": lambda wanted, played, run: run.group == played.runs[0].group,
    "message": lambda wanted, played, run: run.message,
    "parameters": lambda wanted, played, run: {
        name: value
        if value in (run.parameters.get(name), as_text(run.parameters.get(name)))
        else run.parameters.get(name)
        for name, value in wanted.items()
    },
    "isLatest": lambda wanted, played, run: run.is_latest,
    "variables": lambda wanted, played, run: {name: run.variables.get(name) for name in wanted},
    "notExecutedAgain": lambda wanted, played, run: [
        name for name in wanted if not _rows(played, name, run)
    ],
}
"""What else can be expected of one of several runs, as it is."""


def check_user_properties(wanted: Mapping[str, Mapping[str, Any]], played: Played) -> list[str]:
    problems = []
    for name, each in wanted.items():
        rows = _last_attempts(_rows(played, name))
        got = dict(rows[-1].user_properties) if rows else {}
        problems += _differs(f"user properties of {name}", dict(each), got)
    return problems


def check_secrets(wanted: Mapping[str, list[str]], played: Played) -> list[str]:
    problems = []
    for name, texts in wanted.items():
        for row in _rows(played, name):
            shown = json.dumps([row.input, row.output, row.error], default=str)
            problems += [f"{name} shows {text!r}" for text in texts if text in shown]
    return problems


def check_message(wanted: str, played: Played) -> list[str]:
    return _differs("message", wanted, _main(played).message)


def check_message_contains(wanted: str, played: Played) -> list[str]:
    got = _main(played).message
    return [] if wanted in got else [f"{wanted!r} is not in the run's message {got!r}"]


CHECKS: Mapping[str, Callable[[Any, Played], list[str]]] = {
    "status": check_status,
    "activities": check_activities,
    "order": check_order,
    "virtualSeconds": check_seconds,
    "virtualSecondsMin": check_seconds_min,
    "virtualSecondsMax": check_seconds_max,
    "maxParallel": check_parallel,
    "attempts": check_attempts,
    "variables": check_variables,
    "variablesUnordered": check_variables_unordered,
    "requests": check_requests,
    "requestBody": check_bodies,
    "requestBodies": check_bodies,
    "requestHeaders": check_headers,
    "outputKeys": check_output_keys,
    "errors": check_errors,
    "childRuns": check_child_runs,
    "runs": check_runs,
    "userProperties": check_user_properties,
    "monitorMustNotContain": check_secrets,
    "message": check_message,
    "messageContains": check_message_contains,
    "deployError": lambda wanted, played: _differs(
        "deployError", bool(wanted), played.refused is not None
    ),
}
