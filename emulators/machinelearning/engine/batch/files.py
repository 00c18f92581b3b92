"""Which files an input holds, once it is on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine.batch.records import README
from emulators.machinelearning.errors import InvalidJob

TABLE_FILE = "MLTable"
KNOWN_TYPES = (
    ".csv", ".parquet", ".pqt", ".png", ".jpg", ".jpeg", ".tiff", ".bmp", ".gif",
)  # fmt: skip
"""What the driver of an MLflow model reads.

Source: learn.microsoft.com/azure/machine-learning/how-to-mlflow-batch.
"""

READERS = ("read_delimited", "read_parquet", "read_json_lines", "convert_column_types")
"""Parts of an MLTable that leave each file's rows what they are."""


def files_of(data: Path, kind: str, *, nested: bool) -> list[str]:
    """The files of an input, absolute, in the order of their names.

    Args:
        data: where the input is on this machine.
        kind: "uri_file", "uri_folder" or "mltable".
        nested: also those in folders below.

    Raises:
        InvalidJob: it holds none.
        Unsupported: an MLTable that changes rows.
    """
    if data.is_file():
        return [str(data)]
    if kind == "mltable" and (data / TABLE_FILE).is_file():
        found = sorted(set(_of_table(data)))
    else:
        found = sorted(_walk(data, nested))
    if not found:
        raise InvalidJob("The input holds no files to score.")
    return found


def check_types(files: list[str]) -> None:
    """Refuse what an MLflow model without code cannot read.

    Raises:
        InvalidJob: the first such file.
    """
    for file in files:
        suffix = os.path.splitext(file)[1].lower()
        if suffix not in KNOWN_TYPES:
            raise InvalidJob(
                f"Error processing input file: '{file}'. File type '{suffix.lstrip('.')}' is not"
                " supported."
            )


def _walk(folder: Path, nested: bool) -> Iterator[str]:
    for at, folders, names in os.walk(folder):
        folders.sort()
        if not nested:
            folders.clear()
        for name in names:
            yield os.path.join(at, name)


def _of_table(folder: Path) -> Iterator[str]:
    try:
        table: Any = yaml.safe_load((folder / TABLE_FILE).read_text(encoding="utf-8"))
        paths = table.get("paths") or []
        steps = table.get("transformations") or []
    except (yaml.YAMLError, AttributeError, UnicodeDecodeError) as wrong:
        raise InvalidJob(f"The MLTable file of the input cannot be read: {wrong}.") from None
    for step in steps:
        name = step if isinstance(step, str) else next(iter(step), "")
        if name not in READERS:
            raise Unsupported(
                f"the MLTable transformation '{name}' of a batch input", tracked=README
            )
    for entry in paths:
        yield from _entry(folder, entry)


def _entry(folder: Path, entry: Any) -> Iterator[str]:
    if not isinstance(entry, dict) or len(entry) != 1:
        raise InvalidJob(f"The MLTable path {entry!r} cannot be read.")
    ((kind, value),) = entry.items()
    text = str(value)
    if ":" in text or text.startswith("/") or ".." in text.split("/"):
        raise Unsupported(f"MLTable paths outside its folder ('{text}')", tracked=README)
    text = text.removeprefix("./")
    if kind == "file":
        yield str(folder / text)
    elif kind == "pattern":
        yield from (str(found) for found in folder.glob(text) if found.is_file())
    elif kind == "folder":
        yield from _walk(folder / text, nested=True)
    else:
        raise InvalidJob(f"The MLTable path {entry!r} cannot be read.")
