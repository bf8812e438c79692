"""The filter language: words, `field:value`, `!` for not, `a,b` for or, quotes for exactly this.

All terms have to hold. A word matches anywhere in name, UID, group, address or status; a field's
value anywhere in that field, or the whole of it when it is quoted: `group:"roof"`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

FIELDS: Final = ("status", "group", "port", "name", "uid")
EVERYWHERE: Final = ("name", "uid", "group", "address", "status")
"""Where a plain word is looked for."""

_TERM = re.compile(r'(?P<not>!?)(?:(?P<field>[a-z]+):)?(?P<values>(?:"(?:\\.|[^"\\])*"?|[^\s"])*)', re.IGNORECASE)
_UID_WITH_SEPARATORS = re.compile(r"[0-9a-f]{2}([:-][0-9a-f]{2})+")
_VALUE = re.compile(r'"(?P<quoted>(?:\\.|[^"\\])*)"?|(?P<plain>[^\s",]+)')


@dataclass(frozen=True, slots=True)
class Term:
    """One condition: any of the values, in any of the fields."""

    fields: tuple[str, ...]
    values: tuple[tuple[str, bool], ...]
    """The text looked for, and whether it has to be the whole field."""
    negated: bool

    def holds(self, texts: Mapping[str, str]) -> bool:
        """Whether the casefolded texts of a device meet it."""
        found = any(
            text == value if whole else value in text
            for value, whole in self.values
            for text in (texts[field] for field in self.fields)
        )
        return found is not self.negated


@dataclass(frozen=True, slots=True)
class Filter:
    """What the operator typed, and what it means."""

    text: str
    terms: tuple[Term, ...]

    def matches(self, texts: Mapping[str, str]) -> bool:
        """Whether a device with these casefolded texts is shown."""
        return all(term.holds(texts) for term in self.terms)

    def narrows(self, other: Filter) -> bool:
        """Whether whatever this shows the other shows too, so that only that has to be searched."""
        return set(other.terms) <= set(self.terms)


NOTHING: Final = Filter("", ())


def parse(text: str) -> Filter:
    """The filter that was typed; half-typed terms mean what they say so far."""
    terms = []
    for match in _TERM.finditer(text):
        field = (match["field"] or "").lower()
        known = field in FIELDS
        written = match["values"] if known or not field else f"{match['field']}:{match['values']}"
        values = tuple(_values(written))
        if values:
            terms.append(Term((field,) if known else EVERYWHERE, values, bool(match["not"])))
    return Filter(text, tuple(terms))


def exactly(field: str, value: str) -> str:
    """The text of a filter for devices whose field is this value."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{field}:"{escaped}"'


def _values(written: str) -> list[tuple[str, bool]]:
    values = []
    for match in _VALUE.finditer(written):
        if match["quoted"] is not None:
            values.append((re.sub(r"\\(.)", r"\1", match["quoted"]).casefold(), True))
        else:
            word = match["plain"].casefold()
            written_as_uid = _UID_WITH_SEPARATORS.fullmatch(word)
            values.append((re.sub("[:-]", "", word) if written_as_uid else word, False))
    return values
