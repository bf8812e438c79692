"""MIP/U50, the network interface's end: code packets, sequence numbers, acknowledgements, retransmission.

LonTalk Stack Developer's Guide pp. 40-46; where it is silent, the published host drivers and traces.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum

from drivers.virtual.interface import CommandHandler
from drivers.virtual.timeline import Event, Timeline

FLAG = 0x7E
EXTENDED = 0xFF
LONGEST_MESSAGE = 1281  # 1280 bytes of data and the command
INTER_BYTE_TIMEOUT = 0.040  # Developer's Guide p. 43
ACKNOWLEDGE_TIMEOUT = 0.100  # the same time the published host drivers wait at 115200 bit/s
TRIES = 10
UPLINK_BUFFERS = 191  # the largest buffer count a Neuron chip can be configured for


class Code(IntEnum):
    """Types of code packets."""

    NULL = 0
    FAIL = 1
    MESSAGE = 2
    MESSAGE_REQUEST = 3
    MESSAGE_GRANT = 4
    MESSAGE_REJECT = 5
    SHORT_COMMAND = 6
    RESYNC = 7


@dataclass(frozen=True, slots=True)
class CodePacket:
    """The four-byte unit of the link."""

    code: int
    parameter: int = 0
    sequence: int = 0
    acknowledges: bool = False

    def to_bytes(self) -> bytes:
        """Write it with its checksum."""
        control = self.sequence << 5 | self.acknowledges << 4 | self.code
        return bytes([FLAG, control, self.parameter, -(FLAG + control + self.parameter) & 0xFF])


@dataclass(frozen=True, slots=True)
class Message:
    """A message that arrived whole."""

    command: int
    data: bytes
    extended: bool


@dataclass(frozen=True, slots=True)
class Broken:
    """A message that did not: its checksum is wrong, or (superseded) a code packet began inside it."""

    superseded: bool = False


def message_bytes(command: int, data: bytes) -> bytes:
    """Write a message as it follows its code packet: length, command, data, checksum; every 7E doubled."""
    length = 1 + len(data)
    heading = bytes([length]) if length < EXTENDED else bytes([EXTENDED, length >> 8, length & 0xFF])
    body = heading + bytes([command]) + data
    body += bytes([-sum(body) & 0xFF])
    return body.replace(b"\x7e", b"\x7e\x7e")


class Decoder:
    """Finds code packets and messages in a stream of bytes, whatever else is in it."""

    def __init__(self) -> None:
        self._code_packet = bytearray()
        self._message: bytearray | None = None
        self._after_flag = False
        self._found: list[CodePacket | Message | Broken] = []

    @property
    def idle(self) -> bool:
        """Whether nothing has been begun."""
        return not self._code_packet and self._message is None

    @property
    def in_message(self) -> bool:
        """Whether a message has been begun."""
        return self._message is not None

    def feed(self, data: bytes) -> Iterable[CodePacket | Message | Broken]:
        """Take bytes, give what they complete."""
        for byte in data:
            if self._message is None:
                self._code_packet_byte(byte)
            else:
                self._message_byte(self._message, byte)
        found, self._found = self._found, []
        return found

    def abandon(self) -> None:
        """Drop what was begun."""
        self._code_packet.clear()
        self._message = None
        self._after_flag = False

    def _code_packet_byte(self, byte: int) -> None:
        unit = self._code_packet
        if len(unit) <= 1 and byte == FLAG:
            unit[:] = [FLAG]  # a second byte 7E is impossible, so this one is the start
            return
        if not unit:
            return
        unit.append(byte)
        if len(unit) < 4:
            return
        taken = bytes(unit)
        unit.clear()
        if sum(taken) & 0xFF:
            for later in taken[1:]:  # a broken code packet is ignored, but a good one may begin inside it
                self._code_packet_byte(later)
            return
        packet = CodePacket(taken[1] & 15, taken[2], taken[1] >> 5, bool(taken[1] & 0x10))
        self._found.append(packet)
        if packet.code == Code.MESSAGE and packet.parameter == 1:
            self._message = bytearray()
            self._after_flag = False

    def _message_byte(self, message: bytearray, byte: int) -> None:
        if self._after_flag:
            self._after_flag = False
            if byte != FLAG:  # a lone 7E: a new code packet began
                self._found.append(Broken(superseded=True))
                self._message = None
                self._code_packet[:] = [FLAG]
                self._code_packet_byte(byte)
                return
        elif byte == FLAG:
            self._after_flag = True
            return
        message.append(byte)
        expected = _expected_length(message)
        if expected is not None and (len(message) >= expected or expected > LONGEST_MESSAGE + 4):
            self._message = None
            self._found.append(_read_message(bytes(message), expected))


def _expected_length(message: bytearray) -> int | None:
    if message[0] != EXTENDED:
        return message[0] + 2
    return (message[1] << 8 | message[2]) + 4 if len(message) >= 3 else None


def _read_message(message: bytes, expected: int) -> Message | Broken:
    heading = 3 if message[0] == EXTENDED else 1
    if len(message) != expected or expected < heading + 2 or sum(message) & 0xFF:
        return Broken()
    return Message(message[heading], message[heading + 1 : -1], extended=heading == 3)


@dataclass(slots=True)
class _Uplink:
    command: int
    data: bytes
    sequence: int
    tries: int = 1


class MipU50:
    """The link: one outstanding uplink message, downlink messages taken once each."""

    def __init__(self, timeline: Timeline, write: Callable[[bytes], None], handler: CommandHandler) -> None:
        self.errors = 0
        self._timeline = timeline
        self._write = write
        self._handler = handler
        self._decoder = Decoder()
        self._coming: CodePacket | None = None
        self._last_sequence = 0
        self._next_sequence = 1
        self._queue: deque[tuple[int, bytes]] = deque()
        self._outstanding: _Uplink | None = None
        self._fragment_timer: Event | None = None
        self._retry_timer: Event | None = None

    def feed(self, data: bytes) -> None:
        """Take bytes from the host."""
        self._stop_fragment_timer()
        for found in self._decoder.feed(data):
            if isinstance(found, CodePacket):
                self._code_packet(found)
            elif isinstance(found, Message):
                self._message(found)
            else:
                self._broken(found)
        if not self._decoder.idle:
            self._fragment_timer = self._timeline.after(INTER_BYTE_TIMEOUT, self._fragmented)
        self._pump()

    def send(self, command: int, data: bytes = b"") -> None:
        """Queue something for the host; what finds no buffer is lost, as on a real interface."""
        if len(self._queue) < UPLINK_BUFFERS:
            self._queue.append((command, data))
            self._pump()

    def restart(self) -> None:
        """Forget everything, as after a reset or when the host has gone."""
        self._stop_fragment_timer()
        self._decoder.abandon()
        self._coming = None
        self._resynchronise()

    # -- downlink ----------------------------------------------------------------------------------------

    def _code_packet(self, packet: CodePacket) -> None:
        if packet.acknowledges:
            self._acknowledged()
        if packet.code == Code.MESSAGE:
            if packet.parameter == 1:
                self._coming = packet
            else:  # dropped, but acknowledged (Developer's Guide p. 42)
                self._acknowledge()
        elif packet.code == Code.SHORT_COMMAND:
            self._take(packet.sequence, packet.parameter, b"")
        elif packet.code == Code.RESYNC:
            self._resynchronise()
            self._write(CodePacket(Code.NULL).to_bytes())
        elif packet.code == Code.FAIL:
            self._repeat()
        elif packet.code == Code.MESSAGE_REQUEST:
            free = self._handler.accepts(0x12)
            self._write(CodePacket(Code.MESSAGE_GRANT if free else Code.MESSAGE_REJECT).to_bytes())

    def _message(self, message: Message) -> None:
        coming, self._coming = self._coming, None
        if coming is None:
            return
        if message.extended:
            # Versions up to 0xA0 toss what comes with an extended length (published host driver).
            self._acknowledge()
            return
        self._take(coming.sequence, message.command, message.data)

    def _take(self, sequence: int, command: int, data: bytes) -> None:
        """Acknowledge and carry out; a repetition is only acknowledged. Sequence 0 never repeats (p. 40)."""
        if sequence and sequence == self._last_sequence:
            self._acknowledge()
        elif not self._handler.accepts(command):
            self._write(CodePacket(Code.MESSAGE_REJECT).to_bytes())
        else:
            self._last_sequence = sequence or self._last_sequence
            self._acknowledge()
            self._handler.command(command, data)

    def _broken(self, broken: Broken) -> None:
        self._coming = None
        self.errors = min(self.errors + 1, 0xFF)
        if not broken.superseded:
            self._write(CodePacket(Code.FAIL).to_bytes())

    def _fragmented(self) -> None:
        """Give up on a code packet or message that stopped coming."""
        in_message = self._decoder.in_message
        self._decoder.abandon()
        if in_message:
            self._broken(Broken())
        self._pump()

    def _acknowledge(self) -> None:
        """Acknowledge in the next message if one may go now, else in a packet of its own."""
        if self._outstanding is None and self._queue:
            self._send_next(acknowledges=True)
        else:
            self._write(CodePacket(Code.NULL, acknowledges=True).to_bytes())

    def _resynchronise(self) -> None:
        self._acknowledged()
        self._queue.clear()
        self._last_sequence = 0
        self._next_sequence = 1

    def _stop_fragment_timer(self) -> None:
        if self._fragment_timer is not None:
            self._fragment_timer.cancel()
            self._fragment_timer = None

    # -- uplink ------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Send the next message, unless one is outstanding or an acknowledgement is about to be due."""
        if self._outstanding is None and self._queue and self._decoder.idle:
            self._send_next(acknowledges=False)

    def _send_next(self, acknowledges: bool) -> None:
        command, data = self._queue.popleft()
        self._outstanding = _Uplink(command, data, self._next_sequence)
        self._next_sequence = self._next_sequence % 7 + 1
        self._transmit(self._outstanding, acknowledges)

    def _transmit(self, uplink: _Uplink, acknowledges: bool = False) -> None:
        if uplink.data:
            packet = CodePacket(Code.MESSAGE, 1, uplink.sequence, acknowledges)
            self._write(packet.to_bytes() + message_bytes(uplink.command, uplink.data))
        else:
            packet = CodePacket(Code.SHORT_COMMAND, uplink.command, uplink.sequence, acknowledges)
            self._write(packet.to_bytes())
        self._retry_timer = self._timeline.after(ACKNOWLEDGE_TIMEOUT, self._repeat)

    def _repeat(self) -> None:
        """Send the outstanding message again with its number, and drop it after enough tries."""
        uplink = self._outstanding
        if uplink is None:
            return
        if uplink.tries >= TRIES:
            self._acknowledged()
            self._pump()
            return
        uplink.tries += 1
        if self._retry_timer is not None:
            self._retry_timer.cancel()
        self._transmit(uplink)

    def _acknowledged(self) -> None:
        self._outstanding = None
        if self._retry_timer is not None:
            self._retry_timer.cancel()
            self._retry_timer = None
