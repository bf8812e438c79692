"""The engine: it owns the store and the ports, answers requests, and tells what changes.

One per state directory, inside the worker; tests and single-process use hold it directly.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeVar

import aiosqlite

from core import addressing, rpc
from core.engine import registry
from core.engine.found import described
from core.engine.images import Images
from core.engine.jobs import PortJobs
from core.engine.monitoring import Monitoring
from core.engine.ports import PortKeeper
from core.engine.requests import HANDLERS, Caller
from core.errors import FieldhandError, Kind
from core.models import Port, PortState
from core.paths import StateDirectory
from core.store import inventory, journal, views
from core.store.database import Writer, open_writer
from drivers.base import Driver, Found, PortError, SiteSettings

logger = logging.getLogger(__name__)

T = TypeVar("T")
Notice = rpc.AnyNotice

LONGEST_SLEEP_SECONDS: Final = 3600.0
"""How long the watch over license expiry may sleep: the clock of a gateway can be set."""
SHORTEST_SLEEP_SECONDS: Final = 0.01
"""When a job's time comes: a timer that is a little early is not set again and again."""
SEAT_CHECK_SECONDS: Final = 1.0
"""How often to look whether devices that wait for a seat have got one."""


@dataclass(frozen=True, slots=True)
class OpenPort:
    """A port at work: what keeps it open, and what does its tasks."""

    keeper: PortKeeper
    jobs: PortJobs


