"""A device on the channel: what it accepts, repetitions, answers, and the time writes and resets take."""

import random
from collections import deque
from dataclasses import dataclass, replace
from enum import Enum, auto

from drivers.virtual import management, packets
from drivers.virtual.channel import Address, Channel, Contention
from drivers.virtual.management import Reply, Request, Service
from drivers.virtual.node import RESET_EXTERNAL, RESET_POWER_UP, RESET_SOFTWARE, DeviceKind, Domain, Node
from drivers.virtual.packets import Format, Kind, Packet, Pdu
from drivers.virtual.timeline import Event, Timeline
from drivers.virtual.update import ImageUpdate, SwitchFlags

INPUT_QUEUE = 2
RECEIVE_RECORDS = 16
NEURON_ID_RECEIVE_TIMER = 8.192  # fixed for messages addressed by Neuron ID (LON Stack DX lcs_custom.h)
# Encoding of receive timers, in seconds (LON Stack DX lcs_node.c).
RECEIVE_TIMERS = tuple(
    milliseconds / 1000
    for milliseconds in (
        *(128, 192, 256, 384, 512, 768, 1024, 1536),
        *(2048, 3072, 4096, 6144, 8192, 12288, 16384, 24576),
    )
)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long this kind of device takes."""

    write_s: float = 0.020
    reset_s: float = 0.600


@dataclass(frozen=True, slots=True)
class Temperament:
    """How a marginal device fails to answer well: shares of its messages it misses, or answers late."""

    misses: float = 0.0
    dawdles: float = 0.0
    dawdle_s: float = 0.150


class Activity(Enum):
    """What a device is doing; it only listens when idle, and queues a little while programming."""

    OFF = auto()
    RESETTING = auto()
    IDLE = auto()
    PROGRAMMING = auto()


@dataclass(slots=True)
class _Record:
    """The last message of one correspondent, to recognise its repetition."""

    pdu: Pdu
    kind: int
    transaction: int
    content: bytes
    expires: float
    answer: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Work:
    """A message being carried out: where its answer goes and what will be in it."""

    reply: Reply
    record: _Record | None
    answer: bytes | None
    contention: Contention | None


# The kinds of message that are for the application; the others are answers and reminders.
_CARRIED_OUT = {Pdu.SESSION: (Kind.MESSAGE,), Pdu.TRANSPORT: (Kind.MESSAGE, Kind.REPEATED)}
_UPDATE_DESTINATIONS = ((Format.BROADCAST, b"\0"), (Format.SUBNET_NODE, bytes([1, 126])))
_RecordKey = tuple[tuple[int, int], bytes, Format, bytes, bool]
RELIABLE = Temperament()
DEFAULT_TIMING = Timing()


class Device:
    """One simulated device."""

    def __init__(
        self,
        node: Node,
        channel: Channel,
        timeline: Timeline,
        timing: Timing = DEFAULT_TIMING,
        *,
        temperament: Temperament = RELIABLE,
        seed: int = 0,
    ) -> None:
        self.node = node
        self.neuron_id = node.neuron_id
        self.activity = Activity.IDLE
        self.update: ImageUpdate | None = None
        if node.profile.kind is DeviceKind.UPDATE:
            self.update = ImageUpdate(node.profile.model, timeline, timing.write_s, timing.reset_s, self._switch_over)
        self._channel = channel
        self._timeline = timeline
        self._timing = timing
        self._temperament = temperament
        self._random = random.Random(seed)
        self._records: dict[_RecordKey, _Record] = {}
        self._waiting: deque[tuple[Packet, Contention | None]] = deque()
        self._work: _Work | None = None
        self._event: Event | None = None
        self._pin_pressed = False
        self._update_waits = False
        self._addresses: frozenset[Address] = frozenset()
        channel.attach(self)
        self._readdress()

    @property
    def powered(self) -> bool:
        """Whether it has power."""
        return self.activity is not Activity.OFF

    def power_off(self) -> None:
        """Take the power away, if need be in the middle of a write."""
        if self._work is not None:
            self.node.tear(self._work.reply.changes, self._work.reply.loads, self._random)
        self._stop(Activity.OFF)
        self.node.lose_power()
        self._readdress()

    def power_on(self) -> None:
        """Give it power; it starts up like after a reset."""
        if not self.powered:
            self._reset(RESET_POWER_UP)

    def press_reset_button(self) -> None:
        """Reset it by hand, which releases a module for commissioning."""
        if self.powered:
            self.node.release()
            self._reset(RESET_EXTERNAL)

    def press_service_pin(self) -> None:
        """Announce Neuron ID and program ID to everybody, once up."""
        if self.activity is Activity.RESETTING:
            self._pin_pressed = True
        elif self.powered:
            content = bytes([management.SERVICE_PIN]) + self.neuron_id + self.node.program_id
            self._send(packets.encode(Packet(Pdu.APPLICATION, Format.BROADCAST, (0, 0), b"\0", content=content)))

    def send_update(self) -> bool:
        """Give an output a new value and tell the others, if online and idle; tell whether it did.

        It goes unacknowledged, to everybody in the domain or to the network tool. There is one buffer for it:
        as long as the channel has not taken the last update there is no other.
        """
        if self.activity is not Activity.IDLE or not self.node.online or self._update_waits:
            return False
        domain = next((own for own in self.node.domains if own is not None), None)
        outputs = [index for index, variable in enumerate(self.node.variables) if variable.output]
        if domain is None or not outputs:
            return False
        index = self._random.choice(outputs)
        self.node.volatile.values[index] = self._random.randbytes(self.node.variables[index].length)
        form, destination = self._random.choice(_UPDATE_DESTINATIONS)
        content = management.variable_update(self.node, index)
        packet = Packet(
            Pdu.APPLICATION, form, (domain.subnet, domain.node), destination, domain=domain.id, content=content
        )
        self._update_waits = True
        self.node.statistics.sent += 1
        self._channel.send(packets.encode(packet), self, sent=self._update_sent)
        return True

    def _update_sent(self) -> None:
        self._update_waits = False

    def receive(self, packet: Packet, contention: Contention | None) -> None:
        """Take a packet off the channel that may be for this device."""
        if self.activity is Activity.IDLE:
            self._process(packet, contention)
        elif self.activity is Activity.PROGRAMMING:
            if len(self._waiting) < INPUT_QUEUE:
                self._waiting.append((packet, contention))
            else:
                self.node.statistics.missed_messages += 1

    # -- messages ----------------------------------------------------------------------------------------

    def _process(self, packet: Packet, contention: Contention | None) -> None:
        domain = self.node.own_domain(packet.domain)
        if not packet.content or not self._meant(packet, domain):
            return
        self.node.statistics.received += 1
        if packet.pdu is Pdu.APPLICATION:
            self._carry_out(packet, domain, None, contention)
        elif packet.kind in _CARRIED_OUT.get(packet.pdu, ()):
            self._transact(packet, domain, contention)

    def _meant(self, packet: Packet, domain: Domain | None) -> bool:
        """Apply the addressing rules: Neuron ID in any domain, everything else only in an own one.

        An unconfigured device has no domain and takes a broadcast in any (LON Stack DX lcs_network.c).
        """
        if domain is None:
            return packet.format is Format.NEURON_ID or (packet.format is Format.BROADCAST and not self.node.configured)
        return self._meant_in(domain, packet)

    def _meant_in(self, domain: Domain, packet: Packet) -> bool:
        if packet.source == (domain.subnet, domain.node) and not domain.clone:
            return False
        match packet.format:
            case Format.BROADCAST:
                return packet.destination[0] in (0, domain.subnet)
            case Format.SUBNET_NODE:
                return packet.destination == bytes([domain.subnet, domain.node])
            case Format.GROUP:
                return self.node.group_member(domain, packet.destination[0]) is not None
            case _:
                return packet.format is Format.NEURON_ID

    def _transact(self, packet: Packet, domain: Domain | None, contention: Contention | None) -> None:
        """Carry out a message once; a repetition only gets the stored answer again."""
        key = _record_key(packet)
        record = self._records.get(key)
        now = self._timeline.now
        if (
            record is not None
            and now < record.expires
            and (record.pdu, record.kind, record.transaction, record.content)
            == (packet.pdu, packet.kind, packet.transaction, packet.content)
        ):
            self._answer(record.answer, contention)
            return
        if self._random.random() < self._temperament.misses:
            return
        if record is None and not self._room_for_record(now):
            self.node.statistics.receive_transactions_full += 1
            return
        record = _Record(packet.pdu, packet.kind, packet.transaction, packet.content, now + self._receive_timer(packet))
        self._records[key] = record
        self._carry_out(packet, domain, record, contention)

    def _carry_out(
        self, packet: Packet, domain: Domain | None, record: _Record | None, contention: Contention | None
    ) -> None:
        service = Service.REQUEST if packet.pdu is Pdu.SESSION else Service.OTHER
        reply = self._handle(Request(packet.content, service, domain))
        answer = self._compose(packet, domain, reply)
        work = _Work(reply, record, answer, contention)
        if packet.pdu is Pdu.TRANSPORT:
            # The transport layer acknowledges on delivery, whatever the application then does.
            self._conclude(replace(work, reply=Reply()))
            work = replace(work, record=None, answer=None)
        if reply.programs:
            self.activity = Activity.PROGRAMMING
            self._work = work
            self._event = self._timeline.after(self._timing.write_s, self._programmed)
            return
        self._conclude(work)

    def _handle(self, request: Request) -> Reply:
        reply = None if self.update is None else self.update.handle(request)
        return management.handle(self.node, request) if reply is None else reply

    def _programmed(self) -> None:
        work = self._work
        self._work = None
        if work is None:
            return
        self.activity = Activity.IDLE
        write = self.node.load if work.reply.loads else self.node.commit
        write(work.reply.changes, work.reply.sums)
        self._readdress()
        self._conclude(work)
        while self._waiting and self.activity is Activity.IDLE:
            self._process(*self._waiting.popleft())

    def _conclude(self, work: _Work) -> None:
        if work.record is not None:
            work.record.answer = work.answer
        self._answer(work.answer, work.contention)
        if work.reply.resets:
            self._reset(RESET_SOFTWARE)

    def _compose(self, packet: Packet, domain: Domain | None, reply: Reply) -> bytes | None:
        """Build the acknowledgement or response; from 0/0 in a domain that is not the device's own."""
        content = reply.answer if packet.pdu is Pdu.SESSION else b""
        if content is None or packet.pdu is Pdu.APPLICATION or packet.kind == Kind.REPEATED:
            return None
        anonymous = domain is None or reply.anonymous
        source = (0, 0) if domain is None or anonymous else (domain.subnet, domain.node)
        form, destination = Format.SUBNET_NODE, bytes(packet.source)
        if packet.format is Format.GROUP and domain is not None:
            member = self.node.group_member(domain, packet.destination[0]) or 0
            form, destination = Format.GROUP_ANSWER, destination + bytes([packet.destination[0], member])
        return packets.encode(
            Packet(
                pdu=packet.pdu,
                format=form,
                source=source,
                destination=destination,
                domain=packet.domain,
                kind=Kind.ANSWER,
                transaction=packet.transaction,
                content=content,
                priority=packet.priority,
                alternate_path=packet.alternate_path,
            )
        )

    def _answer(self, answer: bytes | None, contention: Contention | None) -> None:
        if answer is None:
            return
        if self._random.random() < self._temperament.dawdles:
            self._timeline.after(self._temperament.dawdle_s, self._send, answer, contention)
        else:
            self._send(answer, contention)

    def _send(self, lpdu: bytes, contention: Contention | None = None) -> None:
        if self.powered:
            self.node.statistics.sent += 1
            self._channel.send(lpdu, self, contention)

    # -- power, reset, records ---------------------------------------------------------------------------

    def _switch_over(self, flags: SwitchFlags) -> None:
        if not flags & SwitchFlags.KEEP_CONFIGURATION:
            self.node.erase_configuration()
        if not flags & SwitchFlags.KEEP_PROPERTIES:
            self.node.erase_properties()
        self._reset(RESET_SOFTWARE)

    def _reset(self, cause: int) -> None:
        """Reset it. A write that is under way does not happen at all; only a loss of power tears it."""
        self._stop(Activity.RESETTING)
        self._event = self._timeline.after(self._timing.reset_s, self._start, cause)

    def _start(self, cause: int) -> None:
        self.activity = Activity.IDLE
        self.node.start(cause)
        if self.update is not None:
            self.update.start()
        self._readdress()
        if self._pin_pressed:
            self._pin_pressed = False
            self.press_service_pin()

    def _stop(self, activity: Activity) -> None:
        if self._event is not None:
            self._event.cancel()
        self._event = self._work = None
        self._pin_pressed = False
        self._waiting.clear()
        self._records.clear()
        self.activity = activity
        if self.update is not None:
            self.update.stop()

    def _room_for_record(self, now: float) -> bool:
        if len(self._records) >= RECEIVE_RECORDS:
            self._records = {key: record for key, record in self._records.items() if now < record.expires}
        return len(self._records) < RECEIVE_RECORDS

    def _receive_timer(self, packet: Packet) -> float:
        if packet.format is Format.NEURON_ID:
            return NEURON_ID_RECEIVE_TIMER
        return RECEIVE_TIMERS[self.node.receive_timer_index]

    def _readdress(self) -> None:
        """Tell the channel which subnet/node addresses this device listens to now."""
        used = self.node.domains if self.node.configured else ()
        addresses = frozenset((own.id, own.subnet, own.node) for own in used if own is not None)
        if addresses != self._addresses:
            self._channel.readdress(self, self._addresses, addresses)
            self._addresses = addresses


def _record_key(packet: Packet) -> _RecordKey:
    """Source, domain, address mode with its group or subnet, and priority (ISO/IEC 14908-1)."""
    place = packet.destination[:1]
    return packet.source, packet.domain, packet.format, place, packet.priority
