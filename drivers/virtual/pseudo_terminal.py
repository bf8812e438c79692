"""The serial port: the master side of a pseudo-terminal under a stable name, for one client after another."""

import asyncio
import os
import select
import termios
import tty
from collections.abc import Callable
from pathlib import Path

CLIENT_POLL = 0.020
LARGEST_READ = 4096
LARGEST_BACKLOG = 256 * 1024  # a client that never reads must not fill the memory

_INPUT_SPEED, _OUTPUT_SPEED = 4, 5  # in what termios gives


class PseudoTerminal:
    """Owns the master; the slave belongs to whoever opens the link.

    The slave is never kept open here: an exclusive open or lock of a client that died would then stick. So
    nobody may be at the other end, which a master cannot wait for and therefore looks at now and then. A baud rate
    is what a client finds who does not set one.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        link: Path,
        on_data: Callable[[bytes], None],
        on_client_gone: Callable[[], None],
        baud: int | None = None,
    ) -> None:
        self._loop = loop
        self._link = link
        self._on_data = on_data
        self._on_client_gone = on_client_gone
        self._backlog = bytearray()
        self._client = False
        self._writing = False
        self._poll: asyncio.TimerHandle | None = None
        self._master, slave = os.openpty()
        self._slave_path = os.ttyname(slave)
        tty.setraw(slave)
        self._settings = termios.tcgetattr(slave)
        if baud is not None:
            self._settings[_INPUT_SPEED] = self._settings[_OUTPUT_SPEED] = _speed(baud)
            termios.tcsetattr(slave, termios.TCSANOW, self._settings)
        os.close(slave)
        os.set_blocking(self._master, False)
        try:
            self._make_link()
        except OSError:
            os.close(self._master)
            raise
        self._look_for_client()

    def runs_at(self, baud: int) -> bool:
        """Tell whether the client has set this baud rate. A pseudo-terminal knows no parity."""
        return bool(termios.tcgetattr(self._master)[_OUTPUT_SPEED] == _speed(baud))

    def write(self, data: bytes) -> None:
        """Send to the client; without one the bytes go nowhere, as on an unplugged cable."""
        if self._client and len(self._backlog) + len(data) <= LARGEST_BACKLOG:
            self._backlog += data
            if not self._writing:
                self._flush()

    def close(self) -> None:
        """Hang up, and take the name away if it is still this port's."""
        if self._poll is not None:
            self._poll.cancel()
        if self._client:
            self._detach()
        if self._link.is_symlink() and self._link.readlink() == Path(self._slave_path):
            self._link.unlink()
        os.close(self._master)

    def _make_link(self) -> None:
        if self._link.is_symlink():
            self._link.unlink()  # left over from a run that was killed
        self._link.symlink_to(self._slave_path)

    def _look_for_client(self) -> None:
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        events = dict(poll.poll(0)).get(self._master, 0)
        if events & select.POLLHUP and not events & select.POLLIN:
            self._poll = self._loop.call_later(CLIENT_POLL, self._look_for_client)
            return
        self._poll = None
        self._client = True
        self._loop.add_reader(self._master, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._master, LARGEST_READ)
        except BlockingIOError:
            return
        except OSError:  # EIO: nobody has the slave open any more
            self._client_gone()
            return
        self._on_data(data)

    def _client_gone(self) -> None:
        self._detach()
        # Undo whatever the client made of the line, and what it left unread. All of it: a client that asks for
        # parity, which a pseudo-terminal does not keep, is refused if that is all it would change.
        termios.tcsetattr(self._master, termios.TCSAFLUSH, self._settings)
        self._on_client_gone()
        self._poll = self._loop.call_later(CLIENT_POLL, self._look_for_client)

    def _detach(self) -> None:
        self._client = False
        self._loop.remove_reader(self._master)
        if self._writing:
            self._loop.remove_writer(self._master)
            self._writing = False
        self._backlog.clear()

    def _flush(self) -> None:
        try:
            written = os.write(self._master, self._backlog)
        except BlockingIOError:
            written = 0
        except OSError:  # the client went away; reading will notice
            written = len(self._backlog)
        del self._backlog[:written]
        if self._backlog and not self._writing:
            self._loop.add_writer(self._master, self._flush)
        elif not self._backlog and self._writing:
            self._loop.remove_writer(self._master)
        self._writing = bool(self._backlog)


def _speed(baud: int) -> int:
    speed: int = getattr(termios, f"B{baud}")
    return speed
