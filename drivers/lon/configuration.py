"""The configuration of a device as a document: read from it, compared with it, and written back.

Entries and memory stand in the document as in the device, in hexadecimal (ISO/IEC 14908-1; layouts as in LON Stack DX
lon_types.h). What a device refuses is left out and named. An alias is a second configuration of a network variable, at
an index behind those of all variables (LON Stack DX lcs_netmgmt.c, Query NV Config).
Domain entries hold the authentication keys of the device: the document is as confidential as they are.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Annotated, Final, Self

from annotated_types import Interval, Len
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from core.errors import Kind
from drivers.base import DriverError, Progress, Snapshot, Step, StepClass, StepEvent
from drivers.lon.dialogue import LEFT_OUT, Dialogue, differs, exact, unreadable
from drivers.lon.kinds import PROPERTIES, of_kind
from drivers.lon.management import (
    ESCAPED,
    Done,
    MemoryMode,
    QueryAddress,
    QueryDomain,
    QueryVariableConfiguration,
    ReadMemory,
    RecalculateChecksum,
    Request,
    UpdateAddress,
    UpdateVariableConfiguration,
    WriteForm,
    WriteMemory,
)
from drivers.lon.names import program_id_of
from drivers.lon.structures import MOST_VARIABLES, PROGRAM_ID_SIZE, AddressEntry, DomainEntry, Identity, TableSizes

VERSION: Final = 1
"""Of the document."""

SAVE: Final = "save configuration"
"""The step of reading it."""

CHUNK: Final = 32
"""Bytes of memory in one message: they fit into the smallest application buffers in use (66 bytes)."""

MOST_ADDRESSES: Final = 15
"""What an address table can hold, where the device does not say how much it does."""

MEMORY_SIZE: Final = 0x10000
"""What an absolute address reaches."""

VARIABLE_SIZE: Final = 3
ALIAS_SIZES: Final = (4, 6)
"""An alias ends with the index of its variable: one byte, and two more where that is FF, or the device is a host."""
CONFIGURATION_SIZE: Final = 25

SET_BY_TOOLS: Final = (range(8), range(15, 16), range(24, 25))
"""Of the configuration data: channel ID and location; node priority; receive timer, authentication and preemption.

