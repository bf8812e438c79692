"""The kinds of units on the virtual bus, with their register maps.

Addresses are those in the PDU, counted from zero. R is read, W is written. Numbers of 32 bits have their high word
first unless said otherwise. Functions that are not listed are refused with exception 1, addresses that are not
listed or not writable with 2, values out of range with 3. All kinds but the sensor know function 8.

meter: a three-phase energy meter "LM-3P" of Lumen Metering
    functions 3, 4, 6, 8, 16, 43/14; objects 0-2 (revision "2.4"), 4, 5 and 0x80 (serial number)
    input    0x0000-0x0005  R   voltage of phases 1-3, s32 each, 0.1 V
             0x0006-0x000B  R   current of phases 1-3, s32 each, mA
             0x000C-0x000D  R   active power, s32, 0.1 W
             0x000E-0x000F  R   energy, u32, Wh
             0x0010-0x0011  R   frequency, f32, Hz
             0x0012-0x0013  R   power factor, f32
             0x0300-0x0301  R   serial number, u32
    holding  0x0100         RW  unit number; valid at once: the answer comes from the new one already
             0x0110         RW  current transformer, 1-9999 A primary
             0x0111         RW  voltage transformer, 1-5000
             0x0112         RW  demand period, 1-60 min
             0x0120         W   0x5AA5 sets the energy to zero; reads 0
    Settings are stored as they are written.

module: an input/output module "IOM-8" of Tern Automation; one on a bus may still have the factory's unit number 247
    functions 1-6, 8, 15, 16, 17; server ID: 0x42, run indicator, ASCII "IOM-8 1.3 SN" and six digits
    coils    0x0000-0x0007  RW  outputs
             0x0010         RW  wink: the LED blinks for 5 s or until 0 is written; one more wink each time it starts
    discrete 0x0000-0x0007  R   inputs
    input    0x0000-0x0007  R   pulses counted at each input, u16
    holding  0x0000         RW  watchdog, 0-600 s
             0x0001         RW  outputs after power-up, one bit each, 0-255
             0x00F0         W   0x55AA unlocks 0x00F1 to 0x00F3 for 60 s; reads 0
             0x00F1         RW  unit number; valid after the answer, which comes from the old one
             0x00F2         W   1 stores 0x0000, 0x0001 and 0x00F1; exception 6 to everything while that takes; reads 0
             0x00F3         W   1 restarts after the answer; reads 0
    What is not stored is lost at a restart or without power. Locked registers are refused with exception 3.

sensor: a temperature and humidity sensor "TH-1", which cannot tell who it is
    functions 3, 4, 6
    input    0x0000         R   temperature, s16, 0.1 degrees Celsius
             0x0001         R   relative humidity, u16, 0.1 %
    holding  0x0000         R   0x5448, the mark of this kind ("TH")
             0x0001         R   firmware, 0x0102
             0x0010         RW  unit number; stored at once, valid after power-off and power-on
             0x0011         RW  correction of the temperature, s16, -100 to 100, 0.1 K; stored at once

controller: a room controller "RC-20" of Alder Building Controls
    functions 1-6, 8, 15-17, 20-23, 43/14; objects 0-6 and 0x80 (serial number) to 0x82: more than one answer holds;
    server ID: 0x20, run indicator, ASCII "RC-20"; revision "1.0" until an image says otherwise
    coils    0x0000         RW  occupied
             0x0010         RW  wink: as in the module
    discrete 0x0000         R   window open
             0x0001         R   somebody is there
    input    0x0000         R   room temperature, s16, 0.1 degrees Celsius
             0x0001         R   valve, 0-100 %
             0x0002         R   fan, 0-100 %
             0x0003         R   carbon dioxide, ppm
    holding  0x0000         RW  heating setpoint, 50-350, 0.1 degrees Celsius
             0x0001         RW  cooling setpoint, 50-400, 0.1 degrees Celsius
             0x0002         RW  dead band, 0-50, 0.1 K
             0x0003         RW  fan: 0 off, 1 low, 2 high, 3 by itself
             0x0004         RW  correction of the temperature, s16, -50 to 50, 0.1 K
             0x0010-0x001F  RW  location, 32 bytes of text padded with zero bytes
             0x0020-0x0021  RW  gain, f32, low word first
             0x0022-0x0023  RW  integral time, f32, low word first, s
             0x0F00         W   image command: 1 begin, 2 verify, 3 activate; reads 0
             0x0F01         R   image status: 0 none, 1 receiving, 2 verified, 3 wrong
             0x0F02-0x0F03  RW  length of the image in bytes, u32, 1-80000
             0x0F04-0x0F05  RW  CRC-32 (IEEE 802.3) of the image, u32
             0x0F06-0x0F07  R   CRC-32 of what has been received, u32; brought up to date by command 2
             0x0FF0         RW  unit number; stored at once, valid after a restart
             0x0FF1         W   1 restarts after the answer; reads 0
    files    1 to 4, 10000 records of one register each: the image, file after file, high byte first
    Begin erases: exception 6 to everything for 1 s. Records are refused with exception 4 unless the status is
    receiving, and may come in any order and again. An image begins with ASCII "RC20" and two bytes, the version
    (major, minor); verify looks at that too. Activate restarts into it after the answer, and is refused with
    exception 4 unless the image is verified. What is not activated is lost at a restart.

relay: a relay board "RB-4" of Kestrel Controls with a bootloader in holding registers (see modbus_bootloader)
    functions 1-6, 8, 15, 16, 43/14; objects 0-2 (product code "RB-4", revision "1.7" until an image says otherwise)
    coils    0x0000-0x0003  RW  relays
    discrete 0x0000-0x0003  R   manual switches
    input    0x0000-0x0003  R   operations of each relay, u16
    holding  0x0000-0x0003  RW  relay after power-up: 0 off, 1 on, 2 as before
             0x0010         RW  watchdog, 0-600 s
             0x0080         RW  unit number; stored at once, valid after the answer, which comes from the old one
             0x0081         W   1 restarts into the bootloader after the answer; reads 0
             0x0082         W   wink for so many seconds, 1-60; reads 0
    In the bootloader its product code is "RB-4 BOOT", its revision "0.3", its unit number the same. The signature of
    an image is "RB-4". Power-off and power-on leaves the bootloader if the application is whole.
"""

