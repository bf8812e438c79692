"""What devices say unasked, handed to whoever listens: pressed service pins and reports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any, Final, TypeVar

from drivers.base import Found, Priority, Report
from drivers.lon import discovery
from drivers.lon.dialogue import Dialogue
from drivers.lon.interface import NetworkInterface
from drivers.lon.management import SERVICE_PIN, Identification
from drivers.lon.names import program_id_of, uid_of
from drivers.lon.packets import ApplicationPdu, Packet
from drivers.lon.reports import Reports
from drivers.lon.transactions import Transactions

PINS_KEPT: Final = 256
"""Pressed service pins that may wait to be fetched; nobody presses more before somebody looks."""

REPORTS_KEPT: Final = 1024
"""Reports that may wait to be fetched, some ten seconds of a channel that carries nothing else."""

T = TypeVar("T")


class Listening:
    """Those who listen on one channel. It hears what belongs to no transaction."""

    def __init__(self, interface: NetworkInterface, transactions: Transactions) -> None:
        self._interface = interface
        self._transactions = transactions
        self._reports = Reports(asyncio.get_running_loop().time)
        self._for_pins: set[asyncio.Queue[Identification]] = set()
        self._for_reports: set[asyncio.Queue[Report]] = set()
        transactions.on_message = self._heard

    async def service_pins(self) -> AsyncGenerator[Found, None]:
        """Each press once, after the device was asked for its state; a pin held down is one press."""
        presses: asyncio.Queue[Identification] = asyncio.Queue(PINS_KEPT)
        self._for_pins.add(presses)
        try:
            while True:
                pressed = await self._next(presses)
                dialogue = Dialogue(self._transactions, uid_of(pressed.neuron_id), Priority.INTERACTIVE)
                found = await discovery.identify(dialogue, program_id_of(pressed.program_id))
                _drop(presses, pressed)
                yield found
        finally:
            self._for_pins.discard(presses)

    async def reports(self) -> AsyncGenerator[Report, None]:
        """Updates of network variables that pass on the channel, by selector; the oldest are lost first."""
        reports: asyncio.Queue[Report] = asyncio.Queue(REPORTS_KEPT)
        self._for_reports.add(reports)
        try:
            while True:
                yield await self._next(reports)
        finally:
            self._for_reports.discard(reports)

    async def _next(self, queue: asyncio.Queue[T]) -> T:
        getting = asyncio.ensure_future(queue.get())
        try:
            waiting: set[asyncio.Future[Any]] = {getting, self._interface.lost}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            self._interface.check()
            return getting.result()
        finally:
            getting.cancel()

    def _heard(self, packet: Packet) -> None:
        if isinstance(packet.pdu, ApplicationPdu) and packet.pdu.apdu[0] == SERVICE_PIN:
            self._pin_pressed(packet.pdu.apdu)
        elif self._for_reports and (report := self._reports.of(packet)) is not None:
            for reports in self._for_reports:
                if reports.full():
                    reports.get_nowait()
                reports.put_nowait(report)

    def _pin_pressed(self, apdu: bytes) -> None:
        pressed = discovery.pressed(apdu)
        if pressed is not None:
            for presses in self._for_pins:
                with suppress(asyncio.QueueFull):  # so many that nobody fetched
                    presses.put_nowait(pressed)


def _drop(presses: asyncio.Queue[Identification], pressed: Identification) -> None:
    """Forget further messages of the press that is being reported."""
    others = []
    while not presses.empty():
        press = presses.get_nowait()
        if press != pressed:
            others.append(press)
    for press in others:
        presses.put_nowait(press)
