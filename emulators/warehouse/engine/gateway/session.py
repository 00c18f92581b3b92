"""One session of the gateway: forwards, and keeps PREDICT from a server that has none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from emulators.warehouse.engine.answers import Answer, Argument, BulkLoad, Session
from emulators.warehouse.engine.gateway.predicting import Predicting
from emulators.warehouse.engine.predict.models import Models
from emulators.warehouse.engine.tsql.lexing import Token, tokenize
from emulators.warehouse.errors import SqlError, refused

TEXT_AT = {"sp_executesql": 0, "sp_prepexec": 2, "sp_prepare": 2}
"""Which argument of a procedure is the statement."""


class GatewaySession:
    """What `answers.Session` promises, by another session."""

    def __init__(self, behind: Session, models: Models) -> None:
        self._behind, self._models = behind, models

    @property
    def database(self) -> str:
        return self._behind.database

    @database.setter
    def database(self, name: str) -> None:
        self._behind.database = name

    def batch(self, text: str) -> Iterator[Answer]:
        """Forward a batch; what PREDICT does in it is done here.

        Raises:
            SqlError: PREDICT stands where it is not done.
        """
        if any(predictions(text)):
            yield from Predicting(self._behind, self._models, text).answers()
        else:
            yield from self._behind.batch(text)

    def call(self, procedure: str, arguments: Sequence[Argument]) -> Iterator[Answer]:
        """Forward a call.

        Raises:
            SqlError: its statement has a PREDICT.
        """
        at = TEXT_AT.get(procedure.rpartition(".")[2].strip("[]").lower())
        if at is not None and at < len(arguments):
            check(str(arguments[at].value))
        yield from self._behind.call(procedure, arguments)

    def begin(self, isolation: int = 0) -> Iterator[Answer]:
        return self._behind.begin(isolation)

    def commit(self) -> Iterator[Answer]:
        return self._behind.commit()

    def rollback(self, name: str = "") -> Iterator[Answer]:
        return self._behind.rollback(name)

    def take_bulk(self) -> BulkLoad | None:
        return self._behind.take_bulk()

    def cancel(self) -> None:
        self._behind.cancel()

    def reset(self, keep_transaction: bool = False) -> None:
        self._behind.reset(keep_transaction)

    def close(self) -> None:
        self._behind.close()


def check(text: str) -> None:
    """Refuse PREDICT in calls: SQL Server would take it for a mistake, or for RevoScale's.

    Raises:
        SqlError: the text calls PREDICT.
    """
    for token in predictions(text):
        raise refused("PREDICT behind a SQL Server in a statement with parameters", token.line)


def predictions(text: str) -> Iterator[Token]:
    """Where PREDICT is called."""
    if "predict" not in text.lower():
        return
    try:
        tokens = tokenize(text)
    except SqlError:
        return  # the server behind says what is wrong
    for token, following in pairwise(tokens):
        if token.kind == "word" and token.upper == "PREDICT" and following.text == "(":
            yield token
