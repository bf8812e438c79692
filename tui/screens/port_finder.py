"""Which serial port: one that this machine has, one by its path or URL, or the virtual field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from posixpath import basename

from core.rpc import PortFound
from tui.model.columns import Column
from tui.screens.pick import Item, PickDialog
from tui.text import clean

COLUMNS = (
    Column("port", "Port", 13, 20, good=14),
    Column("what", "What it is", 16, 40, good=30, grow=1),
    Column("who", "Held by", 12, 26),
)


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed: a path, or a URL."""

    text: str


@dataclass(frozen=True, slots=True)
class Practice:
    """The virtual field."""


def taken(port: PortFound) -> str:
    """Who has the port already, "" for nobody."""
    return f"port {clean(port.port)}" if port.port else clean(port.holder)


def short_name(port: PortFound) -> str:
    """What people call the port: what the kernel does."""
    return clean(basename(port.device))


class PortFinder(PickDialog[PortFound | Typed | Practice]):
    """Returns the place, what was typed, or that it is to be the virtual field."""

    def __init__(self, ports: Sequence[PortFound], practice: bool) -> None:
        super().__init__("Add a port", COLUMNS, placeholder="type to narrow, or a path such as /dev/ttyACM0, or a URL")
        self._ports = ports
        self._practice = practice

    def items(self, typed: str) -> Sequence[Item[PortFound | Typed | Practice]]:
        """The ports; those that somebody has with the reason."""
        found: list[Item[PortFound | Typed | Practice]] = [
            Item(
                port,
                (short_name(port), clean(port.what), taken(port)),
                f"{port.path} {port.device} {port.what}".casefold(),
                _refusal(port),
            )
            for port in self._ports
        ]
        if self._practice:
            found.append(Item(Practice(), ("virtual field", "simulated devices", ""), "virtual field"))
        path = typed.strip()
        if "/" in path:
            found.append(Item(Typed(path), (clean(path), "as typed", ""), f"typed {typed}".casefold()))
        return found


def _refusal(port: PortFound) -> str:
    if port.port:
        return f"it is port {clean(port.port)} of this site already"
    return f"{clean(port.holder)} holds it: end that first" if port.holder else ""
