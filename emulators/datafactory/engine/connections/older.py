"""Datasets of the connector's first shape, `folderPath` and `format`, read as today's.

Source: learn.microsoft.com/azure/data-factory/supported-file-formats-and-compression-codecs-legacy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KINDS = frozenset({"azureblob", "azureblobfsfile", "httpfile"})
FORMATS = {"textformat": "DelimitedText", "jsonformat": "Json", "parquetformat": "Parquet"}
TEXT_DEFAULTS = {"quoteChar": "", "escapeChar": "", "nullValue": "\\N"}


def modernised(kind: str, properties: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Type and properties of a dataset as today's spelling has them; others as they are."""
    if kind.lower() not in KINDS:
        return kind, properties
    given = properties.get("format")
    if not isinstance(given, Mapping):
        return "Binary", properties
    name = str(given.get("type", ""))
    found = FORMATS.get(name.lower())
    if found is None:
        return name, properties
    members = {key: value for key, value in given.items() if key != "type" and value is not None}
    defaults = TEXT_DEFAULTS if found == "DelimitedText" else {}
    return found, {**properties, **defaults, **members}
