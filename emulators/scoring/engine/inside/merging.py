"""Rows of the requests that wait, scored in one call; never longer waiting to make it so."""

from __future__ import annotations

import logging
import time
import traceback
from functools import partial
from typing import Any, List, NamedTuple, Optional

from . import logs
from .channel import Channel, frames
from .request import Request
from .routes import Ids, Server
from .table import Unusual

logger = logging.getLogger("azmlinfsrv")
ROWS = 512  # of one call
WINDOW = 256


class Waiting(NamedTuple):
    """One request whose rows can be scored with others'."""

    id: int
    frame: Any
    request: Request
    ids: Ids
    part: Any  # has `size`
    began: float


class MergingServer:
    """Takes all that has arrived, merges what can be merged, answers the rest one by one.

    `batch.part(request)` reads a request's rows or raises Unusual; `batch.run(parts)` gives one
    answer for each part, or raises: then each request is answered alone. `batch.alone` tells
    whether it is also the better way for one request.
    """

    window = WINDOW
    merges = True

    def __init__(self, server: Server, batch: Any) -> None:
        self._server, self._batch = server, batch
        self._pairs = batch.pairs() if hasattr(batch, "pairs") else None

    def serve(self, channel: Channel) -> None:
        """Answer until the pool goes away."""
        while True:
            received = channel.receive()
            if received is None:
                break
            self._answer(channel, received)
            if channel.idle():
                logs.requests.flush()
        logs.requests.flush()

    def _answer(self, channel: Channel, received: List[Any]) -> None:
        waiting: List[Waiting] = []
        rows = 0
        while received:
            for frame in received:
                one = self._read(frame)
                if one is None:
                    self._one(channel, frame)
                    continue
                if waiting and rows + one.part.size > ROWS:
                    self._score(channel, waiting)
                    waiting, rows = [], 0
                waiting.append(one)
                rows += one.part.size
            received = channel.more() if rows < ROWS else []
        if waiting:
            self._score(channel, waiting)

    def _read(self, frame: Any) -> Optional[Waiting]:
        began = time.perf_counter()
        request = Request(frame.head, frame.body)
        if request.method != "POST" or request.path != "/score" or not request.is_json:
            return None
        try:
            part = self._batch.part(request)
        except Unusual:
            return None
        ids = Ids(request.headers)
        return (
            None if ids.refused is not None else Waiting(frame.id, frame, request, ids, part, began)
        )

    def _score(self, channel: Channel, waiting: List[Waiting]) -> None:
        if len(waiting) == 1 and not self._batch.alone:
            self._one(channel, waiting[0].frame)
            return
        began = time.perf_counter()
        try:
            outputs = self._batch.run([one.part for one in waiting])
        except Exception as error:
            if len(waiting) > 1:  # whose rows they were shows when each is scored alone
                for one in waiting:
                    self._score(channel, [one])
                return
            if not isinstance(error, Unusual):
                logger.error("Encountered Exception: %s", traceback.format_exc())
            self._one(channel, waiting[0].frame)
            return
        elapsed_ms = (time.perf_counter() - began) * 1000
        self._send(channel, waiting, outputs, elapsed_ms)

    def _one(self, channel: Channel, frame: Any) -> None:
        reply = self._server.handle(frame.head, frame.body)
        channel.reply(frame.id, reply.status, reply.head, reply.body)

    def _send(
        self, channel: Channel, waiting: List[Waiting], outputs: List[Any], elapsed_ms: float
    ) -> None:
        sent = []
        for at, one in enumerate(waiting):
            one.request.logged = True
            try:
                reply = self._server.scored(one.request, one.ids, outputs[at], elapsed_ms)
            except Exception:  # no JSON: the answer to that is made by the way for one request
                self._one(channel, one.frame)
                continue
            self._server.log(one.request, reply, one.began)
            if self._pairs is not None:
                self._pairs.collect(partial(self._batch.records_of, one), outputs[at])
            sent.append(
                frames.encode(frames.RESPONSE, one.id, reply.status, reply.head, reply.body)
            )
        channel.send(b"".join(sent))
