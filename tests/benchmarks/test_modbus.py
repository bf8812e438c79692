"""How well reads use a Modbus line: `pytest -m benchmark tests/benchmarks/test_modbus.py -s` prints the table."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from drivers.base import Priority
from drivers.modbus.bus import Bus, Line
from drivers.modbus.frames import Function, ReadRegisters
from drivers.transport import open_serial

EXCHANGES = 60
REQUEST_SIZE, RESPONSE_OVERHEAD = 8, 5
LEAST = 0.90
"""Share of what frame lengths and silence between frames allow."""


def least_seconds(line: Line, quantity: int) -> float:
    """One exchange: both frames, the unit's gap before it answers, and ours before the next request."""
    return (REQUEST_SIZE + RESPONSE_OVERHEAD + 2 * quantity) * line.character + 2 * line.gap


@contextmanager
def paced_peer(baud: int) -> Iterator[tuple[str, Callable[[], dict[str, int]]]]:
    """A unit whose bytes take their time: its port, and what it says of the requests when it is asked, once."""
    program = [sys.executable, "-m", "tests.drivers.modbus.paced_peer", str(baud)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def account() -> dict[str, int]:
            stdin.close()
            said: dict[str, int] = json.loads(stdout.readline())
            return said

        yield stdout.readline().strip(), account


async def ours(path: str, line: Line, quantity: int) -> float:
    """Seconds of the exchanges through our bus."""
    bus = Bus(line)
    bus.start(await open_serial(path, line.baud, bus))

    async def read() -> None:
        request = ReadRegisters(Function.READ_HOLDING_REGISTERS, 1000, quantity)
        values = await bus.exchange(5, request, step="read", device="5@bench", priority=Priority.JOB)
        assert values == tuple(range(1000, 1000 + quantity))

    try:
        return await timed(read)
    finally:
        await bus.close()


async def theirs(path: str, line: Line, quantity: int) -> float:
    """The same through pymodbus's client."""
    client = pytest.importorskip("pymodbus.client").AsyncModbusSerialClient(path, baudrate=line.baud)
    await client.connect()

    async def read() -> None:
        answer = await client.read_holding_registers(1000, count=quantity, device_id=5)
        assert answer.registers == list(range(1000, 1000 + quantity))

    try:
        return await timed(read)
    finally:
        client.close()


async def timed(read: Callable[[], Awaitable[None]]) -> float:
    await read()  # the first one waits for a line that may be in use
    began = time.monotonic()
    for _ in range(EXCHANGES):
        await read()
    return time.monotonic() - began


@pytest.mark.benchmark
@pytest.mark.parametrize("quantity", [125, 10])
@pytest.mark.parametrize("baud", [19200, 115200])
def test_bulk_reads_fill_the_line(baud: int, quantity: int) -> None:
    line = Line(baud=baud)
    least = EXCHANGES * least_seconds(line, quantity)
    print(f"\n{baud} baud, {quantity} registers: {1000 * least / EXCHANGES:.2f} ms an exchange at least")
    used: dict[str, float] = {}
    for name, way in (("fieldhand", ours), ("pymodbus", theirs)):
        with paced_peer(baud) as (path, account):
            used[name] = asyncio.run(way(path, line, quantity))
            early = account()["early"]
        ms = 1000 * used[name] / EXCHANGES
        share = least / used[name]
        print(f"  {name:<10}{ms:8.2f} ms an exchange{100 * share:8.1f} % of the line{early:5} requests too early")
        if name == "fieldhand":
            assert early == 0
    print(f"  ratio {used['pymodbus'] / used['fieldhand']:.2f}")
    if quantity == 125:
        assert least / used["fieldhand"] >= LEAST
