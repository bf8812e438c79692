"""Finding a text by a part of it, or by a few of its letters in order."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_BEGINNING: Final = re.compile(r"(?<![^\W_])[^\W_]|(?<=[^\W\d_])\d|(?<=\d)[^\W\d_]|(?<=0)[1-9]")
"""Where a word or a number begins, also behind its leading zeros: AHU-03 has A, 0 and 3."""


def in_order(letters: str, text: str) -> bool:
    """Whether the text has these letters in this order, whatever stands between."""
    return _in_order(letters).match(text) is not None


def by_beginnings(letters: str, text: str) -> bool:
    """Whether the letters are beginnings of words of the text, in order: "ahsu" and "a3f" find "ahu-03 supply fan"."""
    if not in_order(letters, text):  # most are out at once
        return False
    beginnings = [match.start() for match in _BEGINNING.finditer(text)]
    places = {-1}
    for letter in letters:
        first = min(places)
        going_on = {place + 1 for place in places if first >= 0}
        places = {place for place in (*beginnings, *going_on) if place > first and text[place : place + 1] == letter}
        if not places:
            return False
    return True


@lru_cache(maxsize=100)
def _in_order(letters: str) -> re.Pattern[str]:
    return re.compile("".join(f"[^{re.escape(letter)}]*+{re.escape(letter)}" for letter in letters), re.DOTALL)
