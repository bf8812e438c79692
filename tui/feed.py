"""Keeps the console's picture of the store up to date: notices in, reads by revision, messages out.

Reads wait for nothing when the console is idle and are at most ten a second while work goes on. Of a long list
the first page is shown before the rest is read.
"""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiosqlite
from textual.message import Message

from core.errors import FieldhandError, Kind
from core.models import Device
from core.paths import StateDirectory
from core.store import views
from core.store.database import open_reader
from tui.clock import Clock
from tui.messages import LinkDown, LinkUp, MonitoringMeasured, PinSeen, SearchGoesOn, StoreRead
from tui.model.devices import Row

if TYPE_CHECKING:
    from core.client import EngineClient
    from core.rpc import AnyNotice

PAUSE_BETWEEN_READS: Final = 0.1
LONGEST_PAUSE: Final = 0.5
PAUSES_PER_READ: Final = 4
"""The pause is so many times as long as the read took: merely counting a hundred thousand devices takes a while."""
PAUSE_OVER_SSH: Final = 0.2
"""Half as many repaints where each of them travels."""
PAUSE_BEFORE_RECONNECT: Final = 2.0

Connect = Callable[[], Awaitable["EngineClient"]]


class Feed:
    """Follows one engine; `client` is made by `connect` if there is none, and replaced when it had to connect again."""

    def __init__(
        self,
        client: EngineClient | None,
        store: Path,
        post: Callable[[Message], object],
        clock: Clock,
        reconnect: Connect | None = None,
        pause: float = PAUSE_BETWEEN_READS,
        connect: Connect | None = None,
    ) -> None:
        self.client = client
        self.db: aiosqlite.Connection | None = None
        self._store = store
        self._post = post
        self._clock = clock
        self._connect = connect
        self._reconnect = reconnect
        self.pause = pause
        self._revision = 0
        self._last: StoreRead | None = None
        self._group_names: frozenset[str] = frozenset()
        self._dirty = asyncio.Event()

    async def follow(self) -> None:
        """Until cancelled; returns when the engine is gone and there is no way to connect again.

        Raises FieldhandError when there is no client, and none could be made.
        """
        if self.client is None and self._connect is not None:
            self.client = await self._connect()
        while self.client is not None:
            try:
                await self._follow(self.client)
                reason = "the worker ended"
            except FieldhandError as error:
                reason = str(error)
            self._post(LinkDown(reason))
            if self._reconnect is None:
                return
            self.client = await self._connect_again(self._reconnect)

    async def close(self) -> None:
        """Let go of the store and the engine, which goes on."""
        if self.client is not None:
            await self.client.close()
        if self.db is not None:
            await self.db.close()
            self.db = None

    async def _follow(self, client: EngineClient) -> None:
        if self.db is None:
            self.db = await open_reader(self._store)
        self._dirty.set()
        # Listening begins before the first read: what changes in between is not missed.
        listening = asyncio.create_task(self._listen(client), name="engine notices")
        reading = asyncio.create_task(self._read_changes(self.db), name="store reads")
        try:
            ended, _ = await asyncio.wait((listening, reading), return_when=asyncio.FIRST_COMPLETED)
        finally:
            listening.cancel()
            reading.cancel()
            await asyncio.wait((listening, reading))
        for task in ended:
            task.result()

    async def _listen(self, client: EngineClient) -> None:
        self._post(LinkUp())
        async for notice in client.notices():
            self._pass_on(notice)

    def _pass_on(self, notice: AnyNotice) -> None:
        if notice.kind == "revision":
            self._dirty.set()
        elif notice.kind == "searching":
            self._post(SearchGoesOn(notice))
        elif notice.kind == "pin":
            self._post(PinSeen(notice))
        else:
            self._post(MonitoringMeasured(notice))

    async def _read_changes(self, db: aiosqlite.Connection) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            began = time.monotonic()
            try:
                self._last = await self._read(db)
                self._post(self._last)
            except sqlite3.Error as error:
                raise FieldhandError(Kind.DATABASE, path=str(self._store), reason=str(error)) from error
            took = time.monotonic() - began
            await asyncio.sleep(max(self.pause, min(PAUSES_PER_READ * took, LONGEST_PAUSE)))

    async def _read_a_few(self, db: aiosqlite.Connection, before: StoreRead) -> None:
        """What changed of a few devices is shown before all are counted, which takes longer the more there are."""
        async with aclosing(views.pages_of_devices(db, self._revision)) as pages:
            devices: list[Device] = await anext(pages, [])
        if not 0 < len(devices) < views.DEVICES_IN_A_PAGE:
            return
        removed = await views.removed(db, self._revision)
        self._revision = max(device.rev for device in devices)
        rows = [Row.of(device) for device in devices]
        self._post(replace(before, rows=rows, removed=removed, whole=False, complete=True))

    async def _read(self, db: aiosqlite.Connection) -> StoreRead:
        if self._last is not None:
            await self._read_a_few(db, self._last)
        summary = await views.summary(db, self._clock.now())
        groups = await views.groups(db)
        names = frozenset(group.name for group in groups)
        ports, jobs = await views.ports(db), await views.jobs(db)
        whole = self._revision == 0 or not self._group_names <= names
        since = 0 if whole else self._revision
        read = partial(StoreRead, whole=whole, groups=groups, ports=ports, jobs=jobs, summary=summary)
        rows: list[Row] = []
        async for page in views.pages_of_devices(db, since):
            rows += [Row.of(device) for device in page]
            if len(page) < views.DEVICES_IN_A_PAGE:
                break
            gc.freeze()  # they stay: the collector need not look at them again and again
            if self._revision == 0 and len(rows) == len(page):
                self._post(read(rows=tuple(rows), removed=(), complete=False))
        removed = await views.removed(db, since)  # after the rows: what is gone by now is not shown again
        self._revision, self._group_names = summary.rev, names
        return read(rows=rows, removed=removed)

    async def _connect_again(self, reconnect: Connect) -> EngineClient:
        while True:
            await asyncio.sleep(PAUSE_BEFORE_RECONNECT)
            try:
                client = await reconnect()
            except FieldhandError as error:
                self._post(LinkDown(str(error)))
            else:
                if self.client is not None:
                    await self.client.close()
                return client


def connecting(directory: StateDirectory, ends_with: int | None = None) -> Connect:
    """To the worker of this directory, which is started if none runs."""

    async def connect() -> EngineClient:
        from core.client import SocketClient  # noqa: PLC0415 - with all the requests there are: not before it is used

        return await SocketClient.connect_or_start(directory, ends_with=ends_with)

    return connect


def reconnecting(directory: StateDirectory, ends_with: int | None = None) -> Connect:
    """To the worker of this directory; one that was killed is started anew, one that was told to end is not."""

    async def reconnect() -> EngineClient:
        from core.client import SocketClient  # noqa: PLC0415 - as above

        if await asyncio.to_thread(directory.ended_in_order):
            return await SocketClient.connect(directory)
        return await SocketClient.connect_or_start(directory, ends_with=ends_with)

    return reconnect
