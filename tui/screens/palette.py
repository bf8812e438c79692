"""The action palette: every action of the catalogue with its key, for how many it is offered, or why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from core.actions import ACTIONS, Action, Scope
from core.models import Device
from tui.model.columns import Column
from tui.screens.pick import Item, PickDialog

COLUMNS = (
    Column("title", "Action", 22, 28),
    Column("key", "Key", 3, 3),
    Column("offer", "Offered", 12, 60),
)


class Palette(PickDialog[Action]):
    """Returns the action that was chosen."""

    def __init__(self, subject: str, scope: Scope, devices: Sequence[Device]) -> None:
        super().__init__(f"Actions: {subject}", COLUMNS)
        self._scope = scope
        self._devices = devices

    def items(self, typed: str) -> Sequence[Item[Action]]:
        """The catalogue, in its order."""
        return [self._item(action) for action in ACTIONS if self._scope in action.scopes]

    def _item(self, action: Action) -> Item[Action]:
        refusals = self.app.site.refusals(action, self._devices)
        offered = sum(reason is None for reason in refusals)
        title = action.title(self._scope)
        refusal = "" if offered else _why_none(refusals)
        if not offered:
            offer = refusal
        elif len(self._devices) == 1:
            offer = action.help
        else:
            offer = f"{offered:,} of {len(self._devices):,}"
        return Item(action, (title, action.key, offer), f"{title} {action.name}".casefold(), refusal)


def _why_none(refusals: Sequence[str | None]) -> str:
    counted = Counter(refusals).most_common()
    if not counted:
        return "none: no devices"
    if len(refusals) == 1:
        return counted[0][0] or ""
    return "none: " + ", ".join(f"{count} {reason}" if len(counted) > 1 else f"{reason}" for reason, count in counted)
