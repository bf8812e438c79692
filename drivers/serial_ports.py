"""The serial ports of this machine: which there are, what is behind each, and who holds it. None is opened.

What the kernel tells is read from sysfs (Documentation/ABI/testing/sysfs-tty, sysfs-bus-usb), the stable names
from `/dev/serial/by-id`, which udev keeps, and the holders from `/proc` (proc(5)).
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from drivers.base import Candidate

ROOT: Final = Path("/")
NO_HARDWARE: Final = "0"
"""The kernel's type of a port that it has a name for and found nothing behind (PORT_UNKNOWN, serial_core.h)."""
LONGEST_FACT: Final = 80
"""Characters of a text from a device that are worth reading."""
OTHER_PROGRAM: Final = "another program"
"""Who holds a port when the kernel does not let us see whose lock it is."""


def serial_ports(root: Path = ROOT) -> tuple[Candidate, ...]:
    """Every serial port with hardware behind it, those with a stable name first. Blocks: for a thread.

    `root` is where `dev`, `sys` and `proc` are.
    """
    stable = _stable_names(root)
    found = []
    for entry in _entries(root / "sys/class/tty"):
        device = root / "dev" / entry.name
        if _has_hardware(entry) and device.exists():
            found.append((stable.get(device.resolve(), device), device, _what(entry)))
    held = holders([str(device.resolve()) for _, device, _ in found], root / "proc")
    candidates = [
        Candidate(str(path), str(device), what, held.get(str(device.resolve()), "")) for path, device, what in found
    ]
    return tuple(sorted(candidates, key=lambda one: (one.path == one.device, _in_order(one.path))))


def holders(targets: Collection[str], proc: Path = ROOT / "proc") -> Mapping[str, str]:
    """Who has these files open or locked, as people would look for it: `process 1234 (minicom)`.

    The targets are real paths. As far as we may look: a program of another user is seen by its lock alone.
    """
    locked = _lock_owners(targets, proc)
    users = _users(targets, proc)
    said = {}
    for target in targets:
        owners, openers = locked.get(target, []), users.get(target, [])
        pids = [*(pid for pid in owners if pid in openers), *(pid for pid in openers if pid not in owners), *owners]
        if pids:
            said[target] = _in_words(pids[0], proc)
    return said


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # not mounted, or not there
        return []


def _stable_names(root: Path) -> dict[Path, Path]:
    """The names below `/dev/serial/by-id`, by what they stand for now."""
    return {link.resolve(): link for link in sorted(_entries(root / "dev/serial/by-id"), reverse=True)}


def _has_hardware(entry: Path) -> bool:
    """Consoles and pseudo-terminals have no device; of the names of the board's ports most stand for nothing."""
    return (entry / "device").exists() and _read(entry / "type") != NO_HARDWARE


def _what(entry: Path) -> str:
    """What is behind it: who made it and what it calls itself, else where it is."""
    device = (entry / "device").resolve()
    console = ", the system's console" if _read(entry / "console") == "Y" else ""
    for folder in (device, *device.parents):
        if (folder / "idVendor").exists():
            maker, product = _read(folder / "manufacturer"), _read(folder / "product")
            named = product if product.startswith(maker) else f"{maker} {product}"
            numbers = f"USB {_read(folder / 'idVendor')}:{_read(folder / 'idProduct')}"
            return (named.strip() or numbers) + console
    return f"built in{console}"


def _read(path: Path) -> str:
    """One line of sysfs; "" where there is none. What a device says of itself is data: printable, and short."""
    try:
        text = path.read_bytes()[: 4 * LONGEST_FACT].decode("utf-8", "replace")
    except OSError:
        return ""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:LONGEST_FACT]


def _in_order(name: str) -> list[tuple[int, str]]:
    """So that ttyS10 comes after ttyS2."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name)]


def _lock_owners(targets: Collection[str], proc: Path) -> dict[str, list[int]]:
    """Processes with a flock on each file, from `locks` (`1: FLOCK ADVISORY WRITE pid major:minor:inode …`).

    The pid is 0 or below where the process is out of our sight, in another namespace.
    """
    files = {}
    for target in targets:
        with suppress(OSError):
            status = os.stat(target)  # noqa: PTH116 - a port is a path as the operator wrote it
            device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
            files[f"{device}:{status.st_ino}"] = target
    owners: dict[str, list[int]] = {}
    for line in _lines(proc / "locks"):
        words = line.split()
        if len(words) > 5 and words[1] == "FLOCK" and words[5] in files and re.fullmatch(r"-?[0-9]+", words[4]):
            owners.setdefault(files[words[5]], []).append(int(words[4]))
    return owners


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []


def _users(targets: Collection[str], proc: Path) -> dict[str, list[int]]:
    """Processes that have each file open."""
    wanted = frozenset(targets)
    users: dict[str, list[int]] = {}
    for directory in _entries(proc):
        if not directory.name.isdigit():
            continue
        opened: set[str] = set()
        with suppress(OSError), os.scandir(directory / "fd") as entries:  # gone already, or not ours to look into
            for entry in entries:
                with suppress(OSError):  # closed meanwhile
                    opened.add(os.readlink(entry))  # noqa: PTH115
        for target in opened & wanted:
            users.setdefault(target, []).append(int(directory.name))
    return users


def _in_words(pid: int, proc: Path) -> str:
    if pid <= 0:
        return OTHER_PROGRAM
    if pid == os.getpid():
        return "this program already"
    return f"process {pid} ({_read(proc / str(pid) / 'comm') or 'unknown'})"
