"""What cannot be asked of a device but has to be known of its kind, by the beginning of its program ID."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

PROPERTIES: Final[Mapping[str, tuple[range, ...]]] = {"9FFFFF": (range(0x4000, 0x4020),)}
"""Absolute addresses of the configuration properties that lie in memory.

No message tells where a program keeps them; its maker's interface file does. Known here are only the devices of the
virtual field (format 9, manufacturer FFFFF, which no maker has). Of any other device the properties are not kept.
"""

BY_HAND: Final[Mapping[str, tuple[str, ...]]] = {
    "9FFFFF0510": ("hold the reset button of the new module", "let go when its LED blinks"),
}
"""What a person does to a new unit before it lets itself be configured: I/O modules that plug into a controller."""

T = TypeVar("T")


def of_kind(table: Mapping[str, tuple[T, ...]], program_id: str) -> tuple[T, ...]:
    """What the table holds for the longest beginning of the program ID; nothing for a kind that it does not know."""
    known = [prefix for prefix in table if program_id.startswith(prefix)]
    return table[max(known, key=len)] if known else ()
