"""The serial ports of a machine, from what its kernel says: a tree of files stands for it. None is opened."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import Driver
from drivers.lon.driver import LonDriver
from drivers.modbus.driver import ModbusDriver
from drivers.serial_ports import LONGEST_FACT, OTHER_PROGRAM, holders, serial_ports


class Machine:
    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("dev/serial/by-id", "sys/class/tty", "proc"):
            (root / folder).mkdir(parents=True)

    def tty(self, name: str, device: str = "", node: bool = True, **said: str) -> None:
        """A tty of the kernel, with a device below sys/devices and facts of its own."""
        entry = self.root / "sys/class/tty" / name
        entry.mkdir()
        if device:
            behind = self.root / "sys/devices" / device
            behind.mkdir(parents=True, exist_ok=True)
            (entry / "device").symlink_to(behind)
        for fact, text in said.items():
            (entry / fact).write_text(f"{text}\n")
        if node:
            (self.root / "dev" / name).touch()

    def usb(self, device: str, **facts: str) -> None:
        folder = self.root / "sys/devices" / device
        folder.mkdir(parents=True, exist_ok=True)
        for fact, text in facts.items():
            (folder / fact).write_bytes(text.encode("utf-8", "surrogateescape") + b"\n")

    def named(self, name: str, tty: str) -> None:
        (self.root / "dev/serial/by-id" / name).symlink_to(f"../../{tty}")

    def process(self, pid: int, program: str, *opened: str) -> None:
        (self.root / f"proc/{pid}/fd").mkdir(parents=True)
        (self.root / f"proc/{pid}/comm").write_text(f"{program}\n")
        for number, name in enumerate(opened):
            (self.root / f"proc/{pid}/fd/{number}").symlink_to(self.root / "dev" / name)

    def lock(self, pid: int, tty: str) -> None:
        status = (self.root / "dev" / tty).stat()
        file = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
        (self.root / "proc/locks").write_text(f"1: FLOCK  ADVISORY  WRITE {pid} {file} 0 EOF\n")

    def ports(self) -> list[tuple[str, str, str, str]]:
        found = [(one.path, one.device, one.what, one.holder) for one in serial_ports(self.root)]
        return [(path.removeprefix(f"{self.root}"), d.removeprefix(f"{self.root}"), w, h) for path, d, w, h in found]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_machine_without_serial_ports_has_none(machine: Machine, tmp_path: Path) -> None:
    machine.tty("tty1")
    machine.tty("console")
    assert machine.ports() == []
    assert serial_ports(tmp_path / "nothing at all") == ()


def test_only_ports_with_hardware_behind_them_are_there(machine: Machine) -> None:
    machine.tty("ttyS0", "pnp0/00:01", type="4")
    machine.tty("ttyS1", "platform/serial8250", type="0")
    machine.tty("ttyS2", "platform/other", type="4", node=False)
    machine.tty("ttymxc2", "platform/soc/uart3", type="62")
    machine.tty("ttyp0")
    assert [device for _, device, _, _ in machine.ports()] == ["/dev/ttyS0", "/dev/ttymxc2"]


def test_the_stable_name_goes_first_and_what_it_stands_for_is_known(machine: Machine) -> None:
    machine.tty("ttyAMA0", "platform/uart0", type="32")
    machine.tty("ttyUSB1", "pci0/usb1/1-1/1-1:1.0/ttyUSB1")
    machine.named("usb-Maker_Thing-if00", "ttyUSB1")
    assert [(path, device) for path, device, _, _ in machine.ports()] == [
        ("/dev/serial/by-id/usb-Maker_Thing-if00", "/dev/ttyUSB1"),
        ("/dev/ttyAMA0", "/dev/ttyAMA0"),
    ]


def test_ports_are_in_the_order_of_their_numbers(machine: Machine) -> None:
    for number in (10, 2, 1):
        machine.tty(f"ttyS{number}", f"pnp0/{number}", type="4")
    assert [path for path, *_ in machine.ports()] == ["/dev/ttyS1", "/dev/ttyS2", "/dev/ttyS10"]


def test_a_usb_port_says_who_made_it_and_what_it_is(machine: Machine) -> None:
    machine.tty("ttyACM0", "usb1/1-1/1-1:1.0")
    machine.usb("usb1/1-1", idVendor="0920", idProduct="0100", manufacturer="Echelon", product="U60 FT")
    machine.tty("ttyACM1", "usb1/1-2/1-2:1.0")
    machine.usb("usb1/1-2", idVendor="0403", idProduct="6001", manufacturer="FTDI", product="FTDI UART")
    machine.tty("ttyACM2", "usb1/1-3/1-3:1.0")
    machine.usb("usb1/1-3", idVendor="1a86", idProduct="7523")
    assert [what for _, _, what, _ in machine.ports()] == ["Echelon U60 FT", "FTDI UART", "USB 1a86:7523"]


def test_what_a_device_says_of_itself_is_data(machine: Machine) -> None:
    machine.tty("ttyACM0", "usb1/1-1/1-1:1.0")
    machine.usb("usb1/1-1", idVendor="1", idProduct="2", product="\x1b[2J[red]x\udcff" + "y" * 4000)
    ((_, _, what, _),) = machine.ports()
    assert what.isprintable()
    assert len(what) <= LONGEST_FACT
    assert what.startswith("[2J[red]x")


def test_the_systems_console_is_told(machine: Machine) -> None:
    machine.tty("ttyS0", "pnp0/00:01", type="4", console="Y")
    assert [what for _, _, what, _ in machine.ports()] == ["built in, the system's console"]


def test_who_has_a_port_open_is_named(machine: Machine) -> None:
    machine.tty("ttyS0", "pnp0/00:01", type="4")
    machine.tty("ttyS1", "pnp0/00:02", type="4")
    machine.process(4321, "minicom", "null", "ttyS1")
    assert [holder for *_, holder in machine.ports()] == ["", "process 4321 (minicom)"]


def test_a_lock_of_a_program_that_cannot_be_looked_into_names_it_all_the_same(machine: Machine) -> None:
    machine.tty("ttyS0", "pnp0/00:01", type="4")
    machine.process(77, "other")
    machine.lock(77, "ttyS0")
    assert [holder for *_, holder in machine.ports()] == ["process 77 (other)"]


@pytest.mark.parametrize("pid", [0, -1])
def test_a_lock_from_another_world_is_another_programs(machine: Machine, pid: int) -> None:
    machine.tty("ttyS0", "pnp0/00:01", type="4")
    machine.lock(pid, "ttyS0")
    assert [holder for *_, holder in machine.ports()] == [OTHER_PROGRAM]


def test_the_lock_that_holds_is_named_before_whoever_has_it_open_too(machine: Machine) -> None:
    machine.tty("ttyS0", "pnp0/00:01", type="4")
    machine.process(5, "looker", "ttyS0")
    machine.process(77, "owner", "ttyS0")
    machine.lock(77, "ttyS0")
    assert [holder for *_, holder in machine.ports()] == ["process 77 (owner)"]


@given(lines=st.lists(st.text(max_size=60), max_size=8))
def test_any_list_of_locks_is_survived(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    proc = tmp_path_factory.mktemp("proc")
    (proc / "locks").write_text("\n".join(lines), encoding="utf-8")
    assert holders([str(proc / "locks")], proc) == {}


@pytest.fixture
def opened() -> Iterator[tuple[str, int]]:
    """A pseudo-terminal that a real process has open."""
    master, slave = os.openpty()
    path = os.ttyname(slave)
    script = "import sys; f = open(sys.argv[1], 'rb+', 0); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        os.close(slave)
        yield path, process.pid
        process.stdin.close()
    os.close(master)


def test_a_real_process_is_found(opened: tuple[str, int]) -> None:
    path, pid = opened
    assert holders([path])[path].startswith(f"process {pid} (")


@pytest.mark.parametrize("driver", [LonDriver, ModbusDriver])
@given(name=st.text(st.characters(exclude_characters="/\x00", exclude_categories=["Cs"]), min_size=1, max_size=100))
def test_what_a_port_can_be_tried_as_are_urls_in_their_one_written_form(driver: type[Driver], name: str) -> None:
    if name not in (".", ".."):
        urls = driver.urls(f"/dev/{name}")
        assert urls
        assert [driver.check_url(url) for _, url in urls] == [url for _, url in urls]
