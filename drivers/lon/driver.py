"""The LON driver: what provisioning and the other actions mean in terms of exchanges with a device."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from posixpath import normpath
from typing import Any, ClassVar, Final, Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from core.errors import FieldhandError, Kind
from drivers.base import (
    Address,
    Capability,
    Driver,
    DriverError,
    Facts,
    Found,
    NetworkState,
    PortError,
    Priority,
    Progress,
    SiteSettings,
    Step,
    StepClass,
    StepEvent,
    Target,
)
from drivers.lon import discovery, mip_u50, mip_u61
from drivers.lon.dialogue import Dialogue, at, by_uid, exact
from drivers.lon.discovery import program_id_of, uid_of
from drivers.lon.interface import NetworkInterface, copy_of
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
    Identification,
    Identity,
    LeaveDomain,
    MemoryMode,
    NodeMode,
    NodeState,
    QueryDomain,
    QueryStatus,
    ReadMemory,
    SetMode,
    Status,
    UpdateDomain,
    Wink,
    error_in_words,
)
from drivers.lon.packets import ApplicationPdu, Packet, SubnetNode
from drivers.lon.transactions import WINDOW_MOST, Place, Transactions
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
}

POLL_TRIES: Final = 4
"""A poll is repeated soon anyway."""

PROBE_TRIES: Final = 4
"""At a logical address that the device may not have yet."""

RESET_TRIES: Final = 3
"""Nothing answers a reset, so that one that was lost shows only afterwards."""

PINS_KEPT: Final = 256
"""Pressed service pins that may wait to be fetched."""


@dataclass(frozen=True, slots=True)
class _Port:
    """What a port URL says."""

    path: str
    interface: str = "u50"
    baud: int | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise _invalid(url, "a LON port is written lon:///dev/ttyACM0") from error
        path = unquote(parts.path)
        if parts.scheme != "lon":
            raise _invalid(url, "a LON port is written lon:///dev/ttyACM0")
        if parts.netloc or not path.startswith("/") or parts.fragment or "\x00" in path:
            raise _invalid(url, "it takes the path of a serial port behind three slashes: lon:///dev/ttyACM0")
        if path.endswith("/"):
            raise _invalid(url, "that is a directory: it takes the path of a serial port, such as lon:///dev/ttyACM0")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        interface = options.pop("interface", "u50").lower()
        if interface not in _INTERFACES:
            raise _invalid(url, f"interface is {' or '.join(_INTERFACES)}, not {interface!r}")
        baud = options.pop("baud", None)
        if baud is not None and not (re.fullmatch(r"[0-9]{1,7}", baud) and int(baud) >= 1200):
            raise _invalid(url, f"baud is a number of bits per second such as 115200, not {baud!r}")
        if options:
            raise _invalid(url, f"there is no option {next(iter(options))!r}, only interface and baud")
        rate = None if baud is None or int(baud) == _INTERFACES[interface].baud else int(baud)
        return cls(re.sub("^/+", "/", normpath(path)), interface, rate)

    def __str__(self) -> str:
        options = []
        if self.interface != "u50":
            options.append(f"interface={self.interface}")
        if self.baud is not None:
            options.append(f"baud={self.baud}")
        return f"lon://{quote(self.path)}" + (f"?{'&'.join(options)}" if options else "")

    def make_interface(self) -> NetworkInterface:
        family = _INTERFACES[self.interface]
        return family.make(self.baud or family.baud)


@dataclass(frozen=True, slots=True)
class _Family:
    make: type[mip_u50.MipU50] | type[mip_u61.MipU61]
    baud: int


_INTERFACES: Final = {
    "u50": _Family(mip_u50.MipU50, mip_u50.BAUD),
    "u61": _Family(mip_u61.MipU61, mip_u61.BAUD),
}


def _invalid(url: str, reason: str) -> FieldhandError:
    return FieldhandError(Kind.INVALID, what="port", value=url, reason=reason)


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
            Capability.POLL,
        }
    )

    def __init__(self, interface: NetworkInterface, site: SiteSettings) -> None:
        self._interface = interface
        self._site = site
        self._transactions = Transactions(interface, SubnetNode(site.subnet, site.node))
        self._transactions.on_message = self._message
        self._listeners: set[asyncio.Queue[Identification]] = set()

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
        return 2 * WINDOW_MOST

    @classmethod
    def check_url(cls, url: str) -> str:
        """`lon:///dev/ttyACM0`, with `?interface=u61` for the older family and `baud=` for another rate."""
        return str(_Port.parse(url))

    @classmethod
    def seconds_per_device(cls, capability: Capability) -> float:
        """From the number of exchanges; device times overlap, the channel is what they share."""
        return EXCHANGES.get(capability, 1) * EXCHANGE_SECONDS

    # -- the port ------------------------------------------------------------------------------------

    @classmethod
    async def open(cls, url: str, site: SiteSettings) -> Self:
        """Open the port and prove that a network interface answers."""
        port = _Port.parse(url)
        interface = port.make_interface()
        transport = await open_serial(port.path, interface.baud, interface)
        try:
            await interface.start(transport)
        except BaseException:
            await interface.close()
            await transport.close()
            raise
        return cls(interface, site)

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

    async def _next(self, presses: asyncio.Queue[Identification]) -> Identification:
        getting = asyncio.ensure_future(presses.get())
        try:
            waiting: set[asyncio.Future[Any]] = {getting, self._interface.lost}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            self._interface.check()
            return getting.result()
        finally:
            getting.cancel()

    def _message(self, packet: Packet) -> None:
        if not isinstance(packet.pdu, ApplicationPdu) or packet.pdu.apdu[0] != SERVICE_PIN:
            return
        pressed = discovery.pressed(packet.pdu.apdu)
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
        """Like `provision`, but a device that works at another place is taken from there."""
        return self._commission(target, priority, take_over=True)

    async def _commission(
        self, target: Target, priority: Priority, *, take_over: bool
    ) -> AsyncGenerator[StepEvent, None]:
        dialogue, entry = self._new_place(target, priority)
        yield Step("identify", StepClass.READ)
        identity, whole = await self._identify(dialogue)
        _check_program(identity, target)
        configured = identity.state is not None and identity.state.configured
        there = False
        if configured:
            yield Step("check domain", StepClass.READ)
            places = await self._places(dialogue, identity)
            others = [place for place in places if not place.same_place(entry)]
            if others and not take_over:
                other = others[0]
                address = discovery.address_of(other.domain, other.subnet, other.node)
                yield Facts(state=NetworkState.PROVISIONED, address=address)
                where = f"{address.text} in domain {other.domain.hex().upper() or 'of length 0'}"
                raise DriverError(Kind.ELSEWHERE, step="check domain", device=target.uid, found=where)
            there = bool(places) and not others
        if not there:
            if configured:
                yield Step("unconfigured", StepClass.IDEMPOTENT)
                await dialogue.ask("unconfigured", ChangeState(NodeState.UNCONFIGURED))
            yield Step("write domain", StepClass.IDEMPOTENT)
            await dialogue.ask("write domain", UpdateDomain(0, entry))
            if identity.two_domains:
                yield Step("clear second domain", StepClass.IDEMPOTENT)
                await _leave_second_domain(dialogue)
            yield Step("configured", StepClass.IDEMPOTENT)
            await dialogue.ask("configured", ChangeState(NodeState.CONFIGURED))
        if whole:  # else the exchanges saved here went into identifying it, and "check status" tells anyway
            yield Step("online", StepClass.IDEMPOTENT)
            await dialogue.ask("online", SetMode(NodeMode.ONLINE))
        yield Step("check status", StepClass.READ)
        status = await dialogue.ask_at_address("check status", QueryStatus())
        if status.state is not NodeState.CONFIGURED:
            raise _differs("check status", target.uid, "configured, online", _state_in_words(status))
        yield Step("read back", StepClass.READ)
        request = ReadMemory(MemoryMode.READ_ONLY, 0, NEURON_ID_SIZE)
        answer = await dialogue.ask_at_address("read back", request)
        neuron_id = uid_of(exact("read back", target.uid, answer, NEURON_ID_SIZE))
        if neuron_id != target.uid:
            raise DriverError(
                Kind.WRONG_DEVICE, step="read back", device=target.uid, expected=target.uid, found=neuron_id
            )
        yield Facts(
            state=NetworkState.PROVISIONED,
            application=True,
            program_id=program_id_of(identity.program_id),
            marginal=error_in_words(status.error),
        )

    async def deprovision(
        self, target: Target, *, priority: Priority = Priority.JOB
    ) -> AsyncGenerator[StepEvent, None]:
        """Make it forget its place: unconfigured first, then the domain entries, then a look at the state."""
        dialogue = Dialogue(self._transactions, target.uid, priority)
        yield Step("identify", StepClass.READ)
        identity, _ = await self._identify(dialogue)
        if identity.state is not NodeState.APPLICATIONLESS:  # which is unconfigured already, and must stay what it is
            yield Step("unconfigured", StepClass.IDEMPOTENT)
            await dialogue.ask("unconfigured", ChangeState(NodeState.UNCONFIGURED))
        yield Step("clear domain", StepClass.IDEMPOTENT)
        await dialogue.ask("clear domain", UpdateDomain(0, UNUSED_DOMAIN))
        if identity.two_domains:
            yield Step("clear second domain", StepClass.IDEMPOTENT)
            await dialogue.ask("clear second domain", UpdateDomain(1, UNUSED_DOMAIN))
        yield Step("check status", StepClass.READ)
        status = await dialogue.ask("check status", QueryStatus())
        if status.state not in (NodeState.UNCONFIGURED, NodeState.APPLICATIONLESS):
            raise _differs("check status", target.uid, "unconfigured", _state_in_words(status))
        yield _facts(status)

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
        yield _facts(status, note=f"{len(milliseconds)} of {count} answered, {mean:.0f} ms mean{note}")

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
                yield _facts(status, note="it started anew")
                return
        raise _differs("reset", target.uid, "a reset", "none")

    async def poll(
        self, target: Target, *, priority: Priority = Priority.MONITORING
    ) -> AsyncGenerator[StepEvent, None]:
        """Ask for its status by Neuron ID, which it answers in every state."""
        yield Step("query status", StepClass.READ)
        dialogue = Dialogue(self._transactions, target.uid, priority)
        yield _facts(await dialogue.ask("query status", QueryStatus(), tries=POLL_TRIES))

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


def _check_program(identity: Identity, target: Target) -> None:
    if identity.state is not None and not identity.state.has_application:
        raise DriverError(Kind.NO_APPLICATION, step="identify", device=target.uid)
    found = program_id_of(identity.program_id)
    expected = re.sub(r"[:\-.\s]", "", target.program_id or "").upper()
    if expected and found != expected:
        raise DriverError(Kind.WRONG_PROGRAM, step="identify", device=target.uid, expected=expected, found=found)


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


def _facts(status: Status, note: str | None = None) -> Facts:
    state = status.state
    marginal = error_in_words(status.error)
    if state is None:
        marginal = marginal or _state_in_words(status)
    return Facts(
        state=NetworkState.PROVISIONED if state is not None and state.configured else NetworkState.UNPROVISIONED,
        application=None if state is None else state.has_application,
        marginal=marginal,
        note=note,
    )


def _state_in_words(status: Status) -> str:
    if status.state is None:
        return f"invalid state {status.state_byte:02X}"
    return status.state.name.lower().replace("_", " ")


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
