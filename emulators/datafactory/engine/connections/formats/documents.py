"""JSON documents, one after another or in an array, fed in pieces. No I/O.

Source: learn.microsoft.com/azure/data-factory/format-json.
"""

from __future__ import annotations

import json
import re
from typing import Any

from emulators.datafactory.engine.connections.failing import ConnectionFailed

_INTERESTING = re.compile(r'["{}\[\]]')
_STRING_END = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_BETWEEN = re.compile(r"[\s,\ufeff\x1e]*")


class DocumentReader:
    """Feed it text; it gives the documents that are whole, and keeps the rest.

    An array at the top is the documents in it; any number of either may follow each other.
    """

    def __init__(self) -> None:
        self._text = ""
        self._in_array = False
        self._scan, self._depth = 0, 0  # how far the first document has been looked through

    def feed(self, text: str, *, last: bool = False) -> list[Any]:
        """Documents that end in `text`.

        Raises:
            ConnectionFailed: it is not JSON, or it ends within a document.
        """
        self._text += text
        found: list[Any] = []
        at = 0
        while True:
            if self._scan <= at:
                at = self._skip(at)
                self._scan = at
            if at >= len(self._text):
                break
            end = self._end(at)
            if end is None:
                break
            found.append(_parsed(self._text[at:end]))
            at, self._scan, self._depth = end, end, 0
        self._text, self._scan = self._text[at:], max(0, self._scan - at)
        if last and (self._text.strip() or self._in_array):
            raise ConnectionFailed("JsonInvalidDataFormat", "The file ends within a JSON document.")
        return found

    def _skip(self, at: int) -> int:
        """Past blanks, commas and the brackets of arrays at the top."""
        while True:
            match = _BETWEEN.match(self._text, at)
            at = match.end() if match else at
            if self._text.startswith("[", at) and not self._in_array:
                self._in_array = True
            elif self._text.startswith("]", at) and self._in_array:
                self._in_array = False
            else:
                return at
            at += 1

    def _end(self, at: int) -> int | None:
        """Where the object at `at` ends; None while it does not."""
        if self._text[at] != "{":
            raise ConnectionFailed(
                "JsonInvalidDataFormat",
                f"A JSON object is expected, not '{self._text[at : at + 40]}'.",
            )
        while True:
            match = _INTERESTING.search(self._text, self._scan)
            if match is None:
                self._scan = len(self._text)
                return None
            mark = match.group()
            if mark == '"':
                string = _STRING_END.match(self._text, match.end())
                if string is None:
                    self._scan = match.start()
                    return None
                self._scan = string.end()
                continue
            self._scan = match.end()
            self._depth += 1 if mark in "{[" else -1
            if self._depth == 0:
                return match.end()


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as wrong:
        raise ConnectionFailed(
            "JsonInvalidDataFormat", f"Error occurred when deserializing source JSON: {wrong}."
        ) from None
