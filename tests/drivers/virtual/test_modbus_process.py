"""Modbus ports of the field as a process, used through real pseudo-terminals by a client that knows only bytes."""

import json
import os
import select
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .modbus_bench import adu
from .test_process import ROOT, FieldProcess

READ_ONE = "03 00 00 00 01"
MARK = "03 02 54 48"


class Master:
    """Opens a port like any program would, and speaks one request at a time."""

    def __init__(self, path: Path) -> None:
        self.file = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def say(self, data: bytes) -> None:
        os.write(self.file, data)

    def hear(self, length: int) -> bytes:
        """Wait for so many bytes."""
        heard = b""
        while len(heard) < length:
            select.select([self.file], [], [])
            data = os.read(self.file, 4096)
            if not data:
                raise EOFError
            heard += data
        time.sleep(0.005)  # the silence a master owes the bus
        return heard

    def is_silent(self, seconds: float = 0.3) -> bool:
        return not select.select([self.file], [], [], seconds)[0]

    def ask(self, unit: int, pdu: str, answer: int) -> bytes:
        """Send a request; give the PDU of its answer, which has so many bytes."""
        self.say(adu(unit, pdu))
        heard = self.hear(answer + 3)
        assert heard == adu(unit, heard[1:-2])
        return heard[1:-2]

    def close(self) -> None:
        os.close(self.file)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "ports"


@pytest.fixture
def field(directory: Path) -> Iterator[FieldProcess]:
    arguments = ["--lon", "1", "--modbus", "6", "--modbus", "2", "--baud", "38400", "--parity", "N"]
    field = FieldProcess(directory, *arguments, "--seed", "7", "--reset-ms", "50")
    yield field
    assert field.end() == 0
    assert list(directory.iterdir()) == []


def units(field: FieldProcess, port: int = 0) -> list[dict[str, Any]]:
    units: list[dict[str, Any]] = field.tell("truth")["modbus"][port]["units"]
    return units


def of_kind(field: FieldProcess, kind: str) -> dict[str, Any]:
    return next(unit for unit in units(field) if unit["kind"] == kind)


def unit(field: FieldProcess, number: int) -> dict[str, Any]:
    return next(unit for unit in units(field) if unit["unit"] == number)


def settle(field: FieldProcess) -> None:
    for _ in range(3):
        field.line()


def test_ports_are_announced_with_the_url_a_driver_takes(field: FieldProcess, directory: Path) -> None:
    assert field.line()["port"] == "lon0"
    for number, count in ((0, 6), (1, 2)):
        path = str(directory / f"modbus{number}")
        url = f"modbus://{path}?baud=38400&parity=N"
        assert field.line() == {"port": f"modbus{number}", "path": path, "url": url, "units": count}


@pytest.mark.parametrize(
    ("arguments", "query"),
    [([], ""), (["--baud", "9600"], "?baud=9600"), (["--parity", "O"], "?parity=O")],
)
def test_a_url_leaves_out_what_is_the_standard(directory: Path, arguments: list[str], query: str) -> None:
    field = FieldProcess(directory, "--modbus", "1", *arguments, "--until-eof")
    assert field.line()["url"] == f"modbus://{directory}/modbus0{query}"
    assert field.end() == 0


def test_each_unit_answers_under_its_number_and_no_other_number_is_answered(
    field: FieldProcess, directory: Path
) -> None:
    settle(field)
    numbers = [unit["unit"] for unit in units(field)]
    assert sorted(numbers) == [1, 2, 3, 4, 5, 247]
    assert {unit["kind"] for unit in units(field)} == {"meter", "module", "sensor", "controller", "relay"}
    master = Master(directory / "modbus0")
    for number in numbers:
        master.say(adu(number, "77"))  # a function that nobody has
        assert master.hear(5) == adu(number, "f7 01")
    master.say(adu(6, "77"))
    assert master.is_silent()
    master.close()


