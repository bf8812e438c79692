"""Winking on and on, so that a person in the plant room has the time to see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from textual import events
from textual.widget import Widget

from core.errors import FieldhandError
from core.models import Device
from core.rpc import WinkUnit
from tui.bindings import Place
from tui.screens.ask import Words
from tui.screens.dialog import Complaint, Dialog
from tui.theme import Token

WINK_SECONDS: Final = 2.0
"""From wink to wink: long enough to see one end and the next begin."""


class WinkDialog(Dialog[None]):
    """Winks at the devices, one after the other, until the next key."""

    PLACE = Place.WINK

    def __init__(self, words: str, devices: Sequence[Device]) -> None:
        super().__init__(f"Winking: {words}")
        self._devices = devices
        self._complaint = Complaint()

    def body(self) -> Sequence[Widget]:
        """What goes on, and how it ends."""
        glyph = self.app.appearance.glyphs.pin
        return (
            Words(f"{glyph} winking every {WINK_SECONDS:.0f} s", Token.ACCENT),
            self._complaint,
            Words("any key ends it"),
        )

    def on_mount(self) -> None:
        """The first at once."""
        self._wink()
        self.set_interval(WINK_SECONDS, self._wink)

    def on_key(self, event: events.Key) -> None:
        """Any key ends it."""
        event.stop()
        self.dismiss(None)

    def _wink(self) -> None:
        if all(worker.is_finished for worker in self.workers if worker.node is self):
            self.run_worker(self._wink_at_each())

    async def _wink_at_each(self) -> None:
        complaint = ""
        for device in self._devices:
            try:
                await self.app.call(WinkUnit(port=device.port or "", uid=device.uid))
            except FieldhandError as error:
                complaint = f"{device.name}: {error}"
        self._complaint.say(complaint)
