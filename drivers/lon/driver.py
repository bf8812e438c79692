"""The LON driver: what provisioning and the other actions mean in terms of exchanges with a device."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, suppress
from functools import lru_cache
from typing import Any, ClassVar, Final, Self, TypeVar

from core.errors import FieldhandError, Kind
from drivers.base import (
    Address,
    Candidate,
    Capability,
    Checkpoint,
    Driver,
    DriverError,
    Facts,
    Found,
    Image,
    ImageFacts,
    NetworkState,
    PortError,
    Priority,
    Progress,
    Reading,
    Report,
    SiteSettings,
    Snapshot,
    Step,
    StepClass,
    StepEvent,
    Target,
)
from drivers.lon import configuration, discovery, images, loading, update
from drivers.lon.dialogue import Dialogue, at, by_uid, exact, facts_of, state_in_words, unreadable
from drivers.lon.discovery import program_id_of, uid_of
from drivers.lon.interface import NetworkInterface, copy_of
from drivers.lon.kinds import BY_HAND, of_kind
from drivers.lon.management import (
    IDENTITY_SIZE,
    NEURON_ID_SIZE,
    PROGRAM_ID_OFFSET,
    PROGRAM_ID_SIZE,
    SERVICE_PIN,
    UNUSED_DOMAIN,
    ChangeState,
    ClearStatus,
    DomainEntry,
    Done,
    FetchVariable,
    Identification,
    Identity,
    LeaveDomain,
    MemoryMode,
    NodeMode,
    NodeState,
    QueryDomain,
    QueryStatus,
    ReadMemory,
    Request,
    SetMode,
    Status,
    UpdateDomain,
    Wink,
)
from drivers.lon.packets import ApplicationPdu, Packet, SubnetNode
from drivers.lon.port import FAMILIES, PortUrl
from drivers.lon.reports import Reports
from drivers.lon.transactions import WINDOW_MOST, Place, Transactions
from drivers.serial_ports import serial_ports
from drivers.transport import open_serial

SUBNETS: Final = range(1, 256)
NODES: Final = range(1, 126)
"""126 and 127 are used by interfaces and tools (LON Stack DX)."""

EXCHANGE_SECONDS: Final = 0.012
"""Channel time of an average exchange on TP/FT-10 at its published 180 packets a second."""

EXCHANGES: Final[Mapping[Capability, int]] = {
    Capability.DISCOVER: 4,
    Capability.PROVISION: 7,
    Capability.DEPROVISION: 5,
    Capability.REPROVISION: 10,
    Capability.RESET: 3,
    Capability.SNAPSHOT: 25,
    Capability.RESTORE: 30,
    Capability.REPLACE: 65,
    Capability.IDENTIFY: 4,
    Capability.LOAD: 560,
}
"""Those of tables are for the middle-sized device: 15 addresses, some network variables, of which few differ. That of a
load is for the middle-sized image of those that are public: 468 records."""

LOADS_AT_ONCE: Final = 256
"""Devices that get their image by Image Update share one transfer, so all of them should be there when it begins. How
many are loaded record by record at a time is limited in `loading`."""

IMAGES_KEPT: Final = 2
"""Images that need not be read again for each device of a job."""

POLL_TRIES: Final = 4
"""A poll is repeated soon anyway."""

PROBE_TRIES: Final = 4
"""At a logical address that the device may not have yet."""

RESET_TRIES: Final = 3
"""Nothing answers a reset, so that one that was lost shows only afterwards."""

PINS_KEPT: Final = 256
"""Pressed service pins that may wait to be fetched."""

REPORTS_KEPT: Final = 1024
"""Reports that may wait to be fetched, some ten seconds of a channel that carries nothing else."""

POLLS_PER_SECOND: Final = 25.0
"""Polling takes about a fifth of a TP/FT-10 channel then and leaves the rest to the devices' own traffic."""

VARIABLES: Final = range(configuration.MOST_VARIABLES)
"""The indexes that network variables can have."""


T = TypeVar("T")


_STATE: Final = "state"
"""Of a device, in the checkpoint of a restore: the one that it had before."""

_STORED_AS: Final[Mapping[NodeState, tuple[NodeState, NodeMode | None]]] = {
    NodeState.CONFIGURED: (NodeState.CONFIGURED, NodeMode.ONLINE),
    NodeState.SOFT_OFFLINE: (NodeState.CONFIGURED, NodeMode.OFFLINE),
    NodeState.HARD_OFFLINE: (NodeState.HARD_OFFLINE, None),
}
"""How a device is brought back to a state in which it was configured."""