def test_a_unit_through_its_life(field: FieldProcess, directory: Path) -> None:
    settle(field)
    master = Master(directory / "modbus0")
    module = unit(field, 247)
    assert module["kind"] == "module"
    assert module["identity"] == {}
    assert b"IOM-8 1.3 SN" in bytes.fromhex(module["server_id"])
    for request in ("06 00 f0 55 aa", "06 00 f1 00 14"):
        master.ask(247, request, 5)
    assert master.ask(20, "05 00 10 ff 00", 5) == bytes.fromhex("05 00 10 ff 00")
    known = unit(field, 20)
    assert (known["serial"], known["winks"]) == (module["serial"], 1)
    assert known["coils"]["0010"] == 1
    assert (known["registers"]["00F1"], known["stored"]["00F1"]) == (20, 247)

    answer = {"ok": True, "port": "modbus0", "unit": 20, "powered": False}
    assert field.tell("power-off 20@modbus0") == answer
    master.say(adu(20, READ_ONE))
    assert master.is_silent()
    assert field.tell("power-on 20@modbus0") == {**answer, "powered": True}
    deadline = field.tell("truth")["channel"]["elapsed_s"] + 0.06
    while field.tell("truth")["channel"]["elapsed_s"] < deadline:
        pass
    assert unit(field, 247)["serial"] == module["serial"]
    assert master.ask(247, READ_ONE, 4) == b"\3\2\0\0"
    master.close()


def test_every_command_for_a_bus(field: FieldProcess, directory: Path) -> None:
    settle(field)
    sensor = of_kind(field, "sensor")["unit"]
    master = Master(directory / "modbus0")
    assert field.tell(f"slow {sensor}@modbus0")["answers_after_ms"] == 40
    assert field.tell(f"slow {sensor}@modbus0 5") == {
        "ok": True,
        "port": "modbus0",
        "unit": sensor,
        "answers_after_ms": 5,
    }
    faults = {"drop": 1.0, "corrupt": 0, "late": 0, "garbage": 0, "duplicate": 0, "late_ms": 20.0}
    assert field.tell("faults modbus0 drop=1 late_ms=20") == {"ok": True, "port": "modbus0", "faults": faults}
    assert field.tell("faults modbus0")["faults"] == faults
    assert field.tell("faults modbus1")["faults"]["drop"] == 0
    assert set(field.tell("faults")["faults"]) == {"loss", "corrupt", "duplicate"}
    master.say(adu(sensor, READ_ONE))
    assert master.is_silent()
    assert field.tell("faults modbus0 drop=0")["faults"]["drop"] == 0
    assert master.ask(sensor, READ_ONE, 4) == bytes.fromhex(MARK)

    assert field.tell("second-master modbus0") == {"ok": True, "port": "modbus0", "second_master": False}
    assert field.tell("second-master modbus0 on")["second_master"] is True
    assert b"\3\0\0\0\1" in master.hear(40)
    assert field.tell("second-master modbus0 off")["second_master"] is False
    truth = field.tell("truth")["modbus"][0]
    assert truth["frames"] > 2
    assert truth["characters"] > 40
    assert truth["second_master"] is False

    assert field.tell("unplug modbus0") == {"ok": True, "port": "modbus0", "plugged": False}
    with pytest.raises((EOFError, OSError)):
        while True:
            master.hear(1)
    master.close()
    assert not (directory / "modbus0").exists()
    assert field.tell("plug modbus0")["path"] == str(directory / "modbus0")
    again = Master(directory / "modbus0")
    assert again.ask(sensor, READ_ONE, 4) == bytes.fromhex(MARK)
    again.close()


def test_one_client_after_another_can_ask_for_a_parity(directory: Path) -> None:
    field = FieldProcess(directory, "--modbus", "1", "--unit-kind", "sensor")
    field.line()
    for _ in range(2):
        master = Master(directory / "modbus0")
        settings = termios.tcgetattr(master.file)
        settings[2] |= termios.PARENB | termios.CLOCAL
        settings[4] = settings[5] = termios.B19200
        termios.tcsetattr(master.file, termios.TCSANOW, settings)  # refused if parity is all that would change
        assert master.ask(1, READ_ONE, 4) == bytes.fromhex(MARK)
        master.close()
        while not _is_as_new(directory / "modbus0"):
            pass
    assert field.end() == 0


