"""What stands in a device: its state and error log, the entries of its tables, and its read-only structure.

Layouts: LON Stack DX lon_types.h.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final, Self


class AnswerError(ValueError):
    """The answer is not what this request can have."""


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
