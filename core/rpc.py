"""What a client may ask of the worker: one class a request, with the type of its result.

JSON-RPC 2.0, one object a line; both sides validate with pydantic. The worker also sends notices,
unasked: "the store is at revision n", "the search has found so many".
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, ClassVar, Final, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from core.actions import Scope
from core.models import Event, License, Mode, Pausing, Port, PortMonitoring, StoredImage
from core.planning import Plan
from drivers.base import Capability, Found

PROTOCOL_VERSION = 1
"""Changes when a client of one version cannot talk to a worker of another."""

R = TypeVar("R")

LONGEST_GRACE_SECONDS: Final = 60.0
"""Longer than anybody looks at a countdown; a clock that was set back holds no job up for longer either."""
Grace = Annotated[float, Field(ge=0, le=LONGEST_GRACE_SECONDS)]
"""Seconds before anything is sent, in which the job can still be cancelled as if it had never been."""


class Request(BaseModel, Generic[R]):
    """A request whose result is an R. Each subclass is one method of the worker."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: ClassVar[str]
    changes: ClassVar[bool] = True
    """Whether it needs the role of an operator."""
    outlives_client: ClassVar[bool] = True
    """Whether it is finished although the client that asked is gone."""


@cache
def result_type(request: type[Request[Any]]) -> TypeAdapter[Any]:
    """How the result of the request is written and read."""
    generic: Any = request.__mro__[1]
    return TypeAdapter(generic.__pydantic_generic_metadata__["args"][0])


class Selection(BaseModel):
    """Which devices: by id, all of a group, or all there are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    devices: tuple[int, ...] | None = None
    group: str | None = None

    @property
    def scope(self) -> Scope:
        """What kind of selection it is."""
        if self.group is not None:
            return Scope.GROUP
        if self.devices is None:
            return Scope.ALL
        return Scope.SELECTED if len(self.devices) > 1 else Scope.DEVICE


class Greeting(BaseModel):
    """The worker's answer to Hello."""

    version: str
    protocol: int
    pid: int
    operator: str
    role: Literal["operator", "viewer"]
    capabilities: dict[str, frozenset[Capability]]
    """What the driver of each protocol can do."""
    other_tools: frozenset[str] = frozenset()
    """Protocols whose networks another tool may manage."""


class Hello(Request[Greeting]):
    """The first request on a connection."""

    method = "hello"
    changes = False
    protocol: int = PROTOCOL_VERSION


class MakePlan(Request[Plan]):
    """What would be done; changes nothing."""

    method = "plan"
    changes = False
    action: str
    selection: Selection
    parameters: dict[str, Any] = {}


class StartJob(Request[int]):
    """Do it; the result is the job's id. Refused when nothing of the selection is eligible.

    `agreed`: the devices of the plan that was agreed to; whatever else the selection holds by now is left alone.
    """

    method = "job.start"
    action: str
    selection: Selection
    parameters: dict[str, Any] = {}
    agreed: tuple[int, ...] | None = None
    await_seats: bool = False
    """Whether devices without a license seat are taken in as well, and wait for one."""
    pause: bool | None = None
    """Whether the job pauses monitoring; None: as its plan proposes."""
    grace: Grace = 0.0


class CancelJob(Request[None]):
    """Stop at the next step border of each device."""

    method = "job.cancel"
    job: int


class RetryJob(Request[int]):
    """The same action again for the devices that failed or were cancelled; the result is the new job's id."""

    method = "job.retry"
    job: int
    grace: Grace = 0.0


class Acknowledge(Request[None]):
    """The failures of these devices have been seen; their status may move on."""

    method = "device.acknowledge"
    devices: tuple[int, ...]


class AddPort(Request[Port]):
    """Open the port, prove that it is an interface of its protocol, and keep it."""

    method = "port.add"
    url: str
    name: str


class PortFound(BaseModel):
    """A place on the worker's machine where a port may be, as the drivers see it (`drivers.base.Candidate`).

    `urls` are what it can be tried as, for people and as port URLs. `port` is the site's port there, "" for none.
    """

    model_config = ConfigDict(frozen=True)

    path: str
    device: str
    what: str
    holder: str
    port: str
    urls: tuple[tuple[str, str], ...]


class FindPorts(Request[tuple[PortFound, ...]]):
    """Where ports may be on the worker's machine; opens nothing. `path`: only this one, whether it is found or not."""

    method = "port.find"
    changes = False
    outlives_client = False
    path: str = ""


class TryPort(Request[str]):
    """Open a port, prove that it is an interface of its protocol, and close it again; the result is what answers."""

    method = "port.try"
    outlives_client = False
    url: str


class RemovePort(Request[None]):
    """Forget a port that has no devices."""

    method = "port.remove"
    port: str


class FoundDevice(BaseModel):
    """A device that was found: as the driver saw it, under which name it is known or would be added."""

    model_config = ConfigDict(frozen=True)

    found: Found
    name: str
    known: bool
    ignored: bool = False


class Discover(Request[tuple[FoundDevice, ...]]):
    """Search a port. Notices of type Searching tell how far it is."""

    method = "discover"
    outlives_client = False
    port: str


class Adopt(Request[tuple[int, ...]]):
    """Make devices of those found on a port; who is known already stays as it is. The result: the new ids."""

    method = "adopt"
    port: str
    devices: tuple[FoundDevice, ...]


class AddDevice(Request[int]):
    """Make a device by hand; the result is its id. Without `uid` it waits for one."""

    method = "device.add"
    name: str
    uid: str = ""
    port: str
    group: str | None = None
    program_id: str | None = None
    type: str = ""
    location: str = ""


