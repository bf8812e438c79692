"""Text from devices, files and people is data: one place that makes it fit to keep and to show."""

from __future__ import annotations

import unicodedata
from typing import Final

from core.errors import FieldhandError, Kind

LONGEST_NAME: Final = 80
"""Characters; a name has to fit a line of a terminal."""


def printable(text: str) -> str:
    """The text on one line, without control, format and unassigned characters: nothing a terminal would act on."""
    if text.isascii() and text.isprintable() and "  " not in text:  # nearly all there is
        return text.strip()
    kept = (" " if char.isspace() else char for char in text if char.isspace() or unicodedata.category(char)[0] != "C")
    return " ".join("".join(kept).split())


def name(what: str, text: str) -> str:
    """A name as it is kept; raises INVALID for one that is empty or too long."""
    cleaned = printable(text)
    if not cleaned:
        raise FieldhandError(Kind.INVALID, what=f"{what} name", value=text, reason="it is empty")
    if len(cleaned) > LONGEST_NAME:
        raise FieldhandError(
            Kind.INVALID,
            what=f"{what} name",
            value=cleaned,
            reason=f"it is longer than {LONGEST_NAME} characters",
        )
    return cleaned
