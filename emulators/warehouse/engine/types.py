"""SQL Server's types as values, and how each lies in Arrow between the engine and the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

MAX = -1
"""Length of `varchar(max)`, `nvarchar(max)` and `varbinary(max)`."""


@dataclass(frozen=True, slots=True)
class SqlType:
    """A type as T-SQL declares it; `name` is in lower case, without synonyms.

    `length` counts characters (bytes of binary types and of `varchar`), MAX for `(max)`;
    `precision` and `scale` are of decimal and of the fractional seconds (`scale`).
    """

    name: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    collation: str | None = None

    def __str__(self) -> str:
        if self.name in ("decimal", "numeric"):
            return f"{self.name}({self.precision},{self.scale})"
        if self.name in ("datetime2", "datetimeoffset", "time"):
            return f"{self.name}({self.scale})"
        if self.length:
            return f"{self.name}({'max' if self.length == MAX else self.length})"
        return self.name

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type in which columns of this type cross between engine and wire.

        Instants are microseconds; a `datetimeoffset` is UTC; a `uniqueidentifier` is its text.
        """
        import pyarrow as pa

        if self.name in ("decimal", "numeric"):
            return pa.decimal128(self.precision, self.scale)
        plain: dict[str, Any] = {
            "bit": pa.bool_(), "tinyint": pa.uint8(), "smallint": pa.int16(), "int": pa.int32(),
            "bigint": pa.int64(), "real": pa.float32(), "float": pa.float64(),
            "money": pa.decimal128(19, 4), "smallmoney": pa.decimal128(10, 4),
            "date": pa.date32(), "time": pa.time64("us"),
            "datetime": pa.timestamp("us"), "smalldatetime": pa.timestamp("us"),
            "datetime2": pa.timestamp("us"), "datetimeoffset": pa.timestamp("us", tz="UTC"),
            "binary": pa.binary(), "varbinary": pa.binary(), "image": pa.binary(),
            "uniqueidentifier": pa.string(),
        }  # fmt: skip
        return plain.get(self.name, pa.string())
