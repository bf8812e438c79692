"""What a protocol must bring: the Driver, what it can do, and the words in which it reports.

A driver does protocol only. It never sees a database, a job or a screen: it gets a `Target`, walks its
steps, and says what it is about to do (`Step`), how far it is (`Progress`) and what it saw (`Facts`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
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
    LOAD = "load"
    REPLACE = "replace"
    SNAPSHOT = "snapshot"
    RESTORE = "restore"
    IDENTIFY = "identify"
    POLL = "poll"
    REPORTS = "reports"


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
    """The site as a driver knows it: the LON domain (0, 1, 3 or 6 bytes) and the console's own place in it.

    `types` are the device types that were added for the driver's protocol, by name: each a text in the driver's form.
    """

    domain: bytes
    subnet: int
    node: int
    types: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The configuration of a device as a document of JSON values, in the driver's own terms.

    `version` is the version of that form. As an event: it is made durable before the next step.
    """

    version: int
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a long operation stands, as JSON values in the driver's own terms.

    As an event it is made durable before the driver goes on: everything before it is done, and what
    it names is about to be sent. It comes back as `Target.checkpoint` when the operation is taken up
    again, by the same job or a later one. An operation that ends well forgets it.
    """

    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Image:
    """An image file: its name without folders, its SHA-256 in hexadecimal, and its bytes."""

    name: str
    sha256: str
    data: bytes


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an image says of itself; None: nothing.

    `type` is the kind of file ("apb"). `model` and `firmware` are the protocol's own numbers of the devices that
    it is made for. `opaque` images are passed on unread, to devices that know what to do with them.
    """

    type: str
    program_id: str | None = None
    model: int | None = None
    firmware: int | None = None
    opaque: bool = False


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long an operation keeps a busy port: seconds for each device, and once for all of them together."""

    each: float
    once: float = 0.0


@dataclass(frozen=True, slots=True)
class Reading:
    """A datapoint as it was polled, or as a device reported it: `point` and `value` in the protocol's own words."""

    point: str
    value: str


@dataclass(frozen=True, slots=True)
class Report:
    """A device spoke unasked. Whichever of `uid` and `address` the wire told says who it was."""

    reading: Reading
    uid: str | None = None
    address: Address | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """Where a port may be, found without opening it.

    `path` is the most lasting name it has, `device` what that stands for now. `what` is what is behind it and
    `holder` the program that has it, both in words; "" where nobody knows, or nobody has it.
    """

    path: str
    device: str
    what: str
    holder: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """A device as a driver needs to know it.

    `program_id` is what the record expects (None: not known yet). `address` is the logical address it
    has, or shall get when it is being provisioned. `snapshot` is the newest one that was taken of it,
    `checkpoint` where an operation of the same kind was cut off, `points` the datapoints to be polled.
    """

    uid: str
    program_id: str | None = None
    address: Address | None = None
    snapshot: Snapshot | None = None
    checkpoint: Checkpoint | None = None
    points: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """A device that made itself known, by discovery or by its service pin.

    `address` is where it is configured now, None when it is not or was not asked. `application` is
    False when the device holds no program that could run. `documentation` is the device's own text.
    `state` is None where devices do not know whether they are provisioned: then the record is right.
    """

    uid: str
    program_id: str | None = None
    state: NetworkState | None = NetworkState.UNPROVISIONED
    address: Address | None = None
    application: bool = True
    documentation: str = ""
    model: int | None = None
    firmware: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """The driver is about to do this. It is made durable before a byte is sent."""

    name: str
    recovery: StepClass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long step is, in `unit`s ("bytes", "tries"). For the eye only."""

    done: int
    total: int
    unit: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What was seen of the device; None means: not looked at.

    `marginal` is the fault it reported, "" when it was asked and reported none. `note` is the outcome
    in words, where there is more to say than done. `address`: where it is configured, by others.
    `uid`: another unit took its place. `model` and `firmware` are the protocol's own numbers.
    """

    state: NetworkState | None = None
    application: bool | None = None
    program_id: str | None = None
    marginal: str | None = None
    note: str | None = None
    address: Address | None = None
    uid: str | None = None
    model: int | None = None
    firmware: int | None = None


