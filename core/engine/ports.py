"""Keeping a port open: opened when the worker starts, opened again when it was lost, and listened to meanwhile."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeVar

from core.errors import FieldhandError, Kind
from core.models import Port, PortState
from drivers.base import Capability, Driver, Found, PortError, Report, SiteSettings

logger = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_RETRY_SECONDS: Final = 0.5
"""A cable that was only moved is back at once."""
LONGEST_RETRY_SECONDS: Final = 30.0
"""An interface that stays away costs next to nothing, and is seen within half a minute of its return."""


class PortKeeper:
    """One port for the life of the worker.

    `ready` waits for the open driver. `on_state` is told whenever the state changes, and awaited;
    `on_pin` of every service pin, `on_report` of whatever a device says unasked; `on_fault` of what must never
    happen: a state that could not be written down.
    """

    def __init__(
        self,
        port: Port,
        kind: type[Driver],
        site: Callable[[], SiteSettings],
        on_state: Callable[[PortState, str], Awaitable[None]],
        on_pin: Callable[[Found], None],
        on_report: Callable[[Report], None],
        on_fault: Callable[[BaseException], None],
    ) -> None:
        self.port = port
        self.kind = kind
        self.driver: Driver | None = None
        self.problem: PortError | None = None
        """Why the port is not open."""
        self._site = site
        self._on_state = on_state
        self._on_pin = on_pin
        self._on_report = on_report
        self._on_fault = on_fault
        self._loss: asyncio.Future[PortError] = asyncio.get_running_loop().create_future()
        """What those who work with the present driver say of its loss."""
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    def start(self, opened: Driver | None = None) -> None:
        """Begin to keep the port; `opened` is its driver when it has just been opened to prove it."""
        self.driver = opened  # so that `close` lets go of it, however early it comes
        self._task = asyncio.create_task(self._keep(opened), name=f"port {self.port.name}")
        self._task.add_done_callback(self._stopped)

    async def close(self) -> None:
        """Let go of the port."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._let_go()

    async def ready(self, other_than: Driver | None = None) -> Driver:
        """The open driver, as soon as there is one, and not this one, which was lost."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.driver not in (None, other_than))
            assert self.driver is not None
            return self.driver

    def lost(self, driver: Driver, loss: PortError) -> None:
        """Somebody who works with the driver met the loss of its port."""
        if driver is self.driver and not self._loss.done():
            self._loss.set_result(loss)

    async def reopen(self) -> None:
        """Open the port afresh, with the site's settings as they are now."""
        await self.close()
        self.start()

    def _stopped(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (problem := task.exception()) is not None:
            self._on_fault(problem)

    async def _keep(self, opened: Driver | None) -> None:
        pause = FIRST_RETRY_SECONDS
        while True:
            try:
                driver = opened or await self._open()
            except PortError as problem:
                await self._report(None, problem)
            else:
                opened = None
                self.driver = driver
                self._loss = asyncio.get_running_loop().create_future()
                began = time.monotonic()
                await self._report(driver, None)
                loss = await self._watch(driver)
                logger.warning("port %s: %s", self.port.name, loss)
                await self._let_go()
                await self._report(None, loss)
                if time.monotonic() - began > LONGEST_RETRY_SECONDS:
                    pause = FIRST_RETRY_SECONDS
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_RETRY_SECONDS)

    async def _open(self) -> Driver:
        try:
            return await self.kind.open(self.port.url, self._site())
        except PortError:
            raise
        except Exception as problem:
            raise self._fault_of_driver(problem) from problem

    async def _watch(self, driver: Driver) -> PortError:
        lost = asyncio.create_task(driver.wait_lost())
        pins = asyncio.create_task(self._listen(driver, Capability.SERVICE_PIN, driver.service_pins, self._on_pin))
        reports = asyncio.create_task(self._listen(driver, Capability.REPORTS, driver.reports, self._on_report))
        try:
            await asyncio.wait([lost, self._loss], return_when=asyncio.FIRST_COMPLETED)
            return self._loss.result() if self._loss.done() else lost.result()
        except Exception as problem:  # noqa: BLE001 - it is written to the log, and the port is opened afresh
            return self._fault_of_driver(problem)
        finally:
            for task in (pins, reports, lost):
                task.cancel()
            await asyncio.wait([pins, reports, lost])

    async def _listen(
        self, driver: Driver, capability: Capability, listen: Callable[[], AsyncIterator[T]], hear: Callable[[T], None]
    ) -> None:
        if capability not in driver.capabilities:
            return
        pause = FIRST_RETRY_SECONDS
        while True:
            try:
                async for said in listen():
                    hear(said)
            except PortError:
                return  # which `wait_lost` reports
            except Exception:
                # the port is well, and so is what is said next
                logger.exception("%s on %s", capability.value.replace("_", " "), self.port.name)
            else:
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_RETRY_SECONDS)

    def _fault_of_driver(self, problem: Exception) -> PortError:
        """A fault in a driver closes its port for a while, not the whole worker."""
        if isinstance(problem, FieldhandError):
            return PortError(problem.kind, **problem.fields)
        logger.error("port %s", self.port.name, exc_info=problem)
        return PortError(Kind.INTERNAL, reason=f"{type(problem).__name__}: {problem}")

    async def _let_go(self) -> None:
        """Close the driver; who is cut short here leaves it to the next one to see that to its end."""
        if self.driver is not None:
            driver, self.driver = self.driver, None
            self._closing = asyncio.create_task(driver.close(), name=f"closing {self.port.name}")
        if self._closing is not None:
            await asyncio.shield(self._closing)

    async def _report(self, driver: Driver | None, problem: PortError | None) -> None:
        changed = str(problem) != str(self.problem) or driver is not None
        self.problem = problem
        async with self._changed:
            self._changed.notify_all()
        if changed:
            await self._on_state(PortState.LOST if driver is None else PortState.OPEN, str(problem or ""))
