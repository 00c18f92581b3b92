"""Shell text read as one plain Python command, or not at all; runs nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_SPECIAL = frozenset("|&;<>()$`*?[]{}~#!^\0")  # unquoted, bash may do something about these
_IN_DOUBLE = frozenset("$`\0!")  # the same inside double quotes
_ESCAPABLE = frozenset('"\\$`')  # what a backslash escapes inside double quotes
_ASSIGNMENT = re.compile(r"^([A-Za-z_]\w*)=(.*)$", re.ASCII | re.DOTALL)
_PYTHON = re.compile(r"^python(3(\.\d+)?)?$")
_MODULE = re.compile(r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")


@dataclass(frozen=True, slots=True)
class PythonCommand:
    """`NAME=value python -u script.py arguments`, taken apart."""

    env: dict[str, str]  # leading assignments
    argv: tuple[str, ...]  # as given, "python" first
    script: str | None  # path relative to the working directory, or None
    module: str | None  # of `-m`, or None
    arguments: tuple[str, ...]  # what `sys.argv` will be; [0] is as Python sets it first
    unbuffered: bool  # `-u`


class _NotPlain(Exception):
    """The text needs a shell."""


def words(text: str) -> list[str] | None:
    """Split a command as bash would; None when it means more than plain words.

    Source: gnu.org/software/bash/manual, 3.1.2 Quoting and 3.7.2 Simple Command Expansion.
    """
    try:
        return _Splitter(text.strip()).split()
    except _NotPlain:
        return None


class _Splitter:
    def __init__(self, text: str) -> None:
        self._text = text.replace("\\\r\n", "\\\n")
        self._at = 0
        self._word: list[str] | None = None  # None: between words
        self._words: list[str] = []

    def split(self) -> list[str]:
        while self._at < len(self._text):
            character = self._next()
            if character in " \t":
                self._end()
            elif character == "'":
                self._add(self._until_single())
            elif character == '"':
                self._double()
            elif character == "\\":
                following = self._next()
                if following != "\n":  # otherwise the line goes on
                    self._add(following)
            elif character in _SPECIAL or character in "\r\n" or not character.isprintable():
                raise _NotPlain
            else:
                self._add(character)
        self._end()
        return self._words

    def _next(self) -> str:
        if self._at >= len(self._text):
            raise _NotPlain
        self._at += 1
        return self._text[self._at - 1]

    def _add(self, piece: str) -> None:
        if "\0" in piece:
            raise _NotPlain
        self._word = [*(self._word or []), piece]

    def _end(self) -> None:
        if self._word is not None:
            self._words.append("".join(self._word))
        self._word = None

    def _until_single(self) -> str:
        end = self._text.find("'", self._at)
        if end < 0:
            raise _NotPlain
        begin, self._at = self._at, end + 1
        return self._text[begin:end]

    def _double(self) -> None:
        self._add("")
        while (character := self._next()) != '"':
            if character in _IN_DOUBLE:
                raise _NotPlain
            if character == "\\":
                following = self._next()
                if following == "\n":
                    continue
                character = following if following in _ESCAPABLE else "\\" + following
            self._add(character)


def python_command(command: str | tuple[str, ...], python: Path) -> PythonCommand | None:
    """Read a command as one run of this Python; None when it is anything else.

    Args:
        command: text for a shell, or words.
        python: the interpreter that `python` means.
    """
    split = words(command) if isinstance(command, str) else list(command)
    env: dict[str, str] = {}
    if isinstance(command, str):
        while split and (assigned := _ASSIGNMENT.match(split[0])):
            if not _written_plainly(command, split[0]):
                return None
            env[assigned[1]] = assigned[2]
            split = split[1:]
    if "PATH" in env or not split or not (_PYTHON.match(split[0]) or split[0] == str(python)):
        return None
    if not (python.parent / Path(split[0]).name).exists():
        return None
    unbuffered = split[1:2] == ["-u"]
    rest = split[2:] if unbuffered else split[1:]
    if len(rest) > 1 and rest[0] == "-m" and _MODULE.match(rest[1]):
        return PythonCommand(env, tuple(split), None, rest[1], ("-m", *rest[2:]), unbuffered)
    if rest and rest[0].endswith(".py") and not rest[0].startswith("-"):
        return PythonCommand(env, tuple(split), rest[0], None, tuple(rest), unbuffered)
    return None


def _written_plainly(command: str, assignment: str) -> bool:
    """Tell whether bash sees an assignment: its name and `=` must stand unquoted."""
    name = assignment.partition("=")[0]
    return re.search(rf"(^|\s){name}=", command) is not None
