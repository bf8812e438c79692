"""The one error root, and the one place where an error becomes a sentence for a person.

An error carries a machine-readable kind and named fields; it crosses the socket as just that and is
the same error on the other side. The sentence says what, why and what to do next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final


class Exit(IntEnum):
    """Exit codes of the command line; scripts rely on them."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    UNAVAILABLE = 4
    CRASHED = 70
    """The program itself is wrong: EX_SOFTWARE of sysexits.h."""


class Kind(Enum):
    """What went wrong, for programs."""

    # the request
    INVALID = "invalid"
    UNKNOWN_DEVICE = "unknown_device"
    UNKNOWN_GROUP = "unknown_group"
    UNKNOWN_PORT = "unknown_port"
    UNKNOWN_JOB = "unknown_job"
    UNKNOWN_IMAGE = "unknown_image"
    UNKNOWN_PROTOCOL = "unknown_protocol"
    INVALID_UID = "invalid_uid"
    DUPLICATE_UID = "duplicate_uid"
    DUPLICATE_NAME = "duplicate_name"
    IN_USE = "in_use"
    FILE = "file"
    IMAGE = "image"
    # the rules
    NOTHING_ELIGIBLE = "nothing_eligible"
    LICENSE = "license"
    NOT_ALLOWED = "not_allowed"
    # the machinery
    NO_WORKER = "no_worker"
    SECOND_WORKER = "second_worker"
    NEWER_DATABASE = "newer_database"
    DATABASE = "database"
    STATE_DIRECTORY = "state_directory"
    INTERNAL = "internal"
    # the port
    PORT_ABSENT = "port_absent"
    PORT_BUSY = "port_busy"
    PORT_LOST = "port_lost"
    NOT_AN_INTERFACE = "not_an_interface"
    # the device
    NO_REPLY = "no_reply"
    BAD_FRAME = "bad_frame"
    REFUSED = "refused"
    WRONG_DEVICE = "wrong_device"
    WRONG_PROGRAM = "wrong_program"
    NO_APPLICATION = "no_application"
    ELSEWHERE = "elsewhere"
    VERIFY_FAILED = "verify_failed"
    NEEDS_HAND = "needs_hand"
    INCOMPATIBLE = "incompatible"
    LOAD_FAILED = "load_failed"
    UNSUPPORTED = "unsupported"


FieldValue = str | int | None
"""What a field of an error may hold."""


class FieldhandError(Exception):
    """Everything this program refuses or fails at. `kind` is for programs, `str()` is for people.

    `fields` name the things: device, step, port, value, reason … They are plain text and numbers, so
    that the error can be written to the journal and sent over the socket as it is.
    """

    def __init__(self, kind: Kind, **fields: FieldValue) -> None:
        super().__init__(kind, fields)
        self.kind = kind
        self.fields: dict[str, FieldValue] = fields

    def __str__(self) -> str:
        return explain(self.kind, self.fields)

    @property
    def exit_code(self) -> Exit:
        """The command line's exit code for this error."""
        return _SENTENCES[self.kind].exit


@dataclass(frozen=True, slots=True)
class _Sentence:
    text: str
    exit: Exit


_U, _R, _N, _F = Exit.USAGE, Exit.REFUSED, Exit.UNAVAILABLE, Exit.FAILED

