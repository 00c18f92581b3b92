"""Both forms of the table come out as the adapted one; what is neither is named."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import generate, schema
from data.load import UnknownTable, UnknownValue, load

IDENTITY = ["DailyRate", "MonthlyRate", "HourlyRate", "MonthlyIncome", "Age"]
MADE = generate.rows(40, 3)


def original(frame: pd.DataFrame) -> pd.DataFrame:
    """Write adapted rows as Kaggle would: codes instead of names, and the three constants."""
    back = frame.copy()
    for name, codes in schema.MAPPING.items():
        back[name] = back[name].map({adapted: code for code, adapted in codes.items()})
    back = back.assign(EmployeeCount=1, Over18="Y", StandardHours=80)
    return back[[name for name in schema.ORIGINAL_NAMES if name in back]]


def read(frame: pd.DataFrame) -> pd.DataFrame:
    return load(io.StringIO(frame.to_csv(index=False)))


def test_adapted_rows_come_back_as_they_are() -> None:
    assert read(MADE).equals(MADE.astype(read(MADE).dtypes))


def test_original_rows_map_to_the_adapted_ones() -> None:
    mapped = read(original(MADE))
    assert list(mapped.columns) == list(schema.NAMES)
    assert (mapped.to_numpy() == MADE.to_numpy()).all()


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_any_code_maps_to_its_name_in_order(data: st.DataObject) -> None:
    """Whatever the codes, text or float, a row keeps the rank of its values."""
    name = data.draw(st.sampled_from(sorted(schema.MAPPING)))
    codes = schema.MAPPING[name]
    code = data.draw(st.sampled_from(sorted(codes)))
    as_float = code.isdigit() and data.draw(st.booleans())
    row = original(MADE.head(1)).astype(object)
    row[name] = f"{code}.0" if as_float else code
    mapped = read(row).iloc[0]
    assert mapped[name] == codes[code]
    assert mapped.drop(name).equals(read(original(MADE.head(1))).iloc[0].drop(name))


@settings(deadline=None, max_examples=30)
@given(st.permutations(schema.NAMES), st.booleans())
def test_column_order_and_a_missing_target_do_not_matter(order: list[str], target: bool) -> None:
    kept = [name for name in order if target or name != schema.TARGET]
    read_back = read(MADE.head(3)[kept])
    assert list(read_back.columns) == [name for name in schema.NAMES if name in kept]


@settings(deadline=None, max_examples=30)
@given(st.sets(st.sampled_from(sorted(set(schema.NAMES) - {schema.TARGET})), min_size=1))
def test_missing_columns_are_named(gone: set[str]) -> None:
    with pytest.raises(UnknownTable, match="missing: " + ", ".join(sorted(gone))):
        read(MADE.head(2).drop(columns=sorted(gone)))


def test_unknown_columns_are_named_and_the_form_is_told() -> None:
    with pytest.raises(UnknownTable, match=r"adapted \(32 columns\).*unknown: Wealth"):
        read(MADE.assign(Wealth=1))
    with pytest.raises(UnknownTable, match=r"original \(35 columns\).*unknown: Wealth"):
        read(original(MADE).assign(Wealth=1))


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("Education", "PhD", "Education: 'PhD' unknown; known: Below College"),
        ("Age", "old", "Age: not a number: 'old'"),
        ("Age", "33.5", "Age: not whole: '33.5'"),
        ("EmployeeNumber", "", "EmployeeNumber: 1 rows without a number"),
    ],
)
def test_unknown_values_are_named(column: str, value: str, says: str) -> None:
    row = MADE.head(1).astype(object)
    row[column] = value
    with pytest.raises(UnknownValue, match=says):
        read(row)


def test_an_unknown_code_is_named() -> None:
    row = original(MADE.head(1)).astype(object)
    row["JobLevel"] = 9
    with pytest.raises(UnknownValue, match="JobLevel: '9' not in the original form"):
        read(row)


def test_empty_cells_stay_empty_and_are_violations() -> None:
    broken = generate.rows(200, 1, drift=1.0, shifts=("broken",))
    found = schema.violations(read(broken))
    assert any(line.startswith("OverTime: ") and line.endswith(" empty") for line in found)
    assert any(line.startswith("MonthlyIncome: ") for line in found)
    assert schema.violations(MADE) == []


def test_real_files_of_all_forms_load(shared: Path) -> None:
    real = load(shared / "data" / "ibm-hr-attrition-adapted.csv")
    assert real.shape == (3000, 32)
    assert schema.violations(real) == []
    assert load(shared / "data" / "ibm-hr-attrition.csv").shape == (1470, 32)
    assert load(shared / "data" / "ibm-hr-inference.csv").shape == (500, 31)


def test_the_mapping_is_the_published_one(shared: Path) -> None:
    """Each of the 3,000 adapted rows equals the mapped original row it was drawn from."""
    real = load(shared / "data" / "ibm-hr-attrition-adapted.csv").drop(columns=[schema.KEY])
    mapped = load(shared / "data" / "ibm-hr-attrition.csv", as_published=True)
    drawn = real[IDENTITY].merge(mapped, on=IDENTITY, how="left")[list(real.columns)]
    assert (drawn.to_numpy() == real.to_numpy()).all()
    assert len(real.drop_duplicates()) == 1083
    honest = load(shared / "data" / "ibm-hr-attrition.csv")
    assert (honest["JobSatisfaction"] != honest["JobInvolvement"]).any()
