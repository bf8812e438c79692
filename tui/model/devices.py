"""The list of devices as an operator works with it: filter, order, cursor and selection, all by device id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from core.lifecycle import Status, reason, status
from core.models import Device
from tui.model.filter import NOTHING, Filter
from tui.text import clean, natural

SEVERITY: Final[Mapping[Status, int]] = {
    word: place
    for place, word in enumerate(
        (
            Status.FAILED,
            Status.DOWN,
            Status.NO_APPLICATION,
            Status.SUSPECT,
            Status.MARGINAL,
            Status.RUNNING,
            Status.QUEUED,
            Status.UNLICENSED,
            Status.ELSEWHERE,
            Status.UNPROVISIONED,
            Status.OK,
        )
    )
}
"""The order of statuses when sorted by them: what needs somebody first."""


NEEDS_SOMEBODY: Final = frozenset({Status.FAILED, Status.DOWN, Status.NO_APPLICATION, Status.SUSPECT, Status.MARGINAL})


@dataclass(frozen=True, slots=True)
class Row:
    """A device with what is derived from it once, when it changes."""

    device: Device
    status: Status
    reason: str
    by_name: str
    """The key by which names are sorted."""

    @classmethod
    def of(cls, device: Device) -> Row:
        """The row of a device."""
        word = status(device)
        return cls(device, word, clean(reason(device)), natural(device.name))

    def texts(self) -> Mapping[str, str]:
        """What the filter searches, casefolded."""
        device = self.device
        return {
            "name": clean(device.name).casefold(),
            "uid": device.uid.casefold(),
            "group": _folded(device.group or ""),
            "port": _folded(device.port or ""),
            "address": device.address.text.casefold() if device.address else "",
            "status": self.status.value,
            "program": _folded(device.program_id or ""),
            "type": _folded(device.type),
            "location": _folded(device.location),
            "model": "" if device.model is None else str(device.model),
            "firmware": "" if device.firmware is None else str(device.firmware),
        }


@lru_cache(maxsize=1_000)
def _folded(text: str) -> str:
    return clean(text).casefold()  # one string for all devices that share it


@lru_cache(maxsize=1_000)
def _natural(text: str) -> str:
    return natural(text)


SortKey = Callable[[Row], Any]

SORTS: Final[Mapping[str, SortKey]] = {
    "status": lambda row: SEVERITY[row.status],
    "name": lambda row: row.by_name,
    "uid": lambda row: row.device.uid or None,
    "group": lambda row: _natural(row.device.group) if row.device.group else None,
    "address": lambda row: natural(row.device.address.text) if row.device.address else None,
    "seen": lambda row: -row.device.seen_at if row.device.seen_at is not None else None,
    "port": lambda row: _natural(row.device.port) if row.device.port else None,
    "program": lambda row: row.device.program_id or None,
}
"""By column; None sorts last, whichever way."""


@dataclass(frozen=True, slots=True)
class Change:
    """What an update did to the view: these rows look different, or all of it has moved."""

    ids: frozenset[int]
    moved: bool


class DeviceList:
    """All devices, the ones the filter shows in their order, the selected ones, and the cursor.

    The cursor and the selection are of devices, not of rows: they stay where they are when the list
    is sorted, filtered or changed under them.
    """

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.view: list[int] = []
        self.position: dict[int, int] = {}
        self.selected: set[int] = set()
        self.filter: Filter = NOTHING
        self.sort = "name"
        self.reverse = False
        self.then: str | None = None
        """The column that settles what is equal, before the names do."""
        self.cursor: int | None = None
        self.stamp = 0
        """Another one whenever a row or the selection has changed."""
        self.epoch = 0
        """Another one whenever all rows were taken anew."""
        self._home: int | None = None
        self._order: list[int] = []
        self._by_name: list[int] = []
        self._keys: dict[int, tuple[Any, Any]] = {}
        """What the list is sorted by, besides the name."""
        self._texts: dict[int, Mapping[str, str]] = {}
        """What the filter searches: made when a filter first looks at a device, most are never looked at."""
        self._anchor: int | None = None
        self._before_range: frozenset[int] = frozenset()
        self._before_clear: frozenset[int] = frozenset()

    # rows

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Device]:
        return (row.device for row in self.rows.values())

    def at(self, index: int) -> Row:
        """The row shown at this place."""
        return self.rows[self.view[index]]

    @property
    def index(self) -> int:
        """Where the cursor is in the view; 0 when there is nothing."""
        return self.position.get(self.cursor, 0) if self.cursor is not None else 0

    @property
    def current(self) -> Device | None:
        """The device under the cursor."""
        if self.cursor is None or self.cursor not in self.position:
            return None
        return self.rows[self.cursor].device

    def replace(self, rows: Iterable[Row]) -> Change:
        """Take all rows anew."""
        self.rows = {row.device.id: row for row in rows}
        self.selected &= self.rows.keys()
        self.stamp += 1
        self.epoch += 1
        self._texts.clear()
        self._by_name = list(self.rows)
        self._keys = self._all_keys()
        self._resort()
        return Change(frozenset(), moved=True)

    def update(self, rows: Sequence[Row]) -> Change:
        """Take in rows that changed. The cursor leaves a device only when the filter no longer shows it."""
        moved = resort = False
        self.stamp += 1
        for row in rows:
            identity = row.device.id
            known = self.rows.get(identity)
            self.rows[identity] = row
            self._texts.pop(identity, None)
            if known is None:
                self._by_name.append(identity)
            key = self._key(row)
            if known is None or known.by_name != row.by_name or key != self._keys[identity]:
                self._keys[identity] = key
                resort = True
            if (identity in self.position) is not self._matches(identity):
                moved = True
        if resort:
            self._resort()
        elif moved:
            self._refilter(self._order)
        return Change(frozenset(row.device.id for row in rows), moved or resort)

    def remove(self, ids: Iterable[int]) -> bool:
        """These are gone; whether any of them was there. A cursor on one of them goes to what takes its place."""
        gone = {identity for identity in ids if self.rows.pop(identity, None) is not None}
        if not gone:
            return False
        for identity in gone:
            del self._keys[identity]
            self._texts.pop(identity, None)
        self.selected -= gone
        self._before_range -= gone
        self.stamp += 1
        self._by_name = [identity for identity in self._by_name if identity not in gone]
        self._order = [identity for identity in self._order if identity not in gone]
        self._refilter(self._order)
        return True

    # filter and order

    def set_filter(self, wanted: Filter) -> None:
        """Show only what it matches."""
        narrower = wanted.narrows(self.filter)
        self.filter = wanted
        home = self.cursor if self._home is None else self._home
        self._refilter(self.view if narrower else self._order)
        if home in self.position:  # where the operator put it, as soon as the filter shows that again
            self.cursor = home
        self._home = home

    def set_sort(self, column: str, *, reverse: bool = False, then: str | None = None) -> None:
        """Order by a column; what is equal by another one, if there is one, and at last by name."""
        self.sort, self.reverse, self.then = column, reverse, then
        self._keys = self._all_keys()
        self._resort()

    # selection

    @property
    def hidden(self) -> int:
        """How many are selected but not shown."""
        return sum(identity not in self.position for identity in self.selected)

    @property
    def ranging(self) -> bool:
        """Whether moving the cursor selects."""
        return self._anchor is not None

    def chosen(self) -> tuple[int, ...]:
        """What an action is for: the selected devices in order, else the one under the cursor."""
        if self.selected:
            return tuple(identity for identity in self._order if identity in self.selected)
        current = self.current
        return (current.id,) if current else ()

    def toggle(self) -> None:
        """Select the device under the cursor, or no longer."""
        self.end_range()
        if self.current:
            self.selected ^= {self.current.id}

    def select_shown(self) -> None:
        """Select all the filter shows; others keep theirs."""
        self.end_range()
        self.selected |= self.position.keys()

    def invert_shown(self) -> None:
        """Select what is shown and not selected, and the other way round; what is hidden keeps its mark."""
        self.end_range()
        self.selected ^= self.position.keys()

    def clear_selection(self) -> None:
        """Select none."""
        self.end_range()
        self._before_clear = frozenset(self.selected) or self._before_clear
        self.selected.clear()

    def select_only(self, ids: Iterable[int]) -> int:
        """Select these, as far as they are there, and nothing else; how many are there."""
        self.clear_selection()
        self.selected = set(ids) & self.rows.keys()
        return len(self.selected)

    def restore_selection(self) -> None:
        """Select what was selected before it was cleared, as far as it is still there; again: what is selected now."""
        self.end_range()
        now, self.selected = self.selected, set(self._before_clear & self.rows.keys())
        self._before_clear = frozenset(now)

    def begin_range(self) -> None:
        """From here on moving the cursor selects everything between."""
        self._anchor = self.cursor
        self._before_range = frozenset(self.selected)
        self._extend()

    def end_range(self) -> None:
        """What was ranged over stays selected."""
        self._anchor = None
        self.stamp += 1

    def move_to(self, index: int) -> None:
        """Put the cursor on a row of the view."""
        if not self.view:
            self.cursor = None
            return
        self.cursor = self._home = self.view[max(0, min(index, len(self.view) - 1))]
        if self.ranging:
            self._extend()

    def go_to(self, identity: int) -> None:
        """Put the cursor on a device, as soon as the filter shows it."""
        self._home = identity
        if identity in self.position:
            self.move_to(self.position[identity])

    def _extend(self) -> None:
        if self._anchor not in self.position or self._anchor is None or self.cursor is None:
            self.end_range()
            return
        self.stamp += 1
        first, last = sorted((self.position[self._anchor], self.index))
        self.selected = set(self._before_range) | set(self.view[first : last + 1])

    # order

    def _key(self, row: Row) -> tuple[Any, Any]:
        if self.then is None:
            return SORTS[self.sort](row), None
        then = SORTS[self.then](row)
        return SORTS[self.sort](row), (then is None, then)

    def _all_keys(self) -> dict[int, tuple[Any, Any]]:
        return {identity: self._key(row) for identity, row in self.rows.items()}

    def _resort(self) -> None:
        # In place: a list in which little has changed is sorted in little time.
        self._by_name.sort(key=lambda identity: self.rows[identity].by_name)
        keys, ordered = self._keys, self._by_name
        if self.then:
            ordered = sorted(ordered, key=lambda identity: keys[identity][1])
        present = [identity for identity in ordered if keys[identity][0] is not None]
        absent = [identity for identity in ordered if keys[identity][0] is None]
        if self.sort != "name" or self.reverse:
            present.sort(key=lambda identity: keys[identity][0], reverse=self.reverse)
        self._order = present + absent
        self._refilter(self._order)

    def _matches(self, identity: int) -> bool:
        if not self.filter.terms:
            return True
        texts = self._texts.get(identity)
        if texts is None:
            texts = self._texts[identity] = self.rows[identity].texts()
        return self.filter.matches(texts)

    def _refilter(self, candidates: Sequence[int]) -> None:
        index = self.index
        if self.filter.terms:
            self.view = [identity for identity in candidates if self._matches(identity)]
        else:
            self.view = list(self._order)
        self.position = {identity: place for place, identity in enumerate(self.view)}
        if self.cursor not in self.position:
            self.cursor = self.view[min(index, len(self.view) - 1)] if self.view else None
