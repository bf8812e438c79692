"""What every screen and widget knows of the app they are in: looks, clock, site, and how to ask the engine."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import aiosqlite
from textual.app import App
from textual.signal import Signal

from core.actions import ACTIONS
from core.errors import FieldhandError, Kind
from core.models import Device
from tui.bindings import ON_DEVICES, Command, key_name
from tui.clock import Clock
from tui.flows.virtual_field import VirtualField
from tui.keymap import Keymap
from tui.model.devices import Change
from tui.model.site import Said, Site
from tui.theme import Appearance, Token

if TYPE_CHECKING:
    from core.client import EngineClient
    from core.rpc import Measured, PinPressed, Request, Searching

R = TypeVar("R")
FLOW = "flow"
"""The worker group of what an operator started: at most one at a time."""
READ = "read"
"""The worker group of screens that read the store for themselves."""
GRACE_SECONDS: Final = 3.0
"""How long a job waits before anything is sent: time to see what was started, and to press Esc."""


class Console(App[None], inherit_bindings=False):
    """The app as its parts see it."""

    appearance: Appearance
    keymap: Keymap
    clock: Clock
    site: Site
    store_path: Path
    """Where the store is: it tells one site from another."""
    field: VirtualField
    """What to practise on without hardware; it does not run unless it was asked for."""
    reader: aiosqlite.Connection | None
    """The connection for reads; None as long as the store cannot be opened."""
    store_changed: Signal[Change]
    """The store was read; the lists are up to date."""
    searching: Signal[Searching]
    """A search of a port tells how far it is."""
    pin_seen: Signal[PinPressed]
    """A service pin was pressed."""
    measured: Signal[Measured]
    """The monitoring of the ports was measured."""
    line_changed: Signal[None]
    """What the top line or the message line shows has changed."""
    news: asyncio.Event
    """Set when the store was read; another one then stands here for the next time."""

    async def call(self, request: Request[R]) -> R:
        """Ask the engine; raises FieldhandError."""
        return await self.engine.call(request)

    async def until(self, look: Callable[[], R | None]) -> R:
        """What `look` finds in what is known of the site, as soon as it is there."""
        while (found := look()) is None:
            await self.news.wait()
        return found

    @property
    @abstractmethod
    def client(self) -> EngineClient | None:
        """The engine; None as long as it has not answered."""

    @property
    def engine(self) -> EngineClient:
        """The engine; raises NO_WORKER as long as it has not answered."""
        if self.client is None:
            raise FieldhandError(Kind.NO_WORKER, reason="it has not answered yet")
        return self.client

    @property
    @abstractmethod
    def read_only(self) -> bool:
        """Whether nothing may be changed from here."""

    def commands(self, commands: Sequence[Command]) -> Sequence[Command]:
        """Those that are there, with their keys."""
        return self.keymap.effective(commands, read_only=self.read_only)

    def hint(self, text: str) -> list[tuple[str, Token]]:
        """A hint as it is drawn, with the key of each command that it names in braces; see `Keymap.spell`."""
        pieces = self.keymap.spell(text, read_only=self.read_only)
        return [(piece, Token.KEY if is_key else Token.MUTED) for piece, is_key in pieces]

    def may_run(self, action: str, commands: Sequence[Command]) -> bool:
        """Whether the action of one of these commands, or another, is there."""
        return not self.read_only or all(not command.changes for command in commands if command.means(action))

    def offered(self, devices: Sequence[Device]) -> list[tuple[str, str]]:
        """Key and word of the catalogue's actions that are offered on any of them."""
        actions = zip(ACTIONS, self.keymap.effective(ON_DEVICES), strict=True)
        if self.read_only:
            return []
        return [
            (key_name(command.keys[0]), command.label)
            for action, command in actions
            if self.site.offered(action, devices)
        ]

    @property
    def store(self) -> aiosqlite.Connection:
        """The connection for reads; raises NO_WORKER before there is one."""
        if self.reader is None:
            raise FieldhandError(Kind.NO_WORKER, reason="the store is not open yet")
        return self.reader

    def begin(self, flow: Coroutine[Any, Any, None]) -> None:
        """Run what the operator started; its errors go to the message line. One at a time."""
        if any(worker.group == FLOW and not worker.is_finished for worker in self.workers):
            flow.close()
            self.say("one moment: the last request is still under way")
            return
        self.run_worker(self.guard(flow), group=FLOW)

    def say(self, text: str, *, bad: bool = False, hint: str = "") -> None:
        """Tell the operator: on the message line until the next key, and in the history.

        `hint`: what can be done about it, commands named in braces; left out where one of them is not there.
        """
        told = "".join(piece for piece, _ in self.hint(hint))
        text = f"{text}: {told}" if told else text
        self.site.message = Said(text, bad, self.clock.now())
        self.site.said.append(self.site.message)
        self.line_changed.publish(None)

    async def guard(self, flow: Coroutine[Any, Any, None]) -> None:
        """Run it; its errors go to the message line."""
        try:
            await flow
        except FieldhandError as error:
            self.say(str(error), bad=True)

    @abstractmethod
    def watch_job(self, job: int) -> None:
        """Say how this job ends, when it does."""

    @abstractmethod
    def show_job(self, job: int) -> None:
        """Show a job device by device."""

    @abstractmethod
    def show_members(self, group: str) -> None:
        """Go to the Devices view, filtered to a group."""
