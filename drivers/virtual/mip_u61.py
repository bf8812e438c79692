"""MIP/U61, the network interface's end: bare frames, no acknowledgements, no checksums."""

from collections.abc import Callable

from drivers.virtual.interface import CommandHandler
from drivers.virtual.timeline import Event, Timeline

FLAG = 0x7E
FRAME = 0x00
EXTENDED = 0xFF
LONGEST_FRAME = 1281
FRAME_TIMEOUT = 1.0


class MipU61:
    """The link. Downlink the plain length byte is not doubled, a quirk of the firmware; uplink it is."""

    def __init__(self, timeline: Timeline, write: Callable[[bytes], None], handler: CommandHandler) -> None:
        self.errors = 0
        self._timeline = timeline
        self._write = write
        self._handler = handler
        self._frame: bytearray | None = None
        self._after_flag = False
        self._timer: Event | None = None

    def feed(self, data: bytes) -> None:
        """Take bytes from the host."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for byte in data:
            self._byte(byte)
        if self._frame is not None:
            self._timer = self._timeline.after(FRAME_TIMEOUT, self._abandon)

    def send(self, command: int, data: bytes = b"") -> None:
        """Send a frame to the host."""
        length = 1 + len(data)
        heading = bytes([length]) if length < EXTENDED else bytes([EXTENDED, length >> 8, length & 0xFF])
        body = heading + bytes([command]) + data
        self._write(bytes([FLAG, FRAME]) + body.replace(b"\x7e", b"\x7e\x7e"))

    def restart(self) -> None:
        """Forget everything, as after a reset or when the host has gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._abandon()

    def _abandon(self) -> None:
        self._frame = None
        self._after_flag = False

    def _byte(self, byte: int) -> None:
        if self._after_flag:
            if byte == FLAG and self._frame is None:
                return  # outside a frame a doubled flag means nothing; the last one counts
            self._after_flag = False
            if byte != FLAG:  # 7E 00 begins a frame, 7E and anything else ends one
                self._frame = bytearray() if byte == FRAME else None
                return
        elif byte == FLAG and (self._frame is None or self._frame):  # the length, first in a frame, is never doubled
            self._after_flag = True
            return
        if self._frame is not None:
            self._collect(self._frame, byte)

    def _collect(self, frame: bytearray, byte: int) -> None:
        frame.append(byte)
        if frame[0] == EXTENDED:
            if len(frame) < 3:
                return
            heading, length = 3, frame[1] << 8 | frame[2]
        else:
            heading, length = 1, frame[0]
        if not 0 < length <= LONGEST_FRAME:
            self._frame = None
            self.errors = min(self.errors + 1, 0xFF)
        elif len(frame) == heading + length:
            self._frame = None
            if self._handler.accepts(frame[heading]):
                self._handler.command(frame[heading], bytes(frame[heading + 1 :]))
