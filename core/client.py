"""How a screen or a script talks to the engine: one Protocol, over the socket or in the same process."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import Any, Final, Protocol, TypeVar

from core.errors import FieldhandError, Kind
from core.paths import StateDirectory
from core.rpc import (
    NOTICE,
    PROTOCOL_VERSION,
    AnyNotice,
    Greeting,
    Hello,
    Request,
    result_type,
    subject,
)

R = TypeVar("R")
Notice = AnyNotice

START_SECONDS: Final = 20.0
"""How long a worker may take until it listens: a slow gateway with a cold disk needs several seconds."""
OTHER_WORKER_SECONDS: Final = 2.0
"""How long to wait for somebody else's worker when the one started here ended: it may have lost the race."""
START_POLL_SECONDS: Final = 0.05
LONGEST_LINE: Final = 64 * 1024 * 1024
"""Bytes: a plan for 100,000 devices fits."""
LOG_BYTES: Final = 1_000_000
"""The log of a worker that a client starts is put aside when it is longer than this."""


class EngineClient(Protocol):
    """The engine as its clients see it. Lists are not asked for here but read from the store (`core.store.views`)."""

    greeting: Greeting

    async def call(self, request: Request[R]) -> R:
        """Ask for something; raises FieldhandError as the engine raised it, NO_WORKER when it is gone."""
        ...

    def notices(self) -> AsyncIterator[Notice]:
        """What the engine tells unasked, from now on; ends when the engine is gone. Slow readers get the newest."""
        ...

    async def close(self) -> None:
        """Leave; the engine goes on."""
        ...


class Inbox:
    """The notices of one reader: the newest on each subject, so that a slow one never falls behind."""

    def __init__(self) -> None:
        self._news: dict[str, Notice] = {}
        self._fresh = asyncio.Event()
        self._ended = False

    def put(self, notice: Notice) -> None:
        """Something happened."""
        self._news[subject(notice)] = notice
        self._fresh.set()

    def end(self) -> None:
        """Nothing more will."""
        self._ended = True
        self._fresh.set()

    async def read(self) -> AsyncIterator[Notice]:
        """What happened, as it happens."""
        while True:
            await self._fresh.wait()
            self._fresh.clear()
            news, self._news = self._news, {}
            for notice in news.values():
                yield notice
            if self._ended:
                return


