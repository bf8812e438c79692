"""What a protocol must bring: the Driver, what it can do, and the words in which it reports.

A driver does protocol only. It never sees a database, a job or a screen: it gets a `Target`, walks its
steps, and says what it is about to do (`Step`), how far it is (`Progress`) and what it saw (`Facts`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, ClassVar, Self

from core.errors import FieldhandError, Kind


class Capability(StrEnum):
    """What a driver can do. The value is the name of the Driver method that does it."""

    DISCOVER = "discover"
    SERVICE_PIN = "service_pins"
    PROVISION = "provision"
    DEPROVISION = "deprovision"
    REPROVISION = "reprovision"
    TEST = "test"
    WINK = "wink"
    RESET = "reset"
    POLL = "poll"


class StepClass(StrEnum):
    """How a step that was cut off is taken up again after a restart."""

    READ = "read"
    """Changes nothing: do it again."""
    IDEMPOTENT = "idempotent"
    """Doing it twice is doing it once: do it again."""
    PROBE_FIRST = "probe_first"
    """Look at the device, by UID, before doing it again."""
    DANGEROUS = "dangerous"
    """Never blindly repeated: the device says where it stands."""


class Priority(IntEnum):
    """Who goes first on a port: a person before a job, a job before monitoring."""

    INTERACTIVE = 0
    JOB = 1
    MONITORING = 2


class NetworkState(StrEnum):
    """What a device says of its own network configuration."""

    UNPROVISIONED = "unprovisioned"
    PROVISIONED = "provisioned"


class AddressScope(StrEnum):
    """Within what a logical address must be unique."""

    SITE = "site"
    PORT = "port"


@dataclass(frozen=True, slots=True)
class Address:
    """A logical address: `text` for people (`1/14`), `parts` by the protocol's own names for programs."""

    text: str
    parts: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """The site as a driver knows it: the LON domain (0, 1, 3 or 6 bytes) and the console's own place in it."""

    domain: bytes
    subnet: int
    node: int


@dataclass(frozen=True, slots=True)
class Target:
    """A device as a driver needs to know it.

    `program_id` is what the record expects (None: not known yet). `address` is the logical address it
    has, or shall get when it is being provisioned.
    """

    uid: str
    program_id: str | None = None
    address: Address | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A device that made itself known, by discovery or by its service pin.

    `address` is where it is configured now, None when it is not or was not asked. `application` is
    False when the device holds no program that could run. `documentation` is the device's own text.
    """

    uid: str
    program_id: str | None = None
    state: NetworkState = NetworkState.UNPROVISIONED
    address: Address | None = None
    application: bool = True
    documentation: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """The driver is about to do this. It is made durable before a byte is sent."""

    name: str
    recovery: StepClass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long step is, in `unit`s ("bytes", "tries")."""

    done: int
    total: int
    unit: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What was seen of the device; None means: not looked at.

    `marginal` is the fault it reported, "" when it was asked and reported none. `note` is the outcome
    in words, where there is more to say than done. `address`: where it is configured, by others.
    """

    state: NetworkState | None = None
    application: bool | None = None
    program_id: str | None = None
    marginal: str | None = None
    note: str | None = None
    address: Address | None = None


StepEvent = Step | Progress | Facts


class DriverError(FieldhandError):
    """An exchange with one device failed; the port is well."""


class PortError(FieldhandError):
    """The port itself is absent, busy, lost, or not what it should be; all work on it stops."""


class Driver(ABC):
    """One open port of one protocol.

    The operations are async generators. Each yields a `Step` *before* it does it, so that whoever
    drives it can make the intent durable and may stop there; resuming the generator does the step.
    They raise `DriverError` for the device and `PortError` for the port. Operations for different
    devices may run at the same time; `concurrency` says how many make sense. An exchange that has
    begun is finished even if its caller is cancelled, so that no half frame and no unclaimed answer
    is left on the wire.
    """

    protocol: ClassVar[str]
    capabilities: ClassVar[frozenset[Capability]]
    address_scope: ClassVar[AddressScope] = AddressScope.SITE
    concurrency: ClassVar[int] = 1

    @classmethod
    @abstractmethod
    def parse_uid(cls, text: str) -> str:
        """The UID in its one written form; raises INVALID_UID. Takes any usual form (separators, case, a leading ')."""

    @classmethod
    @abstractmethod
    def addresses(cls, site: SiteSettings) -> Iterator[Address]:
        """The logical addresses a site may give to devices, in the order of giving."""

    @classmethod
    @abstractmethod
    def check_url(cls, url: str) -> str:
        """The port URL in its one written form; raises INVALID. Does not touch the port."""

    @classmethod
    @abstractmethod
    def seconds_per_device(cls, capability: Capability) -> float:
        """How long one device takes on a busy port, for estimates."""

    @classmethod
    @abstractmethod
    async def open(cls, url: str, site: SiteSettings) -> Self:
        """Open the port and prove that it is an interface of this protocol; raises PortError."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of the port. Never fails, never hangs."""

    @abstractmethod
    async def wait_lost(self) -> PortError:
        """Return when the port is lost, with the reason; a closed port never returns."""

    def discover(self) -> AsyncGenerator[Found | Progress, None]:
        """Search for devices; each is yielded once, when all that is asked of it is known."""
        raise self._unsupported(Capability.DISCOVER)

    def service_pins(self) -> AsyncIterator[Found]:
        """Devices whose service pin is pressed, from now until closed."""
        raise self._unsupported(Capability.SERVICE_PIN)

    def perform(
        self,
        capability: Capability,
        target: Target,
        parameters: Mapping[str, Any],
        priority: Priority = Priority.JOB,
    ) -> AsyncGenerator[StepEvent, None]:
        """Run the operation named by the capability on one device."""
        if capability not in self.capabilities:
            raise self._unsupported(capability)
        operation = getattr(self, capability.value)
        steps: AsyncGenerator[StepEvent, None] = operation(target, priority=priority, **parameters)
        return steps

    def frames(self, uid: str) -> list[str]:
        """The last frames to and from a device, decoded, oldest first: for the journal of a step that failed."""
        return []

    def _unsupported(self, capability: Capability) -> DriverError:
        return DriverError(Kind.UNSUPPORTED, protocol=self.protocol, action=capability.value)
