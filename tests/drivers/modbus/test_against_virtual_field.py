"""The driver against the virtual bus, a process of its own behind a real pseudo-terminal, in real time."""

from __future__ import annotations

import asyncio
import dataclasses
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import pytest

from core.errors import Kind
from drivers.base import (
    Address,
    Capability,
    Checkpoint,
    DriverError,
    Found,
    Image,
    NetworkState,
    Priority,
    Progress,
    Reading,
    Snapshot,
    StepEvent,
    Target,
)
from drivers.modbus.bus import Bus
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.frames import Function, ReadRegisters
from drivers.modbus.port import Port
from drivers.transport import open_serial
from tests.drivers.modbus.model import SITE
from tests.drivers.modbus.test_driver import collect, facts
from tests.drivers.virtual.test_process import FieldProcess

T = TypeVar("T")

PROGRAMS = {
    "meter": "Lumen Metering/LM-3P/2.4",
    "module": "id 42 IOM-8",
    "sensor": "type example-sensor",
    "controller": "Alder Building Controls/RC-20/1.0",
    "relay": "Kestrel Controls/RB-4/1.7",
}
IMAGE_SIZE = 1500


class VirtualBus:
    """A virtual bus, and what is really in its units."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.process = FieldProcess(directory, *arguments)
        self.url = str(self.process.line()["url"])

    def tell(self, command: str) -> Any:
        answer = self.process.tell(command)
        assert answer["ok"], answer
        return answer

    def units(self) -> dict[int, dict[str, Any]]:
        return {unit["unit"]: unit for unit in self.tell("truth")["modbus"][0]["units"]}

    def one(self, kind: str) -> dict[str, Any]:
        return next(unit for unit in self.units().values() if unit["kind"] == kind)


@pytest.fixture
def bus(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VirtualBus]:
    there = VirtualBus(tmp_path, *getattr(request, "param", ("--modbus", "5", "--reset-ms", "50", "--write-ms", "5")))
    yield there
    assert there.process.end() == 0


@pytest.fixture
async def driver(bus: VirtualBus) -> AsyncIterator[ModbusDriver]:
    opened = await ModbusDriver.open(bus.url, SITE)
    yield opened
    await opened.close()


async def do(driver: ModbusDriver, capability: Capability, target: Target, **parameters: Any) -> list[StepEvent]:
    return await collect(driver.perform(capability, target, parameters))


def target(bus: VirtualBus, kind: str, **more: Any) -> Target:
    number = bus.one(kind)["unit"]
    return Target(f"{number}@modbus0", PROGRAMS[kind], address(number), **more)


def address(unit: int) -> Address:
    return Address(f"unit {unit}", {"unit": unit})


@pytest.mark.parametrize("bus", [("--modbus", "30", "--spread")], indirect=True)
async def test_all_units_of_a_bus_are_found(bus: VirtualBus) -> None:
    driver = await ModbusDriver.open(f"{bus.url}?timeout=0.1", SITE)
    events = await collect(driver.discover())
    await driver.close()
    found = {event.uid: event for event in events if isinstance(event, Found)}
    real = bus.units()
    assert len(real) == 30
    expected = {f"{number}@modbus0": PROGRAMS[unit["kind"]] for number, unit in real.items()}
    assert {uid: each.program_id for uid, each in found.items()} == expected
    assert bus.tell("truth")["modbus"][0]["collisions"] == 0


@pytest.mark.parametrize("kind", PROGRAMS)
async def test_each_kind_is_provisioned_tested_and_polled(bus: VirtualBus, driver: ModbusDriver, kind: str) -> None:
    device = target(bus, kind)
    seen = facts(await do(driver, Capability.PROVISION, device))
    assert (seen.state, seen.program_id) == (NetworkState.PROVISIONED, PROGRAMS[kind])
    tested = facts(await do(driver, Capability.TEST, device, count=5))
    assert (tested.note or "").startswith("5 of 5 answered")
    readings = [event for event in await do(driver, Capability.POLL, device) if isinstance(event, Reading)]
    assert len(readings) == 1


async def test_a_new_module_gets_its_unit_and_keeps_it_without_power(bus: VirtualBus, driver: ModbusDriver) -> None:
    assert bus.one("module")["unit"] == 247
    new = Target("247@modbus0", PROGRAMS["module"], address(30))
    seen = facts(await do(driver, Capability.PROVISION, new))
    assert (seen.uid, seen.address) == ("30@modbus0", address(30))
    bus.tell("power-off 30@modbus0")
    bus.tell("power-on 30@modbus0")
    assert bus.one("module")["unit"] == 30


async def test_a_unit_that_is_taken_is_not_given(bus: VirtualBus, driver: ModbusDriver) -> None:
    taken = bus.one("meter")["unit"]
    with pytest.raises(DriverError) as caught:
        await do(driver, Capability.PROVISION, Target("247@modbus0", PROGRAMS["module"], address(taken)))
    assert caught.value.kind is Kind.IN_USE
    assert bus.one("module")["unit"] == 247


@pytest.mark.parametrize(("kind", "winks"), [("module", 3), ("controller", 3), ("relay", 1)])
async def test_a_wink_is_seen(bus: VirtualBus, driver: ModbusDriver, kind: str, winks: int) -> None:
    await do(driver, Capability.WINK, target(bus, kind))
    assert bus.one(kind)["winks"] == winks


async def test_a_meter_cannot_wink_and_says_why(bus: VirtualBus, driver: ModbusDriver) -> None:
    with pytest.raises(DriverError) as caught:
        await do(driver, Capability.WINK, target(bus, "meter"))
    assert caught.value.kind is Kind.UNSUPPORTED


@pytest.mark.parametrize(
    ("kind", "changed"), [("meter", "0110"), ("module", "0000"), ("controller", "0003"), ("relay", "0010")]
)
async def test_a_configuration_is_saved_and_restored(
    bus: VirtualBus, driver: ModbusDriver, kind: str, changed: str
) -> None:
    device = target(bus, kind)
    snapshot = next(e for e in await do(driver, Capability.SNAPSHOT, device) if isinstance(e, Snapshot))
    before = bus.one(kind)["registers"][changed]
    document = {**snapshot.document, "blocks": [dict(block) for block in snapshot.document["blocks"]]}
    for block in document["blocks"]:
        at = int(changed, 16) - block["address"]
        if 0 <= at < len(block["values"]):
            block["values"] = [*block["values"][:at], before ^ 1, *block["values"][at + 1 :]]
    other = dataclasses.replace(device, snapshot=Snapshot(1, document))
    assert facts(await do(driver, Capability.RESTORE, other)).note == "1 values restored"
    assert bus.one(kind)["registers"][changed] == before ^ 1
    await do(driver, Capability.RESTORE, dataclasses.replace(device, snapshot=snapshot))
    assert bus.one(kind)["stored"][changed] == before


@pytest.mark.parametrize("bus", [("--modbus", "3", "--unit-kind", "module")], indirect=True)
async def test_a_module_is_replaced_by_a_new_one(bus: VirtualBus, driver: ModbusDriver) -> None:
    number = min(bus.units())
    old = Target(f"{number}@modbus0", PROGRAMS["module"], address(number))
    events = await do(driver, Capability.SNAPSHOT, old)
    document = dict(next(event for event in events if isinstance(event, Snapshot)).document)
    document["blocks"] = [{**document["blocks"][0], "values": [77, 3]}]
    replacing = dataclasses.replace(old, snapshot=Snapshot(1, document))
    with pytest.raises(DriverError) as caught:
        await do(driver, Capability.REPLACE, replacing, uid="247@modbus0")
    assert caught.value.kind is Kind.IN_USE
    serial = bus.units()[247]["serial"]
    bus.tell(f"power-off {number}@modbus0")
    seen = facts(await do(driver, Capability.REPLACE, replacing, uid="247@modbus0"))
    assert (seen.uid, seen.state) == (f"{number}@modbus0", NetworkState.PROVISIONED)
    new = next(unit for unit in bus.tell("truth")["modbus"][0]["units"] if unit["serial"] == serial)
    assert (new["unit"], new["stored"]["0000"], new["stored"]["0001"]) == (number, 77, 3)


def relay_image(size: int = IMAGE_SIZE) -> Image:
    program = bytes(n * 7 & 0xFF for n in range(size))
    info = b"RB-4".ljust(12, b"\0") + struct.pack(">HII", 0x0109, size, crc32(program)) + bytes(10)
    return Image("relay.bin", "12" * 32, info + program)


def controller_image(size: int = IMAGE_SIZE) -> Image:
    return Image("controller.bin", "34" * 32, b"RC20\x02\x05" + bytes(n * 3 & 0xFF for n in range(size)))


IMAGES = {
    "relay": (relay_image(), "Kestrel Controls/RB-4/1.9"),
    "controller": (controller_image(), "Alder Building Controls/RC-20/2.5"),
}


@pytest.mark.parametrize("kind", IMAGES)
async def test_an_image_is_loaded(bus: VirtualBus, driver: ModbusDriver, kind: str) -> None:
    image, program_id = IMAGES[kind]
    seen = facts(await do(driver, Capability.LOAD, target(bus, kind), image=image))
    assert (seen.program_id, seen.application) == (program_id, True)
    assert bus.one(kind)["mode"] == "application"


@pytest.mark.parametrize("power", [True, False], ids=["power", "cable"])
@pytest.mark.parametrize("kind", IMAGES)
async def test_a_load_that_is_cut_off_is_taken_up(
    bus: VirtualBus, driver: ModbusDriver, kind: str, power: bool
) -> None:
    image, program_id = IMAGES[kind]
    device = target(bus, kind)
    checkpoint = None
    async for event in driver.perform(Capability.LOAD, device, {"image": image}):
        checkpoint = event if isinstance(event, Checkpoint) else checkpoint
        if isinstance(event, Progress) and event.done > IMAGE_SIZE // 2:
            break
    assert checkpoint is not None
    if power:
        bus.tell(f"power-off {device.uid}")
        bus.tell(f"power-on {device.uid}")
        await asyncio.sleep(0.2)  # it starts
    events = await do(driver, Capability.LOAD, dataclasses.replace(device, checkpoint=checkpoint), image=image)
    assert facts(events).program_id == program_id
    again = [event for event in events if isinstance(event, Checkpoint)]
    assert (again[0].data["offset"] == 0) is power  # without power it had forgotten what it had got


async def test_a_board_stuck_in_its_bootloader_is_recognised(bus: VirtualBus, driver: ModbusDriver) -> None:
    device = target(bus, "relay")
    async for event in driver.perform(Capability.LOAD, device, {"image": relay_image()}):
        if isinstance(event, Progress):
            break
    found = await driver.identify(device.uid)
    assert (found.application, found.program_id) == (False, None)
    with pytest.raises(DriverError) as caught:
        await do(driver, Capability.PROVISION, device)
    assert caught.value.kind is Kind.NO_APPLICATION


async def test_an_image_for_something_else_is_refused_by_the_device(bus: VirtualBus, driver: ModbusDriver) -> None:
    image = relay_image()
    wrong = dataclasses.replace(image, data=b"XX-9" + image.data[4:])
    with pytest.raises(DriverError) as caught:
        await do(driver, Capability.LOAD, target(bus, "relay"), image=wrong)
    assert caught.value.kind is Kind.LOAD_FAILED


FAULTS = [
    "drop=0.1",
    "corrupt=0.1",
    "late=0.2 late_ms=350",
    "garbage=0.2",
    "duplicate=0.2",
    "drop=0.05 corrupt=0.05 late=0.1 late_ms=400 garbage=0.1",
]


@pytest.mark.parametrize("faults", FAULTS)
async def test_on_a_bad_line_values_are_right_or_there_are_none(bus: VirtualBus, faults: str) -> None:
    """Registers of one unit that differ from each other tell a wrong value."""
    there = bus.one("controller")
    expected = {int(at, 16): value for at, value in there["registers"].items() if int(at, 16) < 5}
    port = Port.parse(f"{bus.url}?late=0.5")
    line = Bus(port.line)
    line.start(await open_serial(port.path, port.line.baud, line))
    bus.tell(f"faults modbus0 {faults}")
    right = failed = 0
    for at, value in [*expected.items()] * 5:
        request = ReadRegisters(Function.READ_HOLDING_REGISTERS, at, 1)
        try:
            got = await line.exchange(there["unit"], request, step="read", device="it", priority=Priority.JOB)
        except DriverError:
            failed += 1
        else:
            right += 1
            assert got == (value,)
    assert right > failed
    bus.tell("faults modbus0 drop=0")
    request = ReadRegisters(Function.READ_HOLDING_REGISTERS, 0, 5)  # and it has recovered
    got = await line.exchange(there["unit"], request, step="read", device="it", priority=Priority.JOB)
    assert got == tuple(expected[at] for at in range(5))
    await line.close()


@pytest.mark.parametrize("bus", [("--modbus", "5", "--echo")], indirect=True)
async def test_a_port_with_an_echo_is_used_as_such(bus: VirtualBus) -> None:
    opened = await ModbusDriver.open(bus.url.partition("?")[0] + "?echo=1", SITE)
    try:
        await do(opened, Capability.PROVISION, target(bus, "meter"))
    finally:
        await opened.close()
    deaf = await ModbusDriver.open(bus.url.partition("?")[0], SITE)
    try:
        with pytest.raises(DriverError, match="echo=1"):
            await do(deaf, Capability.PROVISION, target(bus, "meter"))
    finally:
        await deaf.close()


async def test_a_port_that_is_unplugged_is_a_loss(bus: VirtualBus, driver: ModbusDriver) -> None:
    bus.tell("unplug modbus0")
    assert (await driver.wait_lost()).kind is Kind.PORT_LOST
