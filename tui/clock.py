"""The time of day and the time that only goes forward; a test brings its own."""

from __future__ import annotations

import time


class Clock:
    """The clocks of this machine."""

    def now(self) -> float:
        """Seconds since the epoch, as the store writes them."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since whenever; for intervals."""
        return time.monotonic()
