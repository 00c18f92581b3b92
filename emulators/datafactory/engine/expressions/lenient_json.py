"""JSON as Newtonsoft's reader takes it: quotes, keys, commas, comments and numbers more freely."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from emulators.datafactory.engine.expressions.values import BLANKS

DEEPEST_JSON = 128


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):  # a name that comes again moves to the end
        made = {}
        for name, value in pairs:
            made.pop(name, None)
            made[name] = value
    return made


_STRICT = json.JSONDecoder(strict=False, object_pairs_hook=_object)
_BLANK = re.compile(rf"(?:[{BLANKS}]|/\*.*?\*/|//[^\r\n]*)*", re.DOTALL)
_AFTER_VALUE = ",]}/)" + BLANKS
_NAME = re.compile(r"[\w$]+")
_NUMBER = re.compile(r"[-.0-9][-+.0-9a-fA-FxXeE]*")
_DECIMAL = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z")
_WORDS = {
    "true": True,
    "false": False,
    "null": None,
    "undefined": None,
    "NaN": math.nan,
    "Infinity": math.inf,
    "-Infinity": -math.inf,
}
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "\n": "", "'": "'", '"': '"'}
_ESCAPES |= {"\\": "\\", "/": "/"}


class BadJson(ValueError):
    """A text that even the lenient reader refuses; the message says where."""


def read_json(text: str) -> Any:
    """The first value in a text; what follows it is not looked at, nothing at all is null.

    Raises:
        BadJson: the text is not JSON.
    """
    start = text.lstrip(BLANKS)
    if start[:1] in ("{", "[", '"'):
        try:
            value, _ = _STRICT.raw_decode(start)
        except (ValueError, RecursionError):
            pass
        else:
            if text.count("[") + text.count("{") <= DEEPEST_JSON or not _too_deep(value, 1):
                return value
    return _Reader(text).first()


def _too_deep(value: Any, depth: int) -> bool:
    members = (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    )
    return depth > DEEPEST_JSON or any(
        _too_deep(member, depth + 1) for member in members if isinstance(member, dict | list)
    )


class _Reader:
    """Recursive descent, bounded in depth."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def fail(self, why: str) -> NoReturn:
        raise BadJson(f"{why} at position {self.at}.")

    def first(self) -> Any:
        self.skip()
        if self.at == len(self.text) or self.text[self.at] == ",":
            return None  # nothing, or an element that is left out
        return self.value(0)

    def skip(self) -> None:
        found = _BLANK.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def peek(self) -> str:
        self.skip()
        if self.at == len(self.text):
            self.fail("Unexpected end")
        return self.text[self.at]

    def value(self, depth: int) -> Any:
        if depth > DEEPEST_JSON:
            self.fail(f"Deeper than {DEEPEST_JSON} levels")
        mark = self.peek()
        if mark == "{":
            return self.members(depth)
        if mark == "[":
            return self.elements(depth)
        if mark in "'\"":
            return self.quoted(mark)
        for word, value in _WORDS.items():
            if self.text.startswith(word, self.at) and self.ends(self.at + len(word)):
                self.at += len(word)
                return value
        return self.number()

    def ends(self, at: int) -> bool:
        following = self.text[at : at + 1]
        return not following or following in _AFTER_VALUE

    def number(self) -> int | float:
        found = _NUMBER.match(self.text, self.at)
        if found is None or not self.ends(found.end()):
            self.fail(f"Unexpected character '{self.text[self.at]}'")
        digits = found[0]
        try:
            value = _number(digits)
        except ValueError:
            self.fail(f"'{digits}' is not a number")
        self.at = found.end()
        return value

    def members(self, depth: int) -> dict[str, Any]:
        self.at += 1
        made: dict[str, Any] = {}
        while (mark := self.peek()) != "}":
            if mark in "'\"":
                key = self.quoted(mark)
            elif name := _NAME.match(self.text, self.at):
                key, self.at = name[0], name.end()
            else:
                self.fail(f"Unexpected character '{mark}' for a property's name")
            if self.peek() != ":":
                self.fail("A property's name has no ':' after it")
            self.at += 1
            value = self.value(depth + 1)
            made.pop(key, None)
            made[key] = value
            if self.ended():
                return made
            self.comma("}")
        self.at += 1
        return made

    def elements(self, depth: int) -> list[Any]:
        self.at += 1
        made: list[Any] = []
        while (mark := self.peek()) != "]":
            if mark == ",":
                self.at += 1
                made.append(None)
                continue
            made.append(self.value(depth + 1))
            if self.ended():
                return made
            self.comma("]")
        self.at += 1
        return made

    def ended(self) -> bool:
        """Whether the text stops after a whole value: what is open then counts as closed."""
        self.skip()
        return self.at == len(self.text)

    def comma(self, closing: str) -> None:
        mark = self.peek()
        if mark == ",":
            self.at += 1
        elif mark != closing:
            self.fail(f"Unexpected character '{mark}' after a value")

    def quoted(self, mark: str) -> str:
        at, pieces = self.at + 1, ""
        while True:
            stop = re.compile(rf"[{mark}\\]").search(self.text, at)
            if stop is None:
                self.fail("Unterminated string")
            pieces += self.text[at : stop.start()]
            at = stop.end()
            if stop[0] == mark:
                self.at = at
                return pieces
            letter = self.text[at : at + 1]
            if letter == "u" and re.match(r"[0-9a-fA-F]{4}", self.text[at + 1 : at + 5]):
                pieces += chr(int(self.text[at + 1 : at + 5], 16))
                at += 5
            elif letter in _ESCAPES and letter:
                pieces += _ESCAPES[letter]
                at += 1
            else:
                self.fail("Bad escape sequence")


def _number(digits: str) -> int | float:
    if digits[:2] in ("0x", "0X"):
        return int(digits, 16)
    if _DECIMAL.match(digits) is None:
        raise ValueError(digits)
    if digits[0] == "0" and len(digits) > 1 and digits[1] not in ".eE":
        return int(digits, 8)
    return int(digits) if digits.lstrip("-").isdigit() else float(digits)
