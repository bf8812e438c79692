"""Which port."""

from __future__ import annotations

from collections.abc import Sequence

from core.models import Port, PortState
from tui.model.columns import Column
from tui.screens.pick import Item, PickDialog
from tui.text import clean, plural

COLUMNS = (
    Column("name", "Port", 10, 20),
    Column("state", "State", 8, 8),
    Column("devices", "Devices", 11, 12),
    Column("url", "URL", 10, 40),
)


class PortPicker(PickDialog[str]):
    """Returns the port's name."""

    def __init__(self, title: str, ports: Sequence[Port]) -> None:
        super().__init__(title, COLUMNS)
        self._ports = ports

    def items(self, typed: str) -> Sequence[Item[str]]:
        """The ports; those that are not open with the reason."""
        return [
            Item(
                port.name,
                (clean(port.name), port.state.value, plural(port.devices, "device"), clean(port.url)),
                f"{port.name} {port.url}".casefold(),
                "" if port.state is PortState.OPEN else clean(port.detail) or f"it is {port.state.value}",
            )
            for port in self._ports
        ]
