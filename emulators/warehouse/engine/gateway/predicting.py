"""PREDICT before a SQL Server: rows come here, are scored, and go back as a temporary table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from emulators.warehouse.engine.answers import Answer, Column, Failed, ResultSet, Session
from emulators.warehouse.engine.gateway.constructs import Construct, constructs, queries_before
from emulators.warehouse.engine.predict.models import Models
from emulators.warehouse.engine.predict.scoring import prepare, score
from emulators.warehouse.engine.tsql import nodes
from emulators.warehouse.engine.tsql.blocks import parse_batch
from emulators.warehouse.engine.tsql.lexing import quote
from emulators.warehouse.errors import SqlError, refused

if TYPE_CHECKING:
    import pyarrow as pa

SETTING = (nodes.Declare, nodes.Assign, nodes.SelectAssign, nodes.SetOption)
"""What may stand before the statement: it is run again for each part of the work."""


class Predicting:
    """Runs one batch that ends in a statement with PREDICT."""

    def __init__(self, behind: Session, models: Models, text: str) -> None:
        self._behind, self._models, self._text = behind, models, text
        statements = parse_batch(text)
        last = statements[-1]
        fits = isinstance(last, nodes.Sql) and last.fragment.predicts
        if not fits or not all(isinstance(s, SETTING) for s in statements[:-1]):
            raise refused(
                "PREDICT behind a SQL Server but in the last statement of a batch, after nothing"
                " but DECLARE and SET",
                last.line,
            )
        assert isinstance(last, nodes.Sql)
        self._tokens = last.fragment.tokens
        self._before = text[: self._tokens[0].start]

    def answers(self) -> Iterator[Answer]:
        """What the statement answers.

        Raises:
            SqlError: a part of it fails, here or there.
        """
        made: list[tuple[Construct, str, list[Column]]] = []
        with_ = queries_before(self._tokens, self._text)
        for number, one in enumerate(constructs(self._tokens, self._text)):
            table = f"#rehearsal_predict_{number}"
            made.append((one, table, self._score(one, with_, table)))
        yield from self._behind.batch(self._rewritten(made))
        for _, table, _ in made:
            self._do(f"DROP TABLE {quote(table)}")

    def _score(self, one: Construct, with_: str, table: str) -> list[Column]:
        """Fill a temporary table with DATA's rows and their scores; DATA's columns."""
        (content,) = self._column(f"{self._before}\nSELECT {one.model} AS model")
        if not isinstance(content, bytes):
            raise SqlError(39051, 16, 2, "The MODEL of PREDICT is no model: it is not binary.")
        text = f"{self._before}\n{with_} SELECT * FROM {one.data} AS {quote(one.data_alias)}"
        data, batches = self._rows(text)
        scoring = prepare(self._models.get(content), data, one.outputs)
        scored = list(score(scoring, batches))
        columns = [Column(f"c{at}", c.type) for at, c in enumerate((*data, *one.outputs))]
        spelled = ", ".join(f"{c.name} {c.type} NULL" for c in columns)
        self._do(f"CREATE TABLE {quote(table)} ({spelled})")
        self._load(table, columns, spelled, scored)
        return data

    def _load(
        self, table: str, columns: list[Column], spelled: str, batches: list[pa.RecordBatch]
    ) -> None:
        import pyarrow as pa

        self._do(f"INSERT BULK {quote(table)} ({spelled.replace(' NULL', '')})")
        load = self._behind.take_bulk()
        assert load is not None, "INSERT BULK announces a load"
        load.columns = columns
        names = [column.name for column in columns]
        for batch in batches:
            load.write(pa.RecordBatch.from_arrays(batch.columns, names))
        _settle(load.finish())

    def _rewritten(self, made: list[tuple[Construct, str, list[Column]]]) -> str:
        """The batch with each PREDICT a table, seen twice: as DATA, and as the model's columns."""
        parts, at = [], 0
        for number, (one, table, data) in enumerate(made):
            rows = f"rehearsal_rows_{number}"
            seen = _seen(rows, 0, [c.name for c in data], one.data_alias)
            given = _seen(rows, len(data), [c.name for c in one.outputs], one.alias)
            parts += [self._text[at : one.start], f"{quote(table)} AS {rows}{seen}{given}"]
            at = one.end
        return "".join((*parts, self._text[at:]))

    def _do(self, text: str) -> None:
        _settle(self._behind.batch(text))

    def _column(self, text: str) -> list[Any]:
        _, batches = self._rows(text)
        return [value for batch in batches for value in batch.column(0).to_pylist()]

    def _rows(self, text: str) -> tuple[list[Column], list[pa.RecordBatch]]:
        """The last result set of a batch."""
        columns: list[Column] = []
        batches: list[pa.RecordBatch] = []
        for answer in self._behind.batch(text):
            if isinstance(answer, ResultSet):
                columns, batches = list(answer.columns), list(answer.batches)
            elif isinstance(answer, Failed):
                raise _error(answer)
        return columns, batches


def _seen(rows: str, first: int, names: list[str], alias: str) -> str:
    listed = ", ".join(f"{rows}.c{first + at} AS {quote(name)}" for at, name in enumerate(names))
    return f" CROSS APPLY (SELECT {listed}) AS {quote(alias)}"


def _settle(answers: Iterator[Answer]) -> None:
    """Run to the end.

    Raises:
        SqlError: it failed.
    """
    failures = [answer for answer in answers if isinstance(answer, Failed)]
    if failures:
        raise _error(failures[0])


def _error(failure: Failed) -> SqlError:
    error = SqlError(failure.number, failure.severity, failure.state, failure.text)
    return error.at(failure.line, failure.procedure)