import math
import struct
from binascii import crc32
from enum import IntEnum

from drivers.virtual import modbus_bootloader
from drivers.virtual.modbus_bootloader import Bootloader
from drivers.virtual.modbus_functions import MOST_RECORDS, ExceptionCode, Function, Refusal, word_bytes, words
from drivers.virtual.modbus_identity import (
    APPLICATION_NAME,
    FIRST_EXTENDED,
    MODEL_NAME,
    PRODUCT_CODE,
    PRODUCT_NAME,
    REVISION,
    VENDOR,
    VENDOR_URL,
    Identity,
)
from drivers.virtual.modbus_unit import Mode, Renumbering, Unit, UnitKind

FACTORY_NUMBER = 247
ANY = range(0x10000)
WINK_S = 5.0
UNLOCKED_S = 60.0

_REGISTERS = frozenset(
    {
        Function.READ_HOLDING_REGISTERS,
        Function.READ_INPUT_REGISTERS,
        Function.WRITE_SINGLE_REGISTER,
    }
)
_MORE_REGISTERS = _REGISTERS | {Function.WRITE_MULTIPLE_REGISTERS, Function.DIAGNOSTICS}
_BITS = frozenset(
    {
        Function.READ_COILS,
        Function.READ_DISCRETE_INPUTS,
        Function.WRITE_SINGLE_COIL,
        Function.WRITE_MULTIPLE_COILS,
    }
)
_RECORDS = frozenset({Function.READ_FILE_RECORD, Function.WRITE_FILE_RECORD})
_COMBINED = frozenset({Function.MASK_WRITE_REGISTER, Function.READ_WRITE_MULTIPLE_REGISTERS})


def signed(least: int, most: int) -> frozenset[int]:
    """Give the registers that stand for these numbers."""
    return frozenset(value & 0xFFFF for value in range(least, most + 1))


def long(value: int) -> list[int]:
    """Put a 32-bit number into two registers, high word first."""
    return [value >> 16 & 0xFFFF, value & 0xFFFF]


def real(value: float) -> list[int]:
    """Put an IEEE 754 number of 32 bits into two registers, high word first."""
    return words(struct.pack(">f", value))


