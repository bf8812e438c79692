"""What the store holds and every screen shows: devices, groups, ports, licenses, jobs, tasks, steps.

Frozen values. Times are seconds since the epoch (UTC). `rev` is the revision of the store at which
the row changed last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from drivers.base import Address, NetworkState


class Health(StrEnum):
    """How a device answers; says nothing of its state."""

    NASCENT = "nascent"
    """Cannot be judged yet."""
    NORMAL = "normal"
    SUSPECT = "suspect"
    DOWN = "down"


class TaskState(StrEnum):
    """Where one device of a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def open(self) -> bool:
        """Whether there is work left."""
        return self in (TaskState.QUEUED, TaskState.RUNNING)


class JobState(StrEnum):
    """Where a job stands."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


class StepState(StrEnum):
    """The journal's word on one step of a task."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class Mode(StrEnum):
    """Who manages the networks of the site."""

    DMM = "dmm"
    """This console does (device management mode)."""
    IMM = "imm"
    """Another tool does (independent management mode)."""


class Pausing(StrEnum):
    """Whether jobs that monitoring slows down pause it above the threshold."""

    ASK = "ask"
    AUTO = "auto"
    NEVER = "never"


class EventKind(StrEnum):
    """What an event tells."""

    POLL = "poll"
    REPORT = "report"
    PIN = "pin"
    HEALTH = "health"
    MONITORING = "monitoring"


class PortState(StrEnum):
    """Whether a port can be worked on."""

    OPENING = "opening"
    OPEN = "open"
    LOST = "lost"
    CLOSED = "closed"
    """No worker has it open."""


@dataclass(frozen=True, slots=True)
class Pending:
    """The action a device is waiting for or being worked on with; `percent` where the driver can tell."""

    job: int
    action: str
    state: TaskState
    step: str
    percent: int | None
    since: float


@dataclass(frozen=True, slots=True)
class Failure:
    """The last action that failed on a device, until somebody looked at it or it was retried."""

    job: int
    action: str
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class Interrupted:
    """An operation that was cut off and can be taken up again.

    `action` is the one of its capability ("load", whichever action it was). `image` is its name where it is a load.
    """

    action: str
    image: str
    sha256: str
    percent: int


@dataclass(frozen=True, slots=True)
class Device:
    """A field device as this site knows it.

    `state`, `health`, `pending`, `licensed` and `marginal` are five separate facts; `lifecycle.status`
    derives the one word from them. `ours` tells whether this console gave the device its network
    configuration; `application` is False when it holds no program. `marginal` is the fault the
    device reported, "" for none. `address` is the logical address, while it is provisioned.
    `type` and `location` are the site's own words; `model` and `firmware` the protocol's numbers; `points`
    are the datapoints that are polled; `carried` holds columns of an import that only travel along.
    """

    id: int
    name: str
    uid: str
    protocol: str
    port: str | None
    group: str | None
    program_id: str | None
    state: NetworkState
    ours: bool
    application: bool
    health: Health
    licensed: bool
    marginal: str
    pending: Pending | None
    failure: Failure | None
    address: Address | None
    seen_at: float | None
    created_at: float
    rev: int
    type: str = ""
    location: str = ""
    model: int | None = None
    firmware: int | None = None
    points: tuple[str, ...] = ()
    carried: Mapping[str, str] = field(default_factory=dict)
    interrupted: Interrupted | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A flat, named set of devices; a device is in at most one."""

    id: int
    name: str
    devices: int
    rev: int


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the gateway, by URL. `detail` is why it is not open, in words.

    Its monitoring is paused by an operator (`paused`), by unfinished jobs (`paused_by`, their ids), or not.
    """

    id: int
    name: str
    url: str
    protocol: str
    state: PortState
    detail: str
    devices: int
    rev: int
    paused: bool = False
    paused_by: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class License:
    """A capacity license that was accepted. `expires` None: never."""

    id: str
    devices: int
    site: str | None
    issued: float
    expires: float | None
    key: str
    added_at: float
    added_by: str


@dataclass(frozen=True, slots=True)
class Seats:
    """Capacity, seats taken, and devices waiting for one."""

    capacity: int
    used: int
    waiting: int

    @property
    def free(self) -> int:
        """Seats nobody holds."""
        return self.capacity - self.used


