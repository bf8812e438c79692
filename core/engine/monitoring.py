"""Monitoring: provisioned devices are polled port by port, what they say is kept, and their health is judged.

What is monitored and what is paused follows from the rows of the store, read again whenever its revision
changes: no flag is kept here that somebody would have to clear.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any, Final

import aiosqlite

from core import rpc
from core.addressing import key
from core.engine.events import EventLog, Rates
from core.engine.ports import PortKeeper
from core.errors import FieldhandError, Kind
from core.models import Device, EventKind, Health, Port, PortMonitoring, Site
from core.store import monitoring, views
from core.store.database import Writer, open_reader
from core.text import printable
from drivers.base import Capability, Driver, Facts, NetworkState, PortError, Priority, Reading, Report, Target

logger = logging.getLogger(__name__)

POLLS_AT_ONCE: Final = 4
"""A silent device takes seconds to give up: the others need not wait, and the channel is left to the jobs."""
UNANSWERED_UNTIL_DOWN: Final = 3
"""Polls in a row. One is lost now and then on a good channel, three in a row are not."""
FOLLOW_SECONDS: Final = 0.1
"""Least time between two readings of the store: a job changes it at every step."""
MEASURE_SECONDS: Final = 1.0
"""How often the figures are told."""
SEEN_SECONDS: Final = 30.0
"""How often it is written down when devices were seen: each time, every console reads their rows again."""


def health(before: Health, unanswered: int) -> Health:
    """The health of a device after so many polls in a row that it did not answer; 0: it answered."""
    if not unanswered:
        return Health.NORMAL
    if before is Health.DOWN or unanswered >= UNANSWERED_UNTIL_DOWN:
        return Health.DOWN
    return Health.SUSPECT


def monitored(device: Device) -> bool:
    """Whether what the device says is this site's business."""
    provisioned = device.state is NetworkState.PROVISIONED and device.ours
    return provisioned and device.licensed and bool(device.uid)


def paused_by(port: Port) -> str:
    """Why the monitoring of a port is paused, "" when it goes on."""
    return ", ".join(["by an operator"] * port.paused + [f"by job {job}" for job in port.paused_by])


class Watched:
    """The devices of the store by port, UID and address, and whether their port is paused."""

    def __init__(self) -> None:
        self.ports: dict[str, Port] = {}
        self._devices: dict[int, Device] = {}
        self._to_poll: dict[str | None, dict[int, Device]] = {}
        self._speakers: dict[tuple[str | None, str], Device] = {}
        """By port, and UID or address."""

    def take(self, changed: Iterable[Device], removed: Iterable[int]) -> None:
        """Follow the store."""
        changed = list(changed)
        for number in (*removed, *(device.id for device in changed)):
            if (gone := self._devices.pop(number, None)) is not None:
                self._to_poll.get(gone.port, {}).pop(number, None)
                for name in _names(gone):
                    self._speakers.pop(name, None)
        for device in changed:
            self._devices[device.id] = device
            self._speakers |= dict.fromkeys(_names(device), device)
            if monitored(device) and device.pending is None:
                self._to_poll.setdefault(device.port, {})[device.id] = device

    def speaker(self, port: str, uid: str | None, parts: str | None = None) -> Device | None:
        """Whose UID or address (by `addressing.key`) this is on a port."""
        by_uid = self._speakers.get((port, uid)) if uid is not None else None
        return by_uid or (self._speakers.get((port, parts)) if parts is not None else None)

    def to_poll(self, port: str) -> Mapping[int, Device]:
        """The devices of a port that are to be polled, by id; no job has any of them."""
        return self._to_poll.get(port, {})

    def paused(self, port: str) -> str:
        """Why a port is paused; one that is not known yet is not."""
        return paused_by(self.ports[port]) if port in self.ports else ""


def _names(device: Device) -> list[tuple[str | None, str]]:
    """By what a report may call a device: its UID, and the address if this site gave it, for nobody else has that."""
    names = [device.uid] if device.uid else []
    if device.address is not None and device.ours:
        names.append(key(device.address.parts))  # which looks like no UID: it is a JSON object
    return [(device.port, name) for name in names]


