"""Serial ports over pseudo-terminals: opened for us alone, lost once, closed without hanging."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import subprocess
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from core.errors import Kind
from drivers.base import PortError
from drivers.transport import open_serial


class Ear:
    def __init__(self) -> None:
        self.data = bytearray()
        self.losses: list[str | None] = []
        self.changed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.changed.set()

    def connection_lost(self, reason: str | None) -> None:
        self.losses.append(reason)
        self.changed.set()

    async def wait(self) -> None:
        await self.changed.wait()
        self.changed.clear()


class Pty:
    """A pseudo-terminal of which nobody but the opener holds the slave."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        self.keeper = slave

    def unplug(self) -> None:
        for each in (self.keeper, self.master):
            with contextlib.suppress(OSError):
                os.close(each)


@pytest.fixture
def pty() -> Iterator[Pty]:
    pair = Pty()
    yield pair
    pair.unplug()


@contextlib.contextmanager
def _running(script: str, path: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        try:
            yield process
        finally:
            process.stdin.close()


async def test_bytes_go_both_ways(pty: Pty) -> None:
    ear = Ear()
    port = await open_serial(pty.path, 115_200, ear)
    assert port.name == pty.path
    port.write(b"down\x00\xff\x7e")
    assert await asyncio.to_thread(os.read, pty.master, 100) == b"down\x00\xff\x7e"
    os.write(pty.master, b"up\x11\x13\r\n\xff")
    while len(ear.data) < 7:
        await ear.wait()
    assert bytes(ear.data) == b"up\x11\x13\r\n\xff"
    await port.close()
    assert ear.losses == [None]


async def test_what_stood_in_the_input_before_is_flushed(pty: Pty) -> None:
    os.write(pty.master, b"old")
    ear = Ear()
    port = await open_serial(pty.path, 115_200, ear)
    os.write(pty.master, b"new")
    while not ear.data:
        await ear.wait()
    assert bytes(ear.data) == b"new"
    await port.close()


async def test_a_second_opener_is_refused_and_the_holder_is_named(pty: Pty) -> None:
    port = await open_serial(pty.path, 115_200, Ear())
    with pytest.raises(PortError) as refusal:
        await open_serial(pty.path, 115_200, Ear())
    assert refusal.value.kind is Kind.PORT_BUSY
    assert refusal.value.fields["holder"] == "this program already"
    await port.close()
    await (await open_serial(pty.path, 115_200, Ear())).close()


async def test_a_port_locked_by_another_process_names_it(pty: Pty) -> None:
    script = (
        "import fcntl,sys; f=open(sys.argv[1],'rb+',0); fcntl.flock(f,2); print('locked',flush=True); sys.stdin.read()"
    )
    with _running(script, pty.path) as holder:
        assert holder.stdout is not None
        await asyncio.to_thread(holder.stdout.readline)
        with pytest.raises(PortError) as refusal:
            await open_serial(pty.path, 115_200, Ear())
    assert refusal.value.kind is Kind.PORT_BUSY
    assert str(refusal.value.fields["holder"]).startswith(f"process {holder.pid} (")
    assert pty.path in str(refusal.value)


async def test_while_it_is_open_others_are_kept_out_and_afterwards_not(pty: Pty) -> None:
    exclusive = getattr(termios, "TIOCGEXCL", 0x80045440)
    port = await open_serial(pty.path, 115_200, Ear())
    assert fcntl.ioctl(pty.keeper, exclusive, bytes(4)) != bytes(4)
    await port.close()
    assert fcntl.ioctl(pty.keeper, exclusive, bytes(4)) == bytes(4)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("missing", "plugged in"),
        ("directory", "directory"),
        ("file", "it is a file"),
        ("null", "not a serial port"),
        ("below a file", "no such port"),
    ],
)
async def test_what_is_no_port_is_refused_with_the_reason(tmp_path: Path, what: str, words: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    path = {
        "missing": tmp_path / "missing",
        "directory": tmp_path,
        "file": tmp_path / "file",
        "null": Path("/dev/null"),
        "below a file": tmp_path / "file" / "port",
    }[what]
    with pytest.raises(PortError) as refusal:
        await open_serial(str(path), 115_200, Ear())
    assert refusal.value.kind is Kind.PORT_ABSENT
    assert words in str(refusal.value)


async def test_a_missing_permission_is_said(pty: Pty, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("serial.serial_for_url", refuse)
    with pytest.raises(PortError, match="permission denied"):
        await open_serial(pty.path, 115_200, Ear())


async def test_unplugging_is_reported_once_and_writing_afterwards_does_nothing(pty: Pty) -> None:
    ear = Ear()
    port = await open_serial(pty.path, 115_200, ear)
    pty.unplug()
    while not ear.losses:
        await ear.wait()
    port.write(b"into the void")
    await port.close()
    await port.close()
    assert ear.losses == ["it was unplugged"]


async def test_an_empty_write_is_dropped(pty: Pty) -> None:
    port = await open_serial(pty.path, 115_200, Ear())
    port.write(b"")
    port.write(b"x")
    assert await asyncio.to_thread(os.read, pty.master, 10) == b"x"
    await port.close()


async def test_a_port_that_takes_no_output_is_lost_before_the_queue_grows(pty: Pty) -> None:
    ear = Ear()
    port = await open_serial(pty.path, 115_200, ear)
    for _ in range(2000):
        port.write(bytes(1000))
        await asyncio.sleep(0)
        if ear.losses:
            break
    assert ear.losses == ["it takes no more output"]
    await port.close()


async def test_closing_with_unsent_output_does_not_hang(pty: Pty) -> None:
    ear = Ear()
    port = await open_serial(pty.path, 115_200, ear)
    for _ in range(12):
        port.write(bytes(1000))
        await asyncio.sleep(0)
    await port.close()
    assert ear.losses == [None]


async def test_an_opening_that_is_cancelled_leaves_the_port_free(pty: Pty, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()
    original = serial.serial_for_url

    def slow(*args: object, **kwargs: object) -> object:
        begun.set()
        go_on.wait(10)
        try:
            return original(*args, **kwargs)
        finally:
            done.set()

    monkeypatch.setattr("serial.serial_for_url", slow)
    opening = asyncio.create_task(open_serial(pty.path, 115_200, Ear()))
    await asyncio.to_thread(begun.wait)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    go_on.set()
    await asyncio.to_thread(done.wait)
    monkeypatch.undo()
    for _ in range(100):  # the abandoned thread closes it in its own time
        with contextlib.suppress(PortError):
            await (await open_serial(pty.path, 115_200, Ear())).close()
            return
        await asyncio.sleep(0.01)
    pytest.fail("the port is still held")


async def test_parity_is_not_asked_of_a_pseudo_terminal_which_has_none(pty: Pty) -> None:
    for _ in range(2):  # the second time nothing else changes, which would be an error
        transport = await open_serial(pty.path, 19200, Ear(), parity="E", stop=1)
        await transport.close()
