"""Masters that others wrote (mbpoll, pymodbus, modbus-tk) against a bus with one unit of each kind, in real time.

Without parity: a pseudo-terminal keeps none, and what these libraries set after opening would then be refused.
"""

import asyncio
import os
import re
import shutil
import subprocess
import time
from binascii import crc32
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from .test_modbus_units import BLOCKS, FIRMWARE, IMAGE
from .test_process import FieldProcess

BAUD = 19200
PARITY = "N"
PATIENCE = 2.0  # s for an answer: the longest one takes 1 s to erase
SILENCE = 0.004  # s that a master owes the bus before it speaks


@dataclass
class Bus:
    """A bus in a process of its own: where its port is, and which unit is what."""

    field: FieldProcess
    path: str
    units: dict[str, int]

    def truth(self, kind: str) -> dict[str, Any]:
        units: list[dict[str, Any]] = self.field.tell("truth")["modbus"][0]["units"]
        return next(unit for unit in units if unit["kind"] == kind)


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    field = FieldProcess(tmp_path, "--modbus", "5", "--parity", PARITY, "--reset-ms", "50")
    path = field.line()["path"]
    units = field.tell("truth")["modbus"][0]["units"]
    yield Bus(field, path, {unit["kind"]: unit["unit"] for unit in units})
    assert field.end() == 0


# -- mbpoll ----------------------------------------------------------------------------------------------


