"""Servers that others wrote: each read, written, tested and found by the driver over pseudo-terminals."""

from __future__ import annotations

import struct
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from core.errors import Kind
from drivers.base import (
    Address,
    Capability,
    DriverError,
    Found,
    NetworkState,
    Reading,
    SiteSettings,
    Snapshot,
    Target,
)
from drivers.modbus.driver import ModbusDriver
from tests.drivers.modbus.cable import Cable
from tests.drivers.modbus.test_driver import collect, facts

TYPE = """
name = "bench"
match = [
    { vendor = "Acme", product = "M1" },
    { table = "holding register", address = 50, value = 0xBE7C },
]
configuration = [{ address = 10, quantity = 6 }, { table = "coil", address = 0, quantity = 4 }]
wink = { table = "coil", address = 2, times = 1, seconds = 0.01 }
datapoint = [
    { name = "Voltage", table = "input register", address = 0, type = "f32", unit = "V" },
    { name = "Alarm", table = "discrete input", address = 1 },
]
"""
SITE = SiteSettings(domain=b"\x55", subnet=1, node=126, types={"bench": TYPE})

HOLDING = {0: 1, 50: 0xBE7C} | {10 + n: 100 + n for n in range(6)}
VOLTS = struct.unpack(">HH", struct.pack(">f", 231.25))


@pytest.fixture
def cable() -> Iterator[Cable]:
    with Cable() as there:
        yield there


@pytest.fixture
async def pymodbus_server(cable: Cable) -> AsyncIterator[str]:
    """Unit 1 with all four tables and identification objects. It answers for every other unit, too."""
    pymodbus = pytest.importorskip("pymodbus")
    server_of = pytest.importorskip("pymodbus.server").ModbusSerialServer
    simulator = pytest.importorskip("pymodbus.simulator")
    SimData, types = simulator.SimData, simulator.DataType

    registers = [SimData(address, values=value, datatype=types.REGISTERS) for address, value in HOLDING.items()]
    inputs = [SimData(0, values=list(VOLTS), datatype=types.REGISTERS)]
    coils = [SimData(0, count=16, values=False, datatype=types.BITS)]
    discrete = [SimData(0, values=[False, True], datatype=types.BITS)]
    device = simulator.SimDevice(id=1, simdata=(coils, discrete, registers, inputs))
    names = {"VendorName": "Acme", "ProductCode": "M1", "MajorMinorRevision": "3.1"}
    server = server_of(
        device, port=cable.ends[0], baudrate=19200, identity=pymodbus.ModbusDeviceIdentification(info_name=names)
    )
    await server.serve_forever(background=True)
    yield f"modbus://{cable.ends[1]}?units=1-3&line=bench"
    await server.shutdown()


@pytest.fixture
def modbus_tk_server(cable: Cable) -> Iterator[str]:
    """Unit 7 with all four tables; it knows neither identification nor diagnostics."""
    modbus_rtu = pytest.importorskip("modbus_tk.modbus_rtu")
    defines = pytest.importorskip("modbus_tk.defines")
    from serial import Serial

    server = modbus_rtu.RtuServer(Serial(cable.ends[0], 19200))
    slave = server.add_slave(7)
    for name, kind, size in (
        ("coils", defines.COILS, 16),
        ("discrete", defines.DISCRETE_INPUTS, 16),
        ("holding", defines.HOLDING_REGISTERS, 64),
        ("inputs", defines.ANALOG_INPUTS, 8),
    ):
        slave.add_block(name, kind, 0, size)
    for address, value in HOLDING.items():
        slave.set_values("holding", address, value)
    slave.set_values("inputs", 0, list(VOLTS))
    slave.set_values("discrete", 1, 1)
    server.start()
    yield f"modbus://{cable.ends[1]}?units=6-8&line=bench&timeout=0.3"
    server.stop()
    server.close()
    assert not any(thread.name.startswith("modbus_tk") for thread in threading.enumerate())


async def test_a_pymodbus_server_is_found_provisioned_tested_and_configured(pymodbus_server: str) -> None:
    await prove(pymodbus_server, 1, "Acme/M1/3.1")


async def test_a_modbus_tk_server_is_found_provisioned_tested_and_configured(modbus_tk_server: str) -> None:
    await prove(modbus_tk_server, 7, "type bench")


async def prove(url: str, unit: int, program_id: str) -> None:
    driver = await ModbusDriver.open(url, SITE)
    try:
        found = [event for event in await collect(driver.discover()) if isinstance(event, Found)]
        assert (f"{unit}@bench", program_id) in [(each.uid, each.program_id) for each in found]

        target = Target(f"{unit}@bench", program_id, Address(f"unit {unit}", {"unit": unit}))
        provisioned = facts(await collect(driver.perform(Capability.PROVISION, target, {})))
        assert (provisioned.state, provisioned.note) == (NetworkState.PROVISIONED, "Voltage 231.25 V")

        tested = facts(await collect(driver.perform(Capability.TEST, target, {"count": 3})))
        assert (tested.note or "").startswith("3 of 3 answered")

        both = Target(target.uid, program_id, points=("Voltage", "Alarm"))
        polled = await collect(driver.perform(Capability.POLL, both, {}))
        readings = {event for event in polled if isinstance(event, Reading)}
        assert readings == {Reading("Voltage", "231.25 V"), Reading("Alarm", "on")}

        saved = await collect(driver.perform(Capability.SNAPSHOT, target, {}))
        snapshot = next(event for event in saved if isinstance(event, Snapshot))
        registers, coils = snapshot.document["blocks"]
        assert registers["values"] == [100, 101, 102, 103, 104, 105]
        changed = {
            **snapshot.document,
            "blocks": [
                {**registers, "values": [7, 101, 8, 9, 104, 105]},
                {**coils, "values": [1, 0, 1, 1]},
            ],
        }
        for document in (changed, snapshot.document):
            with_it = Target(target.uid, program_id, snapshot=Snapshot(1, document))
            restored = facts(await collect(driver.perform(Capability.RESTORE, with_it, {})))
            assert restored.note == "6 values restored"

        assert facts(await collect(driver.perform(Capability.WINK, target, {}))).note == "it winked"
    finally:
        await driver.close()


async def test_a_unit_that_is_not_there_stays_silent(modbus_tk_server: str) -> None:
    driver = await ModbusDriver.open(modbus_tk_server, SITE)
    try:
        found = [event.uid for event in await collect(driver.discover()) if isinstance(event, Found)]
        assert found == ["7@bench"]
        with pytest.raises(DriverError) as caught:
            await driver.identify("8@bench")
        assert caught.value.kind is Kind.NO_REPLY
    finally:
        await driver.close()
