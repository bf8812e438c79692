"""A tour: an operator alone with keys in a real terminal, a real worker, a virtual field."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from core import licensing
from core.client import SocketClient
from core.paths import StateDirectory
from core.rpc import AddLicense, AddPort, Adopt, Discover, Request, TrustKey
from tests.end_to_end.installation import FIELDHAND, Field, Installation, Terminal, eventually
from tui.screens.dialog import DEAF_SECONDS

ENTER, ESC, TAB = "\r", "\x1b", "\t"
RIGHT, CLEAR_LINE = "\x1b[C", "\x15"

TEXT_SEEN: Final = 12
"""Characters: so much of the end of a long text is to be seen in any field."""

OpenTour = Callable[..., "Tour"]


class Tour:
    """What the operator does and sees. A step that fails prints the screen it failed on."""

    def __init__(self, installation: Installation, field: Field, terminal: Callable[..., Terminal], size: str) -> None:
        self.installation = installation
        self.field = field
        self._terminal = terminal
        self._columns, self._rows = (int(number) for number in size.split("x"))
        self._screen: Terminal

    def set_up(self, seats: int, *requests: Request[Any]) -> None:
        """License, port, what a search finds, and more; then the console is opened."""

        async def ask() -> None:
            client = await SocketClient.connect_or_start(StateDirectory(self.installation.directory))
            private, public = licensing.generate_key()
            await client.call(TrustKey(key=public))
            await client.call(AddLicense(text=licensing.issue(private, seats)))
            port = await client.call(AddPort(url=self.field.url(), name="FT-1"))
            await client.call(Adopt(port=port.name, devices=await client.call(Discover(port=port.name))))
            for request in requests:
                await client.call(request)
            await client.close()

        asyncio.run(ask())
        self._screen = self._terminal(FIELDHAND, self.installation.environment, self._columns, self._rows)
        self.sees("worker", "1/1 ports")

    def keys(self, *keys: str) -> Tour:
        """Press keys, or type text."""
        self._screen.press(*keys)
        return self

    def types(self, text: str, instead_of: str = "") -> Tour:
        """Put a text into a field, and wait until it can be read there; `instead_of`: how what is in it begins."""
        if instead_of:
            self.keys(CLEAR_LINE).no_longer_sees(f"│  {instead_of}")
        return self.keys(text).sees(text[-TEXT_SEEN:])

    def next_field(self) -> Tour:
        """Go to the next field of a form, which can be seen by its colour only: wait as a person does."""
        self.keys(TAB)
        time.sleep(DEAF_SECONDS)
        return self

    def sees(self, *texts: str) -> Tour:
        """Wait until all of this is on the screen."""
        self._screen.shows(*texts)
        return self

    def opens(self, *texts: str) -> Tour:
        """Wait until a dialog with all of this is there and hears: it is deaf at first, which cannot be seen."""
        self.sees(*texts)
        time.sleep(DEAF_SECONDS)
        return self

    def no_longer_sees(self, text: str) -> Tour:
        """Wait until this is gone."""
        eventually(lambda: text not in self._screen.text, lambda: f"{text!r} still on\n{self._screen.text}")
        return self

    def agrees(self, *until: str) -> Tour:
        """Agree to the plan, and wait for what comes of it."""
        return self.opens("Cancel").keys("y").no_longer_sees("Cancel").sees(*until)

    def leaves(self) -> None:
        """Quit the console."""
        self.keys("q")
        assert self._screen.wait() == 0

    def devices(self) -> Sequence[dict[str, Any]]:
        """In the order of the list."""
        return sorted(self.installation.devices(), key=lambda device: str(device["name"]))


SIZES: Final = ("80x24", "120x40")
