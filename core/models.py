"""What the store holds and every screen shows: devices, groups, ports, licenses, jobs, tasks, steps.

Frozen values. Times are seconds since the epoch (UTC). `rev` is the revision of the store at which
the row changed last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
class Device:
    """A field device as this site knows it.

    `state`, `health`, `pending`, `licensed` and `marginal` are five separate facts; `lifecycle.status`
    derives the one word from them. `ours` tells whether this console gave the device its network
    configuration; `application` is False when it holds no program. `marginal` is the fault the
    device reported, "" for none. `address` is the logical address, while it is provisioned.
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


@dataclass(frozen=True, slots=True)
class Group:
    """A flat, named set of devices; a device is in at most one."""

    id: int
    name: str
    devices: int
    rev: int


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the gateway, by URL. `detail` is why it is not open, in words."""

    id: int
    name: str
    url: str
    protocol: str
    state: PortState
    detail: str
    devices: int
    rev: int


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

    `subject` is what the devices are together ("group roof", the name of a single one), "" for a mere selection.
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

    @property
    def ended(self) -> int:
        """Tasks with nothing left to do."""
        return self.total - self.queued - self.running


@dataclass(frozen=True, slots=True)
class Task:
    """One device of a job. `reason` is why it failed or was skipped, or what there is to say of a success."""

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
    """What is said once for the whole site. `domain` is the LON domain in hexadecimal, "" for the zero-length one."""

    name: str
    domain: str
    subnet: int
    node: int


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
