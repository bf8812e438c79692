"""What every command works with: the state directory, the store, the worker, and how its answer is written."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiosqlite

from core.errors import Exit
from core.paths import StateDirectory
from core.store.database import open_reader
from core.text import printable

if TYPE_CHECKING:
    from core.client import SocketClient

Command = Callable[[argparse.Namespace, "Session"], Awaitable[Exit] | Exit]


@dataclass(frozen=True, slots=True)
class Session:
    """One run of the command line."""

    directory: StateDirectory
    as_json: bool

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[SocketClient]:
        """The worker, started if none runs."""
        from core.client import SocketClient  # noqa: PLC0415 - commands that only read need not load it

        client = await SocketClient.connect_or_start(self.directory)
        try:
            yield client
        finally:
            await client.close()

    @asynccontextmanager
    async def store(self) -> AsyncIterator[aiosqlite.Connection]:
        """The store, read-only; where there is none yet, a worker makes it."""
        if not self.directory.store.exists():
            async with self.worker():
                pass
        db = await open_reader(self.directory.store)
        try:
            yield db
        finally:
            await db.close()

    def say(self, text: str, data: Any) -> None:
        """The answer: as text for people or as JSON for programs."""
        sys.stdout.write((json.dumps(data, indent=2) if self.as_json else text) + "\n")


def note(text: str) -> None:
    """Something on the way to the answer, for a person who watches."""
    if sys.stderr.isatty():
        sys.stderr.write(text + "\n")


def when(at: float) -> str:
    """A time as people and programs read it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def table(rows: Iterable[Sequence[object]], heading: Sequence[str], empty: str) -> str:
    """Rows as aligned text; numbers to the right."""
    rows = [tuple(row) for row in rows]
    if not rows:
        return empty
    cells = [tuple(heading), *(tuple("" if cell is None else printable(str(cell)) for cell in row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(heading))]
    numeric = [all(isinstance(row[column], int | float) for row in rows) for column in range(len(heading))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in cells
    )


def fields(data: Mapping[str, object]) -> str:
    """Names and values, one a line."""
    width = max(len(name) for name in data)
    return "\n".join(
        f"{name.ljust(width)}  {'' if value is None else printable(str(value))}" for name, value in data.items()
    )
