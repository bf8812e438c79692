"""How often the screen is repainted: seldom over a line on which each repaint travels. Knows nothing of Textual."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Final

from core.errors import FieldhandError, Kind

VARIABLE: Final = "FIELDHAND_REPAINTS"
TEXTUAL_VARIABLE: Final = "TEXTUAL_FPS"
"""Textual reads it when it is imported."""
MOST: Final = 60
OVER_SSH: Final = 20
"""A second: a key that is held down still moves the cursor smoothly, in a third of the bytes."""


def repaints(environment: Mapping[str, str], given: str | None = None) -> int:
    """How often a second at most: as given, else $FIELDHAND_REPAINTS, else by the kind of line. Raises INVALID."""
    wanted = given or environment.get(VARIABLE)
    if not wanted:
        return OVER_SSH if "SSH_CONNECTION" in environment else MOST
    if not (wanted.isascii() and wanted.isdigit() and 1 <= int(wanted) <= MOST):
        reason = f"it takes a number from 1 to {MOST}"
        raise FieldhandError(Kind.INVALID, what="repaints a second", value=wanted, reason=reason)
    return int(wanted)


def settle(environment: MutableMapping[str, str], given: str | None = None) -> None:
    """Let Textual keep to it, when it is imported afterwards; raises INVALID."""
    environment[TEXTUAL_VARIABLE] = str(repaints(environment, given))
