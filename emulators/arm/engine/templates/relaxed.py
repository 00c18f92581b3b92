"""JSON as the resource manager reads it: with comments, bare names and either kind of quote."""

from __future__ import annotations

import re
from typing import Any

import orjson

DEEPEST = 256
_SPACE = re.compile(r"(?:[\s\ufeff]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'", re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?P<fraction>\.\d+)?(?P<power>[eE][+-]?\d+)?(?![\w.])")
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_MEANT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS = {"true": True, "false": False, "null": None, "undefined": None}


class Unreadable(ValueError):
    """Text that is not JSON, not even with every freedom."""


def read(text: bytes | str) -> Any:
    """The value of a JSON text, strict or relaxed.

    The relaxed form is what clients really send: `az` writes a template's file into its request as
    it is, with the file's comments, behind a name without quotes.

    Raises:
        Unreadable: it cannot be read.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as strict:
        why = str(strict)
    try:
        found = _Reader(text.decode() if isinstance(text, bytes) else text).whole()
        orjson.dumps(found)  # what cannot be written again, as half a surrogate pair, is not kept
    except (TypeError, UnicodeDecodeError):
        raise Unreadable(why) from None
    return found


class _Reader:
    """Recursive descent over one text."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._depth = text, 0, 0

    def whole(self) -> Any:
        found = self._value()
        self._skip()
        if self._at < len(self._text):
            raise self._wrong("the end")
        return found

    def _wrong(self, expected: str) -> Unreadable:
        line = self._text.count("\n", 0, self._at) + 1
        column = self._at - self._text.rfind("\n", 0, self._at)
        return Unreadable(f"{expected} is expected: line {line} column {column}")

    def _skip(self) -> str:
        """Pass over space and comments; the character that follows, empty at the end."""
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._text[self._at : self._at + 1]

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
        return found

    def _value(self) -> Any:
        mark = self._skip()
        if mark and mark in "{[":
            self._depth += 1
            if self._depth > DEEPEST:
                raise self._wrong(f"at most {DEEPEST} levels of nesting")
            found = self._object() if mark == "{" else self._array()
            self._depth -= 1
            return found
        if mark and mark in "\"'":
            return self._string()
        number = self._match(_NUMBER)
        if number is not None:
            return self._number(number)
        word = _NAME.match(self._text, self._at)
        if word is None or word[0] not in _WORDS:
            raise self._wrong("a value")
        self._at = word.end()
        return _WORDS[word[0]]

    def _number(self, found: re.Match[str]) -> int | float:
        if found["fraction"] or found["power"]:
            return float(found[0])
        if len(found[0]) > 20:
            raise self._wrong("a number that fits in 64 bits")
        return int(found[0])

    def _string(self) -> str:
        found = self._match(_STRING)
        if found is None:
            raise self._wrong("the end of a string")
        text = found[1] if found[1] is not None else found[2]
        if "\\" not in text:
            return text
        plain = _ESCAPE.sub(_unescaped, text)
        return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    def _array(self) -> list[Any]:
        found: list[Any] = []
        self._at += 1
        while self._skip() != "]":
            found.append(self._value())
            if not self._more("]"):
                break
        self._at += 1
        return found

    def _object(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self._at += 1
        while self._skip() != "}":
            name = self._key()
            if self._skip() != ":":
                raise self._wrong("':'")
            self._at += 1
            found[name] = self._value()
            if not self._more("}"):
                break
        self._at += 1
        return found

    def _key(self) -> str:
        mark = self._skip()
        if mark and mark in "\"'":
            return self._string()
        found = self._match(_NAME)
        if found is None:
            raise self._wrong("a name")
        return found[0]

    def _more(self, end: str) -> bool:
        """Pass over a comma; False at the end, which a comma may precede."""
        mark = self._skip()
        if mark == ",":
            self._at += 1
            return True
        if mark != end:
            raise self._wrong(f"',' or '{end}'")
        return False


def _unescaped(found: re.Match[str]) -> str:
    word = found[1]
    return chr(int(word[1:], 16)) if len(word) > 1 else _MEANT.get(word, word)
