"""Image update: an image in packets into a second bank while the device works on, then a switch over to it.

Layouts, codes and the course of events as in LON Stack DX, lcs_iup.h and lcs_iup.c. All of it is expanded network
management (code 0x60, the sub-code first in the answer).
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum, IntFlag, auto

from drivers.virtual.management import SILENCE, Reply, Request
from drivers.virtual.timeline import Event, Timeline

EXPANDED = 0x60
LARGEST_PACKET = 128
LARGEST_IMAGE = 0x40000
MOST_PACKETS = 4096
MOST_MISSING_TOLD = 20
LONGEST_DELAY_S = 3600
NEURON_APPLICATION = 0x01
_IDENTIFIER_LENGTH = 10
_HEADER_LENGTH = 16
_SALT_LENGTH = 16
_VIABLE_PERCENT = 80
_NO_REJECTION = bytes(2)  # length and type


class Bank(Enum):
    """Which image runs: the one that is there to stay, or a new one on probation."""

    PRIMARY = "primary"
    SECONDARY = "secondary"


class _Command(IntEnum):
    INIT = 0x1C
    TRANSFER = 0x1D
    CONFIRM = 0x1E
    VALIDATE = 0x1F
    SWITCH_OVER = 0x20
    STATUS = 0x21
    COMMIT = 0x22
    TRANSFER_ACKNOWLEDGED = 0x25


class _Init(IntEnum):
    OK = 0
    PENDING = 1
    PACKET_TOO_LARGE = 2
    TYPE = 3
    SUB_TYPE = 4
    MODEL = 6
    IMAGE_TOO_LARGE = 7
    TOO_MANY_PACKETS = 8


class _Confirm(IntEnum):
    OK = 0
    PENDING = 1
    MISSING = 2
    NOT_VIABLE = 3


class _Validate(IntEnum):
    OK = 0
    PENDING = 1
    DIGEST = 4
    DIGEST_TYPE = 6
    OTHER = 7


class _SwitchOver(IntEnum):
    OK = 0
    NO_IMAGE = 5
    REJECTED = 6
    DELAY = 7


class _Rejection(IntEnum):
    NONE = 0
    VERSION = 1
    IMAGE = 5


class _Commit(IntEnum):
    OK = 0
    PENDING = 1
    NO_IMAGE = 2
    ALREADY_PRIMARY = 3
    FAILED = 4


class _Digest(IntEnum):
    NONE = 0
    MD5 = 1
    SHA256 = 2


_DIGESTS_OFFERED = 0x03  # bit 0 MD5, bit 1 SHA-256


class _Status(IntFlag):
    NONE = 0
    ACCEPTED = 1
    SECONDARY = 2
    ACTIVE = 4


class SwitchFlags(IntFlag):
    """How to switch over: for a trial only, and what of the device to leave as it is."""

    NONE = 0
    STAY_SECONDARY = 1
    KEEP_CONFIGURATION = 2
    KEEP_PROPERTIES = 4


_KNOWN_FLAGS = 0x07


class _Malformed(Exception):
    """The message makes no sense here; the device answers the failure code."""


@dataclass(frozen=True, slots=True)
class _Terms:
    """What tool and device have agreed about a transfer."""

    session: bytes
    identifier: bytes
    packet_size: int
    packets: int
    length: int

    def packet_length(self, number: int) -> int:
        """Tell how much of the image a packet carries; the last one carries the rest."""
        return min(self.packet_size, self.length - (number - 1) * self.packet_size)


class _Transfer:
    """An image on its way into the second bank. Outlives a power failure."""

    def __init__(self, terms: _Terms) -> None:
        self.terms = terms
        self.image = bytearray(terms.length)
        self.missing = set(range(1, terms.packets + 1))
        self.confirmed = False
        self.switched = False
        self.on_trial = False
        self.fell_back = False

    @property
    def received(self) -> int:
        return self.terms.packets - len(self.missing)

    def take(self, number: int, data: bytes) -> None:
        """Take a packet; one that is there already, or is none of these, changes nothing."""
        if self.confirmed or number not in self.missing:
            return
        length = self.terms.packet_length(number)
        if length <= len(data) <= self.terms.packet_size:
            first = (number - 1) * self.terms.packet_size
            self.image[first : first + length] = data[:length]
            self.missing.remove(number)


class _Task(Enum):
    ERASING = auto()
    VALIDATING = auto()
    COMMITTING = auto()


_LENGTH_IN_WRITES = {_Task.ERASING: 50, _Task.VALIDATING: 50, _Task.COMMITTING: 25}


class ImageUpdate:
    """The update side of a device: its two banks and what a tool does with the one that is not running."""

    def __init__(
        self,
        model: int,
        timeline: Timeline,
        write_s: float,
        reset_s: float,
        switch_over: Callable[[SwitchFlags], None],
    ) -> None:
        self.bank = Bank.PRIMARY
        self._model = model
        self._timeline = timeline
        self._write_s = write_s
        self._reset_s = reset_s
        self._reset_device = switch_over
        self._active: str | None = None
        self._previous: str | None = None
        self._transfer: _Transfer | None = None
        self._task: _Task | None = None
        self._until = 0.0
        self._validation = b""
        self._verdict: _Validate | None = None
        self._planned: Event | None = None
        self._flags = SwitchFlags.NONE
        self._switching = False

    @property
    def image_md5(self) -> str | None:
        """The MD5 of the image that runs, None while it is the one the device was made with."""
        return self._active

    @property
    def received(self) -> int:
        """How many packets of the present transfer are there."""
        return 0 if self._transfer is None else self._transfer.received

    @property
    def packets(self) -> int:
        """How many packets the present transfer has."""
        return 0 if self._transfer is None else self._transfer.terms.packets

    def handle(self, request: Request) -> Reply | None:
        """Carry a message of the image update out; None if it is another kind of message."""
        command = request.data[:1]
        if request.code != EXPANDED or not command or command[0] not in _HANDLERS:
            return None
        self._settle()
        try:
            answer = _HANDLERS[command[0]](self, request.data[1:])
        except _Malformed:
            return Reply(b"\0" + command)
        return SILENCE if answer is None else Reply(b"\x20" + command + answer)

    def stop(self) -> None:
        """Stop working: a reset, or no power. What was not finished is not done; packets and banks stay."""
        self._settle()
        self._task = None
        self._validation, self._verdict = b"", None
        if self._planned is not None:
            self._planned.cancel()
            self._planned = None

    def start(self) -> None:
        """Start up: with the new image after a switch over, with the old one if nobody has committed the new."""
        transfer = self._transfer
        if transfer is None:
            return
        if self._switching:
            self._switching = False
            if self.bank is Bank.PRIMARY:
                self._previous = self._active
            self._active = hashlib.md5(transfer.image, usedforsecurity=False).hexdigest()
            transfer.switched, transfer.fell_back = True, False
            transfer.on_trial = bool(self._flags & SwitchFlags.STAY_SECONDARY)
            self.bank = Bank.SECONDARY if transfer.on_trial else Bank.PRIMARY
        elif self.bank is Bank.SECONDARY:
            self._active = self._previous
            self.bank = Bank.PRIMARY
            transfer.switched, transfer.fell_back = False, True

    # -- messages ----------------------------------------------------------------------------------------

    def _init(self, data: bytes) -> bytes:
        _need(len(data) == 4 + _IDENTIFIER_LENGTH + 8 + _HEADER_LENGTH)
        session, identifier, header = data[:4], data[4:14], data[22:]
        size, count, length = (int.from_bytes(data[a:b], "big") for a, b in ((14, 16), (16, 18), (18, 22)))
        _need(size > 0 and length > 0 and count == math.ceil(length / size))
        accepted = min(size, LARGEST_PACKET)
        terms = _Terms(session, identifier, accepted, math.ceil(length / accepted), length)
        result = self._objection(terms, header)
        if result is None:
            result = self._begin(terms)
            if size > accepted:
                result = _Init.PACKET_TOO_LARGE
        return (
            bytes([result])
            + self._action_time()
            + accepted.to_bytes(2, "big")
            + min(round(self._write_s * 1000), 0xFFFF).to_bytes(2, "big")  # a packet is one non-volatile write
            + bytes([_DIGESTS_OFFERED])
            + min(terms.packets, MOST_PACKETS).to_bytes(2, "big")
        )

    def _objection(self, terms: _Terms, header: bytes) -> _Init | None:
        """Say what speaks against an image. A header of zeros asks for no check of the model."""
        if terms.identifier[0] != NEURON_APPLICATION:
            return _Init.TYPE
        if terms.identifier[1]:
            return _Init.SUB_TYPE
        if any(header) and header[0] != self._model:
            return _Init.MODEL
        if terms.length > LARGEST_IMAGE:
            return _Init.IMAGE_TOO_LARGE
        return _Init.TOO_MANY_PACKETS if terms.packets > MOST_PACKETS else None

    def _begin(self, terms: _Terms) -> _Init:
        """Erase the second bank for a new transfer; one that runs on the same terms goes on."""
        if self._transfer is not None and self._transfer.terms == terms:
            return _Init.PENDING if self._task is _Task.ERASING else _Init.OK
        self.stop()
        self.bank = Bank.PRIMARY  # an image on probation has lost the one it could fall back to
        self._transfer = _Transfer(terms)
        self._work_on(_Task.ERASING)
        return _Init.OK

    def _take_packet(self, data: bytes) -> None:
        _need(len(data) > 6)
        transfer = self._of_session(data[:4])
        if transfer is not None and self._task is not _Task.ERASING:
            transfer.take(int.from_bytes(data[4:6], "big"), data[6:])

    def _take_acknowledged(self, data: bytes) -> bytes:
        """Take a packet and say whether more are welcome: 1, then an action time of one byte."""
        self._take_packet(data)
        transfer = self._of_session(data[:4])
        return bytes([transfer is not None and bool(transfer.missing), 0])

    def _confirm(self, data: bytes) -> bytes:
        transfer = _present(self._of_session(data))
        if self._task is _Task.ERASING:
            return bytes([_Confirm.PENDING, 0])
        if 100 * transfer.received < _VIABLE_PERCENT * transfer.terms.packets:
            return bytes([_Confirm.NOT_VIABLE, 0])
        told = sorted(transfer.missing)[:MOST_MISSING_TOLD]
        transfer.confirmed = not told
        result = _Confirm.MISSING if told else _Confirm.OK
        return bytes([result, len(told)]) + b"".join(number.to_bytes(2, "big") for number in told)

    def _validate(self, data: bytes) -> bytes:
        """Check the image, which takes a while; the same request asks again how it went."""
        transfer = _present(self._of_session(data[:4]))
        _need(len(data) > 4)
        if data[4] not in set(_Digest):
            return bytes([_Validate.DIGEST_TYPE]) + bytes(2)
        _need(len(data) - 5 in _DIGEST_LENGTHS[_Digest(data[4])])
        if transfer.missing:
            return bytes([_Validate.OTHER]) + bytes(2)
        if self._validation != data:
            self._validation, self._verdict = data, None
            self._work_on(_Task.VALIDATING)
            self._settle()
        result = _Validate.PENDING if self._verdict is None else self._verdict
        return bytes([result]) + self._action_time()

    def _switch_over(self, data: bytes) -> bytes:
        """Plan the reset after which the new image runs."""
        _need(len(data) == 6 + _IDENTIFIER_LENGTH and data[5] == 1 and not data[0] & ~_KNOWN_FLAGS)
        flags, delay, identifier = data[0], int.from_bytes(data[1:5], "big"), data[6:]
        duration = 0
        transfer = self._transfer
        if transfer is None or transfer.terms.identifier != identifier:
            result = _SwitchOver.NO_IMAGE
        elif self._verdict is not _Validate.OK:
            result = _SwitchOver.REJECTED
        elif delay > LONGEST_DELAY_S:
            result = _SwitchOver.DELAY
        else:
            result = _SwitchOver.OK
            duration = delay + math.ceil(self._reset_s)
            if self._planned is not None:
                self._planned.cancel()
            self._flags = SwitchFlags(flags)
            self._planned = self._timeline.after(delay, self._switch)
        return bytes([result]) + duration.to_bytes(2, "big") + identifier + _NO_REJECTION

    def _switch(self) -> None:
        self._planned = None
        self._switching = True
        self._reset_device(self._flags)

    def _status(self, data: bytes) -> bytes:
        _need(len(data) == _IDENTIFIER_LENGTH)
        transfer = self._transfer
        rejection = _Rejection.NONE
        if transfer is None or transfer.terms.identifier != data:
            flags, rejection = _Status.NONE, _Rejection.VERSION
        elif transfer.switched:
            flags = _Status.ACCEPTED | _Status.ACTIVE
            if self.bank is Bank.SECONDARY:
                flags |= _Status.SECONDARY
        elif transfer.fell_back and self._verdict is None:
            flags, rejection = _Status.SECONDARY, _Rejection.IMAGE
        else:
            flags = _Status.SECONDARY
            if self._verdict is _Validate.OK:
                flags |= _Status.ACCEPTED
        return bytes([flags, rejection]) + b"\0\0" + self._action_time() + _NO_REJECTION

    def _commit(self, data: bytes) -> bytes:
        """Make the image on probation the one to stay; the same request asks again whether it is."""
        _need(len(data) == 1 + _IDENTIFIER_LENGTH and data[0] == 1)
        transfer = self._transfer
        if transfer is None or transfer.terms.identifier != data[1:]:
            result = _Commit.NO_IMAGE
        elif not transfer.switched:
            result = _Commit.FAILED
        elif not transfer.on_trial:
            result = _Commit.ALREADY_PRIMARY
        else:
            if self.bank is Bank.SECONDARY and self._task is None:
                self._work_on(_Task.COMMITTING)
                self._settle()
            result = _Commit.PENDING if self.bank is Bank.SECONDARY else _Commit.OK
        return bytes([result]) + self._action_time() + _NO_REJECTION

    # -- work that takes time ----------------------------------------------------------------------------

    def _work_on(self, task: _Task) -> None:
        self._task = task
        self._until = self._timeline.now + _LENGTH_IN_WRITES[task] * self._write_s

    def _settle(self) -> None:
        """Note what has been finished by now."""
        if self._task is None or self._timeline.now < self._until:
            return
        task, self._task = self._task, None
        if task is _Task.VALIDATING and self._transfer is not None:
            fits = _fits(self._validation[4:], bytes(self._transfer.image))
            self._verdict = _Validate.OK if fits else _Validate.DIGEST
        elif task is _Task.COMMITTING:
            self.bank = Bank.PRIMARY

    def _action_time(self) -> bytes:
        """Tell how long the work under way will take, in seconds, rounded up."""
        remaining = 0.0 if self._task is None else self._until - self._timeline.now
        return math.ceil(round(remaining, 3)).to_bytes(2, "big")

    def _of_session(self, session: bytes) -> _Transfer | None:
        return self._transfer if self._transfer is not None and self._transfer.terms.session == session else None


_HANDLERS: dict[int, Callable[[ImageUpdate, bytes], bytes | None]] = {
    _Command.INIT: ImageUpdate._init,
    _Command.TRANSFER: ImageUpdate._take_packet,
    _Command.CONFIRM: ImageUpdate._confirm,
    _Command.VALIDATE: ImageUpdate._validate,
    _Command.SWITCH_OVER: ImageUpdate._switch_over,
    _Command.STATUS: ImageUpdate._status,
    _Command.COMMIT: ImageUpdate._commit,
    _Command.TRANSFER_ACKNOWLEDGED: ImageUpdate._take_acknowledged,
}
# Salt and digest. The message has room for 16 bytes of digest: of a SHA-256 the first, unless all 32 are sent.
_DIGEST_LENGTHS = {
    _Digest.NONE: (0, _SALT_LENGTH + 16),
    _Digest.MD5: (_SALT_LENGTH + 16,),
    _Digest.SHA256: (_SALT_LENGTH + 16, _SALT_LENGTH + 32),
}


def _fits(validation: bytes, image: bytes) -> bool:
    """Compare the digest over salt and image with the one that was sent along: type, salt, digest."""
    kind, salt, sent = validation[0], validation[1 : 1 + _SALT_LENGTH], validation[1 + _SALT_LENGTH :]
    if kind == _Digest.MD5:
        return hashlib.md5(salt + image, usedforsecurity=False).digest() == sent
    return kind == _Digest.NONE or hashlib.sha256(salt + image).digest()[: len(sent)] == sent


def _present(transfer: _Transfer | None) -> _Transfer:
    if transfer is None:
        raise _Malformed
    return transfer


def _need(condition: bool) -> None:
    if not condition:
        raise _Malformed
