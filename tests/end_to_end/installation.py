"""Real processes for the tests: a state directory with its commands, a virtual field, and a terminal with a console."""

from __future__ import annotations

import codecs
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyte

FIELDHAND = (sys.executable, "-m", "tui.command_line")
PATIENCE_SECONDS = 120.0
"""When a condition is given up: no statement about speed, only the end of a test that has failed."""


def eventually(condition: Callable[[], bool], say: Callable[[], object] = lambda: "") -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, say()
        time.sleep(0.02)


class Field:
    """`fieldhand field` as a process: lines in, JSON out."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.directory = directory
        self._process = subprocess.Popen(
            [*FIELDHAND, "field", "--directory", str(directory), "--seed", "7", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ports = [self._read() for argument in arguments if argument in ("--lon", "--modbus")]

    def url(self, port: int = 0) -> str:
        return str(self.ports[port]["url"])

    def command(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._read()

    def truth(self) -> dict[str, dict[str, Any]]:
        """What the devices really hold, by UID."""
        return {device["uid"]: device for device in self.command("truth")["devices"]}

    def channel(self) -> dict[str, float]:
        channel: dict[str, float] = self.command("truth")["channel"]
        return channel

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


class Installation:
    """A state directory, and `fieldhand` on it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment = {**os.environ, "FIELDHAND_STATE": str(directory)}

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """One command; it has to end with this exit code."""
        done = subprocess.run(
            [*FIELDHAND, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done

    def json(self, *arguments: str, code: int = 0) -> Any:
        """What a command answers in JSON."""
        return json.loads(self.run(*arguments, "--json", code=code).stdout)

    def refusal(self, *arguments: str, code: int) -> str:
        """What a command that must fail says: one line."""
        said = self.run(*arguments, code=code).stderr.strip()
        assert said
        assert "\n" not in said, said
        assert "Traceback" not in said
        return said

    def license(self, devices: int) -> None:
        """Seats, the way an operator gets them."""
        folder = self.directory.parent
        key, file = folder / f"key-{devices}", folder / f"license-{devices}"
        self.run("license", "keygen", str(key))
        self.run("license", "trust", f"{key}.pub")
        self.run("license", "issue", "--key", str(key), "--devices", str(devices), "--out", str(file))
        self.run("license", "add", str(file))

    def set_up(self, field: Field, seats: int = 500) -> None:
        """License, port, devices."""
        self.license(seats)
        self.run("port", "add", field.url(), "--name", "FT-1")
        self.run("discover", "FT-1", "--adopt")

    def devices(self, *arguments: str) -> list[dict[str, Any]]:
        devices: list[dict[str, Any]] = self.json("devices", *arguments)
        return devices

    def worker(self) -> int:
        """The worker's process id."""
        return int(self.json("worker", "status")["pid"])

    def job(self, job: int) -> dict[str, Any]:
        shown: dict[str, Any] = self.json("jobs", "show", str(job))
        return shown

    def wait_for_job(self, job: int) -> dict[str, Any]:
        """The outcome of a job, when it has ended."""
        eventually(lambda: self.job(job)["state"] != "running", lambda: self.job(job))
        return self.job(job)

    def start_worker(self) -> subprocess.Popen[bytes]:
        """A worker as systemd would start it."""
        return subprocess.Popen([*FIELDHAND, "worker"], env=self.environment, stderr=subprocess.DEVNULL)

    def close(self) -> None:
        subprocess.run([*FIELDHAND, "worker", "stop"], env=self.environment, capture_output=True, check=False)


class Terminal:
    """A program in a terminal of its own, and the screen it shows."""

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

    def shows(self, *texts: str) -> None:
        """Wait until all of this is on the screen."""
        eventually(lambda: all(text in self.text for text in texts), lambda: f"{texts} not on\n{self.text}")

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self._reap()

    def hang_up(self) -> None:
        """Close the terminal as a lost SSH session does: the kernel sends SIGHUP."""
        os.kill(self.pid, signal.SIGHUP)
        self._reap()

    def close(self) -> None:
        """End it, if it has not ended yet."""
        if not self._ended:
            self.kill()

    def wait(self) -> int:
        """The exit code, once it has ended."""
        return self._reap()

    def _reap(self) -> int:
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
