"""A socket between a console and its worker: passes all on, and knows when the console was told something."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from core.paths import StateDirectory

BLOCK = 1 << 16


class Relay:
    """A state directory of its own for consoles, with the store and the worker of another one behind it."""

    def __init__(self, worker: Path, consoles: Path) -> None:
        self.told: list[float] = []
        """When something was passed on to a console, on the monotonic clock."""
        self._worker, own = StateDirectory(worker), StateDirectory(consoles)
        own.create()
        own.store.symlink_to(self._worker.store)
        self._listening = socket.socket(socket.AF_UNIX)
        with own.socket_address() as address:
            self._listening.bind(address)
        self._listening.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """No more consoles."""
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                console, _ = self._listening.accept()
            except OSError:
                return  # closed
            worker = socket.socket(socket.AF_UNIX)
            with self._worker.socket_address() as address:
                worker.connect(address)
            for source, sink, note in (
                (console, worker, lambda _: None),
                (worker, console, self.told.append),
            ):
                threading.Thread(target=_pass_on, args=(source, sink, note), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket, note: Callable[[float], None]) -> None:
    try:
        while data := source.recv(BLOCK):
            note(time.perf_counter())
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return  # one of the two is gone
