"""Image Update: an opaque image into the second memory bank of many devices in one pass of the channel.

Each device is made ready and asked what it lacks by its own load; the packets between go to all of them at once. The
device works on until the switch over, so that a load that is cut off before costs nothing. Course: LON Stack DX
lcs_iup.h.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Final, Self, TypeVar

from core.errors import FieldValue, Kind
from drivers.base import (
    Checkpoint,
    DriverError,
    Facts,
    Image,
    NetworkState,
    Progress,
    Step,
    StepClass,
    StepEvent,
    Target,
)
from drivers.lon.dialogue import Dialogue, by_uid, facts_of
from drivers.lon.management import MemoryMode, QueryDomain, QueryStatus, Status
from drivers.lon.packets import Broadcast
from drivers.lon.structures import PROGRAM_ID_OFFSET, PROGRAM_ID_SIZE
from drivers.lon.transactions import Place, Transactions
from drivers.lon.update_messages import (
    OK,
    PACKETS_MOST,
    PENDING,
    SALT_SIZE,
    SESSION_SIZE,
    Commit,
    CommitResult,
    Confirm,
    ConfirmResult,
    Digest,
    Expanded,
    Init,
    InitResult,
    Missing,
    Packet,
    QueryUpdate,
    Result,
    SwitchFlags,
    SwitchOver,
    SwitchResult,
    Terms,
    Validate,
    ValidateResult,
)

PACKET_SIZE: Final = 128
"""Bytes of the image in one packet, unless a device wants fewer. With all headers this is far below the 240 that every
interface takes; larger ones save little of the channel and are lost more often."""

SPACING_LEAST: Final = 0.03
"""Seconds from packet to packet: one of this size is 20 ms on the channel, and the rest of the traffic goes on."""

JOIN: Final = 1.0
"""Seconds that a whole pass waits for further devices: those of one job begin one after another."""

GATHER: Final = 30.0
"""Seconds, at most, that packets wait for devices that have begun but do not know yet what they need: one may erase its
second bank, another one not answer at all."""

PENDING_PAUSE: Final = 1.0
"""Seconds, at least, before a device that is busy is asked again."""

PENDING_MOST: Final = 600.0
"""Seconds that a device may be busy with one thing."""

MD5_PIECE: Final = 1 << 20
"""Bytes of the image that are hashed in one go: some two milliseconds."""

PROGRESS_PAUSE: Final = 0.5
"""Seconds between two reports on the packets sent; for the eye."""

REPORTS_TO_CHECKPOINT: Final = 10
"""A job can be stopped at a checkpoint, so there must be some in a transfer of many minutes."""

ROUNDS_WITHOUT_GAIN: Final = 5
"""A packet gets lost once in ten times on a bad channel; one that is lost so often never arrives."""

PASSES: Final = 3
"""How often everything is sent to a device that has received hardly anything."""

SWITCH_DELAY: Final = 3
"""Seconds until the device switches over: time to ask again for its answer when that is lost."""

WAKE_MOST: Final = 120.0
"""Seconds beyond those that it names, for a device to come back with its new image."""


S = TypeVar("S", Terms, Missing, Result)


# -- what devices share -------------------------------------------------------------------------------


class Transfers:
    """The image updates that are under way on a port. `domain` is the one in which all devices are spoken to."""

    def __init__(self, transactions: Transactions, domain: bytes) -> None:
        self._transactions = transactions
        self._domain = domain
        self._crowds: dict[str, Crowd] = {}

    @contextmanager
    def member(self, image: Image, uid: str) -> Iterator[Crowd]:
        """Take part in the update with this image, together with all who do so now."""
        crowd = self._crowds.setdefault(image.sha256, Crowd(self._transactions, self._domain, image.data))
        crowd.enter(uid)
        try:
            yield crowd
        finally:
            if crowd.leave(uid):
                del self._crowds[image.sha256]


class Crowd:
    """All devices that get the same image now."""

    def __init__(self, transactions: Transactions, domain: bytes, image: bytes) -> None:
        self.image = image
        self._transactions = transactions
        self._everybody = Place(Broadcast(), domain)
        self._members: set[str] = set()
        self._coming: set[str] = set()
        self._nobody_comes = asyncio.Event()
        self._transfers: dict[tuple[bytes, int, str | None], Transfer] = {}

    def enter(self, uid: str) -> None:
        """A device that will need packets."""
        self._members.add(uid)
        self.comes(uid)

    def leave(self, uid: str) -> bool:
        """It needs none any more; True when nobody is left."""
        self._members.discard(uid)
        self.is_served(uid)
        return not self._members

    def comes(self, uid: str) -> None:
        """It may soon say which packets it needs."""
        self._coming.add(uid)
        self._nobody_comes.clear()

    def is_served(self, uid: str) -> None:
        """It has said which packets it needs, or will need none."""
        self._coming.discard(uid)
        if not self._coming:
            self._nobody_comes.set()

    async def gathered(self) -> None:
        """Return when everybody has said what they need, or has taken too long."""
        try:
            async with asyncio.timeout(GATHER):
                await self._nobody_comes.wait()
        except TimeoutError:
            return  # who comes late asks for what it has missed

    def speaks_in(self, domain: bytes) -> bool:
        """Whether packets are sent in this domain."""
        return domain == self._everybody.domain

    def session(self, size: int) -> bytes:
        """The session for packets of this size that others have, or a new one, which others will have."""
        for session, packet_size, only in self._transfers:
            if packet_size == size and only is None:
                return session
        session = secrets.token_bytes(SESSION_SIZE)
        self.transfer(session, size, None)
        return session

    def transfer(self, session: bytes, size: int, only: str | None) -> Transfer:
        """Packets of one session and size; `only` for a device that does not hear what is said to all."""
        key = session, size, only
        if key not in self._transfers:
            self._transfers[key] = Transfer(self, self._transactions, self._everybody, session, size)
        return self._transfers[key]


class Transfer:
    """Packets for all devices with the same session."""

    def __init__(self, crowd: Crowd, transactions: Transactions, everybody: Place, session: bytes, size: int) -> None:
        self.spacing = SPACING_LEAST
        self._crowd = crowd
        self._transactions = transactions
        self._everybody = everybody
        self._session = session
        self._size = size
        self._wants: dict[str, set[int]] = {}
        self._sending = asyncio.Lock()

    @property
    def packets(self) -> int:
        """How many the image has."""
        return packets_of(self._crowd.image, self._size)

    def received(self, uid: str) -> int:
        """Bytes that have been sent to this device, as far as it is known to need more."""
        return max(len(self._crowd.image) - len(self._wants.get(uid, ())) * self._size, 0)

    async def send(self, uid: str, numbers: set[int], *, only: bool) -> None:
        """Send these packets, together with what others want; whoever comes first does it for all of them."""
        self._wants[uid] = set(numbers)
        self._crowd.is_served(uid)
        try:
            async with self._sending:
                if self._wants[uid]:
                    if len(numbers) == self.packets:
                        await asyncio.sleep(JOIN)
                    await self._crowd.gathered()
                    await self._send_all(only=only)
        finally:
            del self._wants[uid]
            self._crowd.comes(uid)

    async def _send_all(self, *, only: bool) -> None:
        while wanted := set[int]().union(*self._wants.values()):
            for number in sorted(wanted):
                askers = [uid for uid, numbers in self._wants.items() if number in numbers]
                for uid in askers:
                    self._wants[uid].discard(number)
                if not askers:  # whoever wanted it has gone away
                    continue
                alone = only or len(self._wants) == 1
                piece = self._crowd.image[(number - 1) * self._size : number * self._size]
                packet = Packet(self._session, number, piece)
                await self._transactions.tell(by_uid(askers[0]) if alone else self._everybody, packet.to_apdu())
                await asyncio.sleep(self.spacing)


def packets_of(image: bytes, size: int) -> int:
    """How many packets of this size an image has."""
    return -(-len(image) // size)


# -- what each device does ------------------------------------------------------------------------------


_SESSION: Final = re.compile(f"[0-9A-Fa-f]{{{2 * SESSION_SIZE}}}")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a load stands. `spacing` of the packets is in milliseconds; `configured` is what the device was before.

    `switching`: the device has the whole image, and may be running it.
    """

    sha256: str
    session: bytes
    packet_size: int
    configured: bool
    spacing: int = 0
    switching: bool = False

    def to_checkpoint(self) -> Checkpoint:
        """As it is kept."""
        return Checkpoint(
            {
                "sha256": self.sha256,
                "session": self.session.hex(),
                "packet": self.packet_size,
                "phase": "switch" if self.switching else "transfer",
                "configured": self.configured,
                "spacing": self.spacing,
            }
        )

    @classmethod
    def from_data(cls, data: Mapping[str, Any], sha256: str) -> Self | None:
        """None for a checkpoint of anything but an update with this image."""
        match data:
            case {
                "sha256": str(known),
                "session": str(session),
                "packet": int(size),
                "phase": "transfer" | "switch" as phase,
                "configured": bool(configured),
                "spacing": int(spacing),
            } if known == sha256 and 0 < size <= PACKET_SIZE and _SESSION.fullmatch(session):
                return cls(known, bytes.fromhex(session), size, configured, spacing, phase == "switch")
        return None