class EditDevice(Request[None]):
    """Change what a person may change of a device; None leaves as it is."""

    method = "device.edit"
    device: int
    name: str | None = None
    uid: str | None = None
    port: str | None = None
    program_id: str | None = None
    type: str | None = None
    location: str | None = None
    points: tuple[str, ...] | None = None


class StopIgnoring(Request[None]):
    """Let a search offer the device again."""

    method = "device.stop_ignoring"
    uid: str


class IdentifyUnit(Request[FoundDevice]):
    """Ask a unit on a port who it is; raises NO_REPLY."""

    method = "unit.identify"
    changes = False
    outlives_client = False
    port: str
    uid: str


class WinkUnit(Request[None]):
    """Let a unit on a port show itself, whether it is known here or not."""

    method = "unit.wink"
    outlives_client = False
    port: str
    uid: str


class ImportProblem(BaseModel):
    """What is wrong with a cell of a file that is to be imported; `line` counts from 1, `column` is its heading."""

    model_config = ConfigDict(frozen=True)

    line: int
    column: str
    reason: str


class ImportReport(BaseModel):
    """What an import did, or would do: all or nothing. `groups` are made for it; `job` provisions what was added."""

    model_config = ConfigDict(frozen=True)

    rows: int
    added: tuple[str, ...]
    known: tuple[str, ...]
    groups: tuple[str, ...]
    problems: tuple[ImportProblem, ...]
    seats_short: int
    job: int | None = None


class ImportDevices(Request[ImportReport]):
    """Make devices of the rows of a CSV file in the columns of the SmartServer CMS (its text).

    `port` takes the devices whose protocol has several ports. With `provision` the new ones that have a UID are
    provisioned in one job, those without a license seat as soon as they get one.
    """

    method = "device.import"
    text: str
    port: str | None = None
    dry_run: bool = False
    provision: bool = False
    grace: Grace = 0.0
    """Before the devices are provisioned."""


class AddImage(Request[StoredImage]):
    """Check an image file (its bytes in base64) and keep it in the repository; one that is there stays as it is."""

    method = "image.add"
    name: str
    data: str


class RemoveImage(Request[None]):
    """Take an image (by name or SHA-256) out of the repository; raises IN_USE while a job needs it."""

    method = "image.remove"
    image: str


class AddType(Request[str]):
    """Keep the description of a device type (its text) for the driver of a protocol; the result is its name."""

    method = "type.add"
    protocol: str
    text: str


class PauseMonitoring(Request[None]):
    """Pause or resume the monitoring of a port, or of all (None)."""

    method = "monitoring.pause"
    port: str | None
    paused: bool


class ReadMonitoring(Request[tuple[PortMonitoring, ...]]):
    """The monitoring of each port as it is now."""

    method = "monitoring.read"
    changes = False


class ReadEvents(Request[tuple[Event, ...]]):
    """The events after this number that are still kept, oldest first."""

    method = "events.read"
    changes = False
    since: int = 0
    limit: Annotated[int, Field(ge=1, le=2000)] = 500


class AddGroup(Request[None]):
    """Make an empty group."""

    method = "group.add"
    name: str


class RenameGroup(Request[None]):
    """Give a group another name."""

    method = "group.rename"
    group: str
    name: str


class RemoveGroup(Request[None]):
    """Delete a group; its devices stay, in no group."""

    method = "group.remove"
    group: str


class AssignGroup(Request[None]):
    """Put devices into a group, out of the one they are in; None: into none."""

    method = "group.assign"
    devices: tuple[int, ...]
    group: str | None


class TrustKey(Request[str]):
    """Accept licenses signed with this public key (PEM); the result is the key's id."""

    method = "license.trust"
    key: str


class AddLicense(Request[License]):
    """Check a license (the text of its file) and use it."""

    method = "license.add"
    text: str


class EditSite(Request[None]):
    """Change what is said once for the site (`models.Site`); None leaves as it is.

    The LON domain can be changed as long as no device holds an address in it.
    """

    method = "site.edit"
    name: str | None = None
    domain: str | None = None
    mode: Mode | None = None
    without: tuple[str, ...] | None = None
    pausing: Pausing | None = None
    pause_above: Annotated[float, Field(ge=0, le=10_000)] | None = None
    poll_seconds: Annotated[float, Field(ge=1, le=86_400)] | None = None


class StopWorker(Request[None]):
    """End the worker in order; running tasks are taken up again at the next start."""

    method = "worker.stop"


class StoreChanged(BaseModel):
    """The store is at this revision."""

    kind: Literal["revision"] = "revision"
    rev: int


class Searching(BaseModel):
    """A search of a port goes on."""

    kind: Literal["searching"] = "searching"
    port: str
    found: int
    doing: str


class PinPressed(BaseModel):
    """A service pin was pressed on a port."""

    kind: Literal["pin"] = "pin"
    port: str
    device: FoundDevice


class Measured(BaseModel):
    """The monitoring of each port, once a second while anything happens; `last` is the number of the newest event."""

    kind: Literal["measured"] = "measured"
    ports: tuple[PortMonitoring, ...]
    last: int


AnyNotice = StoreChanged | Searching | PinPressed | Measured


def subject(notice: AnyNotice) -> str:
    """What the notice is about: only the newest about the same is worth telling to somebody slow."""
    match notice:
        case StoreChanged() | Measured():
            return notice.kind
        case Searching():
            return f"{notice.kind} {notice.port}"
        case PinPressed():
            return f"{notice.kind} {notice.port} {notice.device.found.uid}"


NOTICE: TypeAdapter[AnyNotice] = TypeAdapter(Annotated[AnyNotice, Field(discriminator="kind")])