@dataclass(frozen=True, slots=True)
class Job:
    """An action on some devices, started by somebody. The counts are of its tasks; `total` is without the skipped.

    `partly` is what is done of those that run, in devices: two at 50 % are one.
    `subject` is what the devices are together ("group roof", the name of a single one), "" for a mere selection.
    Nothing is done `not_before` that time: until then the job can be cancelled as if it had never been.
    """

    id: int
    action: str
    title: str
    subject: str
    parameters: Mapping[str, Any]
    state: JobState
    operator: str
    created_at: float
    finished_at: float | None
    cancelling: bool
    total: int
    queued: int
    running: int
    done: int
    failed: int
    skipped: int
    cancelled: int
    rev: int
    pauses: bool = False
    partly: float = 0.0
    not_before: float = 0.0

    def waits(self, now: float) -> bool:
        """Whether it has not begun yet, and is not going to be cancelled."""
        return self.state is JobState.RUNNING and not self.cancelling and now < self.not_before

    @property
    def ended(self) -> int:
        """Tasks with nothing left to do."""
        return self.total - self.queued - self.running

    @property
    def progress(self) -> float:
        """How far all of it is, from 0 to 1."""
        return (self.ended + self.partly) / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True)
class Task:
    """One device of a job. `reason` is why it failed or was skipped, or what there is to say of a success.

    `name` and `uid` are what they were when the job was started. `detail` goes beside the percentage
    of a long step: bytes, rate, time left.
    """

    id: int
    job: int
    device: int
    name: str
    uid: str
    state: TaskState
    step: str
    percent: int | None
    reason: str
    attempt: int
    started_at: float | None
    finished_at: float | None
    rev: int
    detail: str = ""

    @property
    def seconds(self) -> float | None:
        """How long the work on the device took."""
        if self.started_at is None or self.finished_at is None:
            return None
        return round(self.finished_at - self.started_at, 3)


@dataclass(frozen=True, slots=True)
class JournalStep:
    """One line of the journal: what was about to be done to a device, and what came of it."""

    task: int
    name: str
    recovery: str
    attempt: int
    state: StepState
    detail: str
    started_at: float
    finished_at: float | None


@dataclass(frozen=True, slots=True)
class Site:
    """What is said once for the whole site. `domain` is the LON domain in hexadecimal, "" for the zero-length one.

    `without` names the protocols the site does not have. Jobs pause monitoring as `pausing` says, above
    `pause_above` events per second. Every device is polled once in `poll_seconds`.
    """

    name: str
    domain: str
    subnet: int
    node: int
    mode: Mode = Mode.DMM
    without: tuple[str, ...] = ()
    pausing: Pausing = Pausing.ASK
    pause_above: float = 10.0
    poll_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image of the repository; `model` and `firmware` are the protocol's own numbers of what it is made for."""

    sha256: str
    name: str
    protocol: str
    type: str
    program_id: str | None
    model: int | None
    firmware: int | None
    opaque: bool
    size: int
    added_at: float
    added_by: str
    rev: int


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """The configuration of a device as it was at a time."""

    id: int
    device: int
    task: int | None
    uid: str
    program_id: str | None
    version: int
    document: Mapping[str, Any]
    taken_at: float


@dataclass(frozen=True, slots=True)
class DeviceType:
    """A device type that was added: a text in the form of the protocol's driver."""

    protocol: str
    name: str
    text: str
    added_at: float
    added_by: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A device that a search does not offer again."""

    uid: str
    name: str
    protocol: str
    at: float
    by: str


@dataclass(frozen=True, slots=True)
class Event:
    """What was seen of a device or a port: a poll, a report, a service pin, a change of health. Kept for a while only.

    `number` counts them all since the worker began. `device` is None where it is not about one that is known.
    """

    number: int
    at: float
    kind: EventKind
    port: str
    device: int | None
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class PortMonitoring:
    """The monitoring of a port: events per second over the last ten, and why it is paused, "" when it goes on."""

    port: str
    events_per_second: float
    paused: str


@dataclass(frozen=True, slots=True)
class Summary:
    """The top line: everything in a glance."""

    rev: int
    site: Site
    seats: Seats
    devices: int
    ports: int
    ports_open: int
    groups: int
    jobs_running: int
