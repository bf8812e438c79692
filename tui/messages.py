"""What background work tells the console. Work never touches a widget: it posts one of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from core.models import Group, Job, Port, Summary
from tui.model.devices import Row

if TYPE_CHECKING:
    from core.rpc import Measured, PinPressed, Searching


@dataclass(eq=False)
class StoreRead(Message):
    """The store was read. `removed`: devices that are gone. `whole`: the rows are all there are, not only changes.

    Not `complete`: they are the first of many, and the others are being read.
    """

    rows: Sequence[Row]
    removed: Sequence[int]
    whole: bool
    groups: Sequence[Group]
    ports: Sequence[Port]
    jobs: Sequence[Job]
    summary: Summary
    complete: bool = True


@dataclass(eq=False)
class LinkUp(Message):
    """The engine answers."""


@dataclass(eq=False)
class LinkDown(Message):
    """The engine is gone, or the store cannot be read."""

    reason: str


@dataclass(eq=False)
class SearchGoesOn(Message):
    """A search of a port tells how far it is."""

    notice: Searching

    def can_replace(self, message: Message) -> bool:
        """Only the newest counts."""
        return isinstance(message, SearchGoesOn)


@dataclass(eq=False)
class PinSeen(Message):
    """A service pin was pressed."""

    notice: PinPressed


@dataclass(eq=False)
class MonitoringMeasured(Message):
    """How many events a second there are, and what is paused."""

    notice: Measured

    def can_replace(self, message: Message) -> bool:
        """Only the newest counts."""
        return isinstance(message, MonitoringMeasured)
