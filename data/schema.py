"""The attrition table in its two forms, and the mapping from Kaggle's form to the adapted one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

EDUCATION = ("Below College", "College", "Bachelor", "Master", "Doctor")
LEVELS = ("Low", "Medium", "High", "Very High")
BALANCE = ("Bad", "Good", "Better", "Best")
TRAVEL = ("Travel Never", "Travel Rarely", "Travel Frequently")
OVERTIME = ("Never", "Frequently")
TARGET = "Attrition"
KEY = "EmployeeNumber"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: either whole numbers in a range, or a fixed list of categories in order."""

    name: str
    categories: tuple[str, ...] = ()
    ordered: bool = False
    low: int = 0
    high: int = 0
    unit: str = ""

    @property
    def is_number(self) -> bool:
        return not self.categories


def _nominal(name: str, *categories: str) -> Column:
    return Column(name, categories)


def _ordinal(name: str, categories: tuple[str, ...]) -> Column:
    return Column(name, categories, ordered=True)


def _number(name: str, low: int, high: int, unit: str) -> Column:
    return Column(name, low=low, high=high, unit=unit)


# Order, spelling and ranges as observed in the adapted file; category order is from least to most
# where there is an order, else alphabetical.
COLUMNS: tuple[Column, ...] = (
    _number(KEY, 1, 2**31 - 1, "number"),
    _nominal("Gender", "Female", "Male"),
    _ordinal("Education", EDUCATION),
    _nominal(
        "EducationField",
        "Human Resources",
        "Life Sciences",
        "Marketing",
        "Medical",
        "Other",
        "Technical Degree",
    ),
    _nominal("Department", "Human Resources", "Research & Development", "Sales"),
    _nominal(
        "JobRole",
        "Healthcare Representative",
        "Human Resources",
        "Laboratory Technician",
        "Manager",
        "Manufacturing Director",
        "Research Director",
        "Research Scientist",
        "Sales Executive",
        "Sales Representative",
    ),
    _ordinal("JobLevel", ("L1", "L2", "L3", "L4", "L5")),
    _ordinal("PerformanceRating", LEVELS),
    _ordinal("JobInvolvement", LEVELS),
    _ordinal("JobSatisfaction", LEVELS),
    _ordinal("RelationshipSatisfaction", LEVELS),
    _ordinal("EnvironmentSatisfaction", LEVELS),
    _ordinal("BusinessTravel", TRAVEL),
    _ordinal("OverTime", OVERTIME),
    _ordinal("WorkLifeBalance", BALANCE),
    _nominal("MaritalStatus", "Divorced", "Married", "Single"),
    _ordinal("StockOptionLevel", ("L0", "L1", "L2", "L3")),
    _number("Age", 18, 60, "years"),
    _number("DistanceFromHome", 1, 29, "miles"),
    _number("MonthlyIncome", 1009, 19999, "USD a month"),
    _number("DailyRate", 102, 1499, "USD a day"),
    _number("HourlyRate", 30, 100, "USD an hour"),
    _number("MonthlyRate", 2094, 26999, "USD a month"),
    _number("NumCompaniesWorked", 0, 9, "employers"),
    _number("PercentSalaryHike", 11, 25, "percent"),
    _number("TotalWorkingYears", 0, 40, "years"),
    _number("TrainingTimesLastYear", 0, 6, "times"),
    _number("YearsAtCompany", 0, 40, "years"),
    _number("YearsInCurrentRole", 0, 18, "years"),
    _number("YearsSinceLastPromotion", 0, 15, "years"),
    _number("YearsWithCurrManager", 0, 17, "years"),
    _nominal(TARGET, "No", "Yes"),
)
BY_NAME: Mapping[str, Column] = {column.name: column for column in COLUMNS}
NAMES: tuple[str, ...] = tuple(BY_NAME)
FEATURES: tuple[str, ...] = tuple(name for name in NAMES if name not in (KEY, TARGET))
NUMBERS: tuple[str, ...] = tuple(c.name for c in COLUMNS if c.is_number)
CATEGORIES: tuple[str, ...] = tuple(c.name for c in COLUMNS if not c.is_number)

# Kaggle's form: the same 32 columns and these three constants, which carry no information.
CONSTANTS: tuple[str, ...] = ("EmployeeCount", "Over18", "StandardHours")
ORIGINAL_NAMES: tuple[str, ...] = tuple(
    sorted((*NAMES, *CONSTANTS), key=lambda name: (name != "Age", name))
)


def _coded(names: tuple[str, ...], first: int) -> dict[str, str]:
    return {str(code): name for code, name in enumerate(names, start=first)}


# Original value (as text) -> adapted value, for every column that is not kept as it is.
MAPPING: Mapping[str, Mapping[str, str]] = {
    "Education": _coded(EDUCATION, 1),
    "JobLevel": _coded(BY_NAME["JobLevel"].categories, 1),
    "PerformanceRating": _coded(LEVELS, 1),
    "JobInvolvement": _coded(LEVELS, 1),
    "JobSatisfaction": _coded(LEVELS, 1),
    "RelationshipSatisfaction": _coded(LEVELS, 1),
    "EnvironmentSatisfaction": _coded(LEVELS, 1),
    "WorkLifeBalance": _coded(BALANCE, 1),
    "StockOptionLevel": _coded(BY_NAME["StockOptionLevel"].categories, 0),
    "BusinessTravel": {
        "Non-Travel": "Travel Never",
        "Travel_Rarely": "Travel Rarely",
        "Travel_Frequently": "Travel Frequently",
    },
    "OverTime": {"No": "Never", "Yes": "Frequently"},
}

# The published adapted file holds JobInvolvement three times: in its own column and in place of
# these two, whose own values it lost.
OVERWRITTEN: tuple[str, ...] = ("PerformanceRating", "JobSatisfaction")
OVERWRITTEN_BY = "JobInvolvement"

# Part -> whole: no row of either file has more of the part than of the whole. Work starts at 18.
PART_OF: Mapping[str, str] = {
    "TotalWorkingYears": "Age",
    "YearsAtCompany": "TotalWorkingYears",
    "YearsInCurrentRole": "YearsAtCompany",
    "YearsSinceLastPromotion": "YearsAtCompany",
    "YearsWithCurrManager": "YearsAtCompany",
}
WORKING_AGE = 18  # years


def categorical(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a copy whose category columns are pandas categoricals in the schema's order."""
    import pandas as pd

    columns = [BY_NAME[name] for name in CATEGORIES if name in frame]
    return frame.assign(
        **{
            c.name: pd.Categorical(frame[c.name], categories=list(c.categories), ordered=c.ordered)
            for c in columns
        }
    )


def violations(frame: pd.DataFrame) -> list[str]:
    """Say, a line each, what in an adapted table breaks the schema: nulls, ranges, categories."""
    found: list[str] = []
    for column in COLUMNS:
        if column.name not in frame:
            if column.name != TARGET:
                found.append(f"{column.name}: column missing")
            continue
        values = frame[column.name]
        if empty := int(values.isna().sum()):
            found.append(f"{column.name}: {empty} empty")
        present = values.dropna()
        if column.is_number:
            outside = int(((present < column.low) | (present > column.high)).sum())
            if outside:
                found.append(f"{column.name}: {outside} outside {column.low}..{column.high}")
        elif unknown := sorted(set(present.astype(str)) - set(column.categories)):
            found.append(f"{column.name}: unknown categories {unknown}")
    return found