StepEvent = Step | Progress | Facts | Snapshot | Checkpoint | Reading


class DriverError(FieldhandError):
    """An exchange with one device failed; the port is well."""


class PortError(FieldhandError):
    """The port itself is absent, busy, lost, or not what it should be; all work on it stops."""

    def again(self) -> PortError:
        """The same once more: an exception object that is raised in two places mixes up their tracebacks."""
        return PortError(self.kind, **self.fields)


class Driver(ABC):
    """One open port of one protocol.

    The operations are async generators. Each yields a `Step` *before* it does it, so that whoever
    drives it can make the intent durable and may stop there; resuming the generator does the step.
    They raise `DriverError` for the device and `PortError` for the port. Operations for different
    devices may run at the same time; `at_once` says how many make sense. An exchange that has
    begun is finished even if its caller is cancelled, so that no half frame and no unclaimed answer
    is left on the wire.
    """

    protocol: ClassVar[str]
    capabilities: ClassVar[frozenset[Capability]]
    address_scope: ClassVar[AddressScope] = AddressScope.SITE
    other_tools: ClassVar[bool] = False
    """Whether another tool may manage networks of this protocol (independent management mode)."""
    polls_per_second: ClassVar[float] = 10.0
    """Monitoring never asks more often than this on a port, whatever the number of its devices; 0: it never asks."""

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
    def candidates(cls) -> tuple[Candidate, ...]:
        """Where on this machine a port of this protocol may be. Opens nothing, and blocks: for a thread of its own."""
        return ()

    @classmethod
    def urls(cls, path: str) -> tuple[tuple[str, str], ...]:
        """As what the port at a path can be tried: for people, and as a port URL; the likeliest first."""
        return ()

    @classmethod
    @abstractmethod
    def estimate(cls, capability: Capability, url: str, image: ImageFacts | None = None, size: int = 0) -> Estimate:
        """How long the operation takes on the port of this URL; of a load, with this image of so many bytes."""

    @classmethod
    def at_once(cls, capability: Capability) -> int:
        """On how many devices the operation may run at the same time."""
        return 1

    @classmethod
    def read_image(cls, image: Image) -> ImageFacts:
        """What the image says of itself; raises IMAGE with the reason for one that is damaged or not of this protocol.

        Only decoding: it may be called for any bytes, on a thread of its own.
        """
        raise FieldhandError(Kind.IMAGE, image=image.name, reason=f"{cls.protocol} devices take no images")

    @classmethod
    def read_type(cls, text: str) -> str:
        """The name of the device type that the text describes; raises INVALID with the place and the reason."""
        reason = f"{cls.protocol} devices need no descriptions of their types"
        raise FieldhandError(Kind.INVALID, what="device type", value="", reason=reason)

    @classmethod
    def types(cls) -> Mapping[str, str]:
        """The device types that come with the driver, by name, as texts that `read_type` takes."""
        return {}

    @classmethod
    def by_hand(cls, program_id: str | None, site: SiteSettings) -> tuple[str, ...]:
        """What a person has to do to a new unit of this kind before it can take a device's place, in sentences."""
        return ()

    @classmethod
    def check_point(cls, text: str) -> str:
        """The name of a datapoint in its one written form; raises INVALID. Does not touch the port."""
        reason = f"{cls.protocol} devices have no datapoints to poll"
        raise FieldhandError(Kind.INVALID, what="datapoint", value=text, reason=reason)

    @classmethod
    @abstractmethod
    async def open(cls, url: str, site: SiteSettings) -> Self:
        """Open the port and prove that it is an interface of this protocol; raises PortError."""

    def proof(self) -> str:
        """What opening the port has proved, in a few words."""
        return f"a {self.protocol} interface answers"

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

    async def identify(self, uid: str) -> Found:
        """Ask one device who it is; raises NO_REPLY."""
        raise self._unsupported(Capability.IDENTIFY)

    def reports(self) -> AsyncIterator[Report]:
        """What devices say unasked, from now until closed."""
        raise self._unsupported(Capability.REPORTS)

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
