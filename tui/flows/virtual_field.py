"""The virtual field: simulated devices behind a serial port, in a process of its own that ends with this one."""

from __future__ import annotations

import asyncio
import fcntl
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import unquote, urlsplit

from core.errors import FieldhandError, Kind
from core.models import Port

DEVICES: Final = 48
SEED: Final = 7
"""The same devices every time."""
PORT_NAME: Final = "virtual"
"""What its port is called on the site of an operator who practises."""
_LONGEST_ANSWER: Final = 16 * 1024 * 1024
"""Bytes; the truth about a field of thousands of devices fits."""


class VirtualField:
    """Its process, spoken to as anybody could: lines in, lines of JSON out.

    It ends when its standard input does, so that it never outlives this process, however that ends.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock: IO[str] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._url = ""

    @property
    def running(self) -> bool:
        """Whether it was started from here, and has not ended."""
        return self._process is not None and self._process.returncode is None

    def serves(self, port: Port) -> bool:
        """Whether the port is the one that this field makes."""
        return Path(unquote(urlsplit(port.url).path)) == self._directory / "lon0"

    async def start(self) -> str:
        """Start it if it does not run; the URL of its port. Raises IN_USE while another console of the site has it."""
        if self._process is None:
            self._lock = self._hold()
            self._process = await self._spawn()
            self._url = (await self._read(self._process))["url"]
        return self._url

    async def command(self, line: str) -> Mapping[str, Any]:
        """One command, one answer."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        return await self._read(self._process)

    async def close(self) -> None:
        """End it, if it runs."""
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.terminate()
            await process.wait()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _hold(self) -> IO[str]:
        """A lock on the field of this site: a second one would take its port away from the first."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            lock = (self._directory / "lock").open("w", encoding="ascii")
        except OSError as error:
            reason = error.strerror or str(error)
            raise FieldhandError(Kind.STATE_DIRECTORY, path=str(self._directory), reason=reason) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            reason = "another console of this site runs it"
            raise FieldhandError(Kind.IN_USE, what="virtual field", name=PORT_NAME, reason=reason) from None
        return lock

    async def _spawn(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "drivers.virtual", "--directory", str(self._directory)),
            *("--lon", str(DEVICES), "--seed", str(SEED), "--mix", "--until-eof"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the console
            limit=_LONGEST_ANSWER,
        )

    @staticmethod
    async def _read(process: asyncio.subprocess.Process) -> Mapping[str, Any]:
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            raise FieldhandError(Kind.INTERNAL, reason="the virtual field ended")
        answer: Mapping[str, Any] = json.loads(line)
        return answer
