"""Serial ports: the one place that imports the serial library, and the guards that library needs.

pyserial-asyncio 0.6 reads and writes soundly but opens on the event loop, spins on an empty write, can
hang in tcdrain at close and keeps an unbounded buffer. Everything here exists so that nobody else has to
know that.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import stat
import termios
import threading
from contextlib import suppress
from typing import Any, Final, Protocol

import serial
import serial_asyncio

from core.errors import Kind
from drivers.base import PortError
from drivers.serial_ports import OTHER_PROGRAM, holders

OUTPUT_LIMIT: Final = 16 * 1024
"""Bytes that may wait for the port to take them. The links above send a frame at a time (at most 2.6 kB
with every byte escaped), so more than this means that the other end has stopped taking anything."""

CLOSE_WAIT: Final = 2.0
"""Seconds to wait for the library to report a closed port; it takes two turns of the loop, ever."""


class Receiver(Protocol):
    """Who gets what comes from a transport."""

    def data_received(self, data: bytes) -> None:
        """Bytes have come, in any portions."""

    def connection_lost(self, reason: str | None) -> None:
        """Nothing more will come: `reason` in words, or None after `close`. Called once."""


class Transport(Protocol):
    """Bytes to somewhere."""

    @property
    def name(self) -> str:
        """What people call it: the path of the port."""

    def write(self, data: bytes) -> None:
        """Send; never blocks. After a loss it does nothing: the loss has been reported."""

    async def close(self) -> None:
        """Let go. Never fails, never hangs."""


async def open_serial(path: str, baud: int, receiver: Receiver, *, parity: str = "N", stop: int = 1) -> Transport:
    """Open a serial port, raw with 8 data bits and without flow control, for this program alone.

    `parity` is N, E or O, `stop` the number of stop bits. Raises PortError: PORT_BUSY naming who holds it, or
    PORT_ABSENT with the reason in words. May be cancelled at any time without leaving the port open.
    """
    opening = _Opening(path, baud, parity, stop)
    try:
        port = await asyncio.to_thread(opening.run)
    except asyncio.CancelledError:
        opening.abandon()
        raise
    transport = SerialTransport(path, receiver)
    loop = asyncio.get_running_loop()
    transport.attach(serial_asyncio.SerialTransport(loop, transport, port))
    return transport


class SerialTransport(asyncio.Protocol):
    """The adapter round the library's transport; see the module for what it guards against."""

    def __init__(self, path: str, receiver: Receiver) -> None:
        self._path = path
        self._receiver = receiver
        self._inner: serial_asyncio.SerialTransport | None = None
        self._lost = asyncio.Event()
        self._closing = False

    def attach(self, inner: serial_asyncio.SerialTransport) -> None:
        """Take the library's transport, from now until it is lost."""
        self._inner = inner

    @property
    def name(self) -> str:
        """The path of the port."""
        return self._path

    def write(self, data: bytes) -> None:
        """Queue bytes for the port. An empty write would make the library spin and is dropped."""
        if self._inner is None or self._closing or not data:
            return
        if self._inner.get_write_buffer_size() + len(data) > OUTPUT_LIMIT:
            self._report("it takes no more output")
            self._let_go()
            return
        self._inner.write(data)

    async def close(self) -> None:
        """Let go of the port. What has not been sent yet is thrown away: tcdrain must have nothing to wait for."""
        self._let_go()
        with suppress(TimeoutError):  # the port is closed by the kernel at the latest with the process
            async with asyncio.timeout(CLOSE_WAIT):
                await self._lost.wait()

    def data_received(self, data: bytes) -> None:
        """From the library: bytes have come."""
        if not self._closing:
            self._receiver.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """From the library: the port is closed or broken. This is the only signal of a loss there is."""
        if self._inner is not None:
            _share(self._inner.serial)
            self._inner = None
        self._lost.set()
        self._report(None if exc is None else _loss_in_words(exc))

    def _let_go(self) -> None:
        if self._closing or self._inner is None:
            self._closing = True
            return
        self._closing = True
        port = self._inner.serial
        _share(port)
        with suppress(termios.error, OSError, serial.SerialException):
            port.reset_output_buffer()
        if not self._inner.is_closing() or self._inner.get_write_buffer_size():
            self._inner.abort()  # never twice: the library would close what is closed

    def _report(self, reason: str | None) -> None:
        receiver, self._receiver = self._receiver, _NOBODY
        receiver.connection_lost(reason)


class _Nobody:
    def data_received(self, data: bytes) -> None:
        """Nobody listens any more."""

    def connection_lost(self, reason: str | None) -> None:
        """It has been reported already."""


_NOBODY: Final = _Nobody()


