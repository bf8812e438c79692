"""A console on a real pseudo-terminal, with a stopwatch: from a key to the last byte of what it changes."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

QUIET_SECONDS = 0.05
"""Nothing for so long: the repaint is over."""
PATIENCE_SECONDS = 60.0
BLOCK = 1 << 18
ASKS_FOR_SYNCHRONIZED_OUTPUT = b"\x1b[?2026$p"
HAS_SYNCHRONIZED_OUTPUT = b"\x1b[?2026;2$y"


@dataclass(frozen=True)
class Repaint:
    """What came of something: after how long the last byte of it was there, and how many bytes it was."""

    milliseconds: float
    bytes: int


class Stopwatch:
    """A program in a terminal; whoever measures it reads what it writes at once."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], columns: int = 120, rows: int = 40) -> None:
        environment = {**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
        self.started = time.perf_counter()
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], list(command), environment)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, mark: bytes) -> float:
        """Seconds from the start until this has been written."""
        seen = b""
        while mark not in seen:
            data = self._read(PATIENCE_SECONDS)
            assert data, seen[-300:]
            seen += data
        return time.perf_counter() - self.started

    def settle(self, quiet: float = QUIET_SECONDS) -> None:
        """Read until nothing more comes."""
        while self._read(quiet):
            pass

    def key(self, key: bytes) -> Repaint:
        """Press a key and wait for all of what it changes."""
        start = time.perf_counter()
        os.write(self._master, key)
        return self.repaint(start)

    def key_until(self, key: bytes, mark: bytes) -> float:
        """Milliseconds until a key shows, by this mark, while other things are repainted too."""
        start = time.perf_counter()
        os.write(self._master, key)
        seen = b""
        while mark not in seen:
            data = self._read(PATIENCE_SECONDS)
            assert data, seen[-300:]
            seen = seen[-len(mark) :] + data
        return (time.perf_counter() - start) * 1000

    def repaint(self, start: float) -> Repaint:
        """Wait for what comes, and for the last byte of it; the time counts from `start`."""
        data = self._read(PATIENCE_SECONDS)
        assert data
        count, last = 0, start
        while data:
            count, last = count + len(data), time.perf_counter()
            data = self._read(QUIET_SECONDS)
        return Repaint((last - start) * 1000, count)

    def written(self, seconds: float) -> int:
        """How many bytes it writes in that time."""
        end, count = time.perf_counter() + seconds, 0
        while (left := end - time.perf_counter()) > 0:
            count += len(self._read(left))
        return count

    @property
    def cpu_seconds(self) -> float:
        """What all its threads have used (the first number of schedstat, in nanoseconds: proc(5))."""
        threads = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    @property
    def resident_mb(self) -> float:
        """Memory it holds."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1000

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._master)

    def _read(self, timeout: float) -> bytes:
        if not select.select([self._master], [], [], timeout)[0]:
            return b""
        data = os.read(self._master, BLOCK)
        if ASKS_FOR_SYNCHRONIZED_OUTPUT in data:
            os.write(self._master, HAS_SYNCHRONIZED_OUTPUT)
        return data
