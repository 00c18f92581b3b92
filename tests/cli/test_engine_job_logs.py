"""A job's logs, read while they are written, with those of its children."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.commands.job_logs import CHUNK, JobLog, LogFile, find
from emulators.commands.logs import show_job


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(text)


STD, EXECUTION = "user_logs/std_log.txt", "logs/azureml/executionlogs.txt"


def test_steps_trials_and_nested_pipelines_speak_under_their_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = tmp_path / "jobs" / "workspace"
    write(jobs / "p", EXECUTION, "[t] Step prep started as a1\n[t] Step inner started as a2\n")
    write(jobs / "a1", STD, "prepared\nno newline")
    (jobs / "a1" / "wd").mkdir()
    write(jobs / "a2", EXECUTION, "[t] Step tune started as a3\n")
    write(jobs / "a3", STD, "a3_0 started: x=1\na3_0 Completed after 1.0 s\n")
    write(jobs / "a3_0", STD, "epoch 1\n[t] Step fake started as p\n")
    (jobs / "a3_0" / "wd").mkdir()
    show_job(tmp_path, "p", follow=False, as_json=False)
    said = capsys.readouterr().out.splitlines()
    assert "[prep] prepared" in said
    assert "[prep] no newline" in said
    assert "[inner/tune/trial 0] epoch 1" in said
    assert len(said) == len(set(said)) == 9
    show_job(tmp_path, "a3", follow=False, as_json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"line": "epoch 1", "job": "trial 0"} in lines
    assert {"line": "a3_0 started: x=1"} in lines


def test_more_lines_than_are_printed_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"line {n} {'x' * 90}" for n in range(3 * CHUNK // 100)]
    write(tmp_path / "jobs" / "w" / "j", STD, "\n".join(lines))
    show_job(tmp_path, "j", follow=False, as_json=False)
    assert capsys.readouterr().out.splitlines() == lines


def test_a_job_that_has_not_said_anything_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "jobs" / "w" / "j").mkdir(parents=True)
    assert find(tmp_path, "j") is None
    with pytest.raises(ValueError, match="no log of a job j"):
        show_job(tmp_path, "j", follow=True, as_json=False)  # nobody serves the folder


@given(st.lists(st.binary(max_size=40), max_size=12))
@settings(max_examples=60, deadline=None)
def test_no_line_is_lost_or_torn_however_it_is_written(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("log") / "log.txt"
    log, seen = LogFile(path), []
    for piece in pieces:
        with path.open("ab") as file:
            file.write(piece)
        seen += list(log.lines())
    seen.append(log.rest())
    whole = b"".join(pieces).decode(errors="replace")
    assert "\n".join(seen) == whole


def test_a_parents_children_come_as_they_are_named(tmp_path: Path) -> None:
    write(tmp_path / "p", EXECUTION, "[t] Step a started as x\n")
    log = JobLog(tmp_path / "p")
    assert [label for label, _ in log.lines()] == [""]
    write(tmp_path / "x", STD, "one\n")
    assert list(log.lines()) == [("a", "one")]
    write(tmp_path / "x", STD, "two\n")
    write(tmp_path / "p", EXECUTION, "[t] Step a Completed after 1 s\n")
    assert list(log.lines()) == [("", "[t] Step a Completed after 1 s"), ("a", "two")]
    assert not log.over
    (tmp_path / "p" / "done").touch()
    assert log.over
