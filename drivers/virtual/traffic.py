"""What devices say unasked: the network variable updates of a site at work, at a given rate for the channel."""

import math
import random
from collections.abc import Sequence
from typing import Protocol

from drivers.virtual.timeline import Event, Timeline

HIGHEST_RATE = 1000.0  # a TP/FT-10 channel carries 180 packets/s
_JITTER = 0.5  # how far an interval is from the mean one, at most


class Speaker(Protocol):
    """A device that may have something to say."""

    def send_update(self) -> bool:
        """Send an update if this device may send one now; tell whether it did."""


class UpdateTraffic:
    """Lets the devices of a channel send updates in turn."""

    def __init__(self, timeline: Timeline, chance: random.Random, speakers: Sequence[Speaker]) -> None:
        self._timeline = timeline
        self._random = chance
        self._speakers = speakers
        self._next = 0
        self._rate = 0.0
        self._event: Event | None = None

    @property
    def rate(self) -> float:
        """Updates per second, all devices together."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self._rate = rate
        if self._event is not None:
            self._event.cancel()
        self._event = None
        self._schedule()

    def _schedule(self) -> None:
        if self._rate > 0:
            delay = self._random.uniform(1 - _JITTER, 1 + _JITTER) / self._rate
            self._event = self._timeline.after(delay, self._send)

    def _send(self) -> None:
        """Let the next one speak that has something to say; if nobody has, this update is left out."""
        for _ in self._speakers:
            speaker = self._speakers[self._next]
            self._next = (self._next + 1) % len(self._speakers)
            if speaker.send_update():
                break
        self._schedule()


def parse_rate(text: str) -> float:
    """Read a rate in updates per second; ValueError with the bounds if it is none."""
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 <= rate <= HIGHEST_RATE:
        raise ValueError(f"{text!r} is no rate; give updates per second from 0 to {HIGHEST_RATE:g}, such as 50")
    return rate
