"""The Groups view: each group with how its devices stand, and what was done to it last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from textual.app import ComposeResult

from core.actions import BY_NAME
from core.lifecycle import Status
from core.models import Group, Job
from core.rpc import Selection
from tui.bindings import COMMANDS, Place, bindings
from tui.flows import actions, groups
from tui.flows.starting import Subject
from tui.model.columns import Column
from tui.model.columns import Place as ColumnPlace
from tui.model.devices import SEVERITY, Change
from tui.screens.view import View
from tui.text import age, clean, cut_middle
from tui.theme import STATUS_TOKENS, Token
from tui.widgets.block import Piece
from tui.widgets.list_table import ListTable
from tui.widgets.table import TableHead

COLUMNS = (
    Column("name", "Group", 12, 36, good=16, grow=1),
    Column("devices", "Devices", 7, 8, right=True),
    Column("bar", "", 10, 24, drop=4),
    Column("counts", "Status", 24, 100, good=60, grow=2),
    Column("last", "Last job", 18, 40, drop=5),
)


@dataclass(frozen=True)
class GroupRow:
    """A group, the statuses of its devices, and the last job that was started on it."""

    group: Group
    statuses: Counter[Status]
    last: Job | None


class GroupTable(ListTable[GroupRow]):
    """One line a group."""

    def identity(self, item: GroupRow) -> Hashable:
        """Its id; the name may change."""
        return item.group.id

    def cell(self, item: GroupRow, place: ColumnPlace) -> Sequence[Piece]:
        """Name, count, bar, counts by status."""
        glyphs = self.app.appearance.glyphs
        match place.column.name:
            case "name":
                return ((cut_middle(clean(item.group.name), place.width, glyphs.ellipsis), Token.STRONG),)
            case "devices":
                return ((f"{item.group.devices:,}", Token.TEXT),)
            case "bar":
                return self._bar(item.statuses, place.width)
            case "last":
                return ((self._last(item.last), Token.MUTED),)
            case _:
                return self._counts(item.statuses)

    def _bar(self, statuses: Counter[Status], width: int) -> Sequence[Piece]:
        glyphs = self.app.appearance.glyphs.status
        return [(glyphs[s] * cells, STATUS_TOKENS[s]) for s, cells in portions(statuses, width) if cells]

    def _last(self, job: Job | None) -> str:
        if job is None:
            return ""
        label = BY_NAME[job.action].label if job.action in BY_NAME else clean(job.action)
        return f"{label} {job.done}/{job.total}  {age(self.app.clock.now() - job.created_at)}"

    def _counts(self, statuses: Counter[Status]) -> Sequence[Piece]:
        if not statuses:
            return (("empty", Token.MUTED),)
        return [(f"{statuses[word]:,} {word.value}  ", STATUS_TOKENS[word]) for word in _by_severity(statuses)]


class GroupsView(View):
    """Titles and list."""

    PLACE = Place.GROUPS
    BINDINGS = bindings(*COMMANDS[Place.GROUPS])

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        table = GroupTable(COLUMNS)
        table.invitation = (
            "No groups yet.",
            "{groups.new}  makes one",
            "{devices.assign}  in the Devices view puts the selected devices into one",
        )
        yield TableHead(table)
        yield table

    @property
    def table(self) -> GroupTable:
        """The list."""
        return self.query_one(GroupTable)

    def store_changed(self, change: Change) -> None:
        """Count anew."""
        site = self.app.site
        statuses = site.statuses()
        last: dict[str, Job] = {}
        for job in sorted(site.jobs, key=lambda job: job.id):
            last[job.subject] = job
        rows = [GroupRow(group, statuses[group.name], last.get(f"group {group.name}")) for group in site.groups]
        self.table.show_items(rows)

    @property
    def group(self) -> Group | None:
        """The group under the cursor."""
        return self.table.current.group if self.table.current else None

    def subject(self) -> Subject | None:
        """All devices of the group."""
        if self.group is None:
            self.app.say("no group here", hint="{groups.new} makes one")
            return None
        name = self.group.name
        devices = tuple(device.id for device in self.app.site.members(name))
        return Subject(Selection(group=name), f"group {clean(name)}", devices)

    def action_members(self) -> None:
        """Its devices."""
        if self.group:
            self.app.show_members(self.group.name)

    def action_palette(self) -> None:
        """Choose an action for all of them."""
        subject = self.subject()
        if subject:
            actions.choose(self.app, subject, self, COMMANDS[self.PLACE])

    def action_act(self, name: str) -> None:
        """Start an action of the catalogue for all of them."""
        subject = self.subject()
        if subject:
            actions.act(self.app, BY_NAME[name], subject)

    def action_test_often(self) -> None:
        """Test all of them, as often as the operator says."""
        subject = self.subject()
        if subject:
            self.app.begin(actions.test_often(self.app, subject))

    def action_new(self) -> None:
        """Make a group."""
        self.app.begin(groups.new_group(self.app))

    def action_rename(self) -> None:
        """Rename it."""
        if self.group:
            self.app.begin(groups.rename_group(self.app, self.group))

    def action_delete(self) -> None:
        """Delete it."""
        if self.group:
            self.app.begin(groups.delete_group(self.app, self.group.name, self.group.devices))


def portions(statuses: Counter[Status], width: int) -> list[tuple[Status, int]]:
    """How many cells of a bar each status gets: one a device while they fit, else in proportion, but at least one."""
    total = statuses.total()
    order = _by_severity(statuses)
    width = max(min(width, total), len(order))
    cells = {status: max(1, statuses[status] * width // total) for status in order}
    while sum(cells.values()) != width:
        step = 1 if sum(cells.values()) < width else -1
        able = [status for status in order if cells[status] + step >= 1]
        owed = {status: step * (statuses[status] * width / total - cells[status]) for status in able}
        cells[max(able, key=owed.__getitem__)] += step
    return [(status, cells[status]) for status in order]


def _by_severity(statuses: Counter[Status]) -> list[Status]:
    return sorted((status for status in statuses if statuses[status]), key=SEVERITY.__getitem__)
