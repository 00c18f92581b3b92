"""Dates: what is read, every format letter, arithmetic and time zones."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.datafactory.engine.expressions import Scope
from tests.emulators.datafactory.expressing import SCOPE, alike, cases, kind, outcome, value

AT = "2024-02-09T13:05:09.0120000Z"


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("d", "2/9/2024"),
        ("D", "Friday, February 9, 2024"),
        ("f", "Friday, February 9, 2024 1:05\u202fPM"),
        ("F", "Friday, February 9, 2024 1:05:09\u202fPM"),
        ("g", "2/9/2024 1:05\u202fPM"),
        ("G", "2/9/2024 1:05:09\u202fPM"),
        ("", "2/9/2024 1:05:09\u202fPM"),
        ("m", "February 9"),
        ("M", "February 9"),
        ("o", "2024-02-09T13:05:09.0120000Z"),
        ("O", "2024-02-09T13:05:09.0120000Z"),
        ("r", "Fri, 09 Feb 2024 13:05:09 GMT"),
        ("R", "Fri, 09 Feb 2024 13:05:09 GMT"),
        ("s", "2024-02-09T13:05:09"),
        ("t", "1:05\u202fPM"),
        ("T", "1:05:09\u202fPM"),
        ("u", "2024-02-09 13:05:09Z"),
        ("U", "Friday, February 9, 2024 1:05:09\u202fPM"),
        ("y", "February 2024"),
        ("Y", "February 2024"),
        ("%d", "9"),
        ("dd", "09"),
        ("ddd", "Fri"),
        ("dddd", "Friday"),
        ("ddddd", "Friday"),
        ("%M", "2"),
        ("MM", "02"),
        ("MMM", "Feb"),
        ("MMMM", "February"),
        ("%y", "24"),
        ("yy", "24"),
        ("yyy", "2024"),
        ("yyyyy", "02024"),
        ("%h", "1"),
        ("hh", "01"),
        ("%H", "13"),
        ("HHH", "13"),
        ("%m", "5"),
        ("mm", "05"),
        ("%s", "9"),
        ("ss", "09"),
        ("%t", "P"),
        ("tt", "PM"),
        ("ttt", "PM"),
        ("%f", "0"),
        ("ff", "01"),
        ("fffffff", "0120000"),
        ("%F", ""),
        ("FFF", "012"),
        ("ss.FFFFFFF", "09.012"),
        ("ss.F", "09"),
        ("%g", "AD"),
        ("%z", "+0"),
        ("zz", "+00"),
        ("zzz", "+00:00"),
        ("%K", "Z"),
        ("yyyyK", "2024Z"),
        ("yyyy'yy'\"d\"", "2024yyd"),
        (r"\d\%dd", "d%09"),
        ("yyyy-MM-dd w", "2024-02-09 w"),
        ("%", "!argument_value"),
        ("%%", "!argument_value"),
        ("yyyy%", "!argument_value"),
        ("yyyy\\", "!argument_value"),
        ("yyyy'MM", "!argument_value"),
        ("ffffffff", "!argument_value"),
        ("K", "!argument_value"),
        ("z", "!argument_value"),
        ("h", "!argument_value"),
        ("x", "!argument_value"),
    ],
)
def test_formats(form: str, expected: str) -> None:
    scope = Scope(parameters={"at": AT, "form": form})
    call = "@formatDateTime(pipeline().parameters.at, pipeline().parameters.form)"
    assert outcome(call, scope) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-02-09", "2024-02-09T00:00:00.0000000"),
        ("2024-02-09T13:05", "2024-02-09T13:05:00.0000000"),
        ("2024-02-09t13:05:09z", "2024-02-09T13:05:09.0000000Z"),
        ("2024-02-09T13:05:09,5", "2024-02-09T13:05:09.5000000"),
        ("2024-02-09T13:05:09.12345678", "2024-02-09T13:05:09.1234568"),
        ("2024-02-09T13:05:09+05:30", "2024-02-09T07:35:09.0000000+00:00"),
        ("2024-02-09T13:05:09-0030", "2024-02-09T13:35:09.0000000+00:00"),
        ("2024-02-09T13:05:09 +1", "2024-02-09T12:05:09.0000000+00:00"),
        ("2024-02-09Z", "2024-02-09T00:00:00.0000000Z"),
        (" 2024-2-9 ", "2024-02-09T00:00:00.0000000"),
        ("2024/02/09 1:05:09 pm", "2024-02-09T13:05:09.0000000"),
        ("2024-02", "2024-02-01T00:00:00.0000000"),
        ("02/09/2024", "2024-02-09T00:00:00.0000000"),
        ("2/9/24 12 AM", "2024-02-09T00:00:00.0000000"),
        ("2/9/50", "1950-02-09T00:00:00.0000000"),
        ("2.9.2024", "2024-02-09T00:00:00.0000000"),
        ("Feb 9, 2024", "2024-02-09T00:00:00.0000000"),
        ("9 February 2024 13:05", "2024-02-09T13:05:00.0000000"),
        ("9-Feb-24", "2024-02-09T00:00:00.0000000"),
        ("Feb 2024", "2024-02-01T00:00:00.0000000"),
        ("Fri, 09 Feb 2024 13:05:09 GMT", "2024-02-09T13:05:09.0000000Z"),
        ("Friday, February 9, 2024 1:05 PM", "2024-02-09T13:05:00.0000000"),
        ("13:05 2024-02-09", "2024-02-09T13:05:00.0000000"),
        ("13:05", "2024-02-29T13:05:00.0000000"),
        ("3 PM", "2024-02-29T15:00:00.0000000"),
        ("2/9", "2024-02-09T00:00:00.0000000"),
        ("Feb 9", "2024-02-09T00:00:00.0000000"),
        ("9999-12-31T23:59:59.9999999", "9999-12-31T23:59:59.9999999"),
        ("0001-01-01", "0001-01-01T00:00:00.0000000"),
        ("", "!argument_value"),
        ("   ", "!argument_value"),
        ("2024", "!argument_value"),
        ("20240209", "!argument_value"),
        ("2024-040", "!argument_value"),
        ("2024-W06-5", "!argument_value"),
        ("31/12/2024", "!argument_value"),
        ("2024-02-30", "!argument_value"),
        ("2024-02-09T24:00:00", "!argument_value"),
        ("2024-02-09T13", "!argument_value"),
        ("2024-02-09T1:05", "!argument_value"),
        ("2024-02-09T13:05 PM", "!argument_value"),
        ("2024-02-09T13:05:09+15:00", "!argument_value"),
        ("2024-02-09 13:05:09 EST", "!argument_value"),
        ("Mon, 09 Feb 2024", "!argument_value"),
        ("2024-02-09/", "!argument_value"),
        ("2024//02/09", "!argument_value"),
        ("Feb 9th, 2024", "!argument_value"),
        ("13 AM", "!argument_value"),
        ("tomorrow", "!argument_value"),
    ],
)
def test_what_is_read_as_a_date(text: str, expected: str) -> None:
    scope = SCOPE.with_(parameters={"t": text})
    assert outcome("@formatDateTime(pipeline().parameters.t)", scope) == expected


ARITHMETIC = r"""
@addDays('2024-02-28', 1) => "2024-02-29T00:00:00.0000000"
@addDays('2024-01-01T10:00:00+02:00', 1) => "2024-01-02T08:00:00.0000000+00:00"
@addDays('2024-01-01Z', -1, 'yyyyMMdd') => "20231231"
@addDays('2024-01-01', 1.0) => !argument_type
@addDays('9999-12-31', 1) => !argument_value
@addDays('2024-01-01', 1, 'D', 'fr') => !argument_count
@addHours('2024-01-01T23:00:00Z', 2) => "2024-01-02T01:00:00.0000000Z"
@addMinutes('2024-01-01', -1) => "2023-12-31T23:59:00.0000000"
@addSeconds('2024-01-01', 90, 'mm:ss') => "01:30"
@addToTime('2024-01-31', 1, 'MONTH') => "2024-02-29T00:00:00.0000000"
@addToTime('2024-02-29', 1, 'Year', 'd') => "2/28/2025"
@addToTime('2024-01-01', 2, 'Week') => "2024-01-15T00:00:00.0000000"
@addToTime('2024-01-01', 1, 'Days') => !argument_value
@addToTime('2024-01-01', 1, 1) => !argument_type
@addToTime('2024-01-01', 9223372036854775807, 'Year') => "2023-01-01T00:00:00.0000000"
@subtractFromTime('2024-03-31', 1, 'Month') => "2024-02-29T00:00:00.0000000"
@getFutureTime(1, 'Month') => "2024-03-29T13:45:30.1234560Z"
@getPastTime(1, 'Hour', 'HH') => "12"
@getPastTime(1, 'Eon') => !argument_value
@utcNow() => "2024-02-29T13:45:30.1234560Z"
@utcNow('R') => "Thu, 29 Feb 2024 13:45:30 GMT"
@utcNow(1) => !argument_type
@startOfDay('2024-02-29T13:45:30') => "2024-02-29T00:00:00.0000000"
@startOfHour('2024-02-29T13:45:30Z', 't') => "1:00\u202fPM"
@startOfMonth('2024-02-29T23:00:00-05:00') => "2024-03-01T00:00:00.0000000+00:00"
@dayOfWeek('2024-02-25') => 0
@dayOfMonth('2024-02-29') => 29
@dayOfYear('2024-12-31') => 366
@ticks('2024-01-01T00:00:00.1234567Z') => 638396640001234567
@ticks(1) => !argument_type
@formatDateTime('2024-02-09', 'D', 'en-US') => "Friday, February 9, 2024"
@formatDateTime('2024-02-09', 'D', 'fr-FR') => !argument_value
@formatDateTime('bad', 1) => !argument_value
@addDays('bad', 'x') => !argument_type
"""

ZONES = r"""
@convertFromUtc('2024-07-01T08:00:00Z', 'W. Europe Standard Time') => "2024-07-01T10:00:00.0000000"
@convertFromUtc('2024-01-01T08:00:00Z', 'w. europe standard time', 't') => "9:00\u202fAM"
@convertFromUtc('2024-01-01T08:00:00Z', 'Europe/Berlin') => "2024-01-01T09:00:00.0000000"
@convertFromUtc('2024-01-01T08:00:00Z', 'UTC') => "2024-01-01T08:00:00.0000000Z"
@convertFromUtc('2024-01-01T08:00:00Z', 'India Standard Time', 'HH:mmzzz') => "13:30+00:00"
@convertFromUtc('2024-01-01T08:00:00', 'UTC') => !argument_value
@convertFromUtc('2024-01-01T08:00:00+01:00', 'UTC') => !argument_value
@convertFromUtc('2024-01-01Z', '../UTC') => !argument_value
@convertFromUtc('2024-01-01Z', '') => !argument_value
@convertFromUtc('0001-01-01Z', 'Pacific Standard Time') => "0001-01-01T00:00:00.0000000"
@convertToUtc('2024-07-01T08:00:00', 'Pacific Standard Time') => "2024-07-01T15:00:00.0000000Z"
@convertToUtc('2024-03-10T02:30:00', 'Pacific Standard Time') => !argument_value
@convertToUtc('2024-11-03T01:30:00', 'Pacific Standard Time') => !argument_value
@convertToUtc('2024-07-01T08:00:00Z', 'Pacific Standard Time') => !argument_value
@convertToUtc('2024-07-01T08:00:00Z', 'UTC') => "2024-07-01T08:00:00.0000000Z"
@convertTimeZone('2024-07-01T12:00', 'UTC', 'China Standard Time') => "2024-07-01T20:00:00.0000000"
@convertTimeZone('2024-07-01Z', 'Tokyo Standard Time', 'UTC') => "2024-07-01T00:00:00.0000000Z"
@convertTimeZone('2024-07-01', 'Nowhere', 'UTC') => !argument_value
@convertTimeZone('2024-07-01', 'UTC') => !argument_count
"""


def read(told: str) -> Any:
    return told if told.startswith("!") else json.loads(told)


@pytest.mark.parametrize(("text", "expected"), cases(ARITHMETIC + ZONES, read))
def test_arithmetic_and_zones(text: str, expected: Any) -> None:
    got = outcome(text)
    assert alike(got, expected), got


moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=UTC)
)


@given(moments, st.integers(-400, 400))
def test_days_are_added_as_the_calendar_has_them(moment: datetime, days: int) -> None:
    scope = Scope(parameters={"at": moment.isoformat().replace("+00:00", "Z"), "n": days})
    call = "addDays(pipeline().parameters.at, pipeline().parameters.n"
    try:
        expected = (moment + timedelta(days=days)).isoformat(timespec="microseconds")
    except OverflowError:
        assert kind(f"@{call})", scope) == "argument_value"
        return
    assert value(f"@{call})", scope) == expected.replace("+00:00", "0Z")
    assert value(f"@{call}, 'yyyy-MM-ddTHH:mm:ss.ffffff')", scope) + "+00:00" == expected


@given(moments, st.sampled_from("dDfFgGoRsu"))
def test_a_written_date_reads_as_the_same_date(moment: datetime, form: str) -> None:
    scope = Scope(parameters={"at": moment.isoformat().replace("+00:00", "Z"), "form": form})
    once = value("@formatDateTime(pipeline().parameters.at, pipeline().parameters.form)", scope)
    if form in "dg" and moment.year < 100:
        return
    again = Scope(parameters={"at": once, "form": form})
    assert (
        value("@formatDateTime(pipeline().parameters.at, pipeline().parameters.form)", again)
        == once
    )