class Meter(Unit):
    """A three-phase energy meter."""

    kind = UnitKind.METER
    functions = _MORE_REGISTERS | {Function.ENCAPSULATED}
    renumbering = Renumbering.AT_ONCE
    number_register = 0x0100
    current_transformer = 0x0110
    voltage_transformer = 0x0111
    demand_period = 0x0112
    configuration = (current_transformer, voltage_transformer, demand_period)
    processing_s = 0.020
    energy_reset = 0x0120
    energy_reset_value = 0x5AA5
    serial_register = 0x0300

    def identity(self) -> Identity:
        """Tell vendor, product, revision, names and serial number."""
        return Identity(
            {
                VENDOR: b"Lumen Metering",
                PRODUCT_CODE: b"LM-3P",
                REVISION: b"2.4",
                PRODUCT_NAME: b"Three-phase energy meter",
                MODEL_NAME: b"LM-3P 63A",
                FIRST_EXTENDED: f"LM3P-{self.serial:06d}".encode(),
            }
        )

    def furnish(self) -> None:
        """Begin somewhere on a load curve."""
        self._phase = self.random.uniform(0, math.tau)
        self._load_w = self.random.uniform(200, 9000)
        self._energy_since = -self.random.uniform(1e5, 1e8)  # s: how long that load has been counted
        self.data.holding.update(
            {self.current_transformer: 100, self.voltage_transformer: 1, self.demand_period: 15, self.energy_reset: 0}
        )
        self.data.writable.update(
            {
                self.current_transformer: range(1, 10_000),
                self.voltage_transformer: range(1, 5_001),
                self.demand_period: range(1, 61),
                self.energy_reset: (self.energy_reset_value,),
            }
        )

    def refresh(self) -> None:
        """Measure."""
        now = self.timeline.now
        swing = math.sin(now / 7 + self._phase)
        volts = [2300 + round(15 * math.sin(now / 11 + self._phase + phase)) for phase in range(3)]
        watts = self._load_w * (1 + 0.1 * swing)
        currents = [round(1000 * watts / 3 / (volt / 10)) for volt in volts]
        energy = round(self._load_w * (now - self._energy_since) / 3600) & 0xFFFFFFFF
        values = [register for value in (*volts, *currents, round(10 * watts), energy) for register in long(value)]
        values += real(50 + 0.02 * swing) + real(0.95 + 0.03 * swing)
        self.data.inputs.update(enumerate(values))
        self.data.inputs.update(enumerate(long(self.serial), self.serial_register))

    def registers_written(self, values: dict[int, int]) -> None:
        """Set the energy to zero if so asked."""
        if self.energy_reset in values:
            self._energy_since = self.timeline.now
            self.data.holding[self.energy_reset] = 0


