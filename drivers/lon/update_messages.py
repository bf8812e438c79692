"""Messages of the Image Update Protocol: expanded network management that fills the second memory bank of a device.

Codes, layouts and results: LON Stack DX lcs_iup.h and lcs_iup.c. Numbers are big-endian.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import ClassVar, Final, Self

from drivers.lon.management import Done, R_co, Request, success_code
from drivers.lon.structures import AnswerError

SESSION_SIZE: Final = 4
IDENTIFIER_SIZE: Final = 10
HEADER_SIZE: Final = 16
SALT_SIZE: Final = 16
PACKETS_MOST: Final = 0xFFFF
"""What a packet number of two bytes can count."""

EXPANDED: Final = 0x60

OK: Final = 0
PENDING: Final = 1
"""Except of a switch over: the device is at it, ask again."""


class ImageType(IntEnum):
    """First byte of an identifier: what in the device the image is for."""

    NEURON_SYSTEM = 0x00
    NEURON_APPLICATION = 0x01


APPLICATION: Final = bytes([ImageType.NEURON_APPLICATION]) + bytes(IDENTIFIER_SIZE - 1)
"""The identifier of the program of a Neuron chip: sub-type 0, instance 0."""


class InitResult(IntEnum):
    """What is special about the answer to Init; all other results are refusals."""

    PACKET_TOO_LARGE = 2


class ConfirmResult(IntEnum):
    """Answers to Confirm."""

    MISSING = 2
    NOT_VIABLE = 3
    """Fewer than 80 % have arrived, so that single ones are not told."""


class ValidateResult(IntEnum):
    """What is special about the answer to Validate."""

    DIGEST = 4
    DIGEST_TYPE = 6


class SwitchResult(IntEnum):
    """What is special about the answer to Switch Over."""

    NO_SECONDARY = 3
    DELAY_UNSUPPORTED = 7


class CommitResult(IntEnum):
    """What is special about the answer to Commit."""

    ALREADY_PRIMARY = 3


class Digest(IntEnum):
    """How a device can prove that it has the image."""

    NONE = 0
    MD5 = 1


class SwitchFlags(IntFlag):
    """How to switch over."""

    STAY_SECONDARY = 1
    """On probation: a reset before the commit brings the old image back."""
    KEEP_CONFIGURATION = 2
    KEEP_PERSISTENT_DATA = 4


class Expanded(Request[R_co]):
    """What all of them have: a sub-code, which is repeated in the answer."""

    CODE = EXPANDED
    SUB_CODE: ClassVar[int]
    RESULTS: ClassVar[Mapping[int, str]] = {}
    """Refusals in words."""

    def data(self) -> bytes:
        """The sub-code, then what it asks."""
        return bytes([self.SUB_CODE]) + self.content()

    def content(self) -> bytes:
        """What stands behind the sub-code."""
        return b""

    def answer(self, apdu: bytes) -> R_co:
        """Read the response; Refused for a failure, AnswerError for anything that it cannot be."""
        if apdu[:1] != bytes([success_code(self.CODE)]):
            return super().answer(apdu)
        if apdu[1:2] != bytes([self.SUB_CODE]):
            raise AnswerError(f"sub-code {apdu[1:2].hex().upper() or 'missing'}")
        return self.ANSWER.from_apdu(apdu[2:])  # type: ignore[return-value] # as in Request

    def in_words(self, result: int) -> str:
        """What a result means."""
        return self.RESULTS.get(result, f"it says {result}")


# -- answers ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Result:
    """How it went, and for how many seconds the device will be busy with it."""

    result: int
    action_time: int

    SIZE: ClassVar[int] = 3

    @classmethod
    def from_apdu(cls, data: bytes) -> Self:
        """3 bytes; what follows is by kind of device."""
        _need(data, cls.SIZE)
        return cls(data[0], _number(data, 1, 2))


@dataclass(frozen=True, slots=True)
class Terms:
    """What a device says to an image: the packets it can take, their spacing in milliseconds, its digests."""

    result: int
    action_time: int
    packet_size: int
    spacing: int
    digests: int
    packets: int

    SIZE: ClassVar[int] = 10

    @classmethod
    def from_apdu(cls, data: bytes) -> Self:
        """10 bytes."""
        _need(data, cls.SIZE)
        return cls(data[0], _number(data, 1, 2), _number(data, 3, 2), _number(data, 5, 2), data[7], _number(data, 8, 2))

    @property
    def has_md5(self) -> bool:
        """Whether it can compute that."""
        return bool(self.digests & 1)


@dataclass(frozen=True, slots=True)
class Missing:
    """Which packets have not arrived: the first ones, at most 20 at a time."""

    result: int
    packets: tuple[int, ...]
    action_time: ClassVar[int] = 0

    @classmethod
    def from_apdu(cls, data: bytes) -> Self:
        """Result, count, numbers."""
        _need(data, 2)
        _need(data, 2 + 2 * data[1])
        return cls(data[0], tuple(_number(data, 2 + 2 * index, 2) for index in range(data[1])))


@dataclass(frozen=True, slots=True)
class UpdateStatus:
    """Where the device stands with an image."""

    flags: int
    rejection: int
    action_time: int

    SIZE: ClassVar[int] = 6

    @classmethod
    def from_apdu(cls, data: bytes) -> Self:
        """6 bytes; what follows is by kind of device."""
        _need(data, cls.SIZE)
        return cls(data[0], data[1], _number(data, 2, 4))

    @property
    def active(self) -> bool:
        """Whether the image runs."""
        return bool(self.flags & 4)


def _need(data: bytes, count: int) -> None:
    if len(data) < count:
        raise AnswerError(f"{len(data)} bytes of {count}")


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")


# -- requests -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Init(Expanded[Terms]):
    """Make ready for so many packets of an image; erases the second bank unless this very session is under way."""

    SUB_CODE = 0x1C
    WRITES = True
    ANSWER = Terms
    RESULTS: ClassVar[Mapping[int, str]] = {
        2: "the packets are too large",
        3: "it does not take this type of image",
        4: "it does not take this sub-type of image",
        5: "the image is of a version that it does not take",
        6: "the image is for another model",
        7: "the image is too large for it",
        8: "the image has too many packets for it",
    }

    session: bytes
    packet_size: int
    packets: int
    length: int

    def content(self) -> bytes:
        """A header of zeros asks for no check of the model: an opaque image says none."""
        sizes = self.packet_size.to_bytes(2, "big") + self.packets.to_bytes(2, "big") + self.length.to_bytes(4, "big")
        return self.session + APPLICATION + sizes + bytes(HEADER_SIZE)


@dataclass(frozen=True, slots=True)
class Packet(Expanded[Done]):
    """A piece of the image, numbered from 1. Nobody answers it."""

    SUB_CODE = 0x1D

    session: bytes
    number: int
    piece: bytes

    def content(self) -> bytes:
        """Session, number, piece."""
        return self.session + self.number.to_bytes(2, "big") + self.piece


@dataclass(frozen=True, slots=True)
class Confirm(Expanded[Missing]):
    """Ask what is missing."""

    SUB_CODE = 0x1E
    ANSWER = Missing

    session: bytes

    def content(self) -> bytes:
        """The session."""
        return self.session


@dataclass(frozen=True, slots=True)
class Validate(Expanded[Result]):
    """Let it check the image; the same request again asks how that went."""

    SUB_CODE = 0x1F
    WRITES = True
    ANSWER = Result
    RESULTS: ClassVar[Mapping[int, str]] = {
        2: "the image is of a version that it does not take",
        3: "the image is for another model",
        4: "what it has received is not what was sent",
        5: "the signature of the image is wrong",
        6: "it cannot compute this digest",
    }

    session: bytes
    digest: Digest
    salt: bytes = b""
    value: bytes = b""

    def content(self) -> bytes:
        """Session, kind of digest, salt and digest."""
        return self.session + bytes([self.digest]) + self.salt + self.value


@dataclass(frozen=True, slots=True)
class SwitchOver(Expanded[Result]):
    """Run the new image, after so many seconds."""

    SUB_CODE = 0x20
    WRITES = True
    ANSWER = Result
    RESULTS: ClassVar[Mapping[int, str]] = {
        1: "the image is of a version that it does not run",
        2: "the image is for another model",
        3: "it cannot run an image on probation",
        4: "it cannot keep its configuration",
        5: "it does not have the image",
        6: "it rejects the image",
        7: "it cannot wait before it switches over",
    }

    flags: SwitchFlags
    delay: int

    def content(self) -> bytes:
        """Flags, delay, one image."""
        return bytes([self.flags]) + self.delay.to_bytes(4, "big") + b"\x01" + APPLICATION


@dataclass(frozen=True, slots=True)
class QueryUpdate(Expanded[UpdateStatus]):
    """Ask how it stands with the image."""

    SUB_CODE = 0x21
    ANSWER = UpdateStatus

    def content(self) -> bytes:
        """Which image."""
        return APPLICATION


@dataclass(frozen=True, slots=True)
class Commit(Expanded[Result]):
    """Let the new image stay; the same request again asks whether it does."""

    SUB_CODE = 0x22
    WRITES = True
    ANSWER = Result
    RESULTS: ClassVar[Mapping[int, str]] = {
        2: "it does not have the image",
        3: "the image is there to stay already",
        4: "it failed",
    }

    def content(self) -> bytes:
        """One image."""
        return b"\x01" + APPLICATION