The rest tells clock and transceiver. It belongs to the unit, and wrong values there take a device off the channel.
"""


class Section(StrEnum):
    """The parts of a configuration, in the order in which they are written."""

    ADDRESSES = "address table"
    VARIABLES = "network variables"
    ALIASES = "aliases"
    CONFIGURATION = "configuration data"
    PROPERTIES = "properties"


@dataclass(frozen=True, slots=True)
class Entry:
    """What is read and written as one: an entry of a table by its index, a piece of memory by its offset."""

    section: Section
    at: int
    content: bytes

    def __str__(self) -> str:
        memory = self.section in (Section.CONFIGURATION, Section.PROPERTIES)
        return f"{self.section.value} {f'{self.at:04X}' if memory else self.at}"

    async def current(self, dialogue: Dialogue, step: str) -> bytes:
        """What the device has in its place."""
        return await _current(dialogue, step, self.section, self.at, len(self.content))

    def update(self) -> Request[Done]:
        """What writes it."""
        match self.section:
            case Section.ADDRESSES:
                return UpdateAddress(self.at, AddressEntry.from_bytes(self.content))
            case Section.VARIABLES:
                return UpdateVariableConfiguration(self.at, self.content)
            case Section.ALIASES:
                return UpdateVariableConfiguration(self.at, _alias_to_write(self.content))
            case Section.CONFIGURATION:
                return WriteMemory(MemoryMode.CONFIGURATION, self.at, self.content, WriteForm.CONFIGURATION_CHECKSUM)
            case Section.PROPERTIES:
                return WriteMemory(MemoryMode.ABSOLUTE, self.at, self.content)


async def _current(dialogue: Dialogue, step: str, section: Section, at: int, size: int) -> bytes:
    match section:
        case Section.ADDRESSES:
            return (await dialogue.ask(step, QueryAddress(at))).entry.to_bytes()
        case Section.VARIABLES:
            return exact(step, dialogue.uid, await dialogue.ask(step, QueryVariableConfiguration(at)), size)
        case Section.ALIASES:
            alias = (await dialogue.ask(step, QueryVariableConfiguration(at))).data
            if len(alias) not in ALIAS_SIZES:
                raise unreadable(step, dialogue.uid, alias, f"an alias has 4 or 6 bytes, not {len(alias)}")
            return alias
        case Section.CONFIGURATION:
            return await dialogue.read(step, MemoryMode.CONFIGURATION, at, size)
        case Section.PROPERTIES:
            return await dialogue.read(step, MemoryMode.ABSOLUTE, at, size)


def _alias_to_write(content: bytes) -> bytes:
    """An index of one byte is written as one byte, also to a device that tells it in three."""
    return content if content[VARIABLE_SIZE] == ESCAPED else content[: VARIABLE_SIZE + 1]


# -- the document -------------------------------------------------------------------------------


def _from_hex(value: object) -> object:
    return bytes.fromhex(value) if isinstance(value, str) else value


_Hex = Annotated[bytes, BeforeValidator(_from_hex), PlainSerializer(lambda value: value.hex().upper())]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Memory(_Model):
    """A piece of memory by its absolute address."""

    at: Annotated[int, Interval(ge=0, lt=MEMORY_SIZE)]
    content: Annotated[_Hex, Len(1, 0x1000)]

    @model_validator(mode="after")
    def _ends_in_memory(self) -> Self:
        if self.at + len(self.content) > MEMORY_SIZE:
            raise ValueError("beyond the end of memory")
        return self


def _four_or_six(alias: bytes) -> bytes:
    if len(alias) not in ALIAS_SIZES:
        raise ValueError("an alias has 4 or 6 bytes")
    return alias


_Alias = Annotated[_Hex, AfterValidator(_four_or_six)]


class Document(_Model):
    """Version 1."""

    program_id: Annotated[_Hex, Len(PROGRAM_ID_SIZE, PROGRAM_ID_SIZE)]
    model: Annotated[int, Interval(ge=0, le=0xFF)]
    domains: Annotated[tuple[Annotated[_Hex, Len(DomainEntry.SIZE, DomainEntry.SIZE)], ...], Len(0, 2)]
    addresses: Annotated[tuple[Annotated[_Hex, Len(AddressEntry.SIZE, AddressEntry.SIZE)], ...], Len(0, 0xFF)]
    variables: Annotated[tuple[Annotated[_Hex, Len(VARIABLE_SIZE, VARIABLE_SIZE)], ...], Len(0, MOST_VARIABLES)]
    aliases: Annotated[int, Interval(ge=0, le=0xFFFF)]
    """How many it has; `alias_table` are those that were saved."""
    alias_table: Annotated[tuple[_Alias, ...], Len(0, 0xFF)] = ()
    configuration: Annotated[_Hex, Len(CONFIGURATION_SIZE, CONFIGURATION_SIZE)] | None
    properties: tuple[Memory, ...]
    refused: tuple[str, ...]

    def entries(self) -> Iterator[Entry]:
        """All that can be restored without changing where the device belongs, in the order of writing."""
        for index, content in enumerate(self.addresses):
            yield Entry(Section.ADDRESSES, index, content)
        for index, content in enumerate(self.variables):
            yield Entry(Section.VARIABLES, index, content)
        for index, content in enumerate(self.alias_table, len(self.variables)):
            yield Entry(Section.ALIASES, index, content)
        if self.configuration is not None:
            for part in SET_BY_TOOLS:
                yield Entry(Section.CONFIGURATION, part.start, self.configuration[part.start : part.stop])
        for memory in self.properties:
            for start in range(0, len(memory.content), CHUNK):
                yield Entry(Section.PROPERTIES, memory.at + start, memory.content[start : start + CHUNK])

    def in_words(self) -> str:
        """What was saved, for people."""
        said = f"configuration saved: {len(self.addresses)} addresses, {len(self.variables)} network variables"
        if self.alias_table:
            said += f", {len(self.alias_table)} aliases"
        if missing := self.aliases - len(self.alias_table):
            said += f", without {missing} of its aliases"
        if self.refused:
            said += f"; refused: {', '.join(self.refused)}"
        return said

    def domain_at(self, place: DomainEntry) -> DomainEntry:
        """The saved domain entry of that place, with its key; the place as it is when none was saved."""
        saved = [DomainEntry.from_bytes(content) for content in self.domains]
        return next((entry for entry in saved if entry.in_use and entry.same_place(place)), place)


def decode(snapshot: Snapshot | None, uid: str) -> Document:
    """The document of a snapshot; a DriverError that says why when there is none, or none that can be read."""
    if snapshot is None:
        raise _unusable(uid, "none has been saved of this device")
    if snapshot.version != VERSION:
        raise _unusable(uid, f"it has version {snapshot.version}, which this fieldhand does not know")
    try:
        return Document.model_validate(dict(snapshot.document))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _unusable(uid, f"it is damaged: {where}: {first['msg']}") from error


def _unusable(uid: str, reason: str) -> DriverError:
    return DriverError(Kind.INVALID, what="configuration of", value=uid, reason=reason)


# -- reading ------------------------------------------------------------------------------------


async def read(dialogue: Dialogue, identity: Identity, known: Mapping[str, tuple[range, ...]] = PROPERTIES) -> Snapshot:
    """Read everything that can be read. `known` tells, by program ID, where properties lie in memory.

    Raises NO_REPLY. A refusal leaves out what was refused.
    """
    reader = _Reader(dialogue)
    sizes = await reader.sizes()
    domains = await reader.domains(1 + identity.two_domains)
    addresses = await reader.addresses(sizes)
    variables = await reader.variables(sizes)
    document = Document(
        program_id=identity.program_id,
        model=identity.model,
        domains=domains,
        addresses=addresses,
        variables=variables,
        aliases=0 if sizes is None else sizes.aliases,
        alias_table=await reader.aliases(sizes, len(variables)),
        configuration=await reader.memory(Section.CONFIGURATION, range(CONFIGURATION_SIZE)),
        properties=await reader.properties(of_kind(known, program_id_of(identity.program_id))),
        refused=tuple(reader.refused),
    )
    return Snapshot(VERSION, document.model_dump(mode="json"))


class _Reader:
    """Reads from one device, and remembers what it refused."""

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue
        self.refused: list[str] = []

    async def sizes(self) -> TableSizes | None:
        """How large its tables are."""
        request = ReadMemory(MemoryMode.READ_ONLY, TableSizes.OFFSET, TableSizes.SIZE)
        try:
            answer = exact(SAVE, self._dialogue.uid, await self._dialogue.ask(SAVE, request), TableSizes.SIZE)
        except DriverError as error:
            self._left_out(error, "table sizes")
            return None
        return TableSizes.from_bytes(answer)

    async def domains(self, count: int) -> tuple[bytes, ...]:
        """Its domain table."""
        entries: list[bytes] = []
        for index in range(count):
            try:
                entries.append((await self._dialogue.ask(SAVE, QueryDomain(index))).entry.to_bytes())
            except DriverError as error:
                self._left_out(error, f"domain table {index}")
                break
        return tuple(entries)

    async def addresses(self, sizes: TableSizes | None) -> tuple[bytes, ...]:
        """Its address table."""
        count = 0 if sizes is None else sizes.addresses
        most = MOST_ADDRESSES if sizes is None else count
        return await self._table(Section.ADDRESSES, AddressEntry.SIZE, count, most)

    async def variables(self, sizes: TableSizes | None) -> tuple[bytes, ...]:
        """The configuration of its network variables; when there may be more than it can say, until it refuses."""
        count = 0 if sizes is None else sizes.variables
        most = MOST_VARIABLES if sizes is None or sizes.more_variables else count
        return await self._table(Section.VARIABLES, VARIABLE_SIZE, count, most)

    async def aliases(self, sizes: TableSizes | None, first: int) -> tuple[bytes, ...]:
        """Its aliases, from this index on; none where it has not told all variables, so that nobody knows the index."""
        if sizes is None or first < sizes.variables:
            return ()
        return await self._table(Section.ALIASES, ALIAS_SIZES[0], sizes.aliases, sizes.aliases, first)

    async def _table(self, section: Section, size: int, count: int, most: int, first: int = 0) -> tuple[bytes, ...]:
        """Entries up to the first one that is refused, which is the end of the table where `count` are read."""
        entries: list[bytes] = []
        while len(entries) < most:
            try:
                entries.append(await _current(self._dialogue, SAVE, section, first + len(entries), size))
            except DriverError as error:
                if len(entries) < count or error.kind not in LEFT_OUT:
                    self._left_out(error, f"{section.value} from {len(entries)}")
                break
        return tuple(entries)

    async def properties(self, parts: Iterable[range]) -> tuple[Memory, ...]:
        """The pieces of memory that it gives."""
        read = [(part.start, await self.memory(Section.PROPERTIES, part)) for part in parts]
        return tuple(Memory(at=at, content=content) for at, content in read if content is not None)

    async def memory(self, section: Section, part: range) -> bytes | None:
        """One piece, all or nothing."""
        content = b""
        while len(content) < len(part):
            at = part.start + len(content)
            try:
                content += await _current(self._dialogue, SAVE, section, at, min(CHUNK, part.stop - at))
            except DriverError as error:
                self._left_out(error, f"{section.value} {at:04X}")
                return None
        return content

    def _left_out(self, error: DriverError, what: str) -> None:
        if error.kind not in LEFT_OUT:
            raise error
        self.refused.append(what)


# -- writing ------------------------------------------------------------------------------------


async def differences(dialogue: Dialogue, step: str, document: Document) -> list[Entry]:
    """What stands otherwise in the device than in the document, or cannot be read there."""
    return [entry for entry in document.entries() if not await _stands(dialogue, step, entry)]


async def _stands(dialogue: Dialogue, step: str, entry: Entry) -> bool:
    try:
        return await entry.current(dialogue, step) == entry.content
    except DriverError as error:
        if error.kind not in LEFT_OUT:
            raise
        return False


def needs_rest(entries: Iterable[Entry]) -> bool:
    """Whether a device should be unconfigured while these are written: it would use tables that are half written."""
    return any(entry.section is not Section.PROPERTIES for entry in entries)


async def write(dialogue: Dialogue, entries: list[Entry]) -> AsyncGenerator[StepEvent, None]:
    """Write the entries, make the checksum right, and read them back; raises VERIFY_FAILED and as `ask`.

    The device should be unconfigured meanwhile when they need rest.
    """
    done = 0
    for section, group in groupby(entries, lambda entry: entry.section):
        step = f"write {section.value}"
        yield Step(step, StepClass.IDEMPOTENT)
        for entry in group:
            await dialogue.ask(step, entry.update())
            done += 1
            yield Progress(done, len(entries), "entries")
    if entries:
        yield Step("checksum", StepClass.IDEMPOTENT)
        await _make_checksum_right(dialogue, "checksum")
        yield Step("read back configuration", StepClass.READ)
        for entry in entries:
            found = await entry.current(dialogue, "read back configuration")
            if found != entry.content:
                step, expected = f"read back of {entry}", entry.content.hex(" ").upper()
                raise differs(step, dialogue.uid, expected, found.hex(" ").upper())


async def _make_checksum_right(dialogue: Dialogue, step: str) -> None:
    try:
        await dialogue.ask(step, RecalculateChecksum(RecalculateChecksum.CONFIGURATION))
    except DriverError as error:
        if error.kind is not Kind.REFUSED:  # devices that keep it themselves need not know the message
            raise
