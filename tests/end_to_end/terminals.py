"""Terminals of their own for the tests: a plain one, and one in tmux. Both take keys and show a screen."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import tempfile
import termios
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

import pyte

from tui.screens.dialog import DEAF_SECONDS

PATIENCE_SECONDS = 120.0
"""When a condition is given up: no statement about speed, only the end of a test that has failed."""
BETWEEN_LOOKS = 0.03
"""Seconds; what is looked at has to share a processor with the looking."""


def eventually(condition: Callable[[], bool], say: Callable[[], object] = lambda: "") -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, say()
        time.sleep(BETWEEN_LOOKS)


class Screen(ABC):
    """What a person has before him: keys, and what they bring about."""

    @property
    @abstractmethod
    def text(self) -> str:
        """What can be read just now; a program that is painting may have painted half of it."""

    @abstractmethod
    def press(self, *keys: str) -> None:
        """Send keys as a keyboard sends them."""

    @abstractmethod
    def wait(self) -> int:
        """The exit code, once the program has ended."""

    @abstractmethod
    def close(self) -> None:
        """End the program, if it has not ended yet."""

    def shows(self, *texts: str) -> None:
        """Wait until all of this is on the screen, at the same time."""

        def shown() -> bool:
            now = self.text
            return all(text in now for text in texts)

        eventually(shown, lambda: f"{texts} not on\n{self.text}")

    def opens(self, *texts: str) -> None:
        """Wait until a dialog with all of this is there and hears: it is deaf at first, which cannot be seen."""
        self.shows(*texts)
        time.sleep(DEAF_SECONDS)

    def agrees(self, *until: str) -> None:
        """Agree to the plan that is shown, and wait for what comes of it."""
        self.opens("y  agree", "Cancel")
        self.press("y")
        self.no_longer_shows("y  agree")
        self.shows(*until)

    def no_longer_shows(self, text: str) -> None:
        """Wait until this is gone."""
        eventually(lambda: text not in self.text, lambda: f"{text!r} still on\n{self.text}")


class Terminal(Screen):
    """A pseudo-terminal, as a terminal program or an SSH server opens it."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], columns: int = 80, rows: int = 24) -> None:
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self._screen)
        self._lock = threading.Lock()
        self._ended = False
        environment = {**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], list(command), environment)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def press(self, *keys: str) -> None:
        for key in keys:
            os.write(self._master, key.encode())

    @property
    def text(self) -> str:
        with self._lock:
            return "\n".join(self._screen.display)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def hang_up(self) -> None:
        """Close the terminal as a lost SSH session does: the kernel sends SIGHUP."""
        os.kill(self.pid, signal.SIGHUP)
        self.wait()

    def close(self) -> None:
        if not self._ended:
            self.kill()

    def wait(self) -> int:
        status: list[int] = []

        def ended() -> bool:
            pid, code = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                status.append(os.waitstatus_to_exitcode(code))
            return bool(pid)

        eventually(ended, lambda: self.text)
        self._ended = True
        return status[0]

    def _read(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while True:
            select.select([self._master], [], [])
            try:
                data = os.read(self._master, 65536)
            except OSError:  # the program has ended
                return
            with self._lock:
                self._stream.feed(decoder.decode(data))


class Tmux(Screen):
    """A tmux server of its own, spoken to in control mode: commands in, and for each a block of lines out."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], columns: int = 80, rows: int = 24) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fieldhand-")
        outside = {name: value for name, value in environment.items() if not name.startswith("TMUX")}
        folder = Path(self._folder.name)
        self._exit_code = folder / "exit code"
        server = ("tmux", "-u", "-f", os.devnull, "-S", str(folder / "socket"), "-C")
        noted = ("sh", "-c", '"$@"; echo $? >"$0"', str(self._exit_code), *command)
        self._control = subprocess.Popen(
            [*server, "new-session", "-x", str(columns), "-y", str(rows), *noted],
            env={**outside, "LANG": "C.UTF-8"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        self._ask("set-option remain-on-exit on")  # what it says last is read too
        self._ask("refresh-client -f no-output")

    def press(self, *keys: str) -> None:
        for key in keys:
            self._ask(f"send-keys -H {key.encode().hex(' ')}")

    @property
    def text(self) -> str:
        return self._ask("capture-pane -p")

    def wait(self) -> int:
        eventually(lambda: self._exit_code.exists() and bool(self._exit_code.read_text()), lambda: self.text)
        return int(self._exit_code.read_text())

    def close(self) -> None:
        self._control.communicate("kill-server\n")
        self._folder.cleanup()

    def _ask(self, command: str) -> str:
        """The lines of its answer, which stands between others that nobody asked for."""
        assert self._control.stdin is not None
        self._control.stdin.write(command + "\n")
        self._control.stdin.flush()
        line = self._line()
        while not (line.startswith("%begin ") and line.endswith(" 1\n")):  # 1: by this client
            line = self._line()
        lines = []
        while not (line := self._line()).startswith(("%end ", "%error ")):
            lines.append(line)
        assert line.startswith("%end "), lines
        return "".join(lines)

    def _line(self) -> str:
        assert self._control.stdout is not None
        line = self._control.stdout.readline()
        assert line, "tmux has ended"
        return line
