"""Standard input and output as lines, each on a thread of its own so that neither can stop the event loop."""

import asyncio
import os
import queue
import sys
import threading
from collections.abc import Callable

_BLOCK = 65536
_LONGEST_LINE = 65536
_FLUSH_PATIENCE = 1.0


class LineReader:
    """Hands every line of standard input to the event loop, then None at its end.

    A thread reads the descriptor itself: standard input may be a file, a pipe or a terminal, and Python's own
    buffer would be locked by a blocked read when the process ends.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, take: Callable[[str | None], None]) -> None:
        self._loop = loop
        self._take = take
        threading.Thread(target=self._run, name="standard input", daemon=True).start()

    def _run(self) -> None:
        pending = b""
        while block := _read_block():
            *lines, pending = (pending + block).split(b"\n")
            for line in lines:
                self._hand_over(line.decode("utf-8", "replace"))
            pending = pending[:_LONGEST_LINE]
        if pending:
            self._hand_over(pending.decode("utf-8", "replace"))
        self._hand_over(None)

    def _hand_over(self, line: str | None) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take, line)


class LineWriter:
    """Writes lines to standard output in order; a reader that went away is not an error of the field."""

    def __init__(self) -> None:
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="standard output", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Queue a line."""
        self._lines.put(line)

    def close(self) -> None:
        """Wait a moment for what is queued to go out."""
        self._lines.put(None)
        self._thread.join(_FLUSH_PATIENCE)

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            data = line.encode() + b"\n"
            try:
                while data:
                    data = data[os.write(sys.__stdout__.fileno() if sys.__stdout__ else 1, data) :]
            except OSError:
                return


def _read_block() -> bytes:
    try:
        return os.read(0, _BLOCK)
    except OSError:  # no standard input at all is an empty one
        return b""