class LonDriver(Driver):
    """A LON channel behind one network interface."""

    protocol: ClassVar[str] = "lon"
    other_tools: ClassVar[bool] = True
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.DISCOVER,
            Capability.SERVICE_PIN,
            Capability.PROVISION,
            Capability.DEPROVISION,
            Capability.REPROVISION,
            Capability.TEST,
            Capability.WINK,
            Capability.RESET,
            Capability.LOAD,
            Capability.REPLACE,
            Capability.SNAPSHOT,
            Capability.RESTORE,
            Capability.IDENTIFY,
            Capability.POLL,
            Capability.REPORTS,
        }
    )
    polls_per_second: ClassVar[float] = POLLS_PER_SECOND

    def __init__(self, interface: NetworkInterface, site: SiteSettings) -> None:
        self._interface = interface
        self._site = site
        self._transactions = Transactions(interface, SubnetNode(site.subnet, site.node))
        self._transactions.on_message = self._message
        self._listeners: set[asyncio.Queue[Identification]] = set()
        self._reports = Reports(asyncio.get_running_loop().time)
        self._report_listeners: set[asyncio.Queue[Report]] = set()
        self._image = lru_cache(IMAGES_KEPT)(images.read)
        self._reading_image = asyncio.Lock()
        self._standing_still = asyncio.Semaphore(loading.STANDING_STILL)
        self._transfers = update.Transfers(self._transactions, site.domain)

    # -- what can be said without a port -------------------------------------------------------------

    @classmethod
    def parse_uid(cls, text: str) -> str:
        """A Neuron ID: 12 hexadecimal digits, upper case."""
        bare = re.sub(r"[:\-.\s]", "", text.strip().removeprefix("'"))
        digits = re.sub("^0[xX]", "", bare).upper()
        reason = None
        if not re.fullmatch("[0-9A-F]*", digits):
            reason = "a Neuron ID is written in hexadecimal digits, such as 00A1B2C3D401"
        elif len(digits) != 2 * NEURON_ID_SIZE:
            reason = f"a Neuron ID has 12 hexadecimal digits, this has {len(digits)}"
        elif not digits.strip("0"):
            reason = "no device has the Neuron ID zero"
        if reason is not None:
            raise FieldhandError(Kind.INVALID_UID, uid=text, protocol="LON", reason=reason)
        return digits

    @classmethod
    def addresses(cls, site: SiteSettings) -> Iterator[Address]:
        """Subnet by subnet, nodes 1 to 125, without the console's own place."""
        for subnet in SUBNETS:
            for node in NODES:
                if (subnet, node) != (site.subnet, site.node):
                    yield discovery.address_of(site.domain, subnet, node)

    @classmethod
    def at_once(cls, capability: Capability) -> int:
        """Twice the window: while some devices program their memory, others have the channel."""
        return LOADS_AT_ONCE if capability is Capability.LOAD else 2 * WINDOW_MOST

    @classmethod
    def read_image(cls, image: Image) -> ImageFacts:
        """Of the types .apb, .ndl, .nx and .nxi; the last two are opaque unless one of the others is inside."""
        try:
            return images.facts_of(image)
        except images.ImageError as error:
            raise FieldhandError(Kind.IMAGE, image=image.name, reason=str(error)) from error

    @classmethod
    def check_url(cls, url: str) -> str:
        """`lon:///dev/ttyACM0`, with `?interface=u61` for the older family and `baud=` for another rate."""
        return str(PortUrl.parse(url))

    @classmethod
    def candidates(cls) -> tuple[Candidate, ...]:
        """The serial ports."""
        return serial_ports()

    @classmethod
    def urls(cls, path: str) -> tuple[tuple[str, str], ...]:
        """Both families of interface."""
        return tuple((family.words, str(PortUrl(path, name))) for name, family in FAMILIES.items())

    @classmethod
    def seconds_per_device(cls, capability: Capability) -> float:
        """From the number of exchanges; device times overlap, the channel is what they share."""
        return EXCHANGES.get(capability, 1) * EXCHANGE_SECONDS

    @classmethod
    def by_hand(cls, program_id: str | None) -> tuple[str, ...]:
        """Known for modules that plug into a controller; nothing for all other devices."""
        return of_kind(BY_HAND, program_id or "")

    @classmethod
    def check_point(cls, text: str) -> str:
        """A network variable by its index: `nv 3`, or only `3`."""
        index = re.fullmatch(r"\s*(?:nv\s*)?([0-9]{1,5})\s*", text, re.IGNORECASE | re.ASCII)
        if index is None or int(index[1]) not in VARIABLES:
            reason = f"a datapoint is a network variable by its index, nv 0 to nv {VARIABLES[-1]}"
            raise FieldhandError(Kind.INVALID, what="datapoint", value=text, reason=reason)
        return f"nv {int(index[1])}"

    # -- the port ------------------------------------------------------------------------------------

    @classmethod
    async def open(cls, url: str, site: SiteSettings) -> Self:
        """Open the port and prove that a network interface answers."""
        port = PortUrl.parse(url)
        interface = port.make_interface()
        transport = await open_serial(port.path, interface.baud, interface)
        try:
            await interface.start(transport)
        except BaseException:
            await interface.close()
            await transport.close()
            raise
        return cls(interface, site)

    def proof(self) -> str:
        """Which interface it is that answers."""
        return f"a LON network interface answers, Neuron ID {self._interface.neuron_id.hex().upper()}"

    async def close(self) -> None:
        """Let go of the port; whatever is under way ends."""
        await self._transactions.close()
        await self._interface.close()

    async def wait_lost(self) -> PortError:
        """Return when the interface is gone."""
        return copy_of(await asyncio.shield(self._interface.lost))

    def frames(self, uid: str) -> list[str]:
        """The last packets to and from a device, one line each with time, direction, bytes and meaning."""
        return self._transactions.frames(uid)

    # -- finding devices ---------------------------------------------------------------------------

    def discover(self, *, priority: Priority = Priority.JOB) -> AsyncGenerator[Found | Progress, None]:
        """Query loops in the domain of length zero and in the site's own."""
        return discovery.discover(self._transactions, self._site.domain, priority)

    async def service_pins(self) -> AsyncGenerator[Found, None]:
        """Each press once, after the device was asked for its state; a pin held down is one press."""
        presses: asyncio.Queue[Identification] = asyncio.Queue(PINS_KEPT)
        self._listeners.add(presses)
        try:
            while True:
                pressed = await self._next(presses)
                dialogue = Dialogue(self._transactions, uid_of(pressed.neuron_id), Priority.INTERACTIVE)
                found = await discovery.identify(dialogue, program_id_of(pressed.program_id))
                _drop(presses, pressed)
                yield found
        finally:
            self._listeners.discard(presses)

    async def identify(self, uid: str) -> Found:
        """Ask it by its Neuron ID, wherever it is configured. One that keeps its program ID to itself has None."""
        dialogue = Dialogue(self._transactions, self.parse_uid(uid), Priority.INTERACTIVE)
        program_id = None
        try:
            data = await dialogue.read("identify", MemoryMode.READ_ONLY, PROGRAM_ID_OFFSET, PROGRAM_ID_SIZE)
            program_id = program_id_of(data)
        except DriverError as error:
            if error.kind is not Kind.REFUSED:
                raise
        return await discovery.identify(dialogue, program_id)

    async def reports(self) -> AsyncGenerator[Report, None]:
        """Updates of network variables that pass on the channel, by selector; the oldest are lost first."""
        reports: asyncio.Queue[Report] = asyncio.Queue(REPORTS_KEPT)
        self._report_listeners.add(reports)
        try:
            while True:
                yield await self._next(reports)
        finally:
            self._report_listeners.discard(reports)

    async def _next(self, queue: asyncio.Queue[T]) -> T:
        getting = asyncio.ensure_future(queue.get())
        try:
            waiting: set[asyncio.Future[Any]] = {getting, self._interface.lost}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            self._interface.check()
            return getting.result()
        finally:
            getting.cancel()

    def _message(self, packet: Packet) -> None:
        if isinstance(packet.pdu, ApplicationPdu) and packet.pdu.apdu[0] == SERVICE_PIN:
            self._pin_pressed(packet.pdu.apdu)
        elif self._report_listeners and (report := self._reports.of(packet)) is not None:
            for reports in self._report_listeners:
                if reports.full():
                    reports.get_nowait()
                reports.put_nowait(report)

    def _pin_pressed(self, apdu: bytes) -> None:
        pressed = discovery.pressed(apdu)
        if pressed is not None:
            for presses in self._listeners:
                with suppress(asyncio.QueueFull):  # 256 presses that nobody fetched
                    presses.put_nowait(pressed)

    # -- operations --------------------------------------------------------------------------------

    def provision(self, target: Target, *, priority: Priority = Priority.JOB) -> AsyncGenerator[StepEvent, None]:
        """Give it its place in the site's domain, bring it online, and prove that it is there.

        The state goes to configured only after the tables are written: a device that loses power in the
        middle is unconfigured, never half configured. A device that works at another place is left alone.
        Raises WRONG_DEVICE, WRONG_PROGRAM, NO_APPLICATION, ELSEWHERE, VERIFY_FAILED and what every exchange
        raises.
        """
        return self._commission(target, priority, take_over=False)

    def reprovision(self, target: Target, *, priority: Priority = Priority.JOB) -> AsyncGenerator[StepEvent, None]:
        """Like `provision`, but a device that works at another place is taken from there.

        Its configuration is read first, so that it can be given back what is being taken.
        """
        return self._commission(target, priority, take_over=True)

    async def _commission(
        self, target: Target, priority: Priority, *, take_over: bool
    ) -> AsyncGenerator[StepEvent, None]:
        dialogue, entry = self._new_place(target, priority)
        yield Step("identify", StepClass.READ)
        identity, whole = await self._identify(dialogue)
        _check_program(identity, target.uid, target.program_id)
        there = False
        if identity.configured:
            if take_over:
                yield Step(configuration.SAVE, StepClass.READ)
                yield await configuration.read(dialogue, identity)
            yield Step("check domain", StepClass.READ)
            places = await self._places(dialogue, identity)
            others = [place for place in places if not place.same_place(entry)]
            if others and not take_over:
                address = discovery.address_of(others[0].domain, others[0].subnet, others[0].node)
                yield Facts(state=NetworkState.PROVISIONED, address=address)
                raise _elsewhere("check domain", target.uid, others[0])
            there = bool(places) and not others
        if not there:
            if identity.configured:
                yield Step("unconfigured", StepClass.IDEMPOTENT)
                await dialogue.ask("unconfigured", ChangeState(NodeState.UNCONFIGURED))
            async for step in self._take_place(dialogue, identity, entry):
                yield step
        async for event in self._bring_online(dialogue, identity, whole=whole):
            yield event

    async def _take_place(
        self, dialogue: Dialogue, identity: Identity, entry: DomainEntry
    ) -> AsyncGenerator[StepEvent, None]:
        """Give an unconfigured device this place and no other, and make it use it."""
        yield Step("write domain", StepClass.IDEMPOTENT)
        await self._ask_new(dialogue, identity, "write domain", UpdateDomain(0, entry))
        if identity.two_domains:
            yield Step("clear second domain", StepClass.IDEMPOTENT)
            await _leave_second_domain(dialogue)
        yield Step("configured", StepClass.IDEMPOTENT)
        await self._ask_new(dialogue, identity, "configured", ChangeState(NodeState.CONFIGURED))

    async def _bring_online(
        self, dialogue: Dialogue, identity: Identity, *, whole: bool
    ) -> AsyncGenerator[StepEvent, None]:
        """Let its application run, and prove by its address that it is there; the last event are its Facts."""
        if whole:  # else the exchanges saved here went into identifying it, and "check status" tells anyway
            yield Step("online", StepClass.IDEMPOTENT)
            await dialogue.ask("online", SetMode(NodeMode.ONLINE))
        yield Step("check status", StepClass.READ)
        status = await dialogue.ask_at_address("check status", QueryStatus())
        if status.state is not NodeState.CONFIGURED:
            raise _differs("check status", dialogue.uid, "configured, online", state_in_words(status))
        yield Step("read back", StepClass.READ)
        request = ReadMemory(MemoryMode.READ_ONLY, 0, NEURON_ID_SIZE)
        answer = await dialogue.ask_at_address("read back", request)
        neuron_id = uid_of(exact("read back", dialogue.uid, answer, NEURON_ID_SIZE))
        if neuron_id != dialogue.uid:
            raise DriverError(
                Kind.WRONG_DEVICE, step="read back", device=dialogue.uid, expected=dialogue.uid, found=neuron_id
            )
        yield dataclasses.replace(facts_of(status), program_id=program_id_of(identity.program_id))

    async def _ask_new(self, dialogue: Dialogue, identity: Identity, step: str, request: Request[Done]) -> None:
        """Change where it belongs. Of a unit that wants a step by hand first, a refusal means that it was not done."""
        try:
            await dialogue.ask(step, request)
        except DriverError as error:
            by_hand = self.by_hand(program_id_of(identity.program_id))
            if error.kind is not Kind.REFUSED or not by_hand:
                raise
            raise DriverError(Kind.NEEDS_HAND, step=step, device=dialogue.uid, reason="; ".join(by_hand)) from error

    async def deprovision(
        self, target: Target, *, priority: Priority = Priority.JOB
    ) -> AsyncGenerator[StepEvent, None]:
        """Make it forget its place: unconfigured first, then the domain entries, then a look at the state."""
        dialogue = Dialogue(self._transactions, target.uid, priority)
        yield Step("identify", StepClass.READ)
        identity, _ = await self._identify(dialogue)
        async for step in self._leave_place(dialogue, identity):
            yield step
        yield Step("check status", StepClass.READ)
        status = await dialogue.ask("check status", QueryStatus())
        if status.state not in (NodeState.UNCONFIGURED, NodeState.APPLICATIONLESS):
            raise _differs("check status", target.uid, "unconfigured", state_in_words(status))
        yield facts_of(status)

    async def _leave_place(self, dialogue: Dialogue, identity: Identity) -> AsyncGenerator[StepEvent, None]:
        if identity.state is not NodeState.APPLICATIONLESS:  # which is unconfigured already, and must stay what it is
            yield Step("unconfigured", StepClass.IDEMPOTENT)
            await dialogue.ask("unconfigured", ChangeState(NodeState.UNCONFIGURED))
        yield Step("clear domain", StepClass.IDEMPOTENT)
        await dialogue.ask("clear domain", UpdateDomain(0, UNUSED_DOMAIN))
        if identity.two_domains:
            yield Step("clear second domain", StepClass.IDEMPOTENT)
            await dialogue.ask("clear second domain", UpdateDomain(1, UNUSED_DOMAIN))

    async def snapshot(self, target: Target, *, priority: Priority = Priority.JOB) -> AsyncGenerator[StepEvent, None]:
        """Read its configuration. What it refuses is left out; raises NO_REPLY."""
        dialogue = Dialogue(self._transactions, target.uid, priority)
        yield Step("identify", StepClass.READ)
        identity, _ = await self._identify(dialogue)
        yield Step(configuration.SAVE, StepClass.READ)
        saved = await configuration.read(dialogue, identity)
        yield saved
        yield Facts(
            program_id=program_id_of(identity.program_id),
            model=identity.model,
            note=configuration.decode(saved, target.uid).in_words(),
        )

    async def restore(self, target: Target, *, priority: Priority = Priority.JOB) -> AsyncGenerator[StepEvent, None]:
        """Write back what differs from the snapshot: tables, configuration data, properties, but no domain entry.

        Where a device belongs is the business of provisioning and replacing. A configured device is unconfigured
        while its tables change, and gets its state back. Raises NO_APPLICATION, WRONG_PROGRAM, VERIFY_FAILED, INVALID
        when there is no snapshot that can be read, and what every exchange raises.
        """
        document = configuration.decode(target.snapshot, target.uid)
        dialogue = Dialogue(self._transactions, target.uid, priority)
        yield Step("identify", StepClass.READ)
        identity, _ = await self._identify(dialogue)
        _check_program(identity, target.uid, program_id_of(document.program_id))
        yield Step("compare", StepClass.READ)
        now = (await dialogue.ask("compare", QueryStatus())).state
        before = await self._state_before(dialogue, identity, target) or now
        entries = await configuration.differences(dialogue, "compare", document)
        if identity.configured and before is not None and configuration.needs_rest(entries):
            before = NodeState.SOFT_OFFLINE if before is NodeState.BYPASS else before  # which no message brings back
            yield Checkpoint({_STATE: int(before)})
            yield Step("unconfigured", StepClass.IDEMPOTENT)
            await dialogue.ask("unconfigured", ChangeState(NodeState.UNCONFIGURED))
            now = NodeState.UNCONFIGURED
        async for event in configuration.write(dialogue, entries):
            yield event
        if before is not None and before is not now:
            stored, mode = _STORED_AS[before]
            yield Step("configured", StepClass.IDEMPOTENT)
            await dialogue.ask("configured", ChangeState(stored))
            if mode is not None:
                yield Step(mode.name.lower(), StepClass.IDEMPOTENT)
                await dialogue.ask(mode.name.lower(), SetMode(mode))
        yield Step("check status", StepClass.READ)
        status = await dialogue.ask("check status", QueryStatus())
        if before is not None and status.state is not before:
            raise _differs("check status", target.uid, before.in_words, state_in_words(status))
        yield facts_of(status, note=f"{len(entries)} entries restored" if entries else "nothing differed")

    async def _state_before(self, dialogue: Dialogue, identity: Identity, target: Target) -> NodeState | None:
        """The state that a restore which was cut off took away; None when it did not, or somebody else has been there.

        A device without a place has been deprovisioned since, and a configured one has its state.
        """
        state = target.checkpoint.data.get(_STATE) if target.checkpoint is not None else None
        if not isinstance(state, int) or identity.configured or not await self._places(dialogue, identity):
            return None
        before = NodeState.of(state)
        return before if before in _STORED_AS else None

    async def replace(
        self, target: Target, *, uid: str, force: bool = False, priority: Priority = Priority.JOB
    ) -> AsyncGenerator[StepEvent, None]:
        """Let a new unit take the place of the device that the target describes, with its address and configuration.

        The old unit gives its configuration and its address away if it still answers; if it does not, the snapshot
        that was kept serves. The new unit is asked to be configured before the old one is touched, so that one
        which waits for a step by hand costs nothing. `force` takes a unit with another program, which does not get the
        configuration, or one that works elsewhere. Raises as `provision`, and NEEDS_HAND.
        """
        new, entry = self._new_place(dataclasses.replace(target, uid=self.parse_uid(uid)), priority)
        if new.uid == target.uid:
            raise DriverError(Kind.INVALID, what="new unit", value=uid, reason="it is the device itself")
        yield Step("identify new unit", StepClass.READ)
        identity, whole = await self._identify(new)
        _check_program(identity, new.uid, None if force else target.program_id)
        if identity.configured and not force:
            yield Step("check domain", StepClass.READ)
            others = [place for place in await self._places(new, identity) if not place.same_place(entry)]
            if others:
                raise _elsewhere("check domain", new.uid, others[0])
        yield Step("prepare new unit", StepClass.IDEMPOTENT)
        await self._ask_new(new, identity, "prepare new unit", ChangeState(NodeState.UNCONFIGURED))

        saved, notes = target.snapshot, [f"took the place of {target.uid}"]
        yield Step("look for old device", StepClass.READ)
        old = Dialogue(self._transactions, target.uid, priority)
        was = await self._identify_if_there(old)
        if was is None:
            notes.append("it does not answer, take it off the channel")
        elif await self._moved_away(old, was, entry):
            notes.append("it works elsewhere now and is left alone")
        else:
            async for event in self._release(old, was, kept=saved is not None):
                saved = event if isinstance(event, Snapshot) else saved
                yield event

        document = None if saved is None else configuration.decode(saved, target.uid)
        notes.append(_inheritance(document, identity))
        if document is not None and document.program_id == identity.program_id:
            yield Step("compare", StepClass.READ)
            async for event in configuration.write(new, await configuration.differences(new, "compare", document)):
                yield event
            entry = document.domain_at(entry)
        async for event in self._take_place(new, identity, entry):
            yield event
        async for event in self._bring_online(new, identity, whole=whole):
            yield dataclasses.replace(event, uid=new.uid, note="; ".join(notes)) if isinstance(event, Facts) else event

    async def _moved_away(self, old: Dialogue, was: Identity, entry: DomainEntry) -> bool:
        """Whether the old device works, but not at the address that it shall give away."""
        places = await self._places(old, was) if was.configured else []
        return bool(places) and not any(place.same_place(entry) for place in places)

    async def _release(self, old: Dialogue, was: Identity, *, kept: bool) -> AsyncGenerator[StepEvent, None]:
        """Keep the configuration of the old device and take its address away.

        One that is unconfigured uses no address. It was released by an attempt that was cut off, or it has a fault:
        then what was kept before is worth more than what it has now.
        """
        if was.configured or not kept:
            yield Step("save configuration of old device", StepClass.READ)
            yield await configuration.read(old, was)
        if was.configured:
            async for event in self._leave_place(old, was):
                yield event

    async def _identify_if_there(self, dialogue: Dialogue) -> Identity | None:
        """Who it is, or None when it does not answer some short tries."""
        try:
            await dialogue.ask("look for old device", QueryStatus(), tries=PROBE_TRIES)
        except DriverError as error:
            if error.kind is not Kind.NO_REPLY:
                raise
            return None
        return (await self._identify(dialogue))[0]

    async def load(
        self, target: Target, *, image: Image, force: bool = False, priority: Priority = Priority.JOB
    ) -> AsyncGenerator[StepEvent, None]:
        """Give it the program of an image, record by record; an opaque image goes by the Image Update Protocol.

        It keeps place, configuration and state. `force` also takes an image for another program or an older firmware.
        Raises IMAGE, INCOMPATIBLE, LOAD_FAILED, VERIFY_FAILED and what every exchange raises.
        """
        async with self._reading_image:
            try:
                content = await asyncio.to_thread(self._image, image)
            except images.ImageError as error:
                raise DriverError(Kind.IMAGE, image=image.name, reason=str(error)) from error
        dialogue = Dialogue(self._transactions, target.uid, priority, self._place(target))
        steps = (
            update.load(dialogue, target, image, self._transfers)
            if content is None
            else loading.load(dialogue, target, content, image.sha256, force=force, gate=self._standing_still)
        )
        async with aclosing(steps):
            async for event in steps:
                yield event

    async def test(
        self, target: Target, *, count: int = 1, priority: Priority = Priority.JOB
    ) -> AsyncGenerator[StepEvent, None]:
        """Ask for its status so many times. Raises NO_REPLY when it never answers.

        It is asked at its logical address; a device that is not there is looked for by Neuron ID.
        """
        dialogue = Dialogue(self._transactions, target.uid, priority, self._place(target))
        place, note = dialogue.address or by_uid(target.uid), ""
        milliseconds: list[float] = []
        status: Status | None = None
        yield Step("query status", StepClass.READ)
        for done in range(1, count + 1):
            try:
                try:
                    tries = PROBE_TRIES if place is dialogue.address else POLL_TRIES
                    status, answer = await dialogue.timed("query status", QueryStatus(), place, tries=tries)
                except DriverError as error:
                    if error.kind is not Kind.NO_REPLY or status is not None or place == by_uid(target.uid):
                        raise
                    place = by_uid(target.uid)
                    note = f", by Neuron ID only: it is not at {target.address.text}" if target.address else ""
                    status, answer = await dialogue.timed("query status", QueryStatus(), place, tries=POLL_TRIES)
                milliseconds.append(answer.seconds * 1000)
            except DriverError as error:
                if error.kind is not Kind.NO_REPLY or status is None:
                    raise
            yield Progress(done, count, "tries")
        if status is None:
            raise FieldhandError(Kind.INVALID, what="count", value=count, reason="it must be at least 1")
        mean = sum(milliseconds) / len(milliseconds)
        yield facts_of(status, note=f"{len(milliseconds)} of {count} answered, {mean:.0f} ms mean{note}")

    async def wink(self, target: Target, *, priority: Priority = Priority.JOB) -> AsyncGenerator[StepEvent, None]:
        """Make it show itself."""
        yield Step("wink", StepClass.READ)
        await Dialogue(self._transactions, target.uid, priority).ask("wink", Wink())
        yield Facts(note="it winked")

    async def reset(self, target: Target, *, priority: Priority = Priority.JOB) -> AsyncGenerator[StepEvent, None]:
        """Let it start anew. The status is cleared first: the cause of reset then tells that it really did."""
        dialogue = Dialogue(self._transactions, target.uid, priority)
        yield Step("clear status", StepClass.IDEMPOTENT)
        await dialogue.ask("clear status", ClearStatus())
        for _ in range(RESET_TRIES):
            yield Step("reset", StepClass.IDEMPOTENT)
            await self._transactions.tell(by_uid(target.uid), SetMode(NodeMode.RESET).to_apdu())
            yield Step("wait for it", StepClass.READ)
            status = await dialogue.ask("wait for it", QueryStatus())
            if status.reset_cause:
                yield facts_of(status, note="it started anew")
                return
        raise _differs("reset", target.uid, "a reset", "none")

    async def poll(
        self, target: Target, *, priority: Priority = Priority.MONITORING
    ) -> AsyncGenerator[StepEvent, None]:
        """Ask for its status and its points, at its logical address; by Neuron ID when it has none.

        A device that is not at its address is silent here, and that is what monitoring wants to know. Points that it
        refuses, or that are none, are named in the note.
        """
        dialogue = Dialogue(self._transactions, target.uid, priority, self._place(target))
        place = dialogue.address or by_uid(target.uid)
        yield Step("query status", StepClass.READ)
        status, _ = await dialogue.timed("query status", QueryStatus(), place, tries=POLL_TRIES)
        refused: list[str] = []
        for point in target.points:
            try:
                yield await self._fetch(dialogue, place, point)
            except FieldhandError as error:
                if error.kind not in (Kind.REFUSED, Kind.INVALID):
                    raise
                refused.append(point)
        yield facts_of(status, note=f"cannot be polled: {', '.join(refused)}" if refused else None)

    async def _fetch(self, dialogue: Dialogue, place: Place, point: str) -> Reading:
        """The value of a network variable; the answer repeats the index."""
        name = self.check_point(point)
        request = FetchVariable(int(name.split()[1]))
        answer, _ = await dialogue.timed(name, request, place, tries=POLL_TRIES)
        if not answer.data.startswith(request.data()):
            raise unreadable(name, dialogue.uid, answer.data, "the value of another variable")
        return Reading(name, answer.data[len(request.data()) :].hex(" ").upper())

    # -- parts of them -----------------------------------------------------------------------------

    def _place(self, target: Target) -> Place | None:
        if target.address is None:
            return None
        parts = target.address.parts
        return at(bytes.fromhex(str(parts["domain"])), int(parts["subnet"]), int(parts["node"]))

    def _new_place(self, target: Target, priority: Priority) -> tuple[Dialogue, DomainEntry]:
        place = self._place(target)
        if place is None or not isinstance(place.destination, SubnetNode):
            raise DriverError(Kind.INVALID, what="device", value=target.uid, reason="it has no logical address")
        entry = DomainEntry(place.domain, place.destination.subnet, place.destination.node)
        return Dialogue(self._transactions, target.uid, priority, place), entry

    async def _places(self, dialogue: Dialogue, identity: Identity) -> list[DomainEntry]:
        """Where it works: the entries of its domain table that are in use."""
        tables = [await dialogue.ask("check domain", QueryDomain(index)) for index in range(1 + identity.two_domains)]
        return [table.entry for table in tables if table.entry.in_use]

    async def _identify(self, dialogue: Dialogue) -> tuple[Identity, bool]:
        """Who it is and how it stands; False when it had to be asked piece by piece, without its domain count."""
        request = ReadMemory(MemoryMode.READ_ONLY, 0, IDENTITY_SIZE)
        for last in (False, True):
            try:
                data = exact("identify", dialogue.uid, await dialogue.ask("identify", request), IDENTITY_SIZE)
            except DriverError as error:
                if error.kind not in (Kind.REFUSED, Kind.BAD_FRAME):
                    raise
                return await self._identify_in_pieces(dialogue), False
            identity = Identity.from_bytes(data)
            found = uid_of(identity.neuron_id)
            if found == dialogue.uid:
                return identity, True
            if last:
                break
        raise DriverError(Kind.WRONG_DEVICE, step="identify", device=dialogue.uid, expected=dialogue.uid, found=found)

    async def _identify_in_pieces(self, dialogue: Dialogue) -> Identity:
        status = await dialogue.ask("identify", QueryStatus())
        program_id = await dialogue.read("identify", MemoryMode.READ_ONLY, PROGRAM_ID_OFFSET, PROGRAM_ID_SIZE)
        return Identity(bytes.fromhex(dialogue.uid), status.model, program_id, status.state, two_domains=False)


