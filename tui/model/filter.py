"""The filter language: words, `field:value`, `field:<value`, `!` for not, `a,b` for or, quotes for exactly this.

All terms have to hold. A word matches anywhere in name, UID, group, address or status, or begins words of the name
("ahsu" is AHU-03 supply fan). A field's value matches anywhere in that field, or the whole of it when it is quoted:
`group:"roof"`. A comparison takes numbers as numbers: `fw:<2.1`, `address:>=1/40`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tui.model.fuzzy import by_beginnings
from tui.text import natural

FIELDS: Final[Mapping[str, str]] = {
    **{name: name for name in ("status", "group", "port", "name", "uid", "address", "program", "type", "location")},
    "fw": "firmware",
    "firmware": "firmware",
    "model": "model",
}
"""What stands before a colon, and what it is about."""
EVERYWHERE: Final = ("name", "uid", "group", "address", "status")
"""Where a plain word is looked for."""
COMPARISONS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "<": lambda text, value: text < value,
    "<=": lambda text, value: text <= value,
    ">": lambda text, value: text > value,
    ">=": lambda text, value: text >= value,
}

_TERM = re.compile(
    r'(?P<not>!?)(?:(?P<field>[a-z]+):(?P<compared>[<>]=?)?)?(?P<values>(?:"(?:\\.|[^"\\])*"?|[^\s"])*)', re.IGNORECASE
)
_UID_WITH_SEPARATORS = re.compile(r"[0-9a-f]{2}([:-][0-9a-f]{2})+")
_VALUE = re.compile(r'"(?P<quoted>(?:\\.|[^"\\])*)"?|(?P<plain>[^\s",]+)')


@dataclass(frozen=True, slots=True)
class Term:
    """One condition: any of the values, in any of the fields."""

    fields: tuple[str, ...]
    values: tuple[tuple[str, bool], ...]
    """The text looked for, and whether it has to be the whole field."""
    negated: bool
    compared: str = ""
    """The field is before or behind the values, not among them."""

    def holds(self, texts: Mapping[str, str]) -> bool:
        """Whether the casefolded texts of a device meet it."""
        return self._found(texts) is not self.negated

    def _found(self, texts: Mapping[str, str]) -> bool:
        if self.compared:
            (text,) = (texts[field] for field in self.fields)
            compare = COMPARISONS[self.compared]
            return bool(text) and any(compare(natural(text), natural(value)) for value, _ in self.values)
        return any(
            text == value if whole else value in text
            for value, whole in self.values
            for text in (texts[field] for field in self.fields)
        ) or (self._fuzzy and any(by_beginnings(value, texts["name"]) for value, whole in self.values if not whole))

    @property
    def _fuzzy(self) -> bool:
        """Who says what is not meant means just that."""
        return "name" in self.fields and not self.negated


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
        field = FIELDS.get((match["field"] or "").lower())
        compared = match["compared"] or ""
        written = match["values"] if field or not match["field"] else f"{match['field']}:{compared}{match['values']}"
        values = tuple(_values(written))
        if values:
            fields, compared = ((field,), compared) if field else (EVERYWHERE, "")
            terms.append(Term(fields, values, bool(match["not"]), compared))
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
