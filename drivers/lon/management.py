"""Network management and diagnostics: each message a typed request, its answer a typed response.

Codes and layouts: LON Stack DX lon_types.h; "LonWorks Router User's Guide" pp. 100-101 for the table of codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import ClassVar, Final, Generic, Protocol, Self, TypeVar

from drivers.lon.structures import (
    NEURON_ID_SIZE,
    PROGRAM_ID_SIZE,
    AddressEntry,
    AnswerError,
    DomainEntry,
    NodeState,
)
from drivers.lon.transactions import Service


class Refused(Exception):
    """The device answered with the failure code of the request. It never says why."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


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
