"""The plain filter of logs: every word has to be somewhere in the line."""

from __future__ import annotations


class Words:
    """What was typed, as the words that are looked for, whatever their case."""

    def __init__(self, typed: str = "") -> None:
        self._words = tuple(typed.casefold().split())

    def match(self, *texts: str) -> bool:
        """Whether all of them are in these texts."""
        line = "\n".join(texts).casefold()
        return all(word in line for word in self._words)
