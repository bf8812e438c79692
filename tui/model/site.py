"""The site as the console knows it: what the store said last, whether the worker answers, what was said."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from core.actions import Action
from core.lifecycle import Circumstances, Status, circumstances, refusal
from core.models import Device, Group, Job, JobState, Port, PortState, Summary
from drivers.base import Capability
from tui.model.devices import DeviceList

if TYPE_CHECKING:
    from core.rpc import Measured, PinPressed
    from tui.model.edits import Edit

MOST_EDITS: Final = 100
"""How far back one can go; nobody remembers more."""
MOST_SAID = 200
"""How many messages are kept to be read again."""


class Link(Enum):
    """Whether the worker answers."""

    STARTING = "starting"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Said:
    """A message to the operator."""

    text: str
    bad: bool
    at: float


@dataclass
class Site:
    """Everything the screens show, except where the operator is in them."""

    title: str = ""
    devices: DeviceList = field(default_factory=DeviceList)
    groups: Sequence[Group] = ()
    ports: Sequence[Port] = ()
    jobs: Sequence[Job] = ()
    summary: Summary | None = None
    link: Link = Link.STARTING
    link_reason: str = ""
    capabilities: Mapping[str, frozenset[Capability]] = field(default_factory=dict)
    other_tools: frozenset[str] = frozenset()
    said: deque[Said] = field(default_factory=lambda: deque(maxlen=MOST_SAID))
    message: Said | None = None
    """What the message line shows until the next key."""
    pins: dict[str, PinPressed] = field(default_factory=dict)
    """Unknown devices whose service pin was pressed, by UID, until they are adopted."""
    measured: Measured | None = None
    """The monitoring of the ports as it was measured last; None before."""
    started: set[int] = field(default_factory=set)
    """Jobs that were started here and whose end has not been told."""
    edits: deque[Edit] = field(default_factory=lambda: deque(maxlen=MOST_EDITS))
    """What can be undone, the last thing done last."""
    folder: Path = field(default_factory=Path.cwd)
    """Where the operator looked for files last."""
    loaded: bool = False
    complete: bool = True
    """False while the devices are only the first of many, and the others are being read."""

    @property
    def name(self) -> str:
        """What the site is called."""
        return self.title or (self.summary.site.name if self.summary else "")

    @property
    def running(self) -> list[Job]:
        """Jobs that run, newest first."""
        return [job for job in self.jobs if job.state is JobState.RUNNING]

    def waiting(self, now: float) -> Job | None:
        """The newest job that has not begun yet; one that was started here first."""
        waiting = [job for job in self.running if job.waits(now)]
        return max(waiting, key=lambda job: (job.id in self.started, job.id), default=None)

    @property
    def events_per_second(self) -> float | None:
        """Of all ports; None before it was measured."""
        return sum(port.events_per_second for port in self.measured.ports) if self.measured else None

    @property
    def paused_ports(self) -> int:
        """On how many ports monitoring is paused, by an operator or by a job."""
        return sum(port.paused or bool(port.paused_by) for port in self.ports)

    def members(self, group: str) -> list[Device]:
        """The devices of a group."""
        return [device for device in self.devices if device.group == group]

    def refusals(self, action: Action, devices: Sequence[Device]) -> list[str | None]:
        """For each device, why the action is not offered."""
        around = self.circumstances
        return [refusal(action, device, around) for device in devices]

    def offered(self, action: Action, devices: Sequence[Device]) -> bool:
        """Whether the action is offered on any of them."""
        around = self.circumstances
        return any(refusal(action, device, around) is None for device in devices)

    @property
    def circumstances(self) -> Circumstances:
        """What beside a device decides on what is offered on it, as the worker sees it too."""
        if self.summary is None:
            return Circumstances(self.capabilities)
        lost = {port.name: port.detail for port in self.ports if port.state is PortState.LOST}
        return circumstances(self.summary.site, self.capabilities, self.other_tools, lost)

    def statuses(self) -> dict[str, Counter[Status]]:
        """How many devices of each status are in each group."""
        counts: dict[str, Counter[Status]] = {group.name: Counter() for group in self.groups}
        for row in self.devices.rows.values():
            if row.device.group in counts:
                counts[row.device.group][row.status] += 1
        return counts


def seconds_left(job: Job, now: float) -> float | None:
    """How long the job still takes, going by how far it is; None before anything is done."""
    if not job.progress or job.state is not JobState.RUNNING:
        return None
    return (now - max(job.created_at, job.not_before)) / job.progress * (1 - job.progress)