async def load(
    dialogue: Dialogue, target: Target, image: Image, transfers: Transfers
) -> AsyncGenerator[StepEvent, None]:
    """Give a device an opaque image; it keeps its configuration.

    Raises INCOMPATIBLE for a device that does not take it, LOAD_FAILED, VERIFY_FAILED and what every exchange raises.
    """
    with transfers.member(image, dialogue.uid) as crowd:
        work = _Update(dialogue, image, crowd)
        yield Step("check image", StepClass.READ)
        status = await dialogue.ask("check image", QueryStatus())
        yield Facts(model=status.model, firmware=status.version)
        await work.take_up(status, target)
        async for event in work.run():
            yield event


class _Update:
    """The update of one device."""

    def __init__(self, dialogue: Dialogue, image: Image, crowd: Crowd) -> None:
        self._dialogue = dialogue
        self._image = image
        self._crowd = crowd
        self._standing = Standing(image.sha256, b"", PACKET_SIZE, configured=False)
        self._only: str | None = None
        self._resumed = False
        self._md5 = True

    async def take_up(self, status: Status, target: Target) -> None:
        """Decide where to begin."""
        configured = status.state is not None and status.state.configured
        if configured and not await self._hears_all():
            self._only = self._dialogue.uid
        before = None if target.checkpoint is None else Standing.from_data(target.checkpoint.data, self._image.sha256)
        if before is not None:
            self._standing, self._resumed = before, True
            self._crowd.transfer(before.session, before.packet_size, None)  # others may join it
        else:
            session = self._crowd.session(PACKET_SIZE)
            self._standing = replace(self._standing, session=session, configured=configured)
        if packets_of(self._image.data, self._standing.packet_size) > PACKETS_MOST:
            raise self._error(Kind.INCOMPATIBLE, "check image", reason="the image has more packets than can be counted")

    async def _hears_all(self) -> bool:
        """Whether a configured device belongs to the domain in which the packets are sent."""
        for index in range(2):
            try:
                entry = (await self._dialogue.ask("check image", QueryDomain(index))).entry
            except DriverError as error:
                if error.kind is not Kind.REFUSED:  # it has but one
                    raise
                return False
            if entry.in_use and self._crowd.speaks_in(entry.domain):
                return True
        return False

    async def run(self) -> AsyncGenerator[StepEvent, None]:
        """From where it stands to the end."""
        if not await self._runs_already():
            async for event in self._transfer():
                yield event
            self._crowd.is_served(self._dialogue.uid)
            yield Step("validate", StepClass.READ)
            fault = await self._validate()
            if fault:
                yield Checkpoint({})  # what was received is worth nothing
                raise self._failed("validate", fault)
            self._standing = replace(self._standing, switching=True)
            yield self._standing.to_checkpoint()
            yield Step("switch over", StepClass.DANGEROUS)
            seconds = await self._switch_over()
            yield Step("wait for it", StepClass.READ)
            await self._wake(seconds)
        yield Step("commit", StepClass.IDEMPOTENT)
        result = (await self._settled("commit", Commit())).result
        if result not in (OK, CommitResult.ALREADY_PRIMARY):
            raise self._failed("commit", Commit().in_words(result))
        yield Step("verify", StepClass.READ)
        status = await self._dialogue.ask("verify", QueryStatus())
        facts = facts_of(status)
        yield facts
        if self._standing.configured and facts.state is not NetworkState.PROVISIONED:
            raise self._error(Kind.VERIFY_FAILED, "verify", expected="configured", found="unconfigured")
        yield replace(facts, program_id=await self._program_id(), note="")

    async def _runs_already(self) -> bool:
        """Whether a load was cut off between the switch over and the end."""
        if not (self._resumed and self._standing.switching):
            return False
        return (await self._dialogue.ask("check image", QueryUpdate())).active

    # -- packets ----------------------------------------------------------------------------------------

    async def _begin(self) -> AsyncGenerator[StepEvent, None]:
        """Agree on the packets."""
        yield Step("begin update", StepClass.IDEMPOTENT)
        while True:
            yield self._standing.to_checkpoint()
            size, length = self._standing.packet_size, len(self._image.data)
            request = Init(self._standing.session, size, packets_of(self._image.data, size), length)
            terms = await self._offer(request)
            if terms.result != InitResult.PACKET_TOO_LARGE:
                break
            smaller = terms.packet_size
            if not 0 < smaller < size or packets_of(self._image.data, smaller) > PACKETS_MOST:
                raise self._incompatible(request.in_words(terms.result))
            self._standing = replace(self._standing, session=self._crowd.session(smaller), packet_size=smaller)
        if terms.result != OK:
            raise self._incompatible(request.in_words(terms.result))
        self._md5 = terms.has_md5
        self._standing = replace(self._standing, spacing=terms.spacing)
        yield self._standing.to_checkpoint()
        await asyncio.sleep(terms.action_time)  # until then packets are lost on it

    async def _offer(self, request: Init) -> Terms:
        try:
            return await self._settled("begin update", request)
        except DriverError as error:
            if error.kind is not Kind.REFUSED:
                raise
            raise self._incompatible(
                "the device does not speak the Image Update Protocol, and the image is opaque"
            ) from error

    async def _transfer(self) -> AsyncGenerator[StepEvent, None]:
        """Send and ask until nothing is missing."""
        answer = await self._confirm_again() if self._resumed else None
        told: tuple[int, ...] | None = None
        rounds = passes = 0
        while answer is None or answer.result != OK:
            if answer is None or answer.result == ConfirmResult.NOT_VIABLE:
                passes += 1
                if passes > PASSES:
                    raise self._failed("transfer", f"hardly any packet arrives, in {PASSES} times that all were sent")
                async for event in self._begin():
                    yield event
                wanted = set(range(1, self._packets + 1))
            else:
                wanted = self._missing(answer)
                rounds = rounds + 1 if answer.packets == told else 0
                told = answer.packets
                if rounds == ROUNDS_WITHOUT_GAIN:
                    raise self._failed("transfer", f"packet {min(wanted)} of {self._packets} never arrives")
            yield Step("transfer", StepClass.IDEMPOTENT)
            async for event in self._send(wanted):
                yield event
            answer = await self._settled("transfer", Confirm(self._standing.session))

    @property
    def _packets(self) -> int:
        return packets_of(self._image.data, self._standing.packet_size)

    def _missing(self, answer: Missing) -> set[int]:
        wanted = set(answer.packets)
        if answer.result != ConfirmResult.MISSING or not wanted or not wanted <= set(range(1, self._packets + 1)):
            said = ", ".join(map(str, answer.packets)) or "none"
            raise self._failed("transfer", f"the device answers {answer.result}, missing packets: {said}")
        return wanted

    async def _confirm_again(self) -> Missing | None:
        """What is missing of a transfer that was cut off; None when the device knows nothing of it."""
        try:
            return await self._settled("transfer", Confirm(self._standing.session))
        except DriverError as error:
            if error.kind is not Kind.REFUSED:
                raise
            return None

    async def _send(self, wanted: set[int]) -> AsyncGenerator[StepEvent, None]:
        """Wait until these packets have been sent, and tell how far they are."""
        transfer = self._crowd.transfer(self._standing.session, self._standing.packet_size, self._only)
        transfer.spacing = max(transfer.spacing, self._standing.spacing / 1000)
        uid, total = self._dialogue.uid, len(self._image.data)
        sending = asyncio.ensure_future(transfer.send(uid, wanted, only=self._only is not None))
        try:
            for report in count(1):
                await asyncio.wait({sending}, timeout=PROGRESS_PAUSE)
                yield Progress(transfer.received(uid), total, "bytes")
                if sending.done():
                    break
                if report % REPORTS_TO_CHECKPOINT == 0:
                    yield self._standing.to_checkpoint()
            sending.result()
        finally:
            sending.cancel()
            await asyncio.wait({sending})

    # -- the new image --------------------------------------------------------------------------------

    async def _validate(self) -> str:
        """Let it check what it has; "" or what is wrong."""
        session = self._standing.session
        request = Validate(session, Digest.NONE)
        if self._md5:
            salt = secrets.token_bytes(SALT_SIZE)
            request = Validate(session, Digest.MD5, salt, await _md5(salt, self._image.data))
        result = (await self._settled("validate", request)).result
        if result == ValidateResult.DIGEST_TYPE and self._md5:
            request = Validate(session, Digest.NONE)
            result = (await self._settled("validate", request)).result
        return "" if result == OK else request.in_words(result)

    async def _switch_over(self) -> int:
        """Let it run the new image on probation if it can, and keep its configuration; returns the seconds it needs."""
        keep = SwitchFlags.KEEP_CONFIGURATION | SwitchFlags.KEEP_PERSISTENT_DATA
        request = SwitchOver(keep | SwitchFlags.STAY_SECONDARY, SWITCH_DELAY)
        answer = await self._dialogue.ask("switch over", request)
        if answer.result == SwitchResult.NO_SECONDARY:
            request = replace(request, flags=keep)
            answer = await self._dialogue.ask("switch over", request)
        if answer.result == SwitchResult.DELAY_UNSUPPORTED:
            request = replace(request, delay=0)
            answer = await self._dialogue.ask("switch over", request)
        if answer.result != OK and not (await self._dialogue.ask("switch over", QueryUpdate())).active:
            raise self._failed("switch over", request.in_words(answer.result))
        return max(answer.action_time, request.delay)

    async def _wake(self, seconds: int) -> None:
        """Wait until it runs the new image."""
        await asyncio.sleep(seconds)
        loop = asyncio.get_running_loop()
        give_up = loop.time() + WAKE_MOST
        while True:
            if await self._is_awake(last=loop.time() > give_up):
                return
            await asyncio.sleep(PENDING_PAUSE)

    async def _is_awake(self, *, last: bool) -> bool:
        try:
            status = await self._dialogue.ask("wait for it", QueryUpdate())
        except DriverError as error:
            if error.kind is not Kind.NO_REPLY or last:
                raise
            return False
        if status.rejection and not status.active:
            raise self._failed("switch over", f"the device rejects the image (code {status.rejection})")
        if last and not status.active:
            raise self._failed("switch over", "the device goes on with its old image")
        return status.active

    async def _program_id(self) -> str | None:
        """The program ID of the new image; None where it is kept secret."""
        try:
            found = await self._dialogue.read("verify", MemoryMode.READ_ONLY, PROGRAM_ID_OFFSET, PROGRAM_ID_SIZE)
        except DriverError as error:
            if error.kind is not Kind.REFUSED:
                raise
            return None
        return found.hex().upper()

    # -- small things -----------------------------------------------------------------------------------

    async def _settled(self, step: str, request: Expanded[S]) -> S:
        """Ask until the device is no longer busy with it."""
        waited = 0.0
        while (answer := await self._dialogue.ask(step, request)).result == PENDING:
            if waited >= PENDING_MOST:
                raise self._failed(step, f"the device is still busy after {waited:.0f} s")
            pause = max(float(answer.action_time), PENDING_PAUSE)
            waited += pause
            await asyncio.sleep(pause)
        return answer

    def _incompatible(self, reason: str) -> DriverError:
        return self._error(Kind.INCOMPATIBLE, "begin update", reason=reason)

    def _failed(self, step: str, reason: str) -> DriverError:
        return self._error(Kind.LOAD_FAILED, step, reason=reason)

    def _error(self, kind: Kind, step: str, **fields: FieldValue) -> DriverError:
        return DriverError(kind, step=step, device=self._dialogue.uid, **fields)


async def _md5(salt: bytes, image: bytes) -> bytes:
    """Over the salt, then over the image, in pieces between which others go on."""
    digest = hashlib.md5(salt, usedforsecurity=False)
    for at in range(0, len(image), MD5_PIECE):
        digest.update(memoryview(image)[at : at + MD5_PIECE])
        await asyncio.sleep(0)
    return digest.digest()
