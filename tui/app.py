"""The console: `FieldhandApp(client, store).run_async()`. It never opens a port and never writes the database."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from textual import constants, events, on
from textual.app import App
from textual.scrollbar import ScrollBar
from textual.signal import Signal
from textual.widgets import Input
from textual.worker import WorkerFailed

from core.errors import FieldhandError
from core.models import Job, JobState
from core.store import views
from tui import flows, screens
from tui.bindings import CANCEL_START, EVERYWHERE, INTERRUPT
from tui.clock import Clock
from tui.console import READ, Console
from tui.feed import PAUSE_BETWEEN_READS, PAUSE_OVER_SSH, Connect, Feed
from tui.flows.virtual_field import VirtualField
from tui.keymap import Keymap
from tui.messages import LinkDown, LinkUp, MonitoringMeasured, PinSeen, SearchGoesOn, StoreRead
from tui.model.devices import Change
from tui.model.site import Link, Site
from tui.screens.dialog import Dialog
from tui.screens.main import MainScreen
from tui.screens.screen import FullScreen
from tui.text import clean, plural
from tui.theme import Appearance
from tui.widgets.scroll_bar import WholeCells
from tui.widgets.too_small import LEAST, TooSmall

if TYPE_CHECKING:
    from core.client import EngineClient
    from core.rpc import Measured, PinPressed, Searching

TOO_SMALL = "-too-small"
"""The class of a console that has no room: see console.tcss."""
MONITORING = "monitoring"
"""The worker group of what is asked when connecting."""
LONGEST_TYPING_SECONDS = 0.5
"""A field takes in its keys at once; one that does not, because it is just going away, must not hold up the console."""


class FieldhandApp(Console):
    """One operator's console on an engine and its store.

    Without a client `connect` makes the first one, after the first frame: an app that ends because that could not be
    has the reason as its `refusal`. `reconnect` makes another client when the engine was gone; `title` stands in the
    top line instead of the site's name; with `read_only`, and for viewers, what changes something is not there at
    all. With `field`, the virtual field of the site, a site without a port is met by the first-run screen. The other
    parameters are for tests.
    """

    CSS_PATH = "console.tcss"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False

    def __init__(
        self,
        client: EngineClient | None,
        store: Path,
        *,
        title: str | None = None,
        connect: Connect | None = None,
        reconnect: Connect | None = None,
        field: VirtualField | None = None,
        clock: Clock | None = None,
        appearance: Appearance | None = None,
        keymap: Keymap | None = None,
        read_only: bool = False,
    ) -> None:
        self.appearance = appearance or Appearance.of_terminal(os.environ)
        super().__init__(ansi_color=not self.appearance.colourful)
        self.register_theme(self.appearance.theme())
        self.set_reactive(App.theme, self.appearance.textual_name)
        self.stylesheet.set_variables(self.get_css_variables())  # before anything is parsed: once, not twice
        self.set_class(self.appearance.ascii_only, "-ascii")
        ScrollBar.renderer = WholeCells
        self.animation_level = "none"
        self.clock = clock or Clock()
        self.keymap = keymap or Keymap()
        self.set_keymap(self.keymap.for_textual())
        self._read_only = read_only
        self.store_path = store
        self.refusal: FieldhandError | None = None
        self.field = field or VirtualField(store.parent / "field")
        self._welcomes = field is not None
        self.failure: BaseException | None = None
        """What the console itself failed with, if it did."""
        self.reader = None
        self.site = Site(title=title or "", capabilities=client.greeting.capabilities if client else {})
        pause = max(PAUSE_OVER_SSH if "SSH_CONNECTION" in os.environ else PAUSE_BETWEEN_READS, 1 / constants.MAX_FPS)
        self.feed = Feed(client, store, self.post_message, self.clock, reconnect, pause, connect)
        self.store_changed: Signal[Change] = Signal(self, "store changed")
        self.searching: Signal[Searching] = Signal(self, "searching")
        self.pin_seen: Signal[PinPressed] = Signal(self, "pin seen")
        self.measured: Signal[Measured] = Signal(self, "measured")
        self.line_changed: Signal[None] = Signal(self, "line changed")
        self.news = asyncio.Event()

    @property
    def client(self) -> EngineClient | None:
        """The engine's client of now."""
        return self.feed.client

    @property
    def read_only(self) -> bool:
        """By the operator's wish, or because the worker takes no changes from here."""
        return self._read_only or (self.client is not None and self.client.greeting.role == "viewer")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What changes something is not there when nothing may be changed."""
        return self.may_run(action, EVERYWHERE)

    # life

    def on_mount(self) -> None:
        """Paint first, then connect and read."""
        for number in (signal.SIGHUP, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self.exit)
        self.push_screen(MainScreen())
        self.call_after_refresh(self.run_worker, self._follow, group="feed")

    async def _follow(self) -> None:
        try:
            await self.feed.follow()
        except FieldhandError as refusal:
            self.refusal = refusal
            self.exit()

    async def on_unmount(self) -> None:
        """Let go of the store and the engine."""
        for number in (signal.SIGHUP, signal.SIGTERM):
            asyncio.get_running_loop().remove_signal_handler(number)
        await self.feed.close()

    def on_resize(self, event: events.Resize) -> None:
        """Where there is no room for a screen, say so instead."""
        too_small = event.size.width < LEAST.width or event.size.height < LEAST.height
        self.set_class(too_small, TOO_SMALL)
        for screen in self.screen_stack:
            for words in screen.query(TooSmall):
                words.changed()

    async def on_event(self, event: events.Event) -> None:
        """A key clears the message line; a dialog that has just opened takes none.

        Keys that arrive in one burst, as they do over a bad link, mean what they would mean one by one:
        what "/" is followed by goes into the filter, what a Tab is followed by into the next field. So a key's
        binding runs here, before the next key is looked at, and not when the key has wandered through the widgets
        (Textual's own way); in a field, after what was typed before it.
        """
        if isinstance(event, events.Key) and self.has_class(TOO_SMALL) and not self._leaves(event):
            return  # nobody presses what cannot be seen
        if isinstance(event, events.Key) and not event.is_forwarded:
            if isinstance(self.screen, Dialog) and self.screen.deaf(event):
                return
            if self.site.message is not None:
                self.site.message = None
                self.line_changed.publish(None)
            if event.key in CANCEL_START.keys and not isinstance(self.screen, Dialog) and self._cancel_start():
                return
            field = self.focused if isinstance(self.focused, Input) else None
            if field is None or not event.is_printable:
                if field is not None:
                    await _typed_so_far(field)
                if await self._check_bindings(event.key):
                    return
        await super().on_event(event)

    def _handle_exception(self, error: Exception) -> None:
        """The console ends; what Textual would print, a screenful of variables, goes into a report without them."""
        super()._handle_exception(error)
        self._exit_renderables.clear()
        self.failure = self.failure or (error.error if isinstance(error, WorkerFailed) else error)

    # what background work tells

    @on(StoreRead)
    def _store_read(self, message: StoreRead) -> None:
        site = self.site
        self.reader = self.feed.db
        site.groups, site.ports, site.jobs = message.groups, message.ports, message.jobs
        site.summary = message.summary
        change = site.devices.replace(message.rows) if message.whole else site.devices.update(message.rows)
        if site.devices.remove(message.removed):
            change = Change(frozenset(), moved=True)
        if not site.loaded:
            site.loaded = True
            change = Change(frozenset(), moved=True)
            self._welcome()
        site.complete = message.complete
        for uid in {row.device.uid for row in message.rows} & site.pins.keys():
            del site.pins[uid]
        self.store_changed.publish(change)
        self._tell_ended()
        self.news.set()
        self.news = asyncio.Event()

    def _welcome(self) -> None:
        """A site without a port begins with finding one; a virtual field that it has is started again."""
        if not self._welcomes or self.engine.greeting.role != "operator":
            return
        if any(self.field.serves(port) for port in self.site.ports):
            self.run_worker(self.guard(flows.practice.resume(self)), group="resume")
        elif not self.site.ports:
            self.push_screen(screens.first.FirstScreen())

    @on(LinkUp)
    def _link_up(self) -> None:
        site = self.site
        site.capabilities = self.engine.greeting.capabilities
        site.other_tools = self.engine.greeting.other_tools
        was_down = site.link is Link.DOWN
        site.link, site.link_reason = Link.UP, ""
        if was_down:
            self.say("the worker is back")
        self.line_changed.publish(None)
        self.run_worker(self.guard(flows.monitoring.read_monitoring(self)), group=MONITORING, exclusive=True)

    @on(LinkDown)
    def _link_down(self, message: LinkDown) -> None:
        news = self.site.link is not Link.DOWN or self.site.link_reason != message.reason
        self.site.link, self.site.link_reason = Link.DOWN, message.reason
        if news:
            self.say(f"{message.reason}; what is shown may be old", bad=True)
        self.line_changed.publish(None)

    @on(SearchGoesOn)
    def _search_goes_on(self, message: SearchGoesOn) -> None:
        self.searching.publish(message.notice)

    @on(MonitoringMeasured)
    def _monitoring_measured(self, message: MonitoringMeasured) -> None:
        self.site.measured = message.notice
        self.measured.publish(message.notice)
        self.line_changed.publish(None)

    @on(PinSeen)
    def _pin_seen(self, message: PinSeen) -> None:
        self.pin_seen.publish(message.notice)
        device = message.notice.device
        where = f"service pin on {clean(message.notice.port)}: {device.found.uid}"
        if device.known:
            self.say(f"{where}, {clean(device.name)}")
        else:
            self.site.pins[device.found.uid] = message.notice
            self.say(f"{where}, new", hint="{devices.discover} in the Devices view adopts it")

    def watch_job(self, job: int) -> None:
        """Say how this job ends, when it does."""
        self.site.started.add(job)
        self._tell_ended()

    def _tell_ended(self) -> None:
        for job in self.site.jobs:
            if job.id in self.site.started and job.state is not JobState.RUNNING:
                self.site.started.discard(job.id)
                self.run_worker(self.guard(flows.jobs.tell_outcome(self, job)), group="outcome")

    def _leaves(self, event: events.Key) -> bool:
        (leave,) = self.commands([INTERRUPT])
        return event.key in leave.keys

    def _cancel_start(self) -> bool:
        """Cancel the job that was started here and has not begun; whether there is one."""
        job = self.site.waiting(self.clock.now())
        if job is None or job.id not in self.site.started or self.read_only:
            return False
        self.run_worker(self.guard(flows.jobs.cancel_job(self, job)), group="cancel start", exclusive=True)
        return True

    # keys that work everywhere

    async def action_quit(self) -> None:
        """Leave; the worker goes on."""
        running = len(self.site.running)
        self.exit(message=f"{plural(running, 'job')} still running in the worker" if running else None)

    def action_job(self) -> None:
        """The job that runs, else the last one."""
        jobs = self.site.running or list(self.site.jobs)
        if not jobs:
            self.say("no job yet")
        elif not self._is_on_top(jobs[0]):
            self.push_screen(screens.job.JobScreen(jobs[0]))

    def action_undo(self) -> None:
        """Take the last local edit back."""
        self.begin(flows.undo.undo(self))

    def action_theme(self) -> None:
        """Choose another theme."""

        def chosen(theme: str | None) -> None:
            if theme is not None:
                self._look(self.appearance.themed(theme))

        self.push_screen(screens.theme_picker.ThemePicker(self.appearance.name), chosen)

    def _look(self, appearance: Appearance) -> None:
        self.appearance = appearance
        self.register_theme(appearance.theme())
        self.ansi_color = not appearance.colourful
        self.theme = appearance.textual_name
        for screen in self.screen_stack:
            for widget in screen.walk_children():
                widget.notify_style_update()  # what was drawn before is kept nowhere
                widget.refresh()

    def action_messages(self) -> None:
        """What was said."""
        if not isinstance(self.screen, screens.pages.MessagesPage):
            self.push_screen(screens.pages.MessagesPage())

    def action_help(self) -> None:
        """Help for where the operator is."""
        if isinstance(self.screen, FullScreen | Dialog) and not isinstance(self.screen, screens.pages.HelpPage):
            self.push_screen(screens.pages.HelpPage(self.screen.place()))

    def show_job(self, job: int) -> None:
        """Show a job device by device."""
        self.run_worker(self.guard(self._show_job(job)), group=READ)

    async def _show_job(self, job: int) -> None:
        self.push_screen(screens.job.JobScreen(await views.job(self.store, job)))

    def show_members(self, group: str) -> None:
        """Go to the Devices view, filtered to a group."""
        for screen in self.screen_stack:
            if isinstance(screen, MainScreen):
                screen.show_members(group)

    def _is_on_top(self, job: Job) -> bool:
        return isinstance(self.screen, screens.job.JobScreen) and self.screen.job_id == job.id


async def _typed_so_far(field: Input) -> None:
    """Wait until the field has taken in the keys it was given; a field that is going away takes none."""
    taken = asyncio.Event()
    if field.call_later(taken.set):
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_TYPING_SECONDS):
                await taken.wait()
