"""Units of a line as their registers say: enough of a device to be provisioned, loaded and replaced."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.base import SiteSettings
from drivers.modbus.device_types import Types
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.frames import (
    Bits,
    Code,
    FileData,
    Frame,
    FrameError,
    Function,
    Identification,
    Loopback,
    Message,
    ReadBits,
    ReadFile,
    ReadIdentification,
    ReadRegisters,
    Refusal,
    Registers,
    ReportServerId,
    Request,
    ServerId,
    WriteCoil,
    WriteCoils,
    WriteFile,
    WriteRegister,
    WriteRegisters,
    Written,
    request_from_bytes,
)
from drivers.modbus.port import Port
from tests.drivers.modbus.line import Answers, ScriptedLine, open_line

SITE = SiteSettings(domain=b"\x55", subnet=1, node=126)

TYPE = """
name = "meter"
serial = { address = 110, registers = 2 }
save = { register = 102, value = 1 }
factory_reset = { register = 103, value = 0xFACE, seconds = 0.3 }
restart = { register = 120, value = 1, seconds = 0.3 }
configuration = [{ address = 200, quantity = 6 }, { table = "coil", address = 32, quantity = 4 }]
match = [{ vendor = "Acme", product = "M1" }]
datapoint = [
    { name = "Voltage", table = "input register", address = 0, type = "f32", unit = "V" },
    { name = "Energy", table = "input register", address = 2, type = "u32", word_order = "little", unit = "kWh" },
    { name = "Temperature", table = "input register", address = 4, type = "s16", scale = 0.1, unit = "°C" },
    { name = "Alarm", table = "discrete input", address = 3 },
]

[unit]
register = 100
factory = 247
unlock = { register = 101, value = 0x5AA5 }
takes_effect = "when saved"

[wink]
table = "coil"
address = 16
times = 3
seconds = 0.2

