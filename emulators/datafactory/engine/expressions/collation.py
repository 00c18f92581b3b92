"""String order as the culture has it: letters, then accents, then case; never code points.

Follows the root order of the Unicode collation algorithm for what text in practice has; scripts
other than Latin keep the order of their code points within the script.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_PUNCTUATION = "_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$"
_LETTERS = {
    "ß": "ss",
    "ẞ": "SS",
    "æ": "ae",
    "Æ": "AE",
    "œ": "oe",
    "Œ": "OE",
    "ø": "o",
    "Ø": "O",
    "đ": "d",
    "Đ": "D",
    "ð": "d",
    "Ð": "D",
    "ł": "l",
    "Ł": "L",
    "ı": "i",
}
_Weight = tuple[int, int]
_Key = tuple[tuple[_Weight, ...], tuple[int, ...], tuple[int, ...]]


def compare(first: str, second: str) -> int:
    """Negative when `first` sorts before `second`, 0 when they are the same to the culture."""
    if first == second:
        return 0
    left, right = _key(first), _key(second)
    return (left > right) - (left < right)


@lru_cache(maxsize=1024)
def _key(text: str) -> _Key:
    primary: list[_Weight] = []
    accents: list[int] = []
    cases: list[int] = []
    for character in unicodedata.normalize("NFD", text):
        spelled = _LETTERS.get(character, character)
        extra = 2 if spelled != character else 0
        for letter in spelled:
            weight = _weight(letter)
            if weight is None:
                continue
            if weight[0] < 0:
                if accents:
                    accents[-1] = accents[-1] * 1024 + weight[1]
                continue
            primary.append(weight)
            accents.append(extra if extra and len(spelled) == 1 else 0)
            cases.append(extra + letter.isupper())
    return tuple(primary), tuple(accents), tuple(cases)


def _weight(letter: str) -> _Weight | None:
    """Class and place of a character; None when it does not count, class -1 for an accent."""
    at = _PUNCTUATION.find(letter)
    if letter.isspace():
        return 0, ord(letter)
    if at >= 0:
        return 1, at
    category = unicodedata.category(letter)
    if category in ("Mn", "Me"):
        return -1, ord(letter) - 0x2FF
    if category in ("Cc", "Cf"):
        return None
    if category == "Nd":
        return 3, unicodedata.digit(letter)
    if category[0] in "PSZ":
        return 2, ord(letter)
    return 4, ord(letter.lower()[0])
