"""The network interface behind its serial link: local commands, and layer 2 traffic to and from the channel.

Layer 5 is not simulated: in layer 5 mode the interface answers local requests and ignores network traffic.
"""

from collections.abc import Callable
from enum import Enum, IntEnum
from typing import Protocol

from drivers.virtual import packets
from drivers.virtual.channel import Channel

TRANSCEIVER = 0x1E  # 30, what U60 FT and U10 FT report
VERSION = 0xA0
MODEL = 0x1E
DOWNLINK_BUFFERS = 8
LOCAL_ADDRESS_LENGTH = 11
LOCAL_HEADING = 3 + LOCAL_ADDRESS_LENGTH
RESPONSE_BIT = 0x01
PROGRAM_ID = b"FTLAYER2"
CHECKSUM_ERROR = 0x31


class Command(IntEnum):
    """Network interface commands that mean something here (LonTalk Stack Developer's Guide pp. 45-46)."""

    SEND = 0x12
    SEND_PRIORITY = 0x13
    LOCAL_RESPONSE = 0x16
    RECEIVED = 0x1A
    LOCAL_REQUEST = 0x22
    RESET = 0x50
    LAYER_5 = 0xD0
    LAYER_2 = 0xD1
    STATUS = 0xE0
    SET_LAYER = 0xE5


class Family(Enum):
    """Which serial protocol the interface speaks."""

    U50 = "u50"
    U61 = "u61"


class Layer(IntEnum):
    """Where the boundary between interface and host lies, as the status answer reports it."""

    FIVE = 0
    TWO = 1


class CommandHandler(Protocol):
    """What a link needs of the interface behind it."""

    def accepts(self, command: int) -> bool:
        """Tell whether there is a buffer for this command."""

    def command(self, command: int, data: bytes) -> None:
        """Carry out what the host sent."""


class Link(Protocol):
    """What the interface needs of its serial link."""

    errors: int

    def feed(self, data: bytes) -> None:
        """Take bytes from the host."""

    def send(self, command: int, data: bytes = b"") -> None:
        """Send something to the host."""

    def restart(self) -> None:
        """Forget everything."""


class NetworkInterface:
    """A station that hears all packets and sends what the host wants."""

    def __init__(self, channel: Channel, neuron_id: bytes, family: Family) -> None:
        self.layer = Layer.TWO  # the factory default (Developer's Guide p. 46)
        self._channel = channel
        self._neuron_id = neuron_id
        self._family = family
        self._link: Link | None = None
        self._in_flight = 0
        channel.listener = self

    def connect(self, link: Link) -> None:
        """Put the serial link on."""
        self._link = link

    @property
    def link(self) -> Link:
        """The serial link."""
        if self._link is None:
            raise RuntimeError("a network interface works only with its serial link connected")
        return self._link

    def hear(self, lpdu: bytes, intact: bool) -> None:
        """Pass a packet up with its checksum, or report that one was broken."""
        if self.layer is not Layer.TWO:
            return
        if intact:
            self.link.send(Command.RECEIVED, lpdu + packets.checksum(lpdu))
        else:
            self.link.send(CHECKSUM_ERROR)

    def accepts(self, command: int) -> bool:
        """Tell whether there is a buffer: packets that wait for the channel fill a small number of them."""
        return command not in (Command.SEND, Command.SEND_PRIORITY) or self._in_flight < DOWNLINK_BUFFERS

    def command(self, command: int, data: bytes) -> None:
        """Carry out what the host sent; commands without meaning here are taken and ignored."""
        if command in (Command.SEND, Command.SEND_PRIORITY):
            self._send(data)
        elif command == Command.LOCAL_REQUEST:
            self._local_request(data)
        elif command == Command.STATUS:
            self.link.send(Command.STATUS, bytes([TRANSCEIVER, VERSION, self.layer, self.link.errors]))
        elif command == Command.RESET:
            self._reset()
        elif self._family is Family.U50 and command in (Command.LAYER_5, Command.LAYER_2):
            self._set_layer(Layer.TWO if command == Command.LAYER_2 else Layer.FIVE, Command(command), b"")
        elif self._family is Family.U61 and command == Command.SET_LAYER and data[:1] in (b"\0", b"\1"):
            self._set_layer(Layer(data[0]), Command.SET_LAYER, data[:1])

    def _send(self, lpdu: bytes) -> None:
        if self.layer is Layer.TWO and len(lpdu) >= packets.MINIMUM_LPDU:
            self._in_flight += 1
            self._channel.send(lpdu, self, sent=self._sent)

    def _sent(self) -> None:
        self._in_flight -= 1

    def _set_layer(self, layer: Layer, command: Command, data: bytes) -> None:
        """Echo the layer it already works in; a change is stored and makes the interface reset (p. 46)."""
        if layer is self.layer:
            self.link.send(command, data)
            return
        self.layer = layer
        self._reset()

    def _reset(self) -> None:
        self.link.restart()
        data = b"" if self._family is Family.U50 else bytes([self.layer, TRANSCEIVER])
        self.link.send(Command.RESET, data)

    # -- requests to the interface itself ----------------------------------------------------------------

    def _local_request(self, data: bytes) -> None:
        """Answer network management addressed to the interface: heading, eleven address bytes, message."""
        content = data[LOCAL_HEADING : LOCAL_HEADING + (data[2] if len(data) > 2 else 0)]
        if not content:
            return
        answer = _LOCAL_ANSWERS.get(content[0], NetworkInterface._fail)(self, content)
        heading = bytes([data[0], RESPONSE_BIT, len(answer)])
        self.link.send(Command.LOCAL_RESPONSE, heading + bytes(LOCAL_ADDRESS_LENGTH) + answer)

    def _fail(self, content: bytes) -> bytes:
        code = content[0]
        return bytes([0x10 | code & 0x0F if code & 0x70 == 0x50 else code & 0x1F])

    def _status(self, _content: bytes) -> bytes:
        return b"\x31" + bytes(10) + bytes([0x01, 0x04, VERSION >> 3, 0, MODEL])

    def _read_memory(self, content: bytes) -> bytes:
        """Read the read-only structure: Neuron ID, model, program ID."""
        structure = self._neuron_id + bytes([MODEL]) + bytes(6) + PROGRAM_ID + bytes([0x44]) + bytes(25)
        offset, length = int.from_bytes(content[2:4], "big"), content[4] if len(content) == 5 else 0
        if content[1:2] != b"\1" or not length or offset + length > len(structure):
            return self._fail(content)
        return b"\x2d" + structure[offset : offset + length]

    def _product_query(self, content: bytes) -> bytes:
        """Answer product, model, version, configuration and transceiver."""
        if content[1:] != b"\1\1":
            return self._fail(content)
        return b"\x3d" + bytes([1, MODEL, VERSION >> 4, 0, TRANSCEIVER])


_LOCAL_ANSWERS: dict[int, Callable[[NetworkInterface, bytes], bytes]] = {
    0x51: NetworkInterface._status,
    0x6D: NetworkInterface._read_memory,
    0x7D: NetworkInterface._product_query,
}