def _check_program(identity: Identity, uid: str, program_id: str | None) -> None:
    """It must have an application, and that one, if any is expected."""
    if identity.state is not None and not identity.state.has_application:
        raise DriverError(Kind.NO_APPLICATION, step="identify", device=uid)
    found = program_id_of(identity.program_id)
    expected = re.sub(r"[:\-.\s]", "", program_id or "").upper()
    if expected and found != expected:
        raise DriverError(Kind.WRONG_PROGRAM, step="identify", device=uid, expected=expected, found=found)


def _inheritance(document: configuration.Document | None, identity: Identity) -> str:
    if document is None:
        return "no configuration was kept"
    if document.program_id != identity.program_id:
        return "its configuration is that of another program and was not restored"
    return "configuration restored"


def _elsewhere(step: str, uid: str, place: DomainEntry) -> DriverError:
    where = f"{place.subnet}/{place.node} in domain {place.domain.hex().upper() or 'of length 0'}"
    return DriverError(Kind.ELSEWHERE, step=step, device=uid, found=where)


async def _leave_second_domain(dialogue: Dialogue) -> None:
    """A refusal means that there is none. No answer is due when the message came in that very domain."""
    step = "clear second domain"
    try:
        await dialogue.ask(step, LeaveDomain(1), tries=PROBE_TRIES)
    except DriverError as error:
        if error.kind is Kind.NO_REPLY:
            await dialogue.ask(step, UpdateDomain(1, UNUSED_DOMAIN))
        elif error.kind is not Kind.REFUSED:
            raise


def _differs(step: str, uid: str, expected: str, found: str) -> DriverError:
    return DriverError(Kind.VERIFY_FAILED, step=step, device=uid, expected=expected, found=found)


def _drop(presses: asyncio.Queue[Identification], pressed: Identification) -> None:
    """Forget further messages of the press that is being reported."""
    others = []
    while not presses.empty():
        press = presses.get_nowait()
        if press != pressed:
            others.append(press)
    for press in others:
        presses.put_nowait(press)
