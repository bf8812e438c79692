"""Which group: an existing one, a new one by typing its name, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.models import Group
from tui.model.columns import Column
from tui.screens.pick import Item, PickDialog
from tui.text import clean, plural

COLUMNS = (Column("name", "Group", 20, 50), Column("devices", "Devices", 12, 16))


@dataclass(frozen=True, slots=True)
class OldGroup:
    """A group that is there; None: no group."""

    name: str | None


@dataclass(frozen=True, slots=True)
class NewGroup:
    """A group to be made."""

    name: str


class GroupPicker(PickDialog[OldGroup | NewGroup]):
    """Returns the group, or what it shall be called."""

    def __init__(self, subject: str, groups: Sequence[Group]) -> None:
        super().__init__(f"Group for {subject}", COLUMNS, placeholder="type to narrow, or a new name")
        self._groups = groups

    def items(self, typed: str) -> Sequence[Item[OldGroup | NewGroup]]:
        """The groups, a new one if its name is free, and none."""
        found: list[Item[OldGroup | NewGroup]] = [
            Item(OldGroup(group.name), (clean(group.name), plural(group.devices, "device")), group.name.casefold())
            for group in self._groups
        ]
        name = clean(typed.strip())
        if name and name not in {group.name for group in self._groups}:
            found.append(Item(NewGroup(name), (f"New group {name}", ""), f"new group {typed}".casefold()))
        if not name:
            found.append(Item(OldGroup(None), ("no group", ""), "no group"))
        return found
