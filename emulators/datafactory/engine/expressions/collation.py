"""String order as the culture has it: letters, then accents, then case; never code points.

Follows the root order of the Unicode collation algorithm (www.unicode.org/reports/tr10) for Latin
text and its punctuation; other scripts keep the order of their code points.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_MARKS = (
    "_-\u2010\u2012\u2013\u2014\u2015,;:!¡?¿.·'\u2018\u2019\u201a\u2039\u203a\"\u201c\u201d\u201e"
    "«»()[]{}§¶@*/\\&#%\u2030\u2020\u2021\u2022`\u00b4^¯¨\u00b8°©®+±÷\u00d7<=>¬|¦~\u2212\u221e\u2264\u2265"
    "¤¢$£¥\u20ac"
)
_PLACES = {mark: place for place, mark in enumerate(_MARKS)}
# Letters that Unicode does not take apart and collation does.
_SPELLED = {
    "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O",
    "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "ł": "l", "Ł": "L", "ħ": "h", "Ħ": "H",
}  # fmt: skip
# Letters of their own that come right behind one of the alphabet.
_BEHIND = {"\u0131": "i", "ŋ": "n", "ŧ": "t", "ə": "e", "þ": "z"}
# Accents in their order; others come after these by code point. A stroke counts as U+0338.
_ACCENTS = "\u0301\u0300\u0306\u0302\u030c\u030a\u0308\u030b\u0303\u0307\u0338\u0327\u0328\u0304"
_STROKE = _ACCENTS.index("\u0338") + 1
_Weight = tuple[int, int]
_Key = tuple[tuple[_Weight, ...], tuple[int, ...], tuple[int, ...]]
_BLANK, _MARK, _SYMBOL, _DIGIT, _LETTER = range(5)


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
        category = unicodedata.category(character)
        if category in ("Mn", "Me") and accents:
            accents[-1] = accents[-1] * 0x10000 + _accent(character)
        if category[0] == "M" or (category in ("Cc", "Cf") and not character.isspace()):
            continue
        spelled = _spelled(character)
        changed = spelled != character
        for letter in spelled:
            primary.append(_weight(letter))
            accents.append(_STROKE if changed and len(spelled) == 1 and letter.isalpha() else 0)
            cases.append(2 * changed + letter.isupper())
    return tuple(primary), tuple(accents), tuple(cases)


def _accent(mark: str) -> int:
    at = _ACCENTS.find(mark)
    return at + 1 if at >= 0 else ord(mark)


def _spelled(character: str) -> str:
    if character.isascii() or character in _PLACES:
        return character
    if known := _SPELLED.get(character):
        return known
    simple = unicodedata.normalize("NFKD", character)
    return character if simple.startswith(" ") else simple


def _weight(letter: str) -> _Weight:
    """Class and place of a character."""
    if letter.isspace():
        return _BLANK, ord(letter)
    if letter in _PLACES:
        return _MARK, _PLACES[letter]
    category = unicodedata.category(letter)
    if category == "Nd":
        return _DIGIT, unicodedata.digit(letter)
    if category[0] in "PSZ":
        return _SYMBOL, ord(letter)
    simple = letter.lower()[0]
    if behind := _BEHIND.get(simple):
        return _LETTER, 2 * ord(behind) + 1
    return _LETTER, 2 * ord(simple)