def test_a_client_at_another_baud_rate_is_not_understood(field: FieldProcess, directory: Path) -> None:
    settle(field)
    sensor = of_kind(field, "sensor")["unit"]
    master = Master(directory / "modbus0")
    settings = termios.tcgetattr(master.file)
    for speed, understood in ((termios.B9600, False), (termios.B38400, True)):
        settings[4] = settings[5] = speed
        termios.tcsetattr(master.file, termios.TCSANOW, settings)
        master.say(adu(sensor, READ_ONE))
        assert master.is_silent() is not understood
    assert master.hear(7) == adu(sensor, MARK)
    master.close()


def _is_as_new(path: Path) -> bool:
    file = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        return not termios.tcgetattr(file)[2] & termios.CLOCAL
    finally:
        os.close(file)


def test_a_port_with_echo_says_everything_back(directory: Path) -> None:
    field = FieldProcess(directory, "--modbus", "1", "--unit-kind", "sensor", "--echo", "--rate", "unlimited")
    field.line()
    master = Master(directory / "modbus0")
    request = adu(1, READ_ONE)
    master.say(request)
    assert master.hear(len(request) + 7) == request + adu(1, MARK)
    master.close()
    assert field.end() == 0


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("power-off 77@modbus0", "77"),
        ("power-off 1@modbus9", "modbus9"),
        ("power-on @", "modbus0"),
        ("press 1@modbus0", "1@modbus0"),
        ("slow 1@modbus0 fast", "fast"),
        ("slow", "modbus1"),
        ("second-master modbus0 maybe", "maybe"),
        ("second-master lon0 on", "lon0"),
        ("faults modbus0 loss=0.1", "loss"),
        ("faults modbus0 drop=2", "drop=2"),
        ("faults modbus0 late_ms=-1", "late_ms"),
        ("faults drop=0.1", "drop"),
        ("updates modbus0 5", "modbus0"),
        ("unplug modbus7", "modbus7"),
    ],
)
def test_a_command_that_cannot_be_carried_out_names_the_thing(field: FieldProcess, command: str, names: str) -> None:
    settle(field)
    answer = field.tell(command)
    assert answer["ok"] is False
    assert names in answer["error"]


@pytest.mark.parametrize("count", ["1", "247"])
@pytest.mark.parametrize("kind", [[], ["--unit-kind", "module"], ["--unit-kind", "meter"]], ids=str)
def test_numbers_are_different_and_the_same_seed_makes_the_same_bus(
    directory: Path, count: str, kind: list[str]
) -> None:
    def bus() -> list[dict[str, Any]]:
        field = FieldProcess(directory, "--modbus", count, "--spread", "--seed", "3", "--until-eof", *kind)
        out, _ = field.process.communicate("truth\n")
        units: list[dict[str, Any]] = json.loads(out.splitlines()[-1])["modbus"][0]["units"]
        return units

    units = bus()
    assert units == bus()
    assert len({unit["unit"] for unit in units}) == len({unit["serial"] for unit in units}) == int(count)
    assert all(1 <= unit["unit"] <= 247 for unit in units)


def test_a_field_without_lon_ports_has_no_lon_faults(directory: Path) -> None:
    field = FieldProcess(directory, "--modbus", "1")
    field.line()
    assert "modbus0" in field.tell("faults")["error"]
    assert field.tell("truth")["devices"] == []
    assert field.end() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--modbus", "0"],
        ["--modbus", "248"],
        ["--modbus", "1"] * 65,
        ["--modbus", "1", "--baud", "1"],
        ["--modbus", "1", "--parity", "X"],
        ["--modbus", "1", "--unit-kind", "toaster"],
    ],
)
def test_what_cannot_be_is_said_in_one_line(directory: Path, arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "drivers.virtual", "--directory", str(directory), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_help_names_every_command_and_every_fault() -> None:
    from drivers.virtual.field import _BUS_FAULTS, _COMMANDS, _FAULTS

    done = subprocess.run(
        [sys.executable, "-m", "drivers.virtual", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    for name in (*_COMMANDS, *_FAULTS, *_BUS_FAULTS, "late_ms"):
        assert name in done.stdout
