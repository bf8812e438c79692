"""A tour: an operator alone with keys in a real terminal, a real worker, a virtual field."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from core.client import SocketClient
from core.models import Device
from core.rpc import EditDevice, Request
from core.store import views
from tests.end_to_end.installation import FIELDHAND, Field, Installation
from tests.end_to_end.terminals import Screen, eventually

SIZES: Final = ("80x24", "120x40")
ENTER, ESC, TAB = "\r", "\x1b", "\t"
DOWN, RIGHT, CLEAR_LINE = "\x1b[B", "\x1b[C", "\x15"
CTRL_N, CTRL_O = "\x0e", "\x0f"

FEW_UNITS: Final = "?units=1-2"
"""Every Modbus unit that does not answer costs its time: only where units are is looked."""
TEXT_SEEN: Final = 12
"""Characters: so much of the end of a long text is to be seen in any field."""

OpenTour = Callable[..., "Tour"]
OpenScreen = Callable[[Sequence[str], dict[str, str], int, int], Screen]


class Tour:
    """What the operator does and sees. A step that fails prints the screen it failed on."""

    def __init__(self, installation: Installation, field: Field, opens: OpenScreen, size: str) -> None:
        self.installation = installation
        self.field = field
        self._opens = opens
        self._columns, self._rows = (int(number) for number in size.split("x"))
        self._screen: Screen

    def set_up(self, seats: int, adopt: int | None, *requests: Request[Any]) -> None:
        """License, ports, so many of the devices that a search finds (all for None), and more."""
        self.installation.license(seats)
        for name, url in self.ports.items():
            found = self.installation.add_port(url, name, adopt if name == "FT-1" else 0)
            self.meanwhile(*(EditDevice(device=id_, name=f"Fan {place}") for place, id_ in enumerate(found, start=1)))
        self.meanwhile(*requests)

    @property
    def ports(self) -> dict[str, str]:
        """The URLs of the ports of the field, by the names that the site gives them."""
        urls = enumerate((str(port["url"]) for port in self.field.ports), start=1)
        return dict((f"FT-{at}", url) if url.startswith("lon:") else (f"RS-{at}", url + FEW_UNITS) for at, url in urls)

    def opens_the_console(self) -> Tour:
        """Log in, and wait until the console shows the site."""
        self._screen = self._opens(FIELDHAND, self.installation.environment, self._columns, self._rows)
        return self.sees("● worker", f"{len(self.ports)}/{len(self.ports)} ports", "1 Devices", "? help")

    # what the operator does

    def keys(self, *keys: str) -> Tour:
        """Press keys, or type text."""
        self._screen.press(*keys)
        return self

    def types(self, text: str, instead_of: str = "") -> Tour:
        """Put a text into a field, and wait until it can be read there; `instead_of`: how what is in it begins."""
        if instead_of:
            self.keys(CLEAR_LINE).no_longer_sees(f"│  {instead_of}")
        return self.keys(text).sees(text[-TEXT_SEEN:])

    def scrolls_down_to(self, *parts: str) -> Tour:
        """Go to the end of a page until this can be read in one line there: what it tells is read piece by piece."""

        def there() -> bool:
            self.keys("G")
            return self._reads(*parts)

        eventually(there, lambda: f"no line {parts} on\n{self._screen.text}")
        return self

    def agrees(self, *until: str) -> Tour:
        """Agree to the plan, and wait for what comes of it."""
        self._screen.agrees(*until)
        return self

    def goes_back(self, *until: str) -> Tour:
        """Close what lies on the views, and wait until they are there again."""
        return self.keys(ESC).sees("1 Devices", "7 Events", *until)

    def leaves(self) -> Tour:
        """Quit the console."""
        self.keys("q")
        assert self._screen.wait() == 0
        return self

    # what he sees

    def sees(self, *texts: str) -> Tour:
        """Wait until all of this is on the screen."""
        self._screen.shows(*texts)
        return self

    def reads(self, *parts: str) -> Tour:
        """Wait until all of this stands in one line, in this order: a row of a list, a fact of a plan."""
        eventually(lambda: self._reads(*parts), lambda: f"no line {parts} on\n{self._screen.text}")
        return self

    def opens(self, *texts: str) -> Tour:
        """Wait until a dialog with all of this is there and hears: it is deaf at first, which cannot be seen."""
        self._screen.opens(*texts)
        return self

    def no_longer_sees(self, text: str) -> Tour:
        """Wait until this is gone, which was on the screen."""
        self._screen.no_longer_shows(text)
        return self

    # what is so

    def meanwhile(self, *requests: Request[Any]) -> Tour:
        """What another operator does at the same time."""

        async def ask(client: SocketClient) -> None:
            for request in requests:
                await client.call(request)

        self.installation.talk(ask)
        return self

    def devices(self) -> Sequence[Device]:
        """What the site holds, in the order of the list."""

        return sorted(self.installation.read(views.devices), key=lambda device: device.name)

    def _reads(self, *parts: str) -> bool:
        return re.search(".*".join(re.escape(part) for part in parts), self._screen.text) is not None
