"""Network management and diagnostics: each message a typed request, its answer a typed response.

Codes and layouts: LON Stack DX lon_types.h; "LonWorks Router User's Guide" pp. 100-101 for the table of codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import ClassVar, Final, Generic, Protocol, Self, TypeVar

from drivers.lon.transactions import Service


class AnswerError(ValueError):
    """The answer is not what this request can have."""


class Refused(Exception):
    """The device answered with the failure code of the request. It never says why."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


# -- types --------------------------------------------------------------------------------------


class NodeState(IntEnum):
    """State of a device, as Query Status reports it and as it can be written."""

    UNCONFIGURED = 2
    """Has an application, but no network configuration."""
    APPLICATIONLESS = 3
    CONFIGURED = 4
    """Configured and online."""
    HARD_OFFLINE = 6
    """Configured; the application does not run, also after a reset."""
    CONFIGURED_APPLICATIONLESS = 7
    """Not used any more."""
    SOFT_OFFLINE = 0x0C
    """Configured; the application stands until a reset."""
    BYPASS = 0x8C

    @classmethod
    def of(cls, byte: int) -> NodeState | None:
        """From the status byte: bits 2-0 are the state, and only for 4 the others mean something. None: invalid."""
        value = byte if byte & 7 == cls.CONFIGURED else byte & 7
        return cls(value) if value in cls._value2member_map_ else None

    @property
    def configured(self) -> bool:
        """Whether the device uses its network configuration."""
        return self in _CONFIGURED

    @property
    def has_application(self) -> bool:
        """Whether it holds a program that could run."""
        return self not in (NodeState.APPLICATIONLESS, NodeState.CONFIGURED_APPLICATIONLESS)

    @property
    def in_words(self) -> str:
        """For people."""
        return self.name.lower().replace("_", " ")


_CONFIGURED: Final = frozenset({NodeState.CONFIGURED, NodeState.HARD_OFFLINE, NodeState.SOFT_OFFLINE, NodeState.BYPASS})

ERRORS: Final[Mapping[int, str]] = {
    129: "bad event",
    130: "network variable length mismatch",
    131: "network variable message too short",
    132: "non-volatile memory could not be written",
    133: "bad address type",
    134: "preemption mode timeout",
    135: "already preempted",
    136: "synchronous variable lost an update",
    137: "invalid response allocation",
    138: "invalid domain",
    139: "read past end of message",
    140: "write past end of message",
    141: "invalid address table index",
    142: "incomplete message",
    143: "network variable update on an output",
    144: "no message available",
    145: "illegal send",
    146: "unknown PDU",
    147: "invalid network variable index",
    148: "division by zero",
    149: "invalid application error",
    150: "memory allocation failure",
    151: "write past end of network buffer",
    152: "application checksum wrong",
    153: "configuration checksum wrong",
    154: "invalid transceiver register address",
    155: "transceiver register timeout",
    156: "write past end of application buffer",
    157: "I/O not ready",
    158: "self-test failed",
    159: "subnet router",
    160: "authentication mismatch",
    161: "self-installation semaphore set",
    162: "read/write semaphore set",
    163: "application signature inconsistent",
    164: "router firmware mismatch",
}
"""The error log of a device in words (LON Stack EX ni_mgmt.h _nm_error)."""


def error_in_words(code: int) -> str:
    """What the error log says; "" for an empty one."""
    return "" if code == 0 else f"{ERRORS.get(code, 'error')} ({code})"


DOMAIN_ID_SIZE: Final = 6
KEY_SIZE: Final = 6
NO_KEY: Final = b"\xff" * KEY_SIZE
NOT_IN_USE: Final = 0x80


