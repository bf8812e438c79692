"""Loading an application image: record by record into a device that runs nothing meanwhile.

The course follows the order of records in published images and the handlers of LON Stack DX: offline, applicationless,
the records one at a time, checksums, configuration, state, reset. Cut off anywhere, the device is applicationless,
says so, and the load is taken up where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final, Self, TypeVar

from core.errors import FieldValue, Kind
from drivers.base import (
    Checkpoint,
    DriverError,
    Facts,
    NetworkState,
    Progress,
    Step,
    StepClass,
    StepEvent,
    Target,
)
from drivers.lon import configuration
from drivers.lon.dialogue import Dialogue, by_uid, facts_of, state_in_words
from drivers.lon.images import FLAGS_OFFSET, PROTECTED, ApplicationImage, Record, RecordKind
from drivers.lon.management import (
    ChangeState,
    ClearStatus,
    Done,
    MemoryMode,
    NodeMode,
    QueryDomain,
    QueryStatus,
    ReadMemory,
    RecalculateChecksum,
    Request,
    Response,
    SetMode,
    Status,
    UpdateDomain,
    UpdateVariableConfiguration,
    WriteMemory,
)
from drivers.lon.names import program_id_of, same_program, uid_of
from drivers.lon.structures import (
    IDENTITY_SIZE,
    PROGRAM_ID_OFFSET,
    PROGRAM_ID_SIZE,
    DomainEntry,
    Identity,
    NodeState,
    error_in_words,
)
from drivers.lon.transactions import WINDOW_MOST

STANDING_STILL: Final = 2 * WINDOW_MOST
"""Devices of a port that are without application at the same time. Each has one write open, and programs its memory for
longer than that takes on the channel; more would only all take longer, and stand still for all of it."""

COMPARED: Final = 8
"""Records before the one where a load was cut off that are read back. A device that lost power would say so; this finds
the one whose last writes were lost without a reset."""

PASSES: Final = 3
"""How often the records are written from the first one, when the device is reset in the middle of it."""

PATIENCE: Final = 3
"""Rounds of tries, of some ten seconds each, for what takes a device long: checksums over all of its memory, and its
first start with a new program."""

RESET_TRIES: Final = 3
"""Nothing answers a reset, so that one that was lost shows only afterwards."""

CHECKSUM_WRONG: Final = 152
"""In the error log: the application does not fit its checksum."""

R = TypeVar("R", bound=Response)

WITHOUT_APPLICATION: Final = Facts(state=NetworkState.UNPROVISIONED, application=False)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a load stands. `state` is that of the device before it began.

    Up to `record` everything is written. `finishing`: the program is whole, and the device gets its configuration back
    and leaves the applicationless state as the last of it.
    """

    sha256: str
    state: NodeState = NodeState.UNCONFIGURED
    record: int = 0
    finishing: bool = False

    def to_checkpoint(self) -> Checkpoint:
        """As it is kept."""
        return Checkpoint(
            {
                "sha256": self.sha256,
                "phase": "finish" if self.finishing else "records",
                "record": self.record,
                "state": self.state.value,
            }
        )

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self | None:
        """None for a checkpoint of another kind of load."""
        match data:
            case {"sha256": str(sha256), "phase": "records" | "finish" as phase, "record": int(record)}:
                state = data.get("state")
                known = state if state in (NodeState.CONFIGURED, NodeState.HARD_OFFLINE) else NodeState.UNCONFIGURED
                return cls(sha256, NodeState(known), record, phase == "finish")
        return None


async def load(
    dialogue: Dialogue,
    target: Target,
    image: ApplicationImage,
    sha256: str,
    *,
    force: bool,
    gate: asyncio.Semaphore,
) -> AsyncGenerator[StepEvent, None]:
    """Give a device the program of the image; it keeps its configuration where the program is the same.

    `gate` limits the devices that stand still. Raises INCOMPATIBLE before anything is written, LOAD_FAILED, and what
    every exchange raises.
    """
    work = _Load(dialogue, target, image, sha256)
    yield Step("check image", StepClass.READ)
    status, identity, flags = await work.look()
    yield Facts(model=status.model, firmware=status.version)
    without = _is_without(status)
    if without:
        yield WITHOUT_APPLICATION
    work.check(status, identity, flags, force=force)
    work.take_up(status, identity)
    async with gate:
        if not work.resumed and not without:
            yield Step(configuration.SAVE, StepClass.READ)
            work.snapshot = await configuration.read(dialogue, identity)
            yield work.snapshot
        async with aclosing(work.run(status)) as steps:
            async for event in steps:
                yield event