[bootloader]
enter = { register = 131, value = 1, seconds = 0.3 }
match = { table = "holding register", address = 330, value = 0xB007 }
info = 0x1000
info_registers = 2
data = 0x2000
registers = 8
"""

AT_ONCE = TYPE.replace('"meter"', '"meter-at-once"').replace('"M1"', '"M2"').replace('"when saved"', '"at once"')
"""The same, but it answers at its new number before that is saved."""

MODULE = """
name = "module"
match = [{ server_id = "4D 44" }, { table = "holding register", address = 240, value = 0xE810 }]
datapoint = [{ name = "Output", table = "coil", address = 0 }]
[wink]
table = "holding register"
address = 32
value = 9
[file_loader]
file = 7
record = 9998
registers = 4
start = { register = 81, value = 1 }
"""


class Refuse(Exception):
    """An exception response."""

    def __init__(self, code: Code) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Unit:
    """A device with registers. What it cannot do it refuses; `deaf_to` are functions it does not even refuse."""

    unit: int
    objects: tuple[bytes, ...] = ()
    server_id: bytes = b""
    loops: bool = True
    deaf_to: frozenset[int] = frozenset()
    holding: dict[int, int] = field(default_factory=dict)
    inputs: dict[int, int] = field(default_factory=dict)
    coils: dict[int, bool] = field(default_factory=dict)
    discrete: dict[int, bool] = field(default_factory=dict)
    files: dict[tuple[int, int], int] = field(default_factory=dict)
    writes: list[tuple[int, int]] = field(default_factory=list)
    """Coils and holding registers that were written, in order."""
    on_write: Callable[[Unit, int, int], None] = lambda unit, address, value: None

    def answer(self, pdu: bytes) -> bytes | None:
        if pdu[0] in self.deaf_to:
            return None
        try:
            return self._do(request_from_bytes(pdu)).to_bytes()
        except Refuse as refusal:
            return Refusal(pdu[0], refusal.code).to_bytes()
        except FrameError:
            return Refusal(pdu[0], Code.ILLEGAL_FUNCTION).to_bytes()

    def _do(self, request: Request[object]) -> Message:
        match request:
            case ReadRegisters(function, address, quantity):
                table = self.holding if function == Function.READ_HOLDING_REGISTERS else self.inputs
                return Registers(function, tuple(self._in(table, address + n) for n in range(quantity)))
            case ReadBits(function, address, quantity):
                bits = self.coils if function == Function.READ_COILS else self.discrete
                values = tuple(bool(self._in(bits, address + n)) for n in range(quantity))
                return Bits(function, values + (False,) * (-quantity % 8))
            case WriteRegister(address, value):
                self._write(address, value)
                return request
            case WriteRegisters(address, several):
                for number, one in enumerate(several):
                    self._write(address + number, one)
                return Written(Function.WRITE_REGISTERS, address, len(several))
            case WriteCoil(address, on):
                self._switch(address, on)
                return request
            case WriteCoils(address, all_on):
                for number, on in enumerate(all_on):
                    self._switch(address + number, on)
                return Written(Function.WRITE_COILS, address, len(all_on))
            case Loopback() if self.loops:
                return request
            case ReportServerId() if self.server_id:
                return ServerId(self.server_id + b"\xff")
            case ReadIdentification(code, first) if self.objects:
                more = first + 1 < len(self.objects)  # one object at a time
                return Identification(code, 0x81, more, first + 1 if more else 0, ((first, self.objects[first]),))
        return self._do_with_file(request)

    def _do_with_file(self, request: Request[object]) -> Message:
        match request:
            case WriteFile(file, record, data) if self.server_id:
                for number, (one,) in enumerate(struct.iter_unpack(">H", data)):
                    self.files[file, record + number] = one
                return request
            case ReadFile(file, record, quantity) if self.server_id:
                found = [self.files.get((file, record + n), 0xFFFF) for n in range(quantity)]
                return FileData(struct.pack(f">{quantity}H", *found))
        raise Refuse(Code.ILLEGAL_FUNCTION)

    def _in(self, table: dict[int, int] | dict[int, bool], address: int) -> int:
        if address not in table:
            raise Refuse(Code.ILLEGAL_ADDRESS)
        return table[address]

    def _write(self, address: int, value: int) -> None:
        self._in(self.holding, address)
        self.holding[address] = value
        self.writes.append((address, value))
        self.on_write(self, address, value)

    def _switch(self, address: int, on: bool) -> None:
        self._in(self.coils, address)
        self.coils[address] = on
        self.writes.append((address, on))


def meter(unit: int = 247, serial: int = 1, revision: bytes = b"1.0", product: bytes = b"M1") -> Unit:
    """A device of TYPE, or (M2) of AT_ONCE."""
    volts = struct.unpack(">HH", struct.pack(">f", 230.5))
    device = Unit(unit, objects=(b"Acme", product, revision))
    device.holding = {100: unit, 101: 0, 102: 0, 103: 0, 110: 0, 111: serial, 120: 0, 131: 0}
    device.holding |= {200 + n: 10 * n for n in range(6)} | {0: 1}
    device.inputs = {0: volts[0], 1: volts[1], 2: 0x86A0, 3: 1, 4: 0xFFFB}
    device.coils = {16: False} | {32 + n: n % 2 == 0 for n in range(4)}
    device.discrete = {3: True}
    device.on_write = meter_written
    return device


def meter_written(device: Unit, address: int, value: int) -> None:
    """What its special registers do."""
    if address == 100 and device.holding[101] != 0x5AA5:
        raise Refuse(Code.ILLEGAL_VALUE)
    if (address, value) == (102, 1) or (address == 100 and device.objects[1] == b"M2"):
        device.unit = device.holding[100]
    if (address, value) == (103, 0xFACE):
        device.unit = device.holding[100] = 247
    if (address, value) == (131, 1):
        device.objects = ()
        device.holding = (
            {330: 0xB007} | dict.fromkeys(range(0x1000, 0x1002), 0) | dict.fromkeys(range(0x2000, 0x2008), 0)
        )
        device.inputs, device.coils = {}, {}


def module(unit: int = 3) -> Unit:
    """A device of MODULE."""
    return Unit(
        unit,
        server_id=b"\x4d\x44",
        loops=False,
        coils={0: True},
        holding={32: 5, 81: 0},
        deaf_to=frozenset({Function.ENCAPSULATED}),
    )


class Field:
    """Units on a line. Two at one number make noise. `meter` is the description of the type of that name."""

    def __init__(self, *units: Unit, meter: str = TYPE) -> None:
        self.units = list(units)
        self.types = {"meter": meter, "at once": AT_ONCE, "module": MODULE}
        self.late: defaultdict[int, float] = defaultdict(lambda: 0.005)
        self.spoil: Callable[[Frame, Answers], Answers] = lambda frame, answers: answers

    def __call__(self, frame: Frame) -> Answers:
        answers: list[bytes] = []
        for unit in [each for each in self.units if each.unit == frame.unit]:
            pdu = unit.answer(frame.pdu)
            if pdu is not None:
                answers.append(Frame(frame.unit, pdu).to_bytes())
        if len(answers) > 1:
            answers = [bytes(a & b for a, b in zip(answers[0], answers[1][::-1], strict=False))]
        return self.spoil(frame, [(self.late[frame.unit], each) for each in answers])


def open_field(field: Field, url: str = "modbus:///dev/ttyX") -> tuple[ModbusDriver, ScriptedLine]:
    """A driver on a line with these units."""
    port = Port.parse(url)
    bus, script = open_line(field, port.line)
    return ModbusDriver(port, bus, Types(field.types)), script