_SENTENCES: Final[Mapping[Kind, _Sentence]] = {
    Kind.INVALID: _Sentence("{what} {value!r}: {reason}", _U),
    Kind.UNKNOWN_DEVICE: _Sentence("no device {device!r}: 'fieldhand devices' lists name, UID and id of each", _U),
    Kind.UNKNOWN_GROUP: _Sentence("no group {group!r}: 'fieldhand group list' shows them", _U),
    Kind.UNKNOWN_PORT: _Sentence("no port {port!r}: 'fieldhand port list' shows them, 'port add' makes one", _U),
    Kind.UNKNOWN_JOB: _Sentence("no job {job!r}: 'fieldhand jobs' lists them", _U),
    Kind.UNKNOWN_IMAGE: _Sentence(
        "no image {image!r}: 'fieldhand image list' shows them, 'image add' takes a file", _U
    ),
    Kind.UNKNOWN_PROTOCOL: _Sentence("no driver for {protocol!r}: there is {known}", _U),
    Kind.INVALID_UID: _Sentence("{uid!r} is no {protocol} UID: {reason}", _U),
    Kind.DUPLICATE_UID: _Sentence("UID {uid} is already there: it is {device!r}", _U),
    Kind.DUPLICATE_NAME: _Sentence("the name {name!r} is taken: a {what} is called so already", _U),
    Kind.IN_USE: _Sentence("{what} {name!r} is in use: {reason}", _R),
    Kind.FILE: _Sentence("{path}: {reason}", _U),
    Kind.IMAGE: _Sentence("image {image}: {reason}", _U),
    Kind.NOTHING_ELIGIBLE: _Sentence("nothing to {action}: {reason}", _R),
    Kind.LICENSE: _Sentence("license refused: {reason}", _R),
    Kind.NOT_ALLOWED: _Sentence("not allowed: {reason}", _R),
    Kind.NO_WORKER: _Sentence("no worker: {reason}", _N),
    Kind.SECOND_WORKER: _Sentence(
        "a worker already runs on {directory} (process {pid}): use it, or 'fieldhand worker stop' first", _N
    ),
    Kind.NEWER_DATABASE: _Sentence(
        "{path} was written by a newer fieldhand (schema {found}, this one knows {known}): "
        "use that version; nothing was changed",
        _N,
    ),
    Kind.DATABASE: _Sentence("{path}: {reason}", _N),
    Kind.STATE_DIRECTORY: _Sentence("state directory {path}: {reason}", _N),
    Kind.INTERNAL: _Sentence("unexpected fault in the worker: {reason}; its log has the details", _N),
    Kind.PORT_ABSENT: _Sentence("{port} cannot be opened: {reason}", _N),
    Kind.PORT_BUSY: _Sentence("{port} is held by {holder}: end that, or use another port", _N),
    Kind.PORT_LOST: _Sentence("{port} is gone: {reason}; plug it in again, the work goes on by itself", _N),
    Kind.NOT_AN_INTERFACE: _Sentence(
        "{port} does not answer as a {protocol} interface ({reason}): check which device it is", _N
    ),
    Kind.NO_REPLY: _Sentence("no answer at {step} after {attempts} tries: check its power and its wiring", _F),
    Kind.BAD_FRAME: _Sentence("unreadable answer at {step}: {reason} ({bytes})", _F),
    Kind.REFUSED: _Sentence("the device refused {step} (code {code})", _F),
    Kind.WRONG_DEVICE: _Sentence("another device answers: expected {expected}, found {found}", _F),
    Kind.WRONG_PROGRAM: _Sentence("program ID is {found}, the record says {expected}", _F),
    Kind.NO_APPLICATION: _Sentence("the device has no application: it needs an image first", _F),
    Kind.ELSEWHERE: _Sentence("it works elsewhere, at {found}: reprovision it if it is to be ours", _F),
    Kind.VERIFY_FAILED: _Sentence("read back differs at {step}: expected {expected}, found {found}", _F),
    Kind.NEEDS_HAND: _Sentence("a step by hand comes first: {reason}", _F),
    Kind.INCOMPATIBLE: _Sentence("image and device do not fit: {reason}", _F),
    Kind.LOAD_FAILED: _Sentence("load failed at {step}: {reason}", _F),
    Kind.UNSUPPORTED: _Sentence("{protocol} cannot {action}", _R),
}


class _Fields(dict[str, FieldValue]):
    def __missing__(self, key: str) -> str:
        return "?"


def explain(kind: Kind, fields: Mapping[str, FieldValue]) -> str:
    """The sentence for people: one line, present tense."""
    said = _SENTENCES[kind].text.format_map(_Fields(fields))
    # a field may hold the text of a device or a file, and the sentence ends up on a terminal and in a log
    return "".join(char if char.isprintable() else " " for char in said)
