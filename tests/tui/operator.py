"""Somebody at the keyboard: presses keys, waits until the console is idle, reads the screen."""

from __future__ import annotations

import re
from collections.abc import Callable

from textual import events
from textual.pilot import Pilot

from core.store import views
from tests.tui.field import FakeEngine, StillClock
from tui.app import FieldhandApp
from tui.console import FLOW, READ
from tui.model.devices import DeviceList
from tui.screens.dialog import DEAF_SECONDS, Dialog


class Operator:
    def __init__(self, app: FieldhandApp, pilot: Pilot[None], engine: FakeEngine, clock: StillClock) -> None:
        self.app = app
        self.pilot = pilot
        self.engine = engine
        self.clock = clock

    @property
    def devices(self) -> DeviceList:
        return self.app.site.devices

    async def press(self, *keys: str) -> None:
        """Keys, one after the other, each taking effect before the next; never too fast for a dialog."""
        for key in keys:
            self.clock.pass_(DEAF_SECONDS + 0.01)
            await self.pilot.press(key)
            await self.settled()

    async def agree(self) -> None:
        """Say yes to the plan: by the key, or by the word where the plan wants one."""
        word = re.search(r"type (\w+) to agree", self.screen())
        if word is None:
            await self.press("y")
        else:
            await self.type(word[1])
            await self.press("enter")

    async def type_ahead(self, *keys: str) -> None:
        """Keys that arrive in one packet, before any of them has taken effect."""
        for key in keys:
            self.app.post_message(events.Key(key, key if len(key) == 1 else None))
        await self.settled()

    async def type(self, text: str) -> None:
        await self.press(*("space" if char == " " else char for char in text))

    async def paste(self, text: str) -> None:
        """As a terminal pastes: all at once."""
        self.app.post_message(events.Paste(text))
        await self.settled()

    async def settled(self) -> None:
        """Idle: nothing under way but what waits for the operator, and the screen painted."""
        await self._processed()
        await self.until(lambda: not self._busy(FLOW) or self._asked())
        await self.until(lambda: not self._busy(READ))
        await self._processed()

    async def _processed(self) -> None:
        """Every message of the app and of each widget has been handled, and what came of them too."""
        for _ in range(2):
            await self.pilot._wait_for_screen()
        await self.pilot.pause()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for the store's threads and the console's messages, however long they take."""
        while not condition():
            await self.pilot.pause(0.005)

    async def up_to_date(self) -> None:
        """Wait until the console shows the store's newest revision."""
        db = self.app.store
        newest = await views.revision(db)
        await self.until(lambda: self.app.site.summary is not None and self.app.site.summary.rev >= newest)
        await self.settled()

    def screen(self) -> str:
        """What can be read now."""
        lines = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in lines)

    def line(self, containing: str) -> str:
        return next((line for line in self.screen().splitlines() if containing in line), "")

    @property
    def message(self) -> str:
        return self.app.site.message.text if self.app.site.message else ""

    def _asked(self) -> bool:
        """Whether there is a dialog, under its help page too."""
        return any(isinstance(screen, Dialog) for screen in self.app.screen_stack)

    def _busy(self, group: str) -> bool:
        return any(worker.group.startswith(group) and not worker.is_finished for worker in self.app.workers)
