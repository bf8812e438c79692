"""The console without a screen, for screen readers and the slowest lines: what changes is said line by line.

Lines typed are commands of the command line ("provision --group roof --yes"), until "quit" or the end of the input.
"""

from __future__ import annotations

import asyncio
import shlex
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from textual.message import Message

from core.client import SocketClient
from core.errors import Exit
from core.lifecycle import Status
from core.models import Job, JobState
from core.paths import StateDirectory
from tui.clock import Clock
from tui.feed import Feed, reconnecting
from tui.messages import LinkDown, PinSeen, StoreRead
from tui.model.devices import NEEDS_SOMEBODY, SEVERITY, Row
from tui.text import clean, plural
from tui.widgets.bottom_lines import job_name

WORDS_TO_LEAVE: Final = {"quit", "exit"}
PARTS_TOLD: Final = 4
"""A job is told of at its beginning, at each quarter, and at its end: a voice needs time."""

RunCommand = Callable[[Sequence[str]], int]
"""Runs a command of the command line; its exit code."""


class Teller:
    """Turns what the feed brings into lines."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._rows: dict[int, Row] = {}
        self._jobs: dict[int, tuple[JobState, int]] = {}
        self._begun = False
        self._trouble = ""

    def hear(self, message: Message) -> None:
        """One message of the feed."""
        match message:
            case StoreRead():
                self._read(message)
            case LinkDown():
                if message.reason != self._trouble:
                    self._say(f"{message.reason}; what was said may be old")
                self._trouble = message.reason
            case PinSeen():
                device = message.notice.device
                known = clean(device.name) if device.known else "new"
                self._say(f"service pin on {clean(message.notice.port)}: {clean(device.found.uid)}, {known}")

    def _read(self, read: StoreRead) -> None:
        before = {row.device.id: self._rows.get(row.device.id) for row in read.rows}
        self._rows |= {row.device.id: row for row in read.rows}
        for gone in read.removed:
            self._rows.pop(gone, None)
        if self._begun:
            for row in read.rows:
                self._device(before[row.device.id], row)
        else:
            self._say(self.summary(read))
        for job in reversed(read.jobs):
            self._job(job)
        self._begun = True

    def summary(self, read: StoreRead) -> str:
        """How the site stands, in one sentence."""
        counts = Counter(row.status for row in self._rows.values())
        words = ", ".join(f"{counts[status]} {status.value}" for status in sorted(counts, key=SEVERITY.__getitem__))
        summary = read.summary
        return (
            f"{clean(summary.site.name)}: {plural(len(self._rows), 'device')}{': ' if words else ''}{words}; "
            f"{summary.ports_open} of {plural(summary.ports, 'port')} open; "
            f"{summary.seats.used} of {plural(summary.seats.capacity, 'seat')} used; "
            f"{plural(summary.jobs_running, 'job')} running"
        )

    def _device(self, before: Row | None, row: Row) -> None:
        if before is not None and (before.status, before.reason) == (row.status, row.reason):
            return
        if row.status in NEEDS_SOMEBODY:
            reason = f": {row.reason}" if row.reason else ""
            self._say(f"{clean(row.device.name)} {row.status.value}{reason}")
        elif before is not None and before.status in NEEDS_SOMEBODY and row.status is Status.OK:
            self._say(f"{clean(row.device.name)} is ok again")

    def _job(self, job: Job) -> None:
        stands = job.state, int(job.progress * PARTS_TOLD)
        before, self._jobs[job.id] = self._jobs.get(job.id), stands
        if before == stands or (not self._begun and job.state is not JobState.RUNNING):
            return
        failed = f", {job.failed} failed" if job.failed else ""
        self._say(f"job {job.id}, {job_name(job)}: {job.state.value}, {job.done} of {job.total} done{failed}")


async def plain(directory: StateDirectory, run: RunCommand) -> Exit:
    """Tell and listen until the operator leaves; `run` runs a command of the command line."""
    client = await SocketClient.connect_or_start(directory)
    feed = Feed(client, directory.store, Teller(_say).hear, Clock(), reconnecting(directory))
    following = asyncio.create_task(feed.follow(), name="feed")
    try:
        while (line := await _line()) and line.strip() not in WORDS_TO_LEAVE:
            await _command(line, directory, run)
    finally:
        following.cancel()
        await asyncio.wait([following])
        await feed.close()
    return Exit.DONE


async def _command(line: str, directory: StateDirectory, run: RunCommand) -> None:
    try:
        words = shlex.split(line)
    except ValueError as problem:
        _say(f"not understood: {problem}")
        return
    if words:
        outcome = await asyncio.to_thread(_run, run, ["--state", str(directory.path), *words])
        _say(f"done: {clean(words[0])}" if outcome == Exit.DONE else f"exit code {outcome}: {clean(words[0])}")


def _run(run: RunCommand, words: Sequence[str]) -> int:
    try:
        return run(words)
    except SystemExit as end:  # the parser's way to say what it did not understand, or to have helped
        return end.code if isinstance(end.code, int) else Exit.DONE


async def _line() -> str:
    """The next line of the input, "" at its end. In a thread that nobody waits for: Ctrl-C ends at once."""
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str] = loop.create_future()

    def take(typed: str) -> None:
        if not line.done():
            line.set_result(typed)

    def read() -> None:
        typed = sys.stdin.readline()
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(take, typed)

    threading.Thread(target=read, name="input", daemon=True).start()
    return await line


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
