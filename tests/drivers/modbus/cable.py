"""Two pseudo-terminals, connected crosswise: what goes into one comes out of the other."""

from __future__ import annotations

import os
import select
import threading
import tty
from types import TracebackType
from typing import Self


class Cable:
    """`ends` are the paths of the ports. It carries bytes at once; pacing is for those who need it."""

    def __init__(self) -> None:
        pairs = [os.openpty() for _ in range(2)]
        for _, slave in pairs:
            tty.setraw(slave)
        self._masters = [master for master, _ in pairs]
        self._slaves = [slave for _, slave in pairs]  # kept open, so that a port may be closed and opened again
        self.ends = [os.ttyname(slave) for slave in self._slaves]
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._carry, name="cable")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._stopped)
        self._thread.join()
        for each in (*self._masters, *self._slaves, self._stop):
            os.close(each)

    def _carry(self) -> None:
        left, right = self._masters
        while True:
            ready, _, _ = select.select([left, right, self._stop], [], [])
            if self._stop in ready:
                return
            for source, sink in ((left, right), (right, left)):
                if source in ready:
                    os.write(sink, os.read(source, 4096))