class Module(Unit):
    """An input/output module. It is told who it is under lock, and forgets what it is not told to store."""

    kind = UnitKind.MODULE
    functions = _MORE_REGISTERS | _BITS | {Function.REPORT_SERVER_ID}
    renumbering = Renumbering.AFTER_ANSWER
    number_register = 0x00F1
    watchdog = 0x0000
    outputs_after_power_up = 0x0001
    configuration = (watchdog, outputs_after_power_up)
    stores_at_once = False
    processing_s = 0.005
    channels = 8
    wink_coil = 0x0010
    lock = 0x00F0
    unlocking = 0x55AA
    save = 0x00F2
    reset = 0x00F3

    def identity(self) -> Identity:
        """Tell a server ID."""
        return Identity(server_id=b"\x42", additional=f"IOM-8 1.3 SN{self.serial:06d}".encode())

    def furnish(self) -> None:
        """Begin with all outputs off."""
        self._unlocked_until = 0.0
        self._rates = [self.random.uniform(0, 2) for _ in range(self.channels)]
        self.data.coils.update(dict.fromkeys((*range(self.channels), self.wink_coil), 0))
        self.data.holding.update(
            {self.watchdog: 0, self.outputs_after_power_up: 0, self.lock: 0, self.save: 0, self.reset: 0}
        )
        self.data.writable.update(
            {
                self.watchdog: range(601),
                self.outputs_after_power_up: range(1 << self.channels),
                self.lock: ANY,
                self.save: (1,),
                self.reset: (1,),
            }
        )

    def refresh(self) -> None:
        """Look at the inputs, which come and go."""
        now = self.timeline.now
        edges = [int(now * rate) for rate in self._rates]
        self.data.discrete_inputs.update(enumerate(edge & 1 for edge in edges))
        self.data.inputs.update(enumerate(edge // 2 & 0xFFFF for edge in edges))
        self.data.coils[self.wink_coil] = int(self.winking)

    def check(self, values: dict[int, int]) -> None:
        """Refuse what is locked."""
        locked = self.timeline.now >= self._unlocked_until
        if locked and any(address in values for address in (self.number_register, self.save, self.reset)):
            raise Refusal(ExceptionCode.ILLEGAL_DATA_VALUE)

    def registers_written(self, values: dict[int, int]) -> None:
        """Unlock, store, restart."""
        if self.lock in values:
            right = values[self.lock] == self.unlocking
            self._unlocked_until = self.timeline.now + UNLOCKED_S if right else 0.0
        if self.save in values:
            self.store()
            self.after_answer(lambda: self.be_busy(self.timing.write_s))
        if self.reset in values:
            self.after_answer(self.restart)
        self.data.holding.update({self.lock: 0, self.save: 0, self.reset: 0})

    def coils_written(self, values: dict[int, int]) -> None:
        """Begin or end a wink."""
        if self.wink_coil in values:
            self.wink(WINK_S if values[self.wink_coil] else 0.0)

    def started(self) -> None:
        """Put the outputs as they shall be after power-up."""
        self._unlocked_until = 0.0
        outputs = self.data.holding[self.outputs_after_power_up]
        self.data.coils.update((number, outputs >> number & 1) for number in range(self.channels))


class Sensor(Unit):
    """A temperature and humidity sensor with the least there can be."""

    kind = UnitKind.SENSOR
    functions = _REGISTERS
    renumbering = Renumbering.AFTER_RESTART
    number_register = 0x0010
    correction = 0x0011
    configuration = (correction,)
    processing_s = 0.040
    mark = 0x0000
    mark_value = 0x5448
    firmware = 0x0001
    firmware_value = 0x0102

    def identity(self) -> Identity:
        """Tell nothing."""
        return Identity()

    def furnish(self) -> None:
        """Begin at some temperature."""
        self._phase = self.random.uniform(0, math.tau)
        self.data.holding.update({self.mark: self.mark_value, self.firmware: self.firmware_value, self.correction: 0})
        self.data.writable[self.correction] = signed(-100, 100)

    def refresh(self) -> None:
        """Measure."""
        swing = math.sin(self.timeline.now / 60 + self._phase)
        temperature = 215 + round(30 * swing) + self.data.holding[self.correction]
        self.data.inputs.update(enumerate((temperature & 0xFFFF, 450 - round(80 * swing))))


class ImageCommand(IntEnum):
    """What a controller can be told about an image."""

    BEGIN = 1
    VERIFY = 2
    ACTIVATE = 3


class ImageStatus(IntEnum):
    """What a controller tells about an image."""

    NONE = 0
    RECEIVING = 1
    VERIFIED = 2
    WRONG = 3


class Controller(Unit):
    """A room controller with many settings, which takes an image as file records."""

    kind = UnitKind.CONTROLLER
    functions = _MORE_REGISTERS | _BITS | _RECORDS | _COMBINED | {Function.REPORT_SERVER_ID, Function.ENCAPSULATED}
    renumbering = Renumbering.AFTER_RESTART
    number_register = 0x0FF0
    reset = 0x0FF1
    heating, cooling, dead_band, fan, correction = range(5)
    location = range(0x0010, 0x0020)
    gain = 0x0020
    integral_time = 0x0022
    configuration = (heating, cooling, dead_band, fan, correction, *location, *range(gain, gain + 4))
    processing_s = 0.010
    wink_coil = 0x0010
    command = 0x0F00
    status = 0x0F01
    length = 0x0F02
    expected = 0x0F04
    received = 0x0F06
    files = 4
    most_bytes = 2 * MOST_RECORDS * files
    erase_s = 1.0
    image_mark = b"RC20"

    def identity(self) -> Identity:
        """Tell everything there is to tell, which is too much for one answer."""
        return Identity(
            {
                VENDOR: b"Alder Building Controls",
                PRODUCT_CODE: b"RC-20",
                REVISION: self._revision.encode(),
                VENDOR_URL: b"https://controls.example/room/rc-20",
                PRODUCT_NAME: b"Room controller with fan, valve and carbon dioxide sensor",
                MODEL_NAME: b"RC-20 24V",
                APPLICATION_NAME: b"Four-pipe fan coil unit with window contact and presence detector",
                FIRST_EXTENDED: f"RC20-{self.serial:06d}".encode(),
                FIRST_EXTENDED + 1: b"Hardware C, 24 V AC/DC, two triac outputs, one 0-10 V output, two inputs",
                FIRST_EXTENDED + 2: b"Calibrated at 20.0 and 25.0 degrees Celsius",
            },
            b"\x20",
            b"RC-20",
        )

    def furnish(self) -> None:
        """Begin as the factory made it."""
        self._phase = self.random.uniform(0, math.tau)
        self._revision = "1.0"
        self._records: dict[int, int] = {}
        settings = {self.heating: 210, self.cooling: 250, self.dead_band: 10, self.fan: 3, self.correction: 0}
        gain = enumerate(real(2.5)[::-1] + real(600.0)[::-1], self.gain)
        self.data.holding.update(settings | dict.fromkeys(self.location, 0) | dict(gain))
        self.data.holding.update(dict.fromkeys((*range(self.command, self.received + 2), self.reset), 0))
        self.data.coils.update({0: 0, self.wink_coil: 0})
        self.data.writable.update(
            {
                self.heating: range(50, 351),
                self.cooling: range(50, 401),
                self.dead_band: range(51),
                self.fan: range(4),
                self.correction: signed(-50, 50),
                self.command: tuple(ImageCommand),
                self.reset: (1,),
            }
        )
        free = (*self.location, *range(self.gain, self.gain + 4), *range(self.length, self.expected + 2))
        self.data.writable.update(dict.fromkeys(free, ANY))

    def refresh(self) -> None:
        """Control the room."""
        swing = math.sin(self.timeline.now / 90 + self._phase)
        temperature = 220 + round(20 * swing) + self.data.holding[self.correction]
        self.data.inputs.update(enumerate((temperature & 0xFFFF, 50 - round(50 * swing), 40, 700 + round(150 * swing))))
        self.data.discrete_inputs.update({0: 0, 1: int(swing > 0)})
        self.data.coils[self.wink_coil] = int(self.winking)

    def check(self, values: dict[int, int]) -> None:
        """Refuse an image command out of its turn."""
        command = values.get(self.command)
        length = self._long(self.data.holding | values, self.length)
        if command == ImageCommand.BEGIN and not 1 <= length <= self.most_bytes:
            raise Refusal(ExceptionCode.ILLEGAL_DATA_VALUE)
        status = self.data.holding[self.status]
        if command == ImageCommand.VERIFY and status == ImageStatus.NONE:
            raise Refusal(ExceptionCode.DEVICE_FAILURE)
        if command == ImageCommand.ACTIVATE and status != ImageStatus.VERIFIED:
            raise Refusal(ExceptionCode.DEVICE_FAILURE)

    def registers_written(self, values: dict[int, int]) -> None:
        """Obey an image command, or restart."""
        command = values.get(self.command)
        if command == ImageCommand.BEGIN:
            self._records.clear()
            self.data.holding[self.status] = ImageStatus.RECEIVING
            self.after_answer(lambda: self.be_busy(self.erase_s))
        elif command == ImageCommand.VERIFY:
            self._verify()
        elif command == ImageCommand.ACTIVATE:
            self.after_answer(self._activate)
        if self.reset in values:
            self.after_answer(self.restart)
        self.data.holding.update({self.command: 0, self.reset: 0})

    def coils_written(self, values: dict[int, int]) -> None:
        """Begin or end a wink."""
        if self.wink_coil in values:
            self.wink(WINK_S if values[self.wink_coil] else 0.0)

    def read_records(self, file: int, first: int, count: int) -> list[int]:
        """Give what has been received; erased flash reads all ones."""
        at = self._place(file, first)
        return [self._records.get(number, 0xFFFF) for number in range(at, at + count)]

    def write_records(self, file: int, first: int, values: list[int]) -> None:
        """Take a part of the image."""
        at = self._place(file, first)
        if self.data.holding[self.status] != ImageStatus.RECEIVING:
            raise Refusal(ExceptionCode.DEVICE_FAILURE)
        self._records.update(enumerate(values, at))

    def started(self) -> None:
        """Forget an image that was not activated."""
        self._records.clear()
        self.data.holding.update(dict.fromkeys(range(self.command, self.received + 2), 0))

    def _place(self, file: int, first: int) -> int:
        if file > self.files:
            raise Refusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)
        return (file - 1) * MOST_RECORDS + first

    def _verify(self) -> None:
        holding = self.data.holding
        image = self._received_image()
        received = crc32(image)
        right = image.startswith(self.image_mark) and received == self._long(holding, self.expected)
        holding.update(enumerate(long(received), self.received))
        holding[self.status] = ImageStatus.VERIFIED if right else ImageStatus.WRONG

    def _activate(self) -> None:
        self.image = self._received_image()
        version = self.image[len(self.image_mark) : len(self.image_mark) + 2].ljust(2, b"\0")
        self._revision = f"{version[0]}.{version[1]}"
        self.restart()

    def _received_image(self) -> bytes:
        length = self._long(self.data.holding, self.length)
        return word_bytes([self._records.get(number, 0xFFFF) for number in range((length + 1) // 2)])[:length]

    @staticmethod
    def _long(holding: dict[int, int], address: int) -> int:
        return holding[address] << 16 | holding[address + 1]


class Relay(Unit):
    """A relay board with a bootloader."""

    kind = UnitKind.RELAY
    functions = _MORE_REGISTERS | _BITS | {Function.ENCAPSULATED}
    renumbering = Renumbering.AFTER_ANSWER
    number_register = 0x0080
    relays = range(4)
    watchdog = 0x0010
    configuration = (*relays, watchdog)
    processing_s = 0.008
    enter_bootloader = 0x0081
    wink_register = 0x0082
    signature = "RB-4"
    as_before = 2

    def identity(self) -> Identity:
        """Tell vendor, product and revision of the program that runs."""
        application = self.mode is Mode.APPLICATION
        return Identity(
            {
                VENDOR: b"Kestrel Controls",
                PRODUCT_CODE: b"RB-4" if application else b"RB-4 BOOT",
                REVISION: self._revision.encode() if application else b"0.3",
            }
        )

    def furnish(self) -> None:
        """Begin with all relays off."""
        self._revision = "1.7"
        self._has_application = True
        self._bootloader_next = False
        self._bootloader = Bootloader(self.signature, self._erase, self._loaded)
        self.data.coils.update(dict.fromkeys(self.relays, 0))
        self.data.discrete_inputs.update(dict.fromkeys(self.relays, 0))
        self.data.inputs.update(dict.fromkeys(self.relays, 0))
        once = {self.watchdog: 0, self.enter_bootloader: 0, self.wink_register: 0}
        self.data.holding.update(dict.fromkeys(self.relays, 0) | once)
        self.data.writable.update(dict.fromkeys(self.relays, range(3)))
        self.data.writable.update(
            {self.watchdog: range(601), self.enter_bootloader: (1,), self.wink_register: range(1, 61)}
        )
        self._before = dict(self.data.coils)

    def registers_written(self, values: dict[int, int]) -> None:
        """Wink, or leave the application."""
        if self.wink_register in values:
            self.wink(float(values[self.wink_register]))
        if self.enter_bootloader in values:
            self.after_answer(self._enter_bootloader)
        self.data.holding.update({self.enter_bootloader: 0, self.wink_register: 0})

    def coils_written(self, values: dict[int, int]) -> None:
        """Count operations."""
        for relay, value in values.items():
            if self._before[relay] != value:
                self.data.inputs[relay] = (self.data.inputs[relay] + 1) & 0xFFFF
        self._before.update(values)

    def started(self) -> None:
        """Run the application if there is one, and put the relays as they shall be after power-up."""
        run = self._has_application and not self._bootloader_next
        self._bootloader_next = False
        self._bootloader.reset()
        self._run(Mode.APPLICATION if run else Mode.BOOTLOADER)
        states = {relay: self.data.holding[relay] for relay in self.relays}
        self.data.coils.update((relay, state) for relay, state in states.items() if state != self.as_before)
        self._before = dict(self.data.coils)

    def power_off(self) -> None:
        """Forget that the bootloader was asked for."""
        self._bootloader_next = False
        super().power_off()

    def _run(self, mode: Mode) -> None:
        self.mode = mode
        self.functions = type(self).functions if mode is Mode.APPLICATION else modbus_bootloader.FUNCTIONS
        self.content = self if mode is Mode.APPLICATION else self._bootloader

    def _enter_bootloader(self) -> None:
        self._bootloader_next = True
        self.restart()

    def _erase(self) -> None:
        self._has_application = False
        self.image = b""
        self.extra_time = modbus_bootloader.ERASE_S

    def _loaded(self, version: int, image: bytes) -> None:
        self.image = image
        self._revision = f"{version >> 8}.{version & 0xFF}"
        self._has_application = True
        self.after_answer(self.restart)


KINDS: dict[UnitKind, type[Unit]] = {kind.kind: kind for kind in (Meter, Module, Sensor, Controller, Relay)}