@dataclass(frozen=True, slots=True)
class DomainEntry:
    """One of a device's two places in the world: 15 bytes of its domain table.

    `clone` devices also accept packets from their own address. The key serves authentication only.
    """

    domain: bytes
    subnet: int
    node: int
    key: bytes = NO_KEY
    in_use: bool = True
    clone: bool = False
    flags: int = 0
    """Bits 6-3: authentication type and the like; 0 for the classic one."""

    SIZE: ClassVar[int] = 15

    def same_place(self, other: Self) -> bool:
        """Whether both are the same subnet and node of the same domain."""
        return (self.domain, self.subnet, self.node) == (other.domain, other.subnet, other.node)

    def to_bytes(self) -> bytes:
        """The entry as it stands in the table."""
        if not self.in_use:
            return bytes(DOMAIN_ID_SIZE) + bytes([self.subnet, NOT_IN_USE | self.node, 0xFF]) + self.key
        node = self.node | (0 if self.clone else 0x80)
        place = bytes([self.subnet, node, self.flags | len(self.domain)])
        return self.domain.ljust(DOMAIN_ID_SIZE, b"\x00") + place + self.key

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The opposite. An entry not in use has no domain, whatever its bytes say."""
        if len(data) != cls.SIZE:
            raise AnswerError(f"a domain entry has {cls.SIZE} bytes, not {len(data)}")
        flags = data[8]
        length = flags & 7
        in_use = not flags & NOT_IN_USE and length in (0, 1, 3, 6)
        return cls(
            domain=data[:length] if in_use else b"",
            subnet=data[6],
            node=data[7] & 0x7F,
            key=data[9:],
            in_use=in_use,
            clone=not data[7] & 0x80,
            flags=flags & 0x78 if in_use else 0,
        )


UNUSED_DOMAIN: Final = DomainEntry(b"", 0, 0, in_use=False)
"""What an entry looks like when a device has left that domain."""


@dataclass(frozen=True, slots=True)
class AddressEntry:
    """One entry of the address table, where network variables go: kind, then four bytes by kind."""

    kind: int
    data: bytes = bytes(4)

    SIZE: ClassVar[int] = 5

    def to_bytes(self) -> bytes:
        """The entry as it stands in the table."""
        return bytes([self.kind]) + self.data

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The opposite."""
        if len(data) != cls.SIZE:
            raise AnswerError(f"an address entry has {cls.SIZE} bytes, not {len(data)}")
        return cls(data[0], data[1:])


class MemoryMode(IntEnum):
    """What the offset of a memory access counts from."""

    ABSOLUTE = 0
    READ_ONLY = 1
    CONFIGURATION = 2
    APPLICATION_WORDS = 7


class WriteForm(IntFlag):
    """What a device does after a memory write."""

    NOTHING = 0
    CONFIGURATION_CHECKSUM = 4


class NodeMode(IntEnum):
    """What Set Node Mode does."""

    OFFLINE = 0
    ONLINE = 1
    RESET = 2
    CHANGE_STATE = 3


# Offsets in the read-only structure (memory mode 1).
NEURON_ID_SIZE: Final = 6
MODEL_OFFSET: Final = 6
PROGRAM_ID_OFFSET: Final = 0x0D
PROGRAM_ID_SIZE: Final = 8
STATE_OFFSET: Final = 0x15
IDENTITY_SIZE: Final = STATE_OFFSET + 1
TWO_DOMAINS: Final = 0x40

MOST_VARIABLES: Final = 4096
"""Network variables that a device can have."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the first 22 bytes of the read-only structure say of a device.

    Not `whole`: it had to be asked piece by piece, and how many domains it has is not known.
    """

    neuron_id: bytes
    model: int
    program_id: bytes
    state: NodeState | None
    two_domains: bool
    whole: bool = True

    @property
    def configured(self) -> bool:
        """Whether it uses its network configuration."""
        return self.state is not None and self.state.configured

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """From Read Memory, read-only-relative, offset 0; AnswerError when it is too short."""
        if len(data) < IDENTITY_SIZE:
            raise AnswerError(f"{len(data)} bytes of {IDENTITY_SIZE}")
        return cls(
            neuron_id=data[:NEURON_ID_SIZE],
            model=data[MODEL_OFFSET],
            program_id=data[PROGRAM_ID_OFFSET : PROGRAM_ID_OFFSET + PROGRAM_ID_SIZE],
            state=NodeState.of(data[STATE_OFFSET] & 7),
            two_domains=bool(data[STATE_OFFSET] & TWO_DOMAINS),
        )


