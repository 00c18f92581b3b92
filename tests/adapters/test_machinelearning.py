"""What the adapters make of the SDK's prints, errors and answers; no server needed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure_adapters import machinelearning as ml

WORDS = st.text(alphabet="ab. \n", max_size=40)


@given(st.lists(WORDS, max_size=8))
def test_lines_come_out_whole_however_they_were_printed(parts: list[str]) -> None:
    said: list[str] = []
    lines = ml.Lines(said.append)
    for part in parts:
        assert lines.write(part) == len(part)
    lines.end()
    text = "".join(parts).split("\n")
    wanted = [line.rstrip() for line in text[:-1] if line.strip(" .")]
    assert said == wanted + ([text[-1]] if text[-1].strip(" .") else [])


def test_who_is_told_may_print(capsys: pytest.CaptureFixture[str]) -> None:
    """A watcher that prints to stdout is not fed its own words."""
    with ml._printed_to(lambda line: print(f"told: {line}")):
        print("one\ntwo")
    print("after")
    assert capsys.readouterr().out == "told: one\ntold: two\nafter\n"


def test_the_reason_of_a_failed_job_is_its_message() -> None:
    shown = 'Exception : \n {"error": {"code": "UserError", "message": "check failed"}} '
    assert ml._reason(shown) == "check failed"
    assert ml._reason("no JSON at all ") == "no JSON at all"
    assert ml._reason("{broken") == "{broken"