class _Opening:
    """One attempt to open a port, made in a thread, that can be abandoned while it runs."""

    def __init__(self, path: str, baud: int, parity: str, stop: int) -> None:
        self._path = path
        self._settings: dict[str, Any] = {"baudrate": baud, "parity": parity, "stopbits": stop}
        self._lock = threading.Lock()
        self._abandoned = False
        self._port: serial.Serial | None = None

    def run(self) -> serial.Serial:
        """Open it, in the thread."""
        if _is_pseudo_terminal(_refuse_what_is_no_tty(self._path)):
            self._settings["parity"] = serial.PARITY_NONE
        try:
            port = serial.serial_for_url(self._path, exclusive=True, timeout=0, write_timeout=0, **self._settings)
        except (serial.SerialException, OSError, termios.error, ValueError) as error:
            raise _refusal(self._path, error) from error
        _prepare(port)
        with self._lock:
            self._port = port
            if self._abandoned:
                self._close()
        return port

    def abandon(self) -> None:
        """Nobody waits for it any more: whoever comes second closes it."""
        with self._lock:
            self._abandoned = True
            self._close()

    def _close(self) -> None:
        if self._port is not None:
            _share(self._port)
            self._port.close()


PSEUDO_TERMINALS: Final = range(136, 144)
"""Their major device numbers (Linux, admin-guide/devices.txt)."""


def _is_pseudo_terminal(status: os.stat_result) -> bool:
    """It carries bytes, not bits: the kernel takes parity off again, and the C library then calls that an error."""
    return os.major(status.st_rdev) in PSEUDO_TERMINALS


def _refuse_what_is_no_tty(path: str) -> os.stat_result:
    try:
        status = os.stat(path)  # noqa: PTH116 - a port is a path as the operator wrote it
    except OSError as error:
        raise _refusal(path, error) from error
    if stat.S_ISDIR(status.st_mode):
        raise PortError(Kind.PORT_ABSENT, port=path, reason="it is a directory, not a serial port")
    if not stat.S_ISCHR(status.st_mode):
        raise PortError(Kind.PORT_ABSENT, port=path, reason="it is a file, not a serial port")
    return status


def _prepare(port: serial.Serial) -> None:
    """What the library does not do: refuse second openers in the kernel, and low latency.

    flock is seen by programs that lock too; TIOCEXCL stops the others (all but root). A pty and many
    USB adapters have no low-latency mode: then there is nothing to set. DTR and RTS were raised and the
    input was flushed by the library as it opened.
    """
    with suppress(OSError):
        fcntl.ioctl(port.fileno(), termios.TIOCEXCL)
    with suppress(ValueError, OSError, NotImplementedError, AttributeError):
        port.set_low_latency_mode(True)


def _share(port: serial.Serial | None) -> None:
    """Take TIOCEXCL off: it stays on a tty for as long as any process has it open, not only ours."""
    if port is None or not port.is_open:
        return
    with suppress(OSError, serial.SerialException):
        fcntl.ioctl(port.fileno(), termios.TIOCNXCL)


def _refusal(path: str, error: Exception) -> PortError:
    number = _errno_of(error)
    if number in (errno.EBUSY, errno.EWOULDBLOCK) or "exclusively lock" in str(error):
        return PortError(Kind.PORT_BUSY, port=path, holder=_holder(path))
    words = {
        errno.ENOENT: "there is no such port: is the interface plugged in?",
        errno.EACCES: "permission denied: the user must be in the group of the port (often dialout)",
        errno.EPERM: "permission denied: the user must be in the group of the port (often dialout)",
        errno.ENOTTY: "it is not a serial port",
        errno.ENXIO: "there is no device behind it",
        errno.ENODEV: "there is no device behind it",
        errno.EIO: "there is no device behind it",
        errno.ENOTDIR: "there is no such port",
        errno.EINVAL: "it does not take the settings of the line: check baud rate, parity and stop bits",
    }
    reason = words.get(number or 0) or (os.strerror(number) if number else str(error))
    return PortError(Kind.PORT_ABSENT, port=path, reason=reason)


def _errno_of(error: BaseException | None) -> int | None:
    while error is not None:
        number = getattr(error, "errno", None)
        if isinstance(number, int):
            return number
        if isinstance(error, termios.error) and error.args and isinstance(error.args[0], int):
            return error.args[0]
        error = error.__cause__ or error.__context__
    return None


def _loss_in_words(error: Exception) -> str:
    number = _errno_of(error)
    if number is not None and number != errno.EIO:
        return os.strerror(number)
    return "it was unplugged"


def _holder(path: str) -> str:
    target = os.path.realpath(path)
    return holders([target]).get(target, OTHER_PROGRAM)