class _Load:
    """One load of one device."""

    def __init__(self, dialogue: Dialogue, target: Target, image: ApplicationImage, sha256: str) -> None:
        self._dialogue = dialogue
        self._target = target
        self._image = image
        self._before = None if target.checkpoint is None else Standing.from_data(target.checkpoint.data)
        self._standing = Standing(sha256)
        self.snapshot = target.snapshot
        self.resumed = False
        self._notes: list[str] = []

    # -- before anything is written -----------------------------------------------------------------

    async def look(self) -> tuple[Status, Identity, int]:
        """How the device stands, who it is, and the flags of its program."""
        status = await self._dialogue.ask("check image", QueryStatus())
        data = await self._dialogue.read("check image", MemoryMode.READ_ONLY, 0, IDENTITY_SIZE)
        identity = Identity.from_bytes(data)
        found, expected = uid_of(identity.neuron_id), self._dialogue.uid
        if found != expected:
            raise self._error(Kind.WRONG_DEVICE, "check image", expected=expected, found=found)
        return status, identity, data[FLAGS_OFFSET]

    def check(self, status: Status, identity: Identity, flags: int, *, force: bool) -> None:
        """Raise INCOMPATIBLE, naming both sides."""
        image = self._image
        if image.model != status.model:
            raise self._incompatible(f"the image is made for model {image.model}, the device is model {status.model}")
        if image.firmware > status.version:
            raise self._incompatible(
                f"the image needs firmware {image.firmware}, the device has the older {status.version}"
            )
        if flags & PROTECTED:
            raise self._incompatible("the program in the device is protected against being written over")
        if force:
            return
        if image.firmware < status.version:
            raise self._incompatible(
                f"the image is made for firmware {image.firmware}, the device has the newer {status.version}; "
                "it can be forced"
            )
        program_id = self._program_of(status, identity)
        if program_id is not None and not same_program(image.program_id, program_id):
            raise self._incompatible(
                f"the image has program ID {program_id_of(image.program_id)}, the device {program_id}; it can be forced"
            )

    def _program_of(self, status: Status, identity: Identity) -> str | None:
        """The program that it has, or had; None where nobody knows."""
        if not _is_without(status):
            return program_id_of(identity.program_id)
        if self._before is not None and self._before.sha256 == self._standing.sha256:
            return None  # it was compared when this load began, and may have been forced
        return self._target.program_id

    def take_up(self, status: Status, identity: Identity) -> None:
        """Decide where to go on, from the checkpoint and from what the device says."""
        without = _is_without(status)
        before = self._before
        if before is not None and before.sha256 == self._standing.sha256 and (without or self._done_before(identity)):
            self.resumed = True
            self._standing = replace(before, record=max(0, min(before.record, len(self._image.records))))
        elif before is not None and without:  # a load of another image left it like this
            self._standing = replace(self._standing, state=before.state)
        elif identity.configured:
            hard_offline = status.state is NodeState.HARD_OFFLINE
            state = NodeState.HARD_OFFLINE if hard_offline else NodeState.CONFIGURED
            self._standing = replace(self._standing, state=state)

    def _done_before(self, identity: Identity) -> bool:
        """Whether a device that has its application again got it by this load."""
        return self._before is not None and self._before.finishing and identity.program_id == self._image.program_id

    # -- the load -----------------------------------------------------------------------------------

    async def run(self, status: Status) -> AsyncGenerator[StepEvent, None]:
        """From the standing that was taken up to the end; once more from the first record if going on was wrong."""
        while True:
            if not self.resumed or _is_without(status):  # else all was done but the reset and a look at it
                async for event in self._begin(status):
                    yield event
                async for event in self._write():
                    yield event
                async for event in self._finish():
                    yield event
            yield Step("reset", StepClass.IDEMPOTENT)
            status = await self._restart()
            yield facts_of(status)
            if status.error != CHECKSUM_WRONG:
                break
            if not self.resumed:
                raise self._failed("reset", f"the device says {error_in_words(status.error)}")
            self.resumed = False
        yield Step("verify", StepClass.READ)
        if status.state is not self._standing.state:
            raise self._differs(self._standing.state.in_words, state_in_words(status))
        request = ReadMemory(MemoryMode.READ_ONLY, PROGRAM_ID_OFFSET, PROGRAM_ID_SIZE)
        found = (await self._dialogue.ask("verify", request)).data
        if found != self._image.program_id:
            raise self._differs(program_id_of(self._image.program_id), program_id_of(found))
        yield replace(facts_of(status), program_id=program_id_of(found), note="; ".join(self._notes))

    async def _begin(self, status: Status) -> AsyncGenerator[StepEvent, None]:
        """Find the record to begin with: the first one, unless everything before is proved to be there.

        The application is taken from the device, so that no half-written program can run. From then on the cause of
        reset tells whether it was reset, and its RAM lost.
        """
        if self.resumed and status.reset_cause == 0 and self._standing.record:
            yield Step("compare records", StepClass.READ)
            if await self._is_there(self._image.records[: self._standing.record]):
                return
        self._standing = replace(self._standing, record=0, finishing=False)
        if status.state is not None and status.state.configured:
            yield Step("offline", StepClass.IDEMPOTENT)
            await self._dialogue.ask("offline", SetMode(NodeMode.OFFLINE))
        yield self._standing.to_checkpoint()
        if not _is_without(status):
            yield Step("applicationless", StepClass.DANGEROUS)
            await self._dialogue.ask("applicationless", ChangeState(NodeState.APPLICATIONLESS))
            yield WITHOUT_APPLICATION
        yield Step("clear status", StepClass.IDEMPOTENT)
        await self._dialogue.ask("clear status", ClearStatus())

    async def _is_there(self, written: Sequence[Record]) -> bool:
        """Whether the last of these are in memory, as far as it can be read."""
        memory = {(record.kind, record.start + at): byte for record in written for at, byte in enumerate(record.data)}
        for record in written[-COMPARED:]:
            if record.kind is RecordKind.VARIABLE:
                continue
            expected = bytes(memory[record.kind, address] for address in range(record.start, record.end))
            try:
                found = await self._dialogue.read(
                    "compare records", MemoryMode(record.kind), record.offset, len(expected)
                )
            except DriverError as error:
                if error.kind is not Kind.REFUSED:
                    raise
                return False
            if found != expected:
                return False
        return True

    async def _write(self) -> AsyncGenerator[StepEvent, None]:
        """All records from where it stands, again from the first one whenever the device was reset; then checksums."""
        yield Step("write records", StepClass.DANGEROUS)
        records, passes = self._image.records, 1
        done = sum(len(record.data) for record in records[: self._standing.record])
        while self._standing.record < len(records):
            record = records[self._standing.record]
            yield self._standing.to_checkpoint()
            await self._write_one(record)
            done += len(record.data)
            yield Progress(done, self._image.size, "bytes")
            self._standing = replace(self._standing, record=self._standing.record + 1)
            if self._within_phase() or not await self._was_reset():
                continue
            if passes == PASSES:
                raise self._failed("write records", "the device is reset again and again while it is written")
            passes, done = passes + 1, 0
            self._standing = replace(self._standing, record=0)
            yield self._standing.to_checkpoint()  # before the cause of reset is forgotten
            await self._dialogue.ask("write records", ClearStatus())
        yield self._standing.to_checkpoint()
        yield Step("checksums", StepClass.IDEMPOTENT)
        await self._patiently("checksums", RecalculateChecksum(RecalculateChecksum.BOTH))
        self._standing = replace(self._standing, finishing=True)
        yield self._standing.to_checkpoint()

    def _within_phase(self) -> bool:
        """Whether the record that was written and the next one belong to the same phase."""
        pair = self._image.records[self._standing.record - 1 : self._standing.record + 1]
        return len(pair) > 1 and pair[0].phase == pair[1].phase

    async def _was_reset(self) -> bool:
        status = await self._dialogue.ask("write records", QueryStatus())
        if status.state is not NodeState.APPLICATIONLESS:
            raise self._failed("write records", "the device has left the applicationless state")
        return status.reset_cause != 0

    async def _write_one(self, record: Record) -> None:
        request: Request[Done]
        if record.kind is RecordKind.VARIABLE:
            request = UpdateVariableConfiguration(record.offset, record.data)
            where = f"the configuration of network variable {record.offset}"
        else:
            request = WriteMemory(MemoryMode(record.kind), record.offset, record.data)
            unit = " words" if record.kind is RecordKind.WORDS else ""
            where = f"{len(record.data)} bytes at {record.offset:04X}{unit}"
        try:
            await self._dialogue.ask("write records", request)
        except DriverError as error:
            if error.kind is not Kind.REFUSED:
                raise
            number, last = self._standing.record + 1, len(self._image.records)
            raise self._failed("write records", f"the device refuses record {number} of {last}, {where}") from error

    async def _finish(self) -> AsyncGenerator[StepEvent, None]:
        """Give it back its configuration, as far as it is for this program, and its state."""
        state = self._standing.state
        if state.configured:
            async for event in self._restore():
                yield event
            yield Step("check domain", StepClass.READ)
            if not (await self._dialogue.ask("check domain", QueryDomain(0))).entry.in_use:
                state = NodeState.UNCONFIGURED
                self._notes.append("its place in the network is lost: provision it")
        self._standing = replace(self._standing, state=state)
        yield self._standing.to_checkpoint()
        yield Step("state", StepClass.IDEMPOTENT)
        await self._dialogue.ask("state", ChangeState(state))

    async def _restore(self) -> AsyncGenerator[StepEvent, None]:
        """What the image has wiped out: its place, and for the same program the rest of its configuration."""
        document = self._saved()
        yield Step("restore domain", StepClass.IDEMPOTENT)
        for index, entry in enumerate(self._places(document)):
            if (await self._dialogue.ask("restore domain", QueryDomain(index))).entry != entry:
                await self._dialogue.ask("restore domain", UpdateDomain(index, entry))
        if document is None:
            self._notes.append("no configuration of it was kept")
        elif document.program_id != self._image.program_id:
            self._notes.append("its configuration is that of another program and was not restored")
        else:
            yield Step("compare", StepClass.READ)
            entries = await configuration.differences(self._dialogue, "compare", document)
            async for event in configuration.write(self._dialogue, entries):
                if not isinstance(event, Progress):  # a load counts the bytes of its image and nothing else
                    yield event

    def _saved(self) -> configuration.Document | None:
        """What was kept of it, unless that cannot be read any more: then the load goes on without."""
        try:
            return configuration.decode(self.snapshot, self._dialogue.uid)
        except DriverError as error:
            if error.kind is not Kind.INVALID:
                raise
            return None

    def _places(self, document: configuration.Document | None) -> list[DomainEntry]:
        if document is not None:
            return [DomainEntry.from_bytes(content) for content in document.domains]
        return [] if self._dialogue.entry is None else [self._dialogue.entry]

    async def _restart(self) -> Status:
        """Reset it, and prove by the cause that it was."""
        await self._dialogue.ask("reset", ClearStatus())
        for _ in range(RESET_TRIES):
            await self._dialogue.transactions.tell(by_uid(self._dialogue.uid), SetMode(NodeMode.RESET).to_apdu())
            status = await self._patiently("reset", QueryStatus())
            if status.reset_cause:
                return status
        raise self._failed("reset", "the device cannot be reset")

    # -- small things -------------------------------------------------------------------------------

    async def _patiently(self, step: str, request: Request[R]) -> R:
        for _ in range(PATIENCE - 1):
            try:
                return await self._dialogue.ask(step, request)
            except DriverError as error:
                if error.kind is not Kind.NO_REPLY:
                    raise
        return await self._dialogue.ask(step, request)

    def _incompatible(self, reason: str) -> DriverError:
        return self._error(Kind.INCOMPATIBLE, "check image", reason=reason)

    def _failed(self, step: str, reason: str) -> DriverError:
        return self._error(Kind.LOAD_FAILED, step, reason=reason)

    def _differs(self, expected: str, found: str) -> DriverError:
        return self._error(Kind.VERIFY_FAILED, "verify", expected=expected, found=found)

    def _error(self, kind: Kind, step: str, **fields: FieldValue) -> DriverError:
        return DriverError(kind, step=step, device=self._dialogue.uid, **fields)


def _is_without(status: Status) -> bool:
    """Whether it holds no program that could run."""
    return status.state is not None and not status.state.has_application
