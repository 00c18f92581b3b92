"""The data assets a team would write: YAML, MLTable and README agree with the file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from data import schema

FOLDER = Path(schema.__file__).parent / "attrition"


@pytest.mark.parametrize("name", ["data.yml", "mltable.yml"])
def test_assets_load_with_the_sdk(name: str) -> None:
    from azure.ai.ml import load_data

    asset = load_data(FOLDER / name)
    assert asset.type == yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))["type"]
    assert dict(asset.tags or {})["rows"] == "2000"


def test_the_table_states_every_number() -> None:
    table = yaml.safe_load((FOLDER / "table" / "MLTable").read_text(encoding="utf-8"))
    convert = table["transformations"][1]["convert_column_types"][0]
    assert convert == {"column_type": "int", "columns": list(schema.NUMBERS)}
    header = pd.read_csv(FOLDER / "table" / "attrition.csv", nrows=0).columns
    assert list(header) == list(schema.NAMES)


@pytest.mark.filterwarnings("ignore")
def test_mltable_reads_the_rows_as_they_are() -> None:
    mltable = pytest.importorskip("mltable")
    try:
        frame = mltable.load(str(FOLDER / "table")).to_pandas_dataframe()
    except ImportError as broken:
        pytest.skip(f"this mltable does not run here: {broken}")
    plain = pd.read_csv(FOLDER / "table" / "attrition.csv")
    assert (frame.to_numpy() == plain.to_numpy()).all()


def test_the_readme_lists_the_columns() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ")][2:]
    assert [row[0].removeprefix("| ") for row in rows] == list(schema.NAMES)
    for (_, shown), column in zip(rows, schema.COLUMNS, strict=True):
        assert all(category in shown for category in column.categories)