class Monitoring:
    """The monitoring of the whole site. `tell` announces the figures; `on_fault` hears of what must never happen."""

    def __init__(
        self,
        store: Path,
        writer: Writer,
        tell: Callable[[rpc.Measured], None],
        on_fault: Callable[[BaseException], None],
    ) -> None:
        self.events = EventLog()
        self.rates = Rates()
        self.watched = Watched()
        self.site: Site
        self._store = store
        self._writer = writer
        self._tell = tell
        self._on_fault = on_fault
        self._revision = 0
        self._stale = asyncio.Event()
        self._ports: dict[str, PortMonitor] = {}
        self._rates_held: dict[str, float] = {}
        """Events per second of ports when a job paused them."""
        self._seen: dict[int, float] = {}
        """When devices were seen, as far as it is not written down yet."""
        self._tasks: list[asyncio.Task[None]] = []
        self._db: aiosqlite.Connection | None = None

    async def start(self) -> None:
        """Read the store, and begin to follow it."""
        self._db = await open_reader(self._store)
        await self._read(self._db)
        self._begin(self._follow(self._db), "monitoring follows the store")
        self._begin(self._measure(), "monitoring measures")
        self._begin(self._write_seen(), "monitoring writes who was seen")

    async def close(self) -> None:
        """Stop; what is being asked just now is not judged any more."""
        for port in list(self._ports):
            await self.forget(port)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._db is not None:
            await self._db.close()
        with suppress(FieldhandError):  # a store that failed has said so already
            await self._flush()

    def heard(self, notice: object) -> None:
        """The store may have changed."""
        if isinstance(notice, rpc.StoreChanged):
            self._stale.set()

    def watch(self, keeper: PortKeeper) -> None:
        """Monitor a port from now on."""
        self._ports[keeper.port.name] = PortMonitor(self, keeper, self._on_fault)

    async def forget(self, port: str) -> None:
        """Monitor a port no longer."""
        monitor = self._ports.pop(port, None)
        if monitor is not None:
            await monitor.close()

    def measured(self, ports: Iterable[Port]) -> tuple[PortMonitoring, ...]:
        """The figures of these ports as they are now."""
        return tuple(
            PortMonitoring(port.name, round(self.rates.per_second(port.name), 1), paused_by(port)) for port in ports
        )

    def expected(self, port: str) -> float:
        """Events per second of a port; while jobs hold it, what there were before: they come back."""
        return self._rates_held.get(port, self.rates.per_second(port))

    # ---- what was seen

    def pressed(self, port: str, device: rpc.FoundDevice) -> None:
        """A service pin was pressed."""
        uid = device.found.uid
        known = self.watched.speaker(port, uid)
        text = f"service pin of {uid}"
        if known is None:
            self.events.add(EventKind.PIN, port, text)
        else:
            self.events.add(EventKind.PIN, port, text, known.id, known.name)

    def reported(self, port: str, report: Report) -> None:
        """A device spoke unasked; what is not of a device that is monitored here is none of our business."""
        parts = None if report.address is None else key(report.address.parts)
        device = self.watched.speaker(port, report.uid, parts)
        if device is None or not monitored(device) or self.watched.paused(port):
            return
        self.note(EventKind.REPORT, port, device, in_words(report.reading))
        self.saw(device)

    def note(self, kind: EventKind, port: str, device: Device, text: str) -> None:
        """An event of a device; what it said counts in the rate, what is concluded from it does not."""
        if kind in (EventKind.POLL, EventKind.REPORT):
            self.rates.count(port)
        self.events.add(kind, port, text, device.id, device.name)

    def saw(self, device: Device) -> None:
        """It is there; nothing else has changed."""
        self._seen[device.id] = time.time()

    async def judge(self, port: str, device: Device, unanswered: int, facts: Facts | None) -> None:
        """Draw the conclusions from a poll of the device as it was then: at once where anything changes."""
        now = health(device.health, unanswered)
        if now is device.health and (facts is None or not _tells_news(device, facts)):
            if facts is not None:
                self.saw(device)
            return
        after = await self._writer.run(lambda tx: monitoring.polled(tx, device, now, facts))
        for text in changes(device, after) if after is not None else ():
            self.note(EventKind.HEALTH, port, device, text)

    # ---- following the store

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._stopped)
        self._tasks.append(task)

    def _stopped(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (problem := task.exception()) is not None:
            self._on_fault(problem)

    async def _follow(self, db: aiosqlite.Connection) -> None:
        while True:
            await self._stale.wait()
            self._stale.clear()
            await self._read(db)
            await asyncio.sleep(FOLLOW_SECONDS)

    async def _read(self, db: aiosqlite.Connection) -> None:
        await db.execute("BEGIN")  # all of it of one revision
        try:
            revision = await views.revision(db)
            site = await views.site(db)
            ports = {port.name: port for port in await views.ports(db)}
            changed = await views.devices(db, self._revision)
            removed = await views.removed(db, self._revision)
        finally:
            await db.execute("COMMIT")
        self._revision, self.site = revision, site
        self.watched.take(changed, removed)
        before, self.watched.ports = self.watched.ports, ports
        for port in ports.values():
            self._follow_pause(before.get(port.name, port), port)
        for monitor in self._ports.values():
            monitor.wake()

    def _follow_pause(self, before: Port, now: Port) -> None:
        if not now.paused_by:
            self._rates_held.pop(now.name, None)
        elif now.name not in self._rates_held:
            self._rates_held[now.name] = self.rates.per_second(now.name)
        if paused_by(before) != paused_by(now):
            why = paused_by(now)
            self.events.add(EventKind.MONITORING, now.name, f"paused {why}" if why else "resumed")

    async def _measure(self) -> None:
        told = self._figures()
        while True:
            await asyncio.sleep(MEASURE_SECONDS)
            figures = self._figures()
            if figures != told:
                self._tell(figures)
                told = figures

    def _figures(self) -> rpc.Measured:
        return rpc.Measured(ports=self.measured(self.watched.ports.values()), last=self.events.last)

    async def _write_seen(self) -> None:
        while True:
            await asyncio.sleep(SEEN_SECONDS)
            await self._flush()

    async def _flush(self) -> None:
        times, self._seen = self._seen, {}
        if times:
            await self._writer.run(lambda tx: monitoring.seen(tx, times))


class PortMonitor:
    """Asks the devices of one port in rounds: nobody twice before everybody once."""

    def __init__(self, site: Monitoring, keeper: PortKeeper, on_fault: Callable[[BaseException], None]) -> None:
        self._site = site
        self._keeper = keeper
        self._on_fault = on_fault
        self._lost: Driver | None = None
        """The driver whose port went away; a new one is waited for."""
        self._changed = asyncio.Event()
        self._asked: dict[int, float] = {}
        """When each device was asked last, by the loop's clock: who waits longest goes first."""
        self._unanswered: dict[int, int] = {}
        """Polls in a row without an answer, since monitoring was last resumed."""
        self._asking: set[int] = set()
        """Who is being asked just now."""
        self._paused_at = 0.0
        """By the loop's clock: what was asked before then is not judged."""
        self._places = asyncio.Semaphore(POLLS_AT_ONCE)
        self._faults: set[str] = set()
        """Faults of the driver that are in the log: each is there once, not at every poll."""
        self._task: asyncio.Task[None] | None = None
        if Capability.POLL in keeper.kind.capabilities and keeper.kind.polls_per_second > 0:
            self._task = asyncio.create_task(self._run(), name=f"monitoring of {keeper.port.name}")
            self._task.add_done_callback(self._stopped)

    def wake(self) -> None:
        """The store has changed."""
        if self._paused:
            self._paused_at = asyncio.get_running_loop().time()
            self._unanswered.clear()
        self._changed.set()

    async def close(self) -> None:
        """Stop asking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    @property
    def _port(self) -> str:
        return self._keeper.port.name

    @property
    def _paused(self) -> bool:
        return bool(self._site.watched.paused(self._port))

    def _stopped(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (problem := task.exception()) is not None:
            self._on_fault(problem)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as polls:
            while True:
                driver = await self._keeper.ready(other_than=self._lost)
                self._changed.clear()
                if devices := self._next():
                    await self._round(driver, devices, polls)
                else:
                    await self._changed.wait()

    def _next(self) -> list[int]:
        """Who is to be asked in the next round, those first who have waited longest."""
        if self._paused:
            return []
        devices = self._site.watched.to_poll(self._port)
        self._asked = {device: self._asked.get(device, 0.0) for device in devices}
        return sorted(devices.keys() - self._asking, key=lambda device: (self._asked[device], device))

    async def _round(self, driver: Driver, devices: list[int], polls: asyncio.TaskGroup) -> None:
        """Ask everybody once, evenly over the time of a round; ends early when there is reason to begin anew."""
        rhythm = self._site.site.poll_seconds
        interval = max(1 / driver.polls_per_second, rhythm / len(devices))
        loop = asyncio.get_running_loop()

        def over() -> bool:
            return self._paused or self._lost is driver or self._site.site.poll_seconds != rhythm

        due = loop.time()
        for number in devices:
            await self._places.acquire()
            device = self._site.watched.to_poll(self._port).get(number)
            if over() or device is None:
                self._places.release()
                continue
            self._asked[number] = loop.time()
            self._asking.add(number)
            polls.create_task(self._poll(driver, device))
            due = max(due + interval, loop.time())
            if await self._interrupted(due, over):
                return

    async def _interrupted(self, due: float, over: Callable[[], bool]) -> bool:
        """Wait until it is time; True when there is no reason to wait any more."""
        while not over():
            self._changed.clear()
            try:
                async with asyncio.timeout_at(due):
                    await self._changed.wait()
            except TimeoutError:
                return False
        return True

    async def _poll(self, driver: Driver, device: Device) -> None:
        asked_at = asyncio.get_running_loop().time()
        seen: list[Facts | Reading] = []
        answered = True
        try:
            target = Target(device.uid, device.program_id, device.address, points=device.points)
            async with aclosing(driver.perform(Capability.POLL, target, {}, Priority.MONITORING)) as events:
                async for event in events:
                    match event:
                        case Facts() | Reading():
                            seen.append(event)
        except PortError as problem:
            self._lost = driver
            self._keeper.lost(driver, problem)
            return
        except FieldhandError as problem:
            if problem.kind not in (*_SILENCE, Kind.REFUSED):
                self._log(problem)
                return
            answered = problem.kind is Kind.REFUSED
        except Exception as problem:  # noqa: BLE001 - it goes to the log; a fault in a driver is no fault of the device
            self._log(problem)
            return
        finally:
            self._places.release()
            self._asking.discard(device.id)
            self._changed.set()
        if not self._paused and asked_at > self._paused_at:
            await self._conclude(device, seen, answered or bool(seen))

    async def _conclude(self, device: Device, seen: list[Facts | Reading], answered: bool) -> None:
        self._unanswered[device.id] = 0 if answered else self._unanswered.get(device.id, 0) + 1
        for event in seen:
            self._site.note(EventKind.POLL, self._port, device, in_words(event))
        facts = next((event for event in seen if isinstance(event, Facts)), Facts()) if answered else None
        await self._site.judge(self._port, device, self._unanswered[device.id], facts)

    def _log(self, problem: Exception) -> None:
        said = f"{type(problem).__name__}: {problem}"
        if said not in self._faults:
            self._faults.add(said)
            logger.error("monitoring of %s", self._port, exc_info=problem)


_SILENCE: Final = (Kind.NO_REPLY, Kind.BAD_FRAME, Kind.WRONG_DEVICE)
"""What a poll ends with when the device itself said nothing; that it refuses something is an answer."""


def in_words(seen: Facts | Reading) -> str:
    """What a device said, on one line."""
    match seen:
        case Reading():
            return printable(f"{seen.point} {seen.value}")
        case Facts():
            return printable(f"answers, with a fault: {seen.marginal}" if seen.marginal else seen.note or "answers")


def changes(before: Device, after: Device) -> list[str]:
    """What a poll changed of a device, in words."""
    said = []
    if after.health is not before.health:
        said.append(_HEALTH[after.health])
    if after.state is not before.state:
        said.append("is not provisioned any more" if before.state is NetworkState.PROVISIONED else "is provisioned")
    elif before.ours and not after.ours:
        said.append("works elsewhere now")
    if after.application is not before.application:
        said.append("has an application again" if after.application else "has lost its application")
    if after.marginal != before.marginal:
        said.append(printable(f"reports a fault: {after.marginal}") if after.marginal else "reports no fault any more")
    return said


_HEALTH: Final = {
    Health.NASCENT: "cannot be judged yet",
    Health.NORMAL: "normal: it answers",
    Health.SUSPECT: "suspect: it does not answer",
    Health.DOWN: f"down: {UNANSWERED_UNTIL_DOWN} polls in a row were not answered",
}


def _tells_news(device: Device, facts: Facts) -> bool:
    said = (facts.state, facts.application, facts.program_id, facts.marginal, facts.model, facts.firmware)
    known = (device.state, device.application, device.program_id, device.marginal, device.model, device.firmware)
    moved = facts.address is not None and facts.address != device.address
    return moved or any(new is not None and new != old for new, old in zip(said, known, strict=True))
