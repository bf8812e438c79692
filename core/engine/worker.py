"""The worker process: one per state directory, owner of every port, the only writer of the store."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from core.engine.engine import Engine
from core.engine.server import serving
from core.errors import FieldhandError, Kind
from core.paths import StateDirectory

logger = logging.getLogger(__name__)


def run(directory: StateDirectory) -> None:
    """Work until told to stop; raises SECOND_WORKER, NEWER_DATABASE or whatever keeps the engine from going on."""
    directory.create()
    with _alone(directory):
        asyncio.run(_work(directory))


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


async def _work(directory: StateDirectory) -> None:
    loop = asyncio.get_running_loop()
    async with Engine.run(directory) as engine:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, engine.end)
        loop.add_signal_handler(signal.SIGHUP, lambda: None)  # the terminal it was started from may close
        async with serving(engine, directory):
            logger.info("worker %d serves %s", os.getpid(), directory.path)
            await engine.ended
    logger.info("worker %d ends", os.getpid())
