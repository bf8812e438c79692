"""The worker process: one per state directory, owner of every port, the only writer of the store."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core.engine.engine import Engine
from core.engine.server import serving
from core.errors import FieldhandError, Kind
from core.paths import StateDirectory

logger = logging.getLogger(__name__)


def run(directory: StateDirectory, ends_with: int | None = None) -> None:
    """Work until told to stop; raises SECOND_WORKER, NEWER_DATABASE or whatever keeps the engine from going on.

    `ends_with` is the id of a process whose end, however it comes, is a word to stop too.
    """
    directory.create()
    with _alone(directory):
        asyncio.run(_work(directory, ends_with))


@contextmanager
def _alone(directory: StateDirectory) -> Iterator[None]:
    """Hold the lock that makes this the only worker; the kernel lets go of it however the process ends."""
    try:
        lock = directory.lock.open("a+", encoding="ascii")
    except OSError as error:
        reason = error.strerror or str(error)
        raise FieldhandError(Kind.STATE_DIRECTORY, path=str(directory.path), reason=reason) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            pid = lock.read().strip() or "unknown"
            raise FieldhandError(Kind.SECOND_WORKER, directory=str(directory.path), pid=pid) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
        lock.truncate(0)  # it ended in order: nobody need start another


async def _work(directory: StateDirectory, ends_with: int | None) -> None:
    loop = asyncio.get_running_loop()
    async with Engine.run(directory) as engine:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, engine.end)
        loop.add_signal_handler(signal.SIGHUP, lambda: None)  # the terminal it was started from may close
        async with serving(engine, directory):
            if ends_with is not None:
                _call_at_end_of(ends_with, engine.end)
            logger.info("worker %d serves %s", os.getpid(), directory.path)
            await engine.ended
    logger.info("worker %d ends", os.getpid())


def _call_at_end_of(pid: int, end: Callable[[], None]) -> None:
    """Call `end` when the process has ended; the kernel tells, whether it was killed or left in order."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:  # it was quicker
        end()
        return
    loop = asyncio.get_running_loop()

    def ended() -> None:
        loop.remove_reader(process)
        os.close(process)
        logger.info("process %d has ended", pid)
        end()

    loop.add_reader(process, ended)
