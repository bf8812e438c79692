"""Real processes for the tests: a state directory with its commands, and a virtual field."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from core import licensing
from core.client import SocketClient
from core.models import Job, JobState
from core.paths import StateDirectory
from core.rpc import AddLicense, AddPort, Adopt, Discover, TrustKey
from core.store import views
from core.store.database import open_reader
from tests.end_to_end.terminals import eventually

R = TypeVar("R")
FIELDHAND = (sys.executable, "-m", "tui.command_line")


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

    def talk(self, conversation: Callable[[SocketClient], Awaitable[R]]) -> R:
        """Ask the worker itself, which is started if there is none: for what is not what the test is about."""

        async def talk() -> R:
            client = await SocketClient.connect_or_start(StateDirectory(self.directory))
            try:
                return await conversation(client)
            finally:
                await client.close()

        return asyncio.run(talk())

    def license(self, devices: int) -> None:
        """So many seats more."""
        private, public = licensing.generate_key()

        async def add(client: SocketClient) -> None:
            await client.call(TrustKey(key=public))
            await client.call(AddLicense(text=licensing.issue(private, devices)))

        self.talk(add)

    def add_port(self, url: str, name: str, adopt: int | None = None) -> Sequence[int]:
        """A port, and the devices that a search finds there: all of them, or so many."""

        async def add(client: SocketClient) -> Sequence[int]:
            await client.call(AddPort(url=url, name=name))
            found = await client.call(Discover(port=name)) if adopt != 0 else ()
            return await client.call(Adopt(port=name, devices=found[:adopt]))

        return self.talk(add)

    def set_up(self, field: Field, seats: int = 500) -> None:
        """License, port, devices."""
        self.license(seats)
        self.add_port(field.url(), "FT-1")

    def devices(self, *arguments: str) -> list[dict[str, Any]]:
        devices: list[dict[str, Any]] = self.json("devices", *arguments)
        return devices

    def read(self, view: Callable[[aiosqlite.Connection], Awaitable[R]]) -> R:
        """What the store says, looked up here: a command takes a process of its own, which is slow to ask again."""

        async def read() -> R:
            db = await open_reader(StateDirectory(self.directory).store)
            try:
                return await view(db)
            finally:
                await db.close()

        return asyncio.run(read())

    def progress(self, job: int) -> Job:
        """How far a job is."""
        return self.read(lambda db: views.job(db, job))

    def worker(self) -> int:
        """The worker's process id."""
        return int(self.json("worker", "status")["pid"])

    def job(self, job: int) -> dict[str, Any]:
        shown: dict[str, Any] = self.json("jobs", "show", str(job))
        return shown

    def wait_for_job(self, job: int) -> dict[str, Any]:
        """The outcome of a job, when it has ended."""
        eventually(lambda: self.progress(job).state is not JobState.RUNNING, lambda: self.job(job))
        return self.job(job)

    def start_worker(self) -> subprocess.Popen[bytes]:
        """A worker as systemd would start it."""
        return subprocess.Popen([*FIELDHAND, "worker"], env=self.environment, stderr=subprocess.DEVNULL)

    def close(self) -> None:
        subprocess.run([*FIELDHAND, "worker", "stop"], env=self.environment, capture_output=True, check=False)
