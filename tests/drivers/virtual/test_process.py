"""The whole field as a process, used through a real pseudo-terminal by a client that knows only bytes."""

import fcntl
import hashlib
import json
import os
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .bench import ACK, NULL, QUERY_ID, RESYNC, code_packet, message, request

ROOT = Path(__file__).parents[3]


class FieldProcess:
    """A running field and its command line."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "drivers.virtual", "--directory", str(directory), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def line(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def tell(self, command: str) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.line()

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        return code


class Client:
    """Opens a port like any program would, takes messages apart and acknowledges them."""

    def __init__(self, path: str) -> None:
        self.file = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.pending = b""
        self.sequence = 0

    def write(self, data: bytes) -> None:
        os.write(self.file, data)

    def need(self, length: int) -> None:
        while len(self.pending) < length:
            select.select([self.file], [], [])
            data = os.read(self.file, 4096)
            if not data:
                raise EOFError
            self.pending += data

    def packet(self) -> bytes:
        self.need(4)
        packet, self.pending = self.pending[:4], self.pending[4:]
        return packet

    def message(self) -> bytes:
        """Wait for the next uplink message; give command and data."""
        while self.packet()[1] & 15 != 2:
            pass
        body = b""
        while not body or len(body) < body[0] + 2:
            self.need(1)
            size = 2 if self.pending[0] == 0x7E else 1
            self.need(size)
            body, self.pending = body + self.pending[:1], self.pending[size:]
        assert sum(body) & 0xFF == 0
        self.write(ACK)
        return body[1:-1]

    def start(self) -> None:
        """Resynchronise. Whoever opens the port first may speak before the other end has noticed."""
        self.write(RESYNC)
        while self.packet() != NULL:
            pass

    def send(self, lpdu: bytes) -> None:
        self.sequence = self.sequence % 7 + 1
        self.write(message(0x12, lpdu, self.sequence))

    def close(self) -> None:
        os.close(self.file)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "ports"


@pytest.fixture
def field(directory: Path) -> Iterator[FieldProcess]:
    field = FieldProcess(directory, "--lon", "3", "--lon", "2", "--seed", "7", "--reset-ms", "50")
    yield field
    assert field.end() == 0
    assert list(directory.iterdir()) == []


def uids(field: FieldProcess) -> list[str]:
    return [device["uid"] for device in field.tell("truth")["devices"]]


def test_a_field_is_announced_and_found_over_its_port(field: FieldProcess, directory: Path) -> None:
    for number, devices in ((0, 3), (1, 2)):
        path = str(directory / f"lon{number}")
        assert field.line() == {
            "port": f"lon{number}",
            "path": path,
            "url": f"lon://{path}",
            "devices": devices,
        }
    client = Client(str(directory / "lon0"))
    client.start()
    found: set[str] = set()
    while len(found) < 3:  # answers may collide
        client.send(QUERY_ID)
        found.add(client.message()[9:15].hex().upper())
    assert found == set(uids(field)[:3])
    client.close()


def test_every_command_and_a_device_through_its_life(field: FieldProcess, directory: Path) -> None:
    field.line(), field.line()
    uid = uids(field)[0]
    neuron_id = bytes.fromhex(uid)
    colons = ":".join(uid[at : at + 2] for at in range(0, 12, 2))
    client = Client(str(directory / "lon0"))
    client.start()

    assert field.tell(f"press '{colons.lower()}") == {"ok": True, "uid": uid}
    assert client.message()[6:13] == b"\x7f" + neuron_id

    client.send(request("63 00 4d 00 00 00 00 00 01 8a 01 ff ff ff ff ff ff", 1, neuron_id))
    client.message()
    client.send(request("6c 03 04", 2, neuron_id))
    client.message()
    client.send(request("70", 3, neuron_id, pdu=0x0C))
    client.message()
    truth = field.tell("truth")
    device = truth["devices"][0]
    assert device == {
        "uid": uid,
        "program_id": "9FFFFF0501000401",
        "state": "configured",
        "domains": [{"id": "4D", "subnet": 1, "node": 10}],
        "winks": 1,
        "powered": True,
        "documentation": "",
        "application_sha256": hashlib.sha256().hexdigest(),
        "kind": "plain",
        "locked": False,
        "update": None,
    }
    assert truth["channel"]["packets"] == 7
    assert 0.028 < truth["channel"]["busy_s"] < truth["channel"]["elapsed_s"]

    assert field.tell(f"reset {uid}") == {"ok": True, "uid": uid}
    assert field.tell(f"power-off {uid}") == {"ok": True, "uid": uid, "powered": False}
    assert "powered off" in field.tell(f"press {uid}")["error"]
    assert "powered off" in field.tell(f"reset {uid}")["error"]
    assert field.tell(f"power-on {uid}") == {"ok": True, "uid": uid, "powered": True}

    assert field.tell("faults loss=1") == {"ok": True, "faults": {"loss": 1.0, "corrupt": 0.0, "duplicate": 0.0}}
    assert field.tell("faults")["faults"]["loss"] == 1
    assert field.tell("faults corrupt=0")["faults"] == {"loss": 0, "corrupt": 0, "duplicate": 0}

    assert field.tell("updates lon0") == {"ok": True, "port": "lon0", "updates": 0}
    assert field.tell("updates lon0 50") == {"ok": True, "port": "lon0", "updates": 50}
    client.start()
    update = client.message()
    assert update[2] in (0x31, 0x39)  # unacknowledged, by broadcast or to the tool
    assert update[3:5] == b"\x01\x8a"
    assert field.tell("updates lon0 0")["updates"] == 0

    assert field.tell("unplug lon0") == {"ok": True, "port": "lon0", "plugged": False}
    with pytest.raises((EOFError, OSError)):
        while True:
            client.packet()
    client.close()
    assert not (directory / "lon0").exists()
    assert not field.tell("unplug lon0")["ok"]
    assert field.tell("plug lon0")["plugged"]
    assert not field.tell("plug lon0")["ok"]
    again = Client(str(directory / "lon0"))
    again.start()
    again.close()


def test_an_image_loaded_over_the_port_is_told_by_its_digest(field: FieldProcess, directory: Path) -> None:
    field.line(), field.line()
    uid = uids(field)[0]
    client = Client(str(directory / "lon0"))
    client.start()

    def ask(content: str, transaction: int) -> bytes:
        client.send(request(content, transaction, bytes.fromhex(uid)))
        return client.message()[-3:-2]  # without the checksum of the packet

    assert ask("6c 03 03", 1) == b"\x2c"
    assert ask("6e 07 00 02 02 00 41 42", 2) == b"\x2e"
    assert ask("6e 00 f0 0d 08 00 9f ff ff 12 34 56 04 09", 3) == b"\x2e"
    device = field.tell("truth")["devices"][0]
    assert (device["state"], device["program_id"]) == ("applicationless", "9FFFFF1234560409")
    content = {0x10020: 0x41, 0x10021: 0x42} | dict(enumerate(bytes.fromhex("9fffff1234560409"), 0xF00D))
    digest = hashlib.sha256(b"".join(at.to_bytes(4, "big") + bytes([content[at]]) for at in sorted(content)))
    assert device["application_sha256"] == digest.hexdigest()
    client.close()


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("dance", "dance"),
        ("press 1234", "1234"),
        ("press 00D071FFFFFFFF", "00D071FFFFFFFF"),
        ("power-off 00A1B2C3D4FF", "00A1B2C3D4FF"),
        ("plug lon9", "lon9"),
        ("faults loss=2", "loss=2"),
        ("faults heat=0.5", "heat"),
        ("truth please", "please"),
        ("updates", "lon0"),
        ("updates lon0 many", "many"),
        ("updates lon0 nan", "nan"),
        ("updates lon7 5", "lon7"),
    ],
)
def test_a_command_that_cannot_be_carried_out_names_the_thing(field: FieldProcess, command: str, names: str) -> None:
    field.line(), field.line()
    answer = field.tell(command)
    assert answer["ok"] is False
    assert names in answer["error"]


def test_a_client_that_comes_after_one_that_locked_the_port_and_vanished_finds_it_clean(
    field: FieldProcess, directory: Path
) -> None:
    field.line(), field.line()
    first = Client(str(directory / "lon0"))
    fcntl.ioctl(first.file, termios.TIOCEXCL)
    fcntl.flock(first.file, fcntl.LOCK_EX)
    first.start()
    first.write(message(0x12, bytes(20))[:9])
    first.close()
    second = Client(str(directory / "lon0"))
    fcntl.flock(second.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    second.start()
    second.write(code_packet(6, 0xE0))
    assert second.message()[:4] == bytes.fromhex("e0 1e a0 01")
    second.close()


def test_it_ends_with_its_input_when_so_asked(directory: Path) -> None:
    field = FieldProcess(directory, "--lon", "1", "--until-eof")
    out, _ = field.process.communicate("faults\ntruth\n")
    assert [next(iter(json.loads(line))) for line in out.splitlines()] == ["port", "ok", "ok"]
    assert field.process.returncode == 0
    assert list(directory.iterdir()) == []


def test_a_building_of_one_seed_is_always_the_same_and_names_its_devices(directory: Path) -> None:
    def building() -> list[dict[str, Any]]:
        field = FieldProcess(directory, "--lon", "45", "--mix", "--seed", "3", "--until-eof")
        out, _ = field.process.communicate("truth\n")
        devices: list[dict[str, Any]] = json.loads(out.splitlines()[-1])["devices"]
        return devices

    devices = building()
    assert devices == building()
    names = [device["documentation"].partition(";")[2] for device in devices]
    assert len(set(names)) == 45
    assert sum(device["state"] == "configured" for device in devices) == 6
    assert sum(not device["powered"] for device in devices) == 3


@pytest.mark.parametrize(("kind", "update"), [("plain", False), ("update", True), ("module", False)])
def test_all_devices_are_of_the_kind_asked_for(directory: Path, kind: str, update: bool) -> None:
    field = FieldProcess(directory, "--lon", "3", "--kind", kind, "--until-eof")
    out, _ = field.process.communicate("truth\n")
    for device in json.loads(out.splitlines()[-1])["devices"]:
        assert (device["kind"], device["locked"]) == (kind, kind == "module")
        empty = {"image_md5": None, "bank": "primary", "received": 0, "packets": 0}
        assert device["update"] == (empty if update else None)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--lon", "0"],
        ["--lon", "many"],
        [],
        ["--lon", "1", "--rate", "warp"],
        ["--lon", "1", "--kind", "toaster"],
        ["--lon", "1", "--kind", "module", "--mix"],
        ["--lon", "1", "--updates", "-1"],
        ["--lon", "1"] * 65,
        ["--lon", "1", "--directory", "/proc/nowhere"],
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


def test_a_file_that_is_no_link_is_not_replaced_by_a_port(directory: Path) -> None:
    directory.mkdir()
    (directory / "lon1").write_text("precious")
    arguments = ["--directory", str(directory), "--lon", "1", "--lon", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "drivers.virtual", *arguments], capture_output=True, check=False, cwd=ROOT
    )
    assert done.returncode == 2
    assert [entry.name for entry in directory.iterdir()] == ["lon1"]
    assert (directory / "lon1").read_text() == "precious"
