"""The worker's socket: JSON-RPC 2.0, one object a line, over a unix socket that knows who calls."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pwd
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

from pydantic import BaseModel, TypeAdapter, ValidationError

from core import rpc
from core.engine.engine import Engine, Notice
from core.engine.requests import HANDLERS, Caller
from core.errors import FieldhandError, Kind
from core.paths import StateDirectory

logger = logging.getLogger(__name__)

LONGEST_LINE: Final = 64 * 1024 * 1024
"""Bytes: a request that names 100,000 devices fits, a client gone mad does not."""
NOTICE_INTERVAL_SECONDS: Final = 0.05
"""Revisions are told at most so often: a screen cannot show more, and a slow link need not carry it."""
_PEER: Final = struct.Struct("iII")
"""The kernel's struct ucred: process, user and group (unix(7))."""
_METHODS: Final = {request.method: request for request in HANDLERS}


@asynccontextmanager
async def serving(engine: Engine, directory: StateDirectory) -> AsyncIterator[None]:
    """Answer clients on the directory's socket. The caller holds the lock, so a socket found there is a leftover."""
    connections = _Connections(engine)
    with directory.socket_address() as address:
        directory.socket.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            server = await asyncio.start_unix_server(connections.serve, address, limit=LONGEST_LINE)
        finally:
            os.umask(mask)
    try:
        yield
    finally:
        server.close()
        directory.socket.unlink(missing_ok=True)
        await connections.close()


class _Connections:
    """What all connections share."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._work: set[asyncio.Task[None]] = set()
        """Everything that is being done for clients."""

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do it, until it is done or nobody is served any more."""
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Somebody connected."""
        self.begin(self._serve(reader, writer))

    async def close(self) -> None:
        """Hang up on everybody: what they asked for either stands in the store by now, or was not done."""
        while work := list(self._work):
            for task in work:
                task.cancel()
            await asyncio.wait(work)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            caller = await asyncio.to_thread(_caller, writer)  # names may be looked up in a directory far away
            await _Connection(self._engine, caller, self.begin, reader, writer).run()
        except ConnectionError:
            logger.debug("a client went away")
        finally:
            writer.close()


class _Connection:
    """One client: its requests, each answered when it is done, and the notices it gets."""

    def __init__(
        self,
        engine: Engine,
        caller: Caller,
        begin: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._engine = engine
        self._begin = begin
        self._reader = reader
        self._writer = writer
        self._caller = caller
        self._news: dict[str, Notice] = {}
        """What is to be told, the newest on each subject."""
        self._fresh = asyncio.Event()

    async def run(self) -> None:
        """Serve until the client leaves."""
        answering: dict[asyncio.Task[None], bool] = {}
        unsubscribe = self._engine.subscribe(self._hear)
        telling = self._begin(self._tell())
        try:
            while line := await self._read_line():
                identity, asked = read_request(line)
                if isinstance(asked, FieldhandError):
                    await self._send({"id": identity, "error": _error(asked)})
                    continue
                task = self._begin(self._answer(identity, asked))
                answering[task] = asked.outlives_client
                task.add_done_callback(answering.pop)
        finally:
            unsubscribe()
            for task, outlives in [*answering.items(), (telling, False)]:
                if not outlives:
                    task.cancel()
            await asyncio.wait([telling, *answering])

    async def _read_line(self) -> bytes:
        try:
            return await self._reader.readline()
        except ValueError:  # longer than any request of ours; there is no telling where the next one starts
            logger.warning("%s sent a line that is too long", self._caller.name)
            return b""

    async def _answer(self, identity: Any, request: rpc.Request[Any]) -> None:
        try:
            result = await self._engine.answer(request, self._caller)
            answer = {"result": rpc.result_type(type(request)).dump_python(result, mode="json")}
        except FieldhandError as error:
            answer = {"error": _error(error)}
        except Exception as error:
            logger.exception("request %s", request.method)
            answer = {"error": _error(FieldhandError(Kind.INTERNAL, reason=f"{type(error).__name__}: {error}"))}
        try:
            await self._send({"id": identity, **answer})
        except ConnectionError:
            logger.info("%s left before %s was answered", self._caller.name, request.method)

    def _hear(self, notice: Notice) -> None:
        self._news[rpc.subject(notice)] = notice
        self._fresh.set()

    async def _tell(self) -> None:
        while True:
            await self._fresh.wait()
            self._fresh.clear()
            news, self._news = self._news, {}
            for notice in news.values():
                await self._send({"method": "notice", "params": notice.model_dump(mode="json")})
            await asyncio.sleep(NOTICE_INTERVAL_SECONDS)

    async def _send(self, message: dict[str, Any]) -> None:
        self._writer.write(json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")).encode() + b"\n")
        await self._writer.drain()


class _Envelope(BaseModel):
    """A JSON-RPC request."""

    jsonrpc: Literal["2.0"]
    id: int | str
    method: str
    params: dict[str, Any] = {}


_ENVELOPE: Final = TypeAdapter(_Envelope)


def read_request(line: bytes) -> tuple[int | str | None, rpc.Request[Any] | FieldhandError]:
    """The id of a request and what it asks for, or why that cannot be; no id where there is none to be read."""
    identity = None
    try:
        envelope = _ENVELOPE.validate_json(line)
        identity = envelope.id
        return identity, _METHODS[envelope.method].model_validate(envelope.params)
    except KeyError as error:
        known = ", ".join(sorted(_METHODS))
        method = str(error.args[0])
        return identity, FieldhandError(Kind.INVALID, what="method", value=method, reason=f"there is {known}")
    except ValidationError as error:
        return identity, FieldhandError(Kind.INVALID, what="request", value="", reason=_why(error))


def _error(error: FieldhandError) -> dict[str, Any]:
    """JSON-RPC's error object; the kind and the fields make it the same error on the other side."""
    return {"code": -32000, "message": str(error), "data": {"kind": error.kind.value, "fields": error.fields}}


def _why(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}".removeprefix(": ")


def _caller(writer: asyncio.StreamWriter) -> Caller:
    """Who is at the other end, by the kernel's word (SO_PEERCRED): the worker's own user and root operate."""
    peer: socket.socket = writer.get_extra_info("socket")
    _, uid, _ = _PEER.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"uid {uid}"
    return Caller(name, "operator" if uid in (0, os.getuid()) else "viewer")