@dataclass(frozen=True, slots=True)
class TableSizes:
    """How many entries the tables of a device have, from its read-only structure.

    The count of network variables has six bits: a device with `more_variables` has as many as they can say, or more.
    """

    addresses: int
    variables: int
    aliases: int

    OFFSET: ClassVar[int] = 0x0A
    SIZE: ClassVar[int] = 0x24 + 1 - OFFSET
    MOST_VARIABLES: ClassVar[int] = 0x3F

    @property
    def more_variables(self) -> bool:
        """Whether there may be more than `variables`."""
        return self.variables == self.MOST_VARIABLES

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """From Read Memory, read-only-relative, OFFSET; AnswerError when it is not SIZE bytes."""
        if len(data) != cls.SIZE:
            raise AnswerError(f"{len(data)} bytes of {cls.SIZE}")
        return cls(data[0x16 - cls.OFFSET] >> 4, data[0] & cls.MOST_VARIABLES, data[0x24 - cls.OFFSET])


# -- responses ----------------------------------------------------------------------------------


class Response(Protocol):
    """An answer that can be read."""

    @classmethod
    def from_apdu(cls, data: bytes) -> Self:
        """From the bytes behind the code; AnswerError when they cannot be."""


@dataclass(frozen=True, slots=True)
class Done:
    """Success, with nothing to tell."""

    @classmethod
    def from_apdu(cls, data: bytes) -> Self:
        """Any data: some devices add bytes of their own."""
        return cls()


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes that were read."""

    data: bytes

    @classmethod
    def from_apdu(cls, data: bytes) -> Self:
        """All of it."""
        return cls(data)


@dataclass(frozen=True, slots=True)
class Identification:
    """Who answers Query ID, or whose service pin is pressed."""

    neuron_id: bytes
    program_id: bytes

    @classmethod
    def from_apdu(cls, data: bytes) -> Self:
        """Neuron ID and program ID."""
        if len(data) < NEURON_ID_SIZE + PROGRAM_ID_SIZE:
            raise AnswerError(f"identification of {len(data)} bytes")
        return cls(data[:NEURON_ID_SIZE], data[NEURON_ID_SIZE : NEURON_ID_SIZE + PROGRAM_ID_SIZE])


@dataclass(frozen=True, slots=True)
class Status:
    """Statistics, last reset and state of a device."""

    transmit_errors: int
    transaction_timeouts: int
    receive_transactions_full: int
    lost_messages: int
    missed_messages: int
    reset_cause: int
    state_byte: int
    version: int
    error: int
    model: int

    SIZE: ClassVar[int] = 15

    @classmethod
    def from_apdu(cls, data: bytes) -> Self:
        """Five counters of two bytes, then five bytes."""
        if len(data) < cls.SIZE:
            raise AnswerError(f"status of {len(data)} bytes")
        counters = [int.from_bytes(data[i : i + 2], "big") for i in range(0, 10, 2)]
        return cls(*counters, *data[10 : cls.SIZE])

    @property
    def state(self) -> NodeState | None:
        """None: a state that does not exist."""
        return NodeState.of(self.state_byte)


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain entry that was asked for."""

    entry: DomainEntry

    @classmethod
    def from_apdu(cls, data: bytes) -> Self:
        """15 bytes."""
        return cls(DomainEntry.from_bytes(data[: DomainEntry.SIZE]))


@dataclass(frozen=True, slots=True)
class AddressTableEntry:
    """An address entry that was asked for."""

    entry: AddressEntry

    @classmethod
    def from_apdu(cls, data: bytes) -> Self:
        """5 bytes."""
        return cls(AddressEntry.from_bytes(data[: AddressEntry.SIZE]))


# -- requests -----------------------------------------------------------------------------------

R_co = TypeVar("R_co", bound=Response, covariant=True)