@pytest.fixture
def mbpoll(bus: Bus) -> Any:
    program = shutil.which("mbpoll")
    if program is None:
        pytest.skip("mbpoll is not installed (Debian package mbpoll)")

    def run(unit: int, *arguments: str) -> list[str]:
        """Poll once, addresses counted from zero; give the values, or what it says instead of them."""
        common = ["-m", "rtu", "-b", str(BAUD), "-P", "none", "-0", "-1", "-o", str(PATIENCE), "-a", str(unit)]
        done = subprocess.run(
            [program, *common, *arguments[:-1], bus.path, *arguments[-1].split()],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
        return re.findall(r"^\[\d+\]:\s+(\S+)", done.stdout, re.MULTILINE) or [done.stdout + done.stderr]

    return run


def test_mbpoll_reads_and_writes_registers_and_coils(bus: Bus, mbpoll: Any) -> None:
    units = bus.units
    assert mbpoll(units["sensor"], "-t", "4:hex", "-r", "0", "-c", "2", "") == ["0x5448", "0x0102"]
    volts = mbpoll(units["meter"], "-t", "3:int", "-B", "-r", "0", "-c", "3", "")
    assert all(2250 < int(volt) < 2350 for volt in volts)
    [hertz] = mbpoll(units["meter"], "-t", "3:float", "-B", "-r", "16", "-c", "1", "")
    assert 49.9 < float(hertz) < 50.1
    assert "Written 3" in mbpoll(units["controller"], "-t", "4", "-r", "0", "200 260 15")[0]
    assert mbpoll(units["controller"], "-t", "4", "-r", "0", "-c", "3", "") == ["200", "260", "15"]
    assert "Written 8" in mbpoll(units["module"], "-t", "0", "-r", "0", "1 0 1 1 0 0 1 1")[0]
    assert mbpoll(units["module"], "-t", "0", "-r", "0", "-c", "8", "") == list("10110011")
    assert len(mbpoll(units["module"], "-t", "1", "-r", "0", "-c", "8", "")) == 8


def test_mbpoll_reads_a_server_id_and_is_told_why_not(bus: Bus, mbpoll: Any) -> None:
    [text] = mbpoll(bus.units["module"], "-u", "")
    assert "IOM-8 1.3 SN" in text
    assert "Status: On" in text
    [text] = mbpoll(bus.units["sensor"], "-t", "4", "-r", "99", "-c", "1", "")
    assert "Illegal data address" in text
    [text] = mbpoll(77, "-t", "4", "-r", "0", "-c", "1", "")
    assert "timed out" in text


# -- pymodbus --------------------------------------------------------------------------------------------


@pytest.fixture
def pymodbus(bus: Bus) -> Iterator[Any]:
    library = pytest.importorskip("pymodbus.client", reason="pymodbus is not installed (extra: test)")
    client = library.ModbusSerialClient(bus.path, baudrate=BAUD, parity=PARITY, timeout=PATIENCE, retries=0)
    assert client.connect()
    yield client
    client.close()


def test_pymodbus_uses_every_function(bus: Bus, pymodbus: Any) -> None:
    client, units = pymodbus, bus.units
    controller = {"device_id": units["controller"]}
    assert client.read_holding_registers(0, count=2, device_id=units["sensor"]).registers == [0x5448, 0x0102]
    serial = client.read_input_registers(0x0300, count=2, device_id=units["meter"]).registers
    assert serial[0] << 16 | serial[1] == bus.truth("meter")["serial"]
    assert not client.write_coil(0, True, **controller).isError()
    assert client.read_coils(0, count=1, **controller).bits[0]
    assert not client.read_discrete_inputs(0, count=2, **controller).isError()
    assert not client.write_coils(0, [True, False, True], device_id=units["module"]).isError()
    assert client.read_coils(0, count=3, device_id=units["module"]).bits[:3] == [True, False, True]
    assert not client.write_register(0x10, 0x12, **controller).isError()
    assert not client.mask_write_register(address=0x10, and_mask=0xF2, or_mask=0x25, **controller).isError()
    read = client.readwrite_registers(read_address=0x10, read_count=2, write_address=0x11, values=[7], **controller)
    assert read.registers == [0x17, 7]
    assert client.report_device_id(device_id=units["module"]).identifier.startswith(b"\x42")
    assert client.read_holding_registers(99, count=1, **controller).exception_code == 2


def test_pymodbus_reads_the_whole_identity_and_tests_the_line(bus: Bus, pymodbus: Any) -> None:
    client, controller = pymodbus, {"device_id": bus.units["controller"]}
    objects: dict[int, bytes] = {}
    following, more = 0, True
    while more:
        part = client.read_device_information(read_code=3, object_id=following, **controller)
        objects |= part.information
        following, more = part.next_object_id, bool(part.more_follows)
    assert {f"{number:02X}": text.decode() for number, text in objects.items()} == bus.truth("controller")["identity"]
    assert client.diag_query_data(b"\xa5\x37", **controller).message == b"\xa5\x37"
    assert client.diag_read_bus_comm_error_count(**controller).message == 0
    assert client.diag_read_bus_exception_error_count(**controller).message == 0
    assert client.diag_read_device_message_count(**controller).message >= 5


def test_pymodbus_loads_a_relay_through_its_bootloader(bus: Bus, pymodbus: Any) -> None:
    client, unit = pymodbus, {"device_id": bus.units["relay"]}

    def write(address: int, data: bytes) -> bool:
        registers = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
        return not client.write_registers(address, registers, **unit).isError()

    assert not client.write_register(0x0081, 1, **unit).isError()
    time.sleep(0.2)
    assert client.read_device_information(read_code=1, **unit).information[1] == b"RB-4 BOOT"
    sizes = len(FIRMWARE).to_bytes(4, "big") + crc32(FIRMWARE).to_bytes(4, "big")
    assert write(0x1000, b"RB-4".ljust(12, b"\0") + b"\2\7" + sizes + bytes(10))
    for block in BLOCKS:
        assert write(0x2000, block.ljust(136, b"\xff"))
    time.sleep(0.2)
    assert client.read_device_information(read_code=1, **unit).information[2] == b"2.7"
    assert bus.truth("relay")["mode"] == "application"


def test_pymodbus_loads_a_controller_with_file_records(bus: Bus, pymodbus: Any) -> None:
    messages = pytest.importorskip("pymodbus.pdu.file_message")
    client, unit = pymodbus, {"device_id": bus.units["controller"]}
    checksum = crc32(IMAGE)
    expected = [checksum >> 16, checksum & 0xFFFF]
    assert not client.write_registers(0x0F02, [0, len(IMAGE), *expected], **unit).isError()
    assert not client.write_register(0x0F00, 1, **unit).isError()
    assert client.read_holding_registers(0x0F01, count=1, **unit).exception_code == 6
    time.sleep(1.1)
    padded = IMAGE + b"\0" * (len(IMAGE) % 2)
    for at in range(0, len(padded), 200):
        record = messages.FileRecord(file_number=1, record_number=at // 2, record_data=padded[at : at + 200])
        assert not client.write_file_record([record], **unit).isError()
    assert not client.write_register(0x0F00, 2, **unit).isError()
    assert client.read_holding_registers(0x0F06, count=2, **unit).registers == expected
    assert not client.write_register(0x0F00, 3, **unit).isError()
    time.sleep(0.2)
    assert bus.truth("controller")["image_sha256"] == sha256(IMAGE).hexdigest()
    assert bus.truth("controller")["identity"]["02"] == "2.5"


async def test_pymodbus_finds_exactly_the_units_there_are(bus: Bus) -> None:
    library = pytest.importorskip("pymodbus.client", reason="pymodbus is not installed (extra: test)")
    exceptions = pytest.importorskip("pymodbus.exceptions")
    client = library.AsyncModbusSerialClient(bus.path, baudrate=BAUD, parity=PARITY, timeout=0.15, retries=0)
    assert await client.connect()
    found = []
    for number in (*range(1, 9), *range(245, 248)):
        try:
            await client.read_holding_registers(0, count=1, device_id=number)
            found.append(number)
        except exceptions.ModbusIOException:
            pass
        await asyncio.sleep(SILENCE)
    client.close()
    assert found == sorted(bus.units.values())


# -- modbus-tk -------------------------------------------------------------------------------------------


@pytest.fixture
def modbus_tk(bus: Bus) -> Iterator[Any]:
    library = pytest.importorskip("modbus_tk.modbus_rtu", reason="modbus-tk is not installed (extra: test)")
    serial = pytest.importorskip("serial")
    master = library.RtuMaster(serial.Serial(bus.path, BAUD, parity=PARITY))
    master.set_timeout(PATIENCE)

    def execute(unit: int, *arguments: Any, **named: Any) -> Any:
        time.sleep(SILENCE)
        return master.execute(unit, *arguments, **named)

    yield execute
    master.close()


def test_modbus_tk_reads_and_writes_every_table(bus: Bus, modbus_tk: Any) -> None:
    units = bus.units
    assert modbus_tk(units["sensor"], 3, 0, 2) == (0x5448, 0x0102)
    assert all(2250 < volt < 2350 for volt in modbus_tk(units["meter"], 4, 0, 6, data_format=">lll"))
    assert modbus_tk(units["module"], 15, 0, output_value=[1, 0, 1, 1, 0, 0, 1, 1]) == (0, 8)
    assert modbus_tk(units["module"], 1, 0, 8) == (1, 0, 1, 1, 0, 0, 1, 1)
    assert modbus_tk(units["module"], 5, 0, output_value=0) == (0, 0)
    assert len(modbus_tk(units["module"], 2, 0, 8)) == 8
    assert modbus_tk(units["controller"], 16, 0, output_value=[200, 260]) == (0, 2)
    assert modbus_tk(units["controller"], 6, 2, output_value=20) == (2, 20)
    assert modbus_tk(units["controller"], 23, 0, 3, output_value=[15], write_starting_address_fc23=2) == (200, 260, 15)
    errors = pytest.importorskip("modbus_tk.exceptions")
    with pytest.raises(errors.ModbusError, match="Exception code = 3"):
        modbus_tk(units["controller"], 6, 0, output_value=9999)


def test_modbus_tk_reads_file_records(bus: Bus, modbus_tk: Any) -> None:
    assert modbus_tk(bus.units["controller"], 20, (0, 9990), (3, 10), number_file=(1, 4)) == (
        (0xFFFF,) * 3,
        (0xFFFF,) * 10,
    )
