"""The list of devices: status on the left, columns dropped by priority, ages that grow by themselves."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from core.lifecycle import Status
from tui.model.columns import Column, Place
from tui.model.devices import DeviceList, Row
from tui.text import age, clean, cut_end, cut_middle, fit
from tui.theme import STATUS_TOKENS, Token
from tui.widgets.block import Line, Piece
from tui.widgets.table import GUTTER, LineTable, TableHead

CHECK = 2
"""Cells for the check mark and a space."""


COLUMNS = (
    Column("status", "Status", 17, 60, good=26, grow=3),
    Column("name", "Name", 14, 40, good=24, grow=1),
    Column("uid", "UID", 12, 12, drop=4),
    Column("group", "Group", 8, 20, drop=5, good=12, grow=2),
    Column("address", "Address", 7, 9, drop=6),
    Column("seen", "Seen", 4, 4, drop=3, right=True),
    Column("port", "Port", 6, 14, drop=8),
    Column("program", "Program ID", 16, 23, drop=9),
)


class DeviceTable(LineTable):
    """Shows a `DeviceList`; where the cursor is and what is selected is the list's business."""

    INDENT = GUTTER + CHECK

    def __init__(self, devices: DeviceList) -> None:
        super().__init__(COLUMNS)
        self._devices = devices
        self.empty: Sequence[Line] = ()

    @property
    def cursor(self) -> int:
        """Where the list's cursor is."""
        return self._devices.index

    def place_cursor(self, index: int) -> None:
        """Take the list's cursor there."""
        self._devices.move_to(index)

    def when_empty(self) -> Sequence[Line]:
        """What the view has put there."""
        return self.empty

    def refresh_devices(self, ids: frozenset[int]) -> None:
        """Repaint what has changed of these, as far as they are visible."""
        for identity in ids:
            index = self._devices.position.get(identity)
            if index is not None:
                self.refresh_row(index)

    def row_key(self, index: int) -> Hashable:
        """The device at its revision, its mark, and its age in words."""
        device = self._devices.at(index).device
        return (
            self._devices.epoch,
            device.id,
            device.rev,
            device.id in self._devices.selected,
            self._seen(device.seen_at),
        )

    def row(self, index: int, places: Sequence[Place]) -> list[Piece]:
        """Check mark, then the columns."""
        row = self._devices.at(index)
        checked = row.device.id in self._devices.selected
        line: list[Piece] = [(self.app.appearance.glyphs.check + " " if checked else "  ", Token.MARK)]
        for place in places:
            line += self._cell(row, place)
            if place is not places[-1]:
                line.append(("  ", line[-1][1]))  # of one style with the cell: fewer bytes on the wire
        return line

    def _cell(self, row: Row, place: Place) -> list[Piece]:
        device, width, ellipsis = row.device, place.width, self.app.appearance.glyphs.ellipsis
        match place.column.name:
            case "status":
                return self._status(row, width)
            case "name":
                return [(fit(cut_middle(clean(device.name), width, ellipsis), width), Token.TEXT)]
            case "uid":  # in full or not at all
                text = device.uid if len(device.uid) <= width else ""
            case "address":
                text = device.address.text if device.address else ""
            case "seen":
                text = self._seen(device.seen_at)
            case column:
                texts = {"group": device.group, "port": device.port, "program": device.program_id}
                text = clean(texts[column] or "")
        return [(fit(cut_end(text, width, ellipsis), width, right=place.column.right), Token.MUTED)]

    def _status(self, row: Row, width: int) -> list[Piece]:
        glyphs = self.app.appearance.glyphs
        token = STATUS_TOKENS[row.status]
        word = row.status.value
        if row.reason:
            word += f" {row.reason}" if row.status is Status.RUNNING else f": {row.reason}"
        elif row.status in (Status.SUSPECT, Status.DOWN) and row.device.seen_at is not None:
            word += f" {self._seen(row.device.seen_at)}"
        mark = (glyphs.fault, Token.BAD) if row.status is Status.MARGINAL else (" ", token)
        shown = fit(cut_end(word, width - 2, glyphs.ellipsis), width - 2)
        return [(glyphs.status[row.status], token), mark, (shown, token)]

    def _seen(self, at: float | None) -> str:
        return age(self.app.clock.now() - at) if at is not None else ""


class DeviceHead(TableHead):
    """Titles with the mark of the column the list is sorted by."""

    def __init__(self, table: LineTable, devices: DeviceList) -> None:
        super().__init__(table)
        self._devices = devices

    def title(self, column: Column) -> str:
        """The title, marked when sorted by it."""
        if column.name != self._devices.sort:
            return column.title
        glyphs = self.app.appearance.glyphs
        return f"{column.title}{glyphs.down if self._devices.reverse else glyphs.up}"