class Request(Generic[R_co]):
    """What all requests have. `CODE` is the first byte, `ANSWER` reads what comes back.

    `SERVICE` is how it must be carried: what has no response must be sent with acknowledged service.
    `WRITES` says that the device programs non-volatile memory before it answers.
    """

    CODE: ClassVar[int]
    SERVICE: ClassVar[Service] = Service.REQUEST
    WRITES: ClassVar[bool] = False
    ANSWER: ClassVar[type[Response]] = Done

    def data(self) -> bytes:
        """What stands behind the code."""
        return b""

    def to_apdu(self) -> bytes:
        """The message."""
        return bytes([self.CODE]) + self.data()

    def answer(self, apdu: bytes) -> R_co:
        """Read the response; Refused for a failure, AnswerError for anything that it cannot be."""
        if self.SERVICE is Service.ACKNOWLEDGED:
            return Done()  # type: ignore[return-value] # an acknowledgement has no content
        if not apdu:
            raise AnswerError("an empty answer")
        if apdu[0] == failure_code(self.CODE):
            raise Refused(apdu[0])
        if apdu[0] != success_code(self.CODE):
            raise AnswerError(f"code {apdu[0]:02X}")
        return self.ANSWER.from_apdu(apdu[1:])  # type: ignore[return-value]


def success_code(request: int) -> int:
    """The code of the answer when all is well: 0x20 and five bits for management, 0x30 and four for diagnostics."""
    return 0x20 | request & 0x1F if request >= 0x60 else 0x30 | request & 0x0F


def failure_code(request: int) -> int:
    """The code of the answer when the device refuses."""
    return request & 0x1F if request >= 0x60 else 0x10 | request & 0x0F


@dataclass(frozen=True, slots=True)
class QueryStatus(Request[Status]):
    """Statistics, reset cause, state, error log."""

    CODE = 0x51
    ANSWER = Status


@dataclass(frozen=True, slots=True)
class ClearStatus(Request[Done]):
    """Statistics, reset cause and error log to zero."""

    CODE = 0x53


@dataclass(frozen=True, slots=True)
class QueryId(Request[Identification]):
    """Who is there? Whom the selector does not mean says nothing at all."""

    SELECTED: ClassVar[int] = 1

    CODE = 0x61
    ANSWER = Identification

    selector: int

    def data(self) -> bytes:
        """The selector."""
        return bytes([self.selector])


@dataclass(frozen=True, slots=True)
class RespondToQuery(Request[Done]):
    """Select or deselect for Query ID. Devices start deselected."""

    CODE = 0x62

    on: bool

    def data(self) -> bytes:
        """On or off."""
        return bytes([self.on])


@dataclass(frozen=True, slots=True)
class UpdateDomain(Request[Done]):
    """Write a domain entry."""

    CODE = 0x63
    WRITES = True

    index: int
    entry: DomainEntry

    def data(self) -> bytes:
        """Index and entry."""
        return bytes([self.index]) + self.entry.to_bytes()


@dataclass(frozen=True, slots=True)
class LeaveDomain(Request[Done]):
    """Mark a domain entry unused. No response when it came in that very domain, or was the last one."""

    CODE = 0x64
    WRITES = True

    index: int

    def data(self) -> bytes:
        """The index."""
        return bytes([self.index])


@dataclass(frozen=True, slots=True)
class UpdateAddress(Request[Done]):
    """Write an entry of the address table."""

    CODE = 0x66
    WRITES = True

    index: int
    entry: AddressEntry

    def data(self) -> bytes:
        """Index and entry."""
        return bytes([self.index]) + self.entry.to_bytes()


@dataclass(frozen=True, slots=True)
class QueryAddress(Request[AddressTableEntry]):
    """Read an entry of the address table."""

    CODE = 0x67
    ANSWER = AddressTableEntry

    index: int

    def data(self) -> bytes:
        """The index."""
        return bytes([self.index])


@dataclass(frozen=True, slots=True)
class QueryVariableConfiguration(Request[Data]):
    """Read the configuration of a network variable."""

    CODE = 0x68
    ANSWER = Data

    index: int

    def data(self) -> bytes:
        """The index."""
        return _variable_index(self.index)