class Engine:
    """See the module. Use `Engine.run(directory)`; `answer` is the one way in, `subscribe` the one way out."""

    def __init__(self, directory: StateDirectory) -> None:
        self._directory = directory
        self.writer: Writer
        self.monitoring: Monitoring
        self.images: Images
        self.site: SiteSettings
        self._types: dict[str, dict[str, str]] = {}
        self.ports: dict[str, OpenPort] = {}
        self.relicensed = asyncio.Event()
        """Set it when there is a new license, which may end sooner than the others, or somebody waits for a seat."""
        self.scheduled = asyncio.Event()
        """Set it when there is a new job, which may have to begin sooner than the others."""
        self._listeners: set[Callable[[Notice], None]] = set()
        self._background: set[asyncio.Task[None]] = set()
        self._changing_ports = asyncio.Lock()
        """Opening, forgetting and reopening of ports take turns: none may find a port half-way of another."""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when a client asked the worker to stop; fails when the engine cannot go on."""

    @classmethod
    @asynccontextmanager
    async def run(cls, directory: StateDirectory) -> AsyncIterator[Engine]:
        """An engine at work. The caller holds the lock on the directory."""
        engine = cls(directory)
        engine.writer = await open_writer(
            directory.store, lambda rev: engine.tell(rpc.StoreChanged(rev=rev)), engine._fault
        )
        engine.monitoring = Monitoring(directory.store, engine.writer, engine.tell, engine._fault)
        engine.subscribe(engine.monitoring.heard)
        engine.images = Images(directory.images, engine.writer)
        try:
            await engine._start()
            yield engine
        finally:
            await engine._stop()

    def subscribe(self, listener: Callable[[Notice], None]) -> Callable[[], None]:
        """Hear of everything that changes; the result ends it."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    async def answer(self, request: rpc.Request[Any], caller: Caller) -> Any:
        """Do what is asked; raises FieldhandError."""
        if request.changes and caller.role != "operator":
            raise FieldhandError(Kind.NOT_ALLOWED, reason=f"{caller.name} may look but not change anything")
        return await HANDLERS[type(request)](self, request, caller)

    async def _start(self) -> None:
        await self.writer.run(inventory.close_ports)
        interrupted = await self.writer.run(journal.recover)
        if interrupted:
            logger.warning("taking up %d tasks that were cut off", len(interrupted))
        await self.images.start()
        await self.load_site()
        await self.monitoring.start()
        for port in await self.read(views.ports):
            try:
                self._keep(port, None)
            except FieldhandError as problem:  # its driver was taken away; the other ports are well
                await self._report_port(port, PortState.LOST, str(problem))
        self._in_background(self._watch_seats(), "license seats")
        self._in_background(self._watch_grace(), "jobs that may begin")

    async def _stop(self) -> None:
        self.end()
        background = list(self._background)
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        try:
            await self.monitoring.close()
            for port in self.ports.values():
                await port.jobs.close()
                await port.keeper.close()
            with suppress(FieldhandError):  # a store that failed has said so already
                await self.writer.run(inventory.close_ports)
        finally:
            await self.writer.close()

    def _keep(self, port: Port, opened: Driver | None) -> None:
        keeper = PortKeeper(
            port,
            registry.driver(port.protocol),
            partial(self.settings, port.protocol),
            partial(self._report_port, port),
            partial(self._pressed, port.name),
            partial(self.monitoring.reported, port.name),
            self._fault,
        )
        self.ports[port.name] = OpenPort(keeper, PortJobs(keeper, self.writer, self.images, self._fault))
        self.monitoring.watch(keeper)
        keeper.start(opened)

    def settings(self, protocol: str) -> SiteSettings:
        """The site as the driver of a protocol knows it."""
        return replace(self.site, types=self._types.get(protocol, {}))

    async def _report_port(self, port: Port, state: PortState, detail: str) -> None:
        await self.writer.run(lambda tx: inventory.set_port_state(tx, port.id, state, detail))

    def _in_background(self, work: Coroutine[Any, Any, None], name: str) -> None:
        def ended(task: asyncio.Task[None]) -> None:
            self._background.discard(task)
            if not task.cancelled() and (problem := task.exception()) is not None:
                self._fault(problem)

        task = asyncio.create_task(work, name=name)
        self._background.add(task)
        task.add_done_callback(ended)

    def _fault(self, problem: BaseException) -> None:
        logger.critical("the engine cannot go on", exc_info=problem)
        if not self.ended.done():
            self.ended.set_exception(problem)

    def tell(self, notice: Notice) -> None:
        """Let everybody who listens hear it."""
        for listener in tuple(self._listeners):
            listener(notice)

    def _pressed(self, port: str, found: Found) -> None:
        self._in_background(self._announce(port, found), "service pin")

    async def _announce(self, port: str, found: Found) -> None:
        devices = await self.read(lambda db: described(db, [found]))
        self.monitoring.pressed(port, devices[0])
        self.tell(rpc.PinPressed(port=port, device=devices[0]))

    async def _watch_seats(self) -> None:
        """Take the seats away when a license ends, and let go on what waited for one."""
        while True:
            self.relicensed.clear()
            await self.writer.run(inventory.reseat)
            expiry = await self.writer.run(inventory.next_expiry)
            pause = min(LONGEST_SLEEP_SECONDS, max(0.0, (expiry or float("inf")) - time.time()) + 1)
            if await self.writer.run(journal.seats_awaited):
                pause = min(pause, SEAT_CHECK_SECONDS)
            for port in self.ports.values():  # somebody there may just have got a seat
                port.jobs.wake()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self.relicensed.wait()

    async def _watch_grace(self) -> None:
        """Let jobs begin when their time has come, also those of a worker that was here before."""
        while True:
            self.scheduled.clear()
            due = await self.writer.run(journal.begin_due)
            for port in self.ports.values():
                port.jobs.wake()
            with suppress(TimeoutError):
                async with asyncio.timeout(None if due is None else max(due - time.time(), SHORTEST_SLEEP_SECONDS)):
                    await self.scheduled.wait()

    def end(self) -> None:
        """A client asked the worker to stop."""
        if not self.ended.done():
            self.ended.set_result(None)

    # ---- what requests are answered with

    async def read(self, view: Callable[[aiosqlite.Connection], Awaitable[T]]) -> T:
        """Read the store as it stands after everything that was written before."""
        return await self.writer.run(lambda tx: view(tx.db))

    async def open_port(self, name: str, url: str) -> Port:
        """Open a port, prove it, keep it."""
        async with self._changing_ports:
            return await self._open_port(name, url)

    async def try_port(self, url: str) -> str:
        """Open a port, prove it, and let go of it; what answers, in words."""
        async with self._changing_ports:
            _, _, opened = await self._prove(url)
            try:
                return opened.proof()
            finally:
                await opened.close()

    async def _prove(self, url: str) -> tuple[type[Driver], str, Driver]:
        """Its driver, its URL in the one written form, and the driver at work; no port of the site's."""
        kind = registry.driver_of_url(url)
        canonical = kind.check_url(url)
        for known in self.ports.values():
            if known.keeper.port.url == canonical:
                raise FieldhandError(
                    Kind.INVALID,
                    what="port",
                    value=url,
                    reason=f"it is there already as {known.keeper.port.name!r}",
                )
        return kind, canonical, await kind.open(canonical, self.settings(kind.protocol))

    async def _open_port(self, name: str, url: str) -> Port:
        kind, canonical, opened = await self._prove(url)
        try:
            port = await self.writer.run(lambda tx: inventory.add_port(tx, name, canonical, kind.protocol))
        except BaseException:
            await opened.close()
            raise
        self._keep(port, opened)
        return port

    async def close_port(self, name: str) -> None:
        """Forget a port that has no devices."""
        async with self._changing_ports:
            await self.writer.run(lambda tx: inventory.remove_port(tx, name))
            port = self.ports.pop(name, None)
            if port is not None:
                await self.monitoring.forget(name)
                await port.jobs.close()
                await port.keeper.close()

    async def load_site(self, protocol: str | None = None) -> None:
        """Take over what is said of the site; open ports (of the protocol) are opened afresh with it."""
        async with self._changing_ports:
            self.site = addressing.settings(await self.read(views.site))
            self._types = {}
            for known in await self.read(views.device_types):
                self._types.setdefault(known.protocol, {})[known.name] = known.text
            for port in self.ports.values():
                if protocol in (None, port.keeper.kind.protocol):
                    await port.keeper.reopen()

    def problems(self) -> dict[str, PortError]:
        """The ports that are not open, and why."""
        return {name: port.keeper.problem for name, port in self.ports.items() if port.keeper.problem is not None}
