"""Keeps the console's picture of the store up to date: notices in, reads by revision, messages out.

Reads wait for nothing when the console is idle and are at most ten a second while work goes on.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import aiosqlite
from textual.message import Message

from core.client import EngineClient, SocketClient
from core.errors import FieldhandError, Kind
from core.paths import StateDirectory
from core.rpc import AnyNotice, Measured, PinPressed, Searching, StoreChanged
from core.store import views
from core.store.database import open_reader
from tui.clock import Clock
from tui.messages import LinkDown, LinkUp, MonitoringMeasured, PinSeen, SearchGoesOn, StoreRead
from tui.model.devices import Row

PAUSE_BETWEEN_READS: Final = 0.1
PAUSE_OVER_SSH: Final = 0.2
"""Half as many repaints where each of them travels."""
PAUSE_BEFORE_RECONNECT: Final = 2.0
ROWS_AT_A_TIME: Final = 500
"""Rows derived before other work of the loop gets its turn."""

Reconnect = Callable[[], Awaitable[EngineClient]]


class Feed:
    """Follows one engine; `client` is replaced when it had to connect again."""

    def __init__(
        self,
        client: EngineClient,
        store: Path,
        post: Callable[[Message], object],
        clock: Clock,
        reconnect: Reconnect | None = None,
        pause: float = PAUSE_BETWEEN_READS,
    ) -> None:
        self.client = client
        self.db: aiosqlite.Connection | None = None
        self._store = store
        self._post = post
        self._clock = clock
        self._reconnect = reconnect
        self.pause = pause
        self._revision = 0
        self._group_names: frozenset[str] = frozenset()
        self._dirty = asyncio.Event()

    async def follow(self) -> None:
        """Until cancelled; returns when the engine is gone and there is no way to connect again."""
        while True:
            try:
                await self._follow()
                reason = "the worker ended"
            except FieldhandError as error:
                reason = str(error)
            self._post(LinkDown(reason))
            if self._reconnect is None:
                return
            await self._connect_again(self._reconnect)

    async def close(self) -> None:
        """Let go of the store."""
        if self.db is not None:
            await self.db.close()
            self.db = None

    async def _follow(self) -> None:
        if self.db is None:
            self.db = await open_reader(self._store)
        self._dirty.set()
        # Listening begins before the first read: what changes in between is not missed.
        listening = asyncio.create_task(self._listen(), name="engine notices")
        reading = asyncio.create_task(self._read_changes(self.db), name="store reads")
        try:
            ended, _ = await asyncio.wait((listening, reading), return_when=asyncio.FIRST_COMPLETED)
        finally:
            listening.cancel()
            reading.cancel()
            await asyncio.wait((listening, reading))
        for task in ended:
            task.result()

    async def _listen(self) -> None:
        self._post(LinkUp())
        async for notice in self.client.notices():
            self._pass_on(notice)

    def _pass_on(self, notice: AnyNotice) -> None:
        match notice:
            case StoreChanged():
                self._dirty.set()
            case Searching():
                self._post(SearchGoesOn(notice))
            case PinPressed():
                self._post(PinSeen(notice))
            case Measured():
                self._post(MonitoringMeasured(notice))

    async def _read_changes(self, db: aiosqlite.Connection) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                self._post(await self._read(db))
            except sqlite3.Error as error:
                raise FieldhandError(Kind.DATABASE, path=str(self._store), reason=str(error)) from error
            await asyncio.sleep(self.pause)

    async def _read(self, db: aiosqlite.Connection) -> StoreRead:
        summary = await views.summary(db, self._clock.now())
        groups = await views.groups(db)
        names = frozenset(group.name for group in groups)
        whole = self._revision == 0 or not self._group_names <= names
        since = 0 if whole else self._revision
        rows = await _rows(db, since)
        removed = await views.removed(db, since)  # after the rows: what is gone by now is not shown again
        self._revision, self._group_names = summary.rev, names
        return StoreRead(rows, removed, whole, groups, await views.ports(db), await views.jobs(db), summary)

    async def _connect_again(self, reconnect: Reconnect) -> None:
        while True:
            await asyncio.sleep(PAUSE_BEFORE_RECONNECT)
            try:
                client = await reconnect()
            except FieldhandError as error:
                self._post(LinkDown(str(error)))
            else:
                await self.client.close()
                self.client = client
                return


def reconnecting(directory: StateDirectory) -> Reconnect:
    """To the worker of this directory; one that was killed is started anew, one that was told to end is not."""

    async def reconnect() -> EngineClient:
        if await asyncio.to_thread(directory.ended_in_order):
            return await SocketClient.connect(directory)
        return await SocketClient.connect_or_start(directory)

    return reconnect


async def _rows(db: aiosqlite.Connection, since: int) -> list[Row]:
    rows: list[Row] = []
    for device in await views.devices(db, since):
        rows.append(Row.of(device))
        if len(rows) % ROWS_AT_A_TIME == 0:
            await asyncio.sleep(0)
    return rows