@dataclass(frozen=True, slots=True)
class UpdateVariableConfiguration(Request[Done]):
    """Write the configuration of a network variable: three bytes."""

    CODE = 0x6B
    WRITES = True

    index: int
    configuration: bytes

    def data(self) -> bytes:
        """Index and entry."""
        return _variable_index(self.index) + self.configuration


@dataclass(frozen=True, slots=True)
class FetchVariable(Request[Data]):
    """Read the value of a network variable; the answer begins with the index as sent."""

    CODE = 0x73
    ANSWER = Data

    index: int

    def data(self) -> bytes:
        """The index."""
        return _variable_index(self.index)


@dataclass(frozen=True, slots=True)
class QueryDomain(Request[Domain]):
    """Read a domain entry."""

    CODE = 0x6A
    ANSWER = Domain

    index: int

    def data(self) -> bytes:
        """The index."""
        return bytes([self.index])


@dataclass(frozen=True, slots=True)
class ChangeState(Request[Done]):
    """Write the state: UNCONFIGURED, APPLICATIONLESS, CONFIGURED or HARD_OFFLINE."""

    CODE = 0x6C
    WRITES = True

    state: NodeState

    def data(self) -> bytes:
        """Mode 3 and the state."""
        return bytes([NodeMode.CHANGE_STATE, self.state])


@dataclass(frozen=True, slots=True)
class SetMode(Request[Done]):
    """Offline, online or reset: nothing answers these, so they go with acknowledged service."""

    CODE = 0x6C
    SERVICE = Service.ACKNOWLEDGED

    mode: NodeMode

    def data(self) -> bytes:
        """The mode."""
        return bytes([self.mode])


@dataclass(frozen=True, slots=True)
class ReadMemory(Request[Data]):
    """Read up to 255 bytes."""

    CODE = 0x6D
    ANSWER = Data

    mode: MemoryMode
    offset: int
    count: int

    def data(self) -> bytes:
        """Mode, offset, count."""
        return bytes([self.mode]) + self.offset.to_bytes(2, "big") + bytes([self.count])


@dataclass(frozen=True, slots=True)
class WriteMemory(Request[Done]):
    """Write memory; the answer comes when the cells are programmed."""

    CODE = 0x6E
    WRITES = True

    mode: MemoryMode
    offset: int
    content: bytes
    form: WriteForm = WriteForm.NOTHING

    def data(self) -> bytes:
        """Mode, offset, count, form, content."""
        head = bytes([self.mode]) + self.offset.to_bytes(2, "big")
        return head + bytes([len(self.content), self.form]) + self.content


@dataclass(frozen=True, slots=True)
class RecalculateChecksum(Request[Done]):
    """Make the checksums right after memory writes."""

    BOTH: ClassVar[int] = 1
    CONFIGURATION: ClassVar[int] = 4

    CODE = 0x6F
    WRITES = True

    which: int

    def data(self) -> bytes:
        """Which."""
        return bytes([self.which])


@dataclass(frozen=True, slots=True)
class Wink(Request[Done]):
    """Show yourself. As a request it is refused, so it goes with acknowledged service."""

    CODE = 0x70
    SERVICE = Service.ACKNOWLEDGED


@dataclass(frozen=True, slots=True)
class ReadDocumentation(Request[Data]):
    """Read part of the node documentation."""

    CODE = 0x70
    ANSWER = Data

    offset: int
    count: int

    def data(self) -> bytes:
        """Query node information, documentation, offset, count."""
        return b"\x05\x03" + self.offset.to_bytes(2, "big") + bytes([self.count])


SERVICE_PIN: Final = 0x7F
"""The message of a pressed service pin; behind it an Identification."""


ESCAPED: Final = 0xFF
"""In the place of the index of a network variable: two bytes follow that hold it."""


def _variable_index(index: int) -> bytes:
    return bytes([index]) if index < ESCAPED else bytes([ESCAPED]) + index.to_bytes(2, "big")
