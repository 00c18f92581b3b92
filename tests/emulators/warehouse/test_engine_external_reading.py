"""Files as COPY INTO reads them: any rows, any terminators, both readers alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulators.warehouse.engine.external.places import place_of
from emulators.warehouse.engine.external.reading import Csv, csv_batches
from emulators.warehouse.errors import SqlError

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), max_size=12)
ROWS = st.lists(st.tuples(st.integers(0, 999), st.none() | TEXT, TEXT), min_size=1, max_size=20)


def written(rows: list[tuple[int, str | None, str]], how: Csv) -> str:
    def field(value: object) -> str:
        if value is None:
            return ""
        text = str(value)
        return how.quote + text.replace(how.quote, how.quote * 2) + how.quote

    return "".join(how.separator.join(field(v) for v in row) + how.row for row in rows)


@pytest.mark.parametrize(
    "how",
    [
        Csv(),
        Csv(separator="|", quote="'"),
        Csv(separator="\t", row="\r\n"),
        Csv(separator="~~", row="##\n"),
        Csv(encoding="utf16"),
    ],
    ids=["plain", "bars", "tabs", "long", "wide"],
)
@given(rows=ROWS)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_was_written_is_read(
    how: Csv, rows: list[tuple[int, str | None, str]], tmp_path: Path
) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(written(rows, how).encode("utf-16" if how.encoding == "utf16" else "utf-8"))
    found = [tuple(r.values()) for b in csv_batches(path, how, 3) for r in b.to_pylist()]
    assert found == [(str(a), b, c) for a, b, c in rows]


@pytest.mark.parametrize("text", ["1,2\n3\n", "1\n2,3\n", '"1,2\n'])
@pytest.mark.parametrize("how", [Csv(), Csv(row="\r\n", encoding="utf16")])
def test_rows_of_another_length_are_refused(how: Csv, text: str, tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(text.encode("utf-16" if how.encoding == "utf16" else "utf-8"))
    with pytest.raises(SqlError) as told:
        list(csv_batches(path, how, 2))
    assert told.value.number == 4832


def test_first_rows_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    (batch,) = csv_batches(path, Csv(first_row=3), 2)
    assert batch.to_pylist() == [{"c1": "3", "c2": "4"}]
    assert list(csv_batches(path, Csv(first_row=9), 2)) == []


@pytest.mark.parametrize(
    ("location", "container", "path"),
    [
        ("https://acc.blob.core.windows.net/c/a/b.csv", "c", "a/b.csv"),
        ("https://acc.dfs.core.windows.net/c", "c", ""),
        ("abfss://c@acc.dfs.core.windows.net/a/*.csv", "c", "a/*.csv"),
        ("wasbs://c@acc.blob.core.windows.net", "c", ""),
    ],
)
def test_locations(location: str, container: str, path: str) -> None:
    found = place_of(location)
    assert (found.account, found.container, found.path) == ("acc", container, path)


@pytest.mark.parametrize(
    "location",
    ["/etc/passwd", "file:///etc/passwd", "http://acc.blob.core.windows.net/c/a", "https://x/y",
     "https://acc.blob.core.windows.net@evil.example/c/a", "https://evil.example/.blob.core/"],
)  # fmt: skip
def test_no_other_places(location: str) -> None:
    with pytest.raises(SqlError) as told:
        place_of(location)
    assert told.value.number == 13807