class SocketClient:
    """A client of the worker's socket."""

    greeting: Greeting

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._last = 0
        self._inboxes: set[Inbox] = set()
        self._listening = asyncio.create_task(self._listen(), name="worker's answers")

    @classmethod
    async def connect(cls, directory: StateDirectory) -> SocketClient:
        """Connect to the worker that runs; raises NO_WORKER when there is none, or one of another version."""
        streams = await _open(directory)
        if streams is None:
            raise FieldhandError(Kind.NO_WORKER, reason=f"none runs on {directory.path}; 'fieldhand worker' starts one")
        return await cls._greet(streams)

    @classmethod
    async def connect_or_start(cls, directory: StateDirectory, *, ends_with: int | None = None) -> SocketClient:
        """Connect to the worker, starting one if none runs; raises NO_WORKER with the reason when that fails.

        A worker that is started here outlives this process, and ends with the process `ends_with` if there is one.
        """
        streams = await _open(directory)
        if streams is None:
            directory.create()
            process = await asyncio.to_thread(_spawn, directory, ends_with)
            streams = await _wait_for(directory, process)
        return await cls._greet(streams)

    @classmethod
    async def _greet(cls, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> SocketClient:
        client = cls(*streams)
        try:
            client.greeting = await client.call(Hello())
        except BaseException:
            await client.close()
            raise
        if client.greeting.protocol != PROTOCOL_VERSION:
            await client.close()
            raise FieldhandError(
                Kind.NO_WORKER,
                reason=f"version {client.greeting.version} runs, this is another; end it with 'fieldhand worker stop'",
            )
        return client

    async def call(self, request: Request[R]) -> R:
        """See `EngineClient`."""
        if self._listening.done():
            raise _gone()
        self._last += 1
        identity = self._last
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked[identity] = answer
        message = {
            "jsonrpc": "2.0",
            "id": identity,
            "method": request.method,
            "params": request.model_dump(mode="json"),
        }
        try:
            self._writer.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
            await self._writer.drain()
            result: R = result_type(type(request)).validate_python(await answer, strict=False)
        except ConnectionError as error:
            raise _gone() from error
        finally:
            del self._asked[identity]
        return result

    def notices(self) -> AsyncIterator[Notice]:
        """See `EngineClient`."""
        inbox = Inbox()  # from now on, not from the first time that somebody waits
        self._inboxes.add(inbox)
        if self._listening.done():
            inbox.end()
        return self._read(inbox)

    async def _read(self, inbox: Inbox) -> AsyncIterator[Notice]:
        try:
            async for notice in inbox.read():
                yield notice
        finally:
            self._inboxes.discard(inbox)

    async def close(self) -> None:
        """See `EngineClient`."""
        self._listening.cancel()
        await asyncio.wait([self._listening])
        self._writer.close()

    async def _listen(self) -> None:
        try:
            while line := await self._reader.readline():
                self._receive(json.loads(line))
        except ConnectionError:
            pass  # the worker is gone, which everybody is told below
        finally:
            for answer in self._asked.values():
                if not answer.done():
                    answer.set_exception(_gone())
            for inbox in self._inboxes:
                inbox.end()

    def _receive(self, message: dict[str, Any]) -> None:
        if "method" in message:
            notice = NOTICE.validate_python(message["params"])
            for inbox in self._inboxes:
                inbox.put(notice)
            return
        answer = self._asked.get(message["id"])
        if answer is None or answer.done():
            return  # whoever asked did not wait
        if "error" in message:
            data = message["error"]["data"]
            answer.set_exception(FieldhandError(Kind(data["kind"]), **data["fields"]))
        else:
            answer.set_result(message["result"])


async def _open(directory: StateDirectory) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    try:
        with directory.socket_address() as address:
            return await asyncio.open_unix_connection(address, limit=LONGEST_LINE)
    except PermissionError as error:
        raise FieldhandError(
            Kind.STATE_DIRECTORY, path=str(directory.path), reason="it belongs to somebody else"
        ) from error
    except OSError:  # no directory, no socket, or a leftover one: no worker
        return None


async def _wait_for(
    directory: StateDirectory, process: subprocess.Popen[bytes]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The new worker's socket; or that of another client's worker, which was faster."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        streams = await _open(directory)
        if streams is not None:
            return streams
        if process.poll() is not None:
            deadline = min(deadline, time.monotonic() + OTHER_WORKER_SECONDS)
        if time.monotonic() >= deadline:
            said = await asyncio.to_thread(_last_words, directory)
            raise FieldhandError(Kind.NO_WORKER, reason=said or f"it does not answer; see {directory.log}")
        await asyncio.sleep(START_POLL_SECONDS)


def _spawn(directory: StateDirectory, ends_with: int | None) -> subprocess.Popen[bytes]:
    """Start a worker that outlives this process and its terminal."""
    bound = [] if ends_with is None else ["--ends-with", str(ends_with)]
    try:
        if directory.log.exists() and directory.log.stat().st_size > LOG_BYTES:
            directory.log.replace(directory.log.with_suffix(".old"))
        with directory.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "core.engine", str(directory.path), *bound],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
    except OSError as error:
        raise FieldhandError(Kind.STATE_DIRECTORY, path=str(directory.path), reason=error.strerror) from error


def _last_words(directory: StateDirectory) -> str:
    lines = directory.log.read_text("utf-8", "replace").splitlines()
    return lines[-1].removeprefix("fieldhand: ") if lines else ""


def _gone() -> FieldhandError:
    return FieldhandError(Kind.NO_WORKER, reason="it ended; jobs go on when it is started again")
