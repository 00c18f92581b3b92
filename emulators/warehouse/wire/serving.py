"""Requests to what the session does for them, and its answers to bytes. Runs in the worker."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from emulators.warehouse.engine.answers import Answer, BulkLoad, Failed, Session
from emulators.warehouse.errors import SqlError, refused
from emulators.warehouse.wire import packets, requests, rpc, tokens
from emulators.warehouse.wire.answering import AnswerWriter, Bytes, Style, failed, ours
from emulators.warehouse.wire.bulk import BulkReader
from emulators.warehouse.wire.packets import BadStream
from emulators.warehouse.wire.requests import Request
from emulators.warehouse.wire.types_read import UnsupportedType


class Serving:
    """What a connection asks of its session. `answer` is lazy: all work is done by its iterator."""

    def __init__(self, session: Session, style: Style) -> None:
        self._session, self._style = session, style
        self._load: BulkLoad | None = None
        self._reader: BulkReader | None = None
        self._refusal: Failed | None = None
        self.answers = True  # whether the last request is answered at all

    def answer(self, request: Request) -> Iterator[Bytes] | None:
        """The answer to a request.

        Raises:
            BadStream: when it is iterated, and the request is malformed.
        """
        self.answers = True
        if request.kind == packets.BULK:
            return self._bulk(request)
        if request.ignored:
            return None
        serve = {
            packets.BATCH: self._batch,
            packets.RPC: self._calls,
            packets.TRANSACTION: self._transaction,
        }.get(request.kind)
        if serve is None:
            raise BadStream(f"a message of type {request.kind:#x} after the login")
        return chain(self._begun(request), serve(request))

    def forget_bulk(self) -> None:
        """Give up a load that was announced or is under way."""
        load, self._load, self._reader, self._refusal = self._load, None, None, None
        if load is not None:
            load.abandon()

    def _begun(self, request: Request) -> Iterator[Bytes]:
        self.forget_bulk()
        if request.resets:
            self._session.reset(keep_transaction=request.keeps_transaction)
            yield tokens.changed_bytes(tokens.RESET, b"")

    def _batch(self, request: Request) -> Iterator[Bytes]:
        text = requests.batch_text(request.data)
        yield from AnswerWriter(self._style).written(self._session.batch(text))
        self._load = self._session.take_bulk()

    def _calls(self, request: Request) -> Iterator[Bytes]:
        try:
            calls = list(rpc.parse(request.data))
        except UnsupportedType as what:
            error = failed(refused(f"parameters of this type: {what}"))
            yield from AnswerWriter(self._style, call=True).written([error])
            return
        if not calls:
            raise BadStream("a message without a call")
        for call in calls:
            writer = AnswerWriter(self._style, call=True, last=call.last)
            yield from writer.written(self._called(call))

    def _called(self, call: rpc.Call) -> Iterator[Answer]:
        if call.is_cursor:
            raise refused(f"server cursors ({rpc.plain_name(call.procedure)})")
        yield from self._session.call(call.procedure, call.arguments)

    def _transaction(self, request: Request) -> Iterator[Bytes]:
        yield from AnswerWriter(self._style).written(
            self._managed(requests.transaction_request(request.data))
        )

    def _managed(self, asked: requests.TransactionRequest) -> Iterator[Answer]:
        session = self._session
        if asked.kind == requests.BEGIN:
            yield from session.begin(asked.isolation)
        elif asked.kind == requests.COMMIT:
            yield from session.commit()
        elif asked.kind == requests.ROLLBACK:
            yield from session.rollback(asked.name)
        elif asked.kind == requests.SAVE:
            name = asked.name.replace("]", "]]")
            yield from session.batch(f"SAVE TRANSACTION [{name}]")
        else:
            raise refused(f"distributed transactions (request {asked.kind})")
        if asked.begins:
            yield from session.begin(asked.isolation)

    def _bulk(self, request: Request) -> Iterator[Bytes]:
        """Take the next piece; answer after the last."""
        self.answers = request.last and not request.ignored
        if request.ignored:
            self.forget_bulk()
            return
        self._take(request)
        if not request.last:
            return
        load, refusal = self._load, self._refusal
        self._load = self._reader = self._refusal = None
        writer = AnswerWriter(self._style)
        if refusal is not None or load is None:
            if load is not None:
                load.abandon()
            yield from writer.written([refusal or _unannounced()])
            return
        yield from writer.written(load.finish())

    def _take(self, request: Request) -> None:
        """Decode a piece and hand its rows on; what fails is told after the last piece."""
        if self._load is None or self._refusal is not None:
            return
        if self._reader is None:
            self._reader = BulkReader(self._load.columns)
        try:
            for batch in self._reader.feed(request.data, last=request.last):
                if not self._load.columns:  # nobody knew them: they are as they are sent
                    self._load.columns = self._reader.columns
                self._load.write(batch)
        except SqlError as wrong:
            self._refusal = failed(wrong)
        except UnsupportedType as what:
            self._refusal = failed(refused(f"bulk load of columns of this type: {what}"))
        except BadStream as wrong:
            self._refusal = Failed(4804, f"The rows of the bulk load cannot be read: {wrong}.")
        except Exception as bug:
            self._style.bug(bug)
            self._refusal = ours(bug)


def _unannounced() -> Failed:
    return Failed(4819, "Rows came without an INSERT BULK statement before them.")
