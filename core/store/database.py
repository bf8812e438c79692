"""Opening the store, bringing it to this version, and the one writer with its group commit."""

from __future__ import annotations

import asyncio
import secrets
import socket
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import aiosqlite

from core.errors import FieldhandError, Kind

T = TypeVar("T")

MIGRATIONS: Final = Path(__file__).parent / "migrations"
"""Numbered scripts; the version of a store is how many of them it has been through."""
MOST_IN_A_COMMIT: Final = 512
"""Bounds how long one commit can take while everybody waits for it."""
DOMAIN_LENGTH: Final = 3
"""Bytes of the LON domain a new site draws by chance: enough not to meet a neighbour's on the same channel."""
CONSOLE_SUBNET, CONSOLE_NODE = 1, 126
"""The console's own place: interfaces use nodes 126 and 127 by custom, devices get 1 to 125."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """What a mutation works with: the connection, the revision its rows get, and the time."""

    db: aiosqlite.Connection
    rev: int
    now: float


Mutation = Callable[[Transaction], Awaitable[T]]


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[T]):
    mutation: Mutation[T]
    result: asyncio.Future[T]


class Writer:
    """The one writer. Mutations queue up and are committed in groups; each is all or nothing by itself.

    `run` returns after the commit is on the disk. `on_commit` hears of every new revision. When a
    commit fails, everybody waiting gets the reason, no more work is taken, and `on_failure` hears of it.
    """

    def __init__(
        self,
        db: aiosqlite.Connection,
        on_commit: Callable[[int], None],
        on_failure: Callable[[FieldhandError], None] = lambda _: None,
    ) -> None:
        self._db = db
        self._on_commit = on_commit
        self._on_failure = on_failure
        self._queue: asyncio.Queue[_Waiting[Any]] = asyncio.Queue()
        self._task = asyncio.create_task(self._work(), name="store writer")
        self._failed: FieldhandError | None = None

    async def run(self, mutation: Mutation[T]) -> T:
        """Do it and commit it; raises what the mutation raised, or DATABASE when it could not be kept."""
        if self._failed:
            raise self._failed.with_traceback(None)  # which would grow each time it is raised
        result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Waiting(mutation, result))
        return await result

    async def close(self) -> None:
        """Finish what is queued, then close the connection."""
        await self._queue.join()
        self._failed = self._failed or FieldhandError(Kind.NO_WORKER, reason="it is ending")
        self._task.cancel()
        await asyncio.wait([self._task])
        try:
            with suppress(sqlite3.Error):  # what is in the log is there when the store is opened again
                await self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            await self._db.close()

    async def _work(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < MOST_IN_A_COMMIT and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            try:
                await self._commit(batch)
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for an answer for ever
                await self._give_up(batch, error)
            finally:
                for _ in batch:
                    self._queue.task_done()

    async def _commit(self, batch: list[_Waiting[Any]]) -> None:
        await self._db.execute("BEGIN IMMEDIATE")
        rev = await _one(self._db, "SELECT rev FROM site") + 1
        before = self._db.total_changes
        outcomes: list[tuple[_Waiting[Any], Any, BaseException | None]] = []
        for waiting in batch:
            await self._db.execute("SAVEPOINT mutation")
            try:
                value = await waiting.mutation(Transaction(self._db, rev, time.time()))
            except Exception as error:  # noqa: BLE001 - it belongs to whoever asked, and is given to them below
                await self._db.execute("ROLLBACK TO mutation")
                outcomes.append((waiting, None, error))
            else:
                outcomes.append((waiting, value, None))
            await self._db.execute("RELEASE mutation")
        changed = self._db.total_changes != before
        if changed:  # reading makes no revision that others would have to look at
            await self._db.execute("UPDATE site SET rev = ?", (rev,))
        await self._db.execute("COMMIT")
        for waiting, value, problem in outcomes:
            if waiting.result.done():
                continue  # its caller was cancelled; the change stands
            if problem is None:
                waiting.result.set_result(value)
            else:
                waiting.result.set_exception(problem)
        if changed:
            self._on_commit(rev)

    async def _give_up(self, batch: list[_Waiting[Any]], error: Exception) -> None:
        self._failed = FieldhandError(
            Kind.DATABASE,
            path="store",
            reason=f"{error}; nothing more is done until the worker is started again",
        )
        self._failed.__cause__ = error
        while not self._queue.empty():
            batch.append(self._queue.get_nowait())
        for waiting in batch:
            if not waiting.result.done():
                waiting.result.set_exception(self._failed)
        self._on_failure(self._failed)
        with suppress(sqlite3.Error, ValueError):  # SQLite may have done it already, or be gone altogether
            await self._db.execute("ROLLBACK")


async def open_writer(
    path: Path,
    on_commit: Callable[[int], None],
    on_failure: Callable[[FieldhandError], None] = lambda _: None,
) -> Writer:
    """Open or make the store and bring it to this version; raises NEWER_DATABASE or DATABASE, changing nothing."""
    try:
        db = await aiosqlite.connect(path, isolation_level=None)
    except sqlite3.Error as error:
        raise FieldhandError(Kind.DATABASE, path=str(path), reason=str(error)) from error
    try:
        db.row_factory = aiosqlite.Row
        await _migrate(db, path)
        await db.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error as error:
        await db.close()
        raise FieldhandError(Kind.DATABASE, path=str(path), reason=str(error)) from error
    except BaseException:
        await db.close()
        raise
    return Writer(db, on_commit, on_failure)


async def open_reader(path: Path) -> aiosqlite.Connection:
    """A read-only connection; raises DATABASE for no store or an older one, NEWER_DATABASE for a later one."""
    try:
        db = await aiosqlite.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise FieldhandError(Kind.DATABASE, path=str(path), reason=str(error)) from error
    try:
        db.row_factory = aiosqlite.Row
        _check_version(await _one(db, "PRAGMA user_version"), path, oldest=len(migrations()))
    except sqlite3.Error as error:
        await db.close()
        raise FieldhandError(Kind.DATABASE, path=str(path), reason=str(error)) from error
    except FieldhandError:
        await db.close()
        raise
    return db


def migrations() -> list[str]:
    """The scripts that lead from an empty file to this version, in order."""
    return [script.read_text("utf-8") for script in sorted(MIGRATIONS.glob("*.sql"))]


async def _migrate(db: aiosqlite.Connection, path: Path) -> None:
    scripts = migrations()
    version = await _one(db, "PRAGMA user_version")
    _check_version(version, path)
    await db.execute("PRAGMA journal_mode = WAL")
    await db.execute("PRAGMA synchronous = FULL")
    await db.execute("PRAGMA journal_size_limit = 4194304")
    if version == len(scripts):
        return
    await db.execute("BEGIN IMMEDIATE")  # all steps or none
    try:
        for script in scripts[version:]:
            for statement in _statements(script):
                await db.execute(statement)
        if version == 0:
            await db.execute(
                "INSERT INTO site (id, name, domain, subnet, node, rev) VALUES (1, ?, ?, ?, ?, 0)",
                (
                    socket.gethostname(),
                    secrets.token_hex(DOMAIN_LENGTH).upper(),
                    CONSOLE_SUBNET,
                    CONSOLE_NODE,
                ),
            )
        await db.execute(f"PRAGMA user_version = {len(scripts)}")
    except BaseException:
        await db.execute("ROLLBACK")
        raise
    await db.execute("COMMIT")


def _check_version(found: int, path: Path, oldest: int = 0) -> None:
    known = len(migrations())
    if found < oldest:
        reason = "it is of an older fieldhand; 'fieldhand worker' brings it up to date"
        raise FieldhandError(Kind.DATABASE, path=str(path), reason=reason)
    if found > known:
        raise FieldhandError(Kind.NEWER_DATABASE, path=str(path), found=found, known=known)


def _statements(script: str) -> list[str]:
    statements, pending = [], ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    return statements


async def _one(db: aiosqlite.Connection, query: str) -> int:
    async with db.execute(query) as cursor:
        row = await cursor.fetchone()
    return int(row[0]) if row else 0
