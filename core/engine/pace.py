"""How fast a long step goes, in the words that stand beside its percentage."""

from __future__ import annotations

from collections import deque
from typing import Final

from drivers.base import Progress

RATE_SECONDS: Final = 10.0
"""The rate is that of the last seconds: a channel gets slower and faster with what else is on it."""
KILO: Final = 1000


class Pace:
    """The progress of one attempt, step by step; what an earlier attempt did counts as done, not as speed."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def begin(self) -> None:
        """Another step, with a count of its own."""
        self._seen.clear()

    def describe(self, progress: Progress, now: float) -> str:
        """Bytes, rate and time left, as far as they are known by now; "" for anything but bytes."""
        if progress.unit != "bytes":
            return ""
        if self._seen and progress.done < self._seen[-1][1]:
            self._seen.clear()  # it begins anew
        self._seen.append((now, progress.done))
        while len(self._seen) > 2 and now - self._seen[1][0] >= RATE_SECONDS:
            self._seen.popleft()
        said = f"{progress.done / KILO:.1f} of {progress.total / KILO:.1f} kB"
        began, first = self._seen[0]
        if now <= began or progress.done <= first:
            return said
        rate = (progress.done - first) / (now - began)
        return f"{said}, {rate / KILO:.1f} kB/s, {_duration((progress.total - progress.done) / rate)} left"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} m"
