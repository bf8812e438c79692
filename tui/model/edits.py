"""What an operator changed in the site's own records, and how to take it back: what is sent to devices cannot be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from core.models import Device, Group
from core.rpc import AssignGroup, EditDevice, RenameGroup, Request
from tui.text import clean, plural

FIELDS: Final = ("name", "uid", "port", "program_id", "type", "location", "points", "group")
"""What a person may change of a device."""


@dataclass(frozen=True, slots=True)
class DeviceEdit:
    """Devices were changed: as they were, and as they were right after it, in the same order."""

    before: tuple[Device, ...]
    after: tuple[Device, ...]

    @property
    def words(self) -> str:
        """What is true again when it is taken back."""
        names = {name for old, new in self._pairs for name in differences(old, new)}
        if len(self.before) > 1:
            return f"{plural(len(self.before), 'device')} are in their groups again"
        (old,), (new,) = self.before, self.after
        if names == {"group"}:
            return f"{clean(new.name)} is in {f'group {clean(old.group)}' if old.group else 'no group'} again"
        if names == {"name"}:
            return f"{clean(new.name)} is called {clean(old.name)} again"
        return f"{clean(old.name)} is as it was"

    def changed_since(self, now: Mapping[int, Device]) -> list[str]:
        """The names of the devices that somebody changed in the same respect since, or removed."""
        return [
            new.name
            for old, new in self._pairs
            if new.id not in now or differences(old, new).keys() & differences(new, now[new.id]).keys()
        ]

    def back(self) -> list[Request[None]]:
        """What takes it back."""
        requests: list[Request[None]] = []
        members: dict[str | None, list[int]] = {}
        for old, new in self._pairs:
            changed = differences(new, old)
            if "group" in changed:
                members.setdefault(changed.pop("group"), []).append(old.id)
            if changed:  # an empty text clears the field, as in the form
                texts = {name: "" if value is None else value for name, value in changed.items()}
                requests.append(EditDevice(device=old.id, **texts))
        return [*requests, *(AssignGroup(devices=tuple(ids), group=group) for group, ids in members.items())]

    @property
    def _pairs(self) -> Sequence[tuple[Device, Device]]:
        return list(zip(self.before, self.after, strict=True))


@dataclass(frozen=True, slots=True)
class GroupEdit:
    """A group got another name."""

    before: Group
    name: str

    @property
    def words(self) -> str:
        """What is true again when it is taken back."""
        return f"group {clean(self.name)} is called {clean(self.before.name)} again"

    def changed_since(self, now: Mapping[int, Group]) -> list[str]:
        """The group, when somebody renamed or deleted it since."""
        group = now.get(self.before.id)
        return [] if group is not None and group.name == self.name else [f"group {self.name}"]

    def back(self) -> list[Request[None]]:
        """What takes it back."""
        return [RenameGroup(group=self.name, name=self.before.name)]


Edit = DeviceEdit | GroupEdit


def differences(old: Device, new: Device) -> dict[str, Any]:
    """What a person may change and what differs: the new values."""
    return {name: getattr(new, name) for name in FIELDS if getattr(new, name) != getattr(old, name)}
