"""Asking a unit how it is, and making it show itself: test, poll, wink, and whether it is back after a restart."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from core.errors import Kind
from drivers.base import DriverError, Facts, Progress, Reading, Step, StepClass, StepEvent
from drivers.modbus.device_types import Datapoint, DeviceType, Table, Wink
from drivers.modbus.dialogue import PROBE, Dialogue, check_same, identify, type_of
from drivers.modbus.frames import (
    MOST_BITS,
    MOST_REGISTERS,
    Loopback,
    ReadBits,
    ReadRegisters,
    Refusal,
    Request,
    WriteCoil,
    WriteRegister,
)


async def test(dialogue: Dialogue, program_id: str | None, count: int) -> AsyncGenerator[StepEvent, None]:
    """Read its first datapoint, then let it send so many numbers back. Raises NO_REPLY when it never answers.

    A device that does not know the loopback is asked for the datapoint each time.
    """
    kind = await type_of(dialogue, program_id)
    first: Request[Any] = _request(kind.datapoint[0]) if kind.datapoint else PROBE
    yield Step("first datapoint", StepClass.READ)
    if kind.datapoint:
        await dialogue.ask("first datapoint", first)
    else:
        await dialogue.look("first datapoint")
    yield Step("loopback", StepClass.READ)
    milliseconds: list[float] = []
    loops, problem = True, DriverError(Kind.NO_REPLY, step="loopback", device=dialogue.uid, attempts=count)
    for done in range(1, count + 1):
        try:
            seconds = await _loopback(dialogue) if loops else None
            loops = seconds is not None
            if seconds is None:
                _, seconds = await dialogue.timed("loopback", first)
            milliseconds.append(1000 * seconds)
        except DriverError as error:
            problem = error
        yield Progress(done, count, "tries")
    if not milliseconds:
        raise problem
    mean = sum(milliseconds) / len(milliseconds)
    yield Facts(marginal="", note=f"{len(milliseconds)} of {count} answered, {mean:.0f} ms mean")


async def _loopback(dialogue: Dialogue) -> float | None:
    """The seconds it took to send a number back; None when it does not know how."""
    answer, seconds = await dialogue.timed("loopback", Loopback(secrets.randbelow(0x10000)))
    return None if isinstance(answer, Refusal) else seconds


async def poll(dialogue: Dialogue, program_id: str | None, names: Sequence[str]) -> AsyncGenerator[StepEvent, None]:
    """Read the datapoints that are asked for, or its first one; those that stand side by side in one exchange."""
    kind = await type_of(dialogue, program_id)
    wanted = [_point(kind, name) for name in names] if names else list(kind.datapoint[:1])
    yield Step("poll", StepClass.READ)
    if not wanted:
        await dialogue.look("poll")
    for together in _side_by_side(wanted):
        first = together[0]
        quantity = max(point.address + point.quantity for point in together) - first.address
        values = await dialogue.read("poll", first.table, first.address, quantity)
        for point in together:
            at = point.address - first.address
            yield Reading(point.name, point.in_words(values[at : at + point.quantity]))
    yield Facts(application=True, marginal="")


def _request(point: Datapoint) -> Request[Any]:
    kind = ReadBits if point.table.of_bits else ReadRegisters
    return kind(point.table.read_by, point.address, point.quantity)


def _point(kind: DeviceType, name: str) -> Datapoint:
    point = kind.point(name)
    if point is None:
        known = ", ".join(each.name for each in kind.datapoint) or "none"
        reason = f"type {kind.name} has no such datapoint, only {known}"
        raise DriverError(Kind.INVALID, what="datapoint", value=name, reason=reason)
    return point


def _side_by_side(points: Iterable[Datapoint]) -> Iterator[list[Datapoint]]:
    """Datapoints that can be read in one exchange without touching an address that is none."""
    together: list[Datapoint] = []
    end = 0
    for point in sorted(points, key=lambda each: (each.table, each.address)):
        most = MOST_BITS if point.table.of_bits else MOST_REGISTERS
        if together:
            first = together[0]
            fits = point.address <= end and point.address + point.quantity - first.address <= most
            if point.table is not first.table or not fits:
                yield together
                together, end = [], 0
        together.append(point)
        end = max(end, point.address + point.quantity)
    if together:
        yield together


async def restart(dialogue: Dialogue, program_id: str | None) -> AsyncGenerator[StepEvent, None]:
    """Let it start anew, where its type says how."""
    kind = await type_of(dialogue, program_id)
    if kind.restart is None:
        raise dialogue.cannot(kind, "reset: it names no register for it")
    yield Step("identify", StepClass.READ)
    before = await identify(dialogue)
    yield Step("restart", StepClass.IDEMPOTENT)
    await dialogue.tell("restart", kind.restart)
    yield Step("wait for it", StepClass.READ)
    check_same(dialogue, before, await identify(dialogue, "wait for it"), "wait for it")
    yield Facts(note="it was told to start anew, and answers")


async def wink(dialogue: Dialogue, program_id: str | None) -> AsyncGenerator[StepEvent, None]:
    """Switch what its type names for it, some times, and put it back."""
    kind = await type_of(dialogue, program_id)
    if kind.wink is None:
        raise dialogue.cannot(kind, "wink: it names no coil or register for it")
    yield Step("wink", StepClass.IDEMPOTENT)
    await _wink(dialogue, kind.wink)
    yield Facts(note="it winked")


async def _wink(dialogue: Dialogue, wink: Wink) -> None:
    before = (await dialogue.read("wink", wink.table, wink.address, 1))[0] if wink.back else 0
    on = not before if wink.table is Table.COIL else wink.value
    try:
        for value in ((on, before) if wink.back else (on,)) * wink.times:
            await dialogue.ask("wink", _set(wink, value))
            await asyncio.sleep(wink.seconds)
    except BaseException:
        with suppress(DriverError):  # what went wrong first is what counts
            if wink.back:
                await dialogue.ask("wink", _set(wink, before))
        raise


def _set(wink: Wink, value: int) -> Request[None]:
    if wink.table is Table.COIL:
        return WriteCoil(wink.address, bool(value))
    return WriteRegister(wink.address, value)
