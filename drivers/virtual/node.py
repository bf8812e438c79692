"""What a device is: its identity, its tables in non-volatile memory, and what it only keeps while powered."""

import random
from dataclasses import dataclass, field
from enum import Enum, IntEnum, auto

from drivers.virtual import memory as layout
from drivers.virtual.memory import Change, Memory, Sums

FT_6050 = 36
RESET_POWER_UP = 0x01
RESET_EXTERNAL = 0x02
RESET_SOFTWARE = 0x14
ERROR_APPLICATION_CHECKSUM = 152
ERROR_CONFIGURATION_CHECKSUM = 153
UNUSED_DOMAIN = bytes(6) + bytes([0, 0x80, 0xFF]) + b"\xff" * 6
UNBOUND = 0x3FFF  # an unbound network variable has selector 0x3FFF minus its index
UNUSED_ALIAS = bytes([0x3F, 0xFF, 0x0F, 0xFF])  # of no variable

_UNUSED_FLAG = 0x80
_NODE_FLAG = 0x80
_OFFLINE = 0x08
_DOMAIN_LENGTHS = (0, 1, 3, 6)  # a table entry holds the length itself, not the two-bit code of a packet
_GROUP_ENTRY = 0x80
# Sizes of application and network buffers, a digit for output and input each (LON Stack DX lcs_node.c).
_BUFFERS = 0xBB  # 66 bytes
_LARGE_BUFFERS = 0xFF  # 210 bytes, for packets of an image
_VARIABLE_COUNT = 0x3F  # of the flags
_STATISTICS = 17  # counters of two bytes, then the reset cause (ISO/IEC 14908-1 query status, statistics)


class State(IntEnum):
    """The state bits stored in the read-only structure."""

    UNCONFIGURED = 2
    APPLICATIONLESS = 3
    CONFIGURED = 4
    HARD_OFFLINE = 6


class StateName(Enum):
    """The state as people say it."""

    UNCONFIGURED = "unconfigured"
    CONFIGURED = "configured"
    APPLICATIONLESS = "applicationless"
    HARD_OFFLINE = "hard-offline"
    SOFT_OFFLINE = "soft-offline"


_STATE_NAMES = {
    State.UNCONFIGURED: StateName.UNCONFIGURED,
    State.APPLICATIONLESS: StateName.APPLICATIONLESS,
    State.CONFIGURED: StateName.CONFIGURED,
    State.HARD_OFFLINE: StateName.HARD_OFFLINE,
}

# channel id, location, then clocks and communication parameters as a host-based FT device has them (lon
# traces); last byte: non-group receive timer 2048 ms, no network management authentication.
DEFAULT_CONFIGURATION = bytes.fromhex("0000 000000000000 185e003fa6776701080e010000000000 80")


@dataclass(frozen=True, slots=True)
class Variable:
    """A network variable of the application."""

    length: int = 2
    output: bool = False


class DeviceKind(Enum):
    """How a device is dealt with: as any Neuron device, also by image update, or only after a step by hand."""

    PLAIN = "plain"
    UPDATE = "update"
    MODULE = "module"


class _Release(Enum):
    """How far a module has been released for commissioning. Survives a power failure."""

    NONE = auto()
    GIVEN = auto()  # its reset button was pressed
    USED = auto()  # it has been commissioned since, and belongs to that site


@dataclass(frozen=True, slots=True)
class Profile:
    """What the maker of a device fixed."""

    neuron_id: bytes
    program_id: bytes
    model: int = FT_6050
    firmware: int = 21
    state_flags: int = 0x40  # bit 6: two domains
    documentation: str = ""
    variables: tuple[Variable, ...] = (Variable(), Variable(output=True))
    aliases: int = 0
    capabilities: int = 0x0000
    configuration: bytes = DEFAULT_CONFIGURATION
    kind: DeviceKind = DeviceKind.PLAIN


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain table entry that is in use. A clone also listens to its own address."""

    id: bytes
    subnet: int
    node: int
    clone: bool


@dataclass(slots=True)
class Statistics:
    """Counters since the last reset or Clear Status."""

    transmission_errors: int = 0
    transaction_timeouts: int = 0
    receive_transactions_full: int = 0
    lost_messages: int = 0
    missed_messages: int = 0
    received: int = 0
    sent: int = 0
    reset_cause: int = RESET_POWER_UP

    def heading(self) -> bytes:
        """Give the five counters and the reset cause that Query Status answers."""
        counters = (
            self.transmission_errors,
            self.transaction_timeouts,
            self.receive_transactions_full,
            self.lost_messages,
            self.missed_messages,
        )
        return _counters(counters) + bytes([self.reset_cause])

    def to_bytes(self) -> bytes:
        """Give the statistics structure that memory mode 3 reads."""
        return (self.heading()[:-1] + _counters((self.received, self.received, self.sent))).ljust(
            2 * _STATISTICS, b"\0"
        )


@dataclass(slots=True)
class Volatile:
    """What is gone after a reset."""

    soft_offline: bool = False
    responds_to_query: bool = False
    values: list[bytes] = field(default_factory=list)


class Node:
    """A device's memory with names on it; knows nothing of the channel or of time."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.memory = Memory()
        self.statistics = Statistics()
        self.volatile = Volatile()
        self.winks = 0
        self._release = _Release.NONE if profile.kind is DeviceKind.MODULE else _Release.USED
        self._state = State.UNCONFIGURED
        self._variables = profile.variables
        self._domains: tuple[Domain | None, ...] = ()
        self._manufacture()
        self.forget()

    @property
    def neuron_id(self) -> bytes:
        """The six bytes that name this device and no other."""
        return self.profile.neuron_id

    @property
    def program_id(self) -> bytes:
        """The eight bytes that name the application in memory."""
        return self.memory.read(layout.READ_ONLY + layout.PROGRAM_ID, 8)

    @property
    def state(self) -> State:
        """The stored state; values no tool should write count as unconfigured."""
        return self._state

    @property
    def state_name(self) -> StateName:
        """The state for people, soft offline included."""
        if self._state is State.CONFIGURED and not self.online:
            return StateName.SOFT_OFFLINE
        return _STATE_NAMES[self._state]

    @property
    def configured(self) -> bool:
        """Whether the tables are used."""
        return self._state in (State.CONFIGURED, State.HARD_OFFLINE)

    @property
    def locked(self) -> bool:
        """Whether it lets nobody commission it until its reset button is pressed."""
        return self._release is _Release.NONE

    @property
    def online(self) -> bool:
        """Whether the application runs."""
        return self._state is State.CONFIGURED and not self.volatile.soft_offline

    @property
    def domains(self) -> tuple[Domain | None, ...]:
        """The domain table; None is an entry that is not in use."""
        return self._domains

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The network variables: as many as the flags in memory say, which come with an application image."""
        return self._variables

    @property
    def error_log(self) -> int:
        """The last error, 0 for none; survives a reset."""
        return self.memory.read(layout.ERROR_LOG, 1)[0]

    @error_log.setter
    def error_log(self, error: int) -> None:
        self.memory.write(layout.ERROR_LOG, bytes([error]))

    @property
    def authenticates_management(self) -> bool:
        """Whether network management must be authenticated: bit 3 of the last configuration byte."""
        return self.configured and bool(self._last_configuration_byte() & 0x08)

    @property
    def receive_timer_index(self) -> int:
        """The non-group receive timer: high nibble of the last configuration byte."""
        return self._last_configuration_byte() >> 4

    def own_domain(self, domain_id: bytes) -> Domain | None:
        """Find the entry for a domain this device is configured in."""
        if not self.configured:
            return None
        return next((own for own in self._domains if own is not None and own.id == domain_id), None)

    def group_member(self, domain: Domain, group: int) -> int | None:
        """Find this device's member number in a group, None if it is not a member."""
        for index in range(layout.ADDRESS_COUNT):
            kind, member, _, _, entry_group = self.address_entry(index)
            if (
                kind & _GROUP_ENTRY
                and entry_group == group
                and self._domains[member >> 7] is domain  # one of the two entries: bit 7 is the index
            ):
                return member & 0x7F
        return None

    def query_status(self) -> bytes:
        """Give the 15 bytes that Query Status answers."""
        soft_offline = self._state is State.CONFIGURED and not self.online
        state = self._state | (_OFFLINE if soft_offline else 0)
        model = self.memory.read(layout.READ_ONLY + layout.MODEL, 1)[0]
        return self.statistics.heading() + bytes([state, self.profile.firmware, self.error_log, model])

    def self_identification(self) -> bytes:
        """Give the self-identification data: header, two bytes a variable, the documentation string."""
        variables = b"\x80\x08" * len(self._variables)
        text = self.profile.documentation.encode("latin-1", "replace") + b"\0"
        header = bytes([len(self._variables), 1, 0, 0])
        length = 2 + len(header) + len(variables) + len(text)
        return length.to_bytes(2, "big") + header + variables + text

    def domain_entry(self, index: int) -> bytes:
        """Read a domain table entry as it is stored."""
        return self.memory.read(domain_address(index), layout.DOMAIN_LENGTH)

    def address_entry(self, index: int) -> bytes:
        """Read an address table entry as it is stored."""
        return self.memory.read(address_address(index), layout.ADDRESS_LENGTH)

    def variable_entry(self, index: int) -> bytes:
        """Read a network variable configuration entry as it is stored."""
        return self.memory.read(variable_address(index), layout.VARIABLE_LENGTH)

    @property
    def aliases(self) -> int:
        """How many aliases of network variables there may be; like those, it comes with an application image."""
        return self.memory.read(layout.READ_ONLY + layout.ALIAS_COUNT, 1)[0]

    def alias_entry(self, number: int) -> bytes:
        """Read an alias as it is stored: a configuration entry, and the variable that it stands for."""
        return self.memory.read(alias_address(number), layout.ALIAS_LENGTH)

    def variable_for(self, selector: int) -> int | None:
        """Find the network variable that has this selector, or an alias with it."""
        for index in range(len(self._variables)):
            if _selector(self.variable_entry(index)) == selector:
                return index
        for number in range(self.aliases):
            entry = self.alias_entry(number)
            if entry[-1] < len(self._variables) and _selector(entry) == selector:
                return entry[-1]
        return None

    def commit(self, changes: tuple[Change, ...], sums: Sums) -> None:
        """Write to non-volatile memory and bring checksums up to date."""
        for address, data in changes:
            self.memory.write(address, data)
        self.memory.recompute(sums)
        self._reread()

    def load(self, changes: tuple[Change, ...], sums: Sums) -> None:
        """Write a piece of an application image and bring checksums up to date."""
        self.memory.load(changes)
        self.commit((), sums)

    def tear(self, changes: tuple[Change, ...], loading: bool, chance: random.Random) -> None:
        """Lose power in the middle of a write."""
        self.memory.tear(changes, loading, chance)
        self._reread()

    def lose_power(self) -> None:
        """Lose what only lives while there is power."""
        self.forget()
        self.memory.lose_ram()

    def forget(self) -> None:
        """Begin anew, as after a reset."""
        self.volatile = Volatile()
        self._clear_values()

    def release(self) -> None:
        """Let a module be commissioned, once."""
        if self.profile.kind is DeviceKind.MODULE:
            self._release = _Release.GIVEN

    def start(self, reset_cause: int) -> None:
        """Begin anew after a reset; tables or programs that fail their checksum are not run on.

        A module that has left its site is locked from then on.
        """
        self.forget()
        self.statistics = Statistics(reset_cause=reset_cause)
        wrong = self.memory.wrong_sums()
        if wrong & Sums.APPLICATION and self._state is not State.APPLICATIONLESS:
            self.error_log = ERROR_APPLICATION_CHECKSUM
            self.commit((self.state_change(State.APPLICATIONLESS),), Sums.NONE)
        if wrong & Sums.CONFIGURATION:
            self.error_log = ERROR_CONFIGURATION_CHECKSUM
            changes = () if not self.configured else (self.state_change(State.UNCONFIGURED),)
            self.commit(changes, Sums.CONFIGURATION)
        if self.profile.kind is DeviceKind.MODULE and self._release is _Release.USED and not self.configured:
            self._release = _Release.NONE

    def erase_configuration(self) -> None:
        """Forget the site: tables as made, unconfigured."""
        changes = (*self._unused_tables(), self.state_change(State.UNCONFIGURED))
        self.commit(changes, Sums.CONFIGURATION)

    def erase_properties(self) -> None:
        """Forget the configuration properties."""
        self.commit(((layout.PROPERTIES, bytes(layout.PROPERTIES_LENGTH)),), Sums.NONE)

    def state_change(self, state: State) -> Change:
        """Give the write that stores a new state and leaves the flags beside it alone."""
        address = layout.READ_ONLY + layout.STATE
        return address, bytes([self.memory.read(address, 1)[0] & 0xF8 | state])

    def _manufacture(self) -> None:
        profile = self.profile
        structure = bytearray(layout.READ_ONLY_LENGTH)
        structure[0:6] = profile.neuron_id
        structure[layout.MODEL] = profile.model
        structure[layout.FLAGS] = min(len(profile.variables), _VARIABLE_COUNT)
        structure[layout.PROGRAM_ID : layout.PROGRAM_ID + 8] = profile.program_id
        structure[layout.STATE] = profile.state_flags | State.UNCONFIGURED
        structure[0x16] = layout.ADDRESS_COUNT << 4
        structure[layout.ALIAS_COUNT] = profile.aliases
        structure[0x18], structure[0x19] = 2 * (_LARGE_BUFFERS if profile.kind is DeviceKind.UPDATE else _BUFFERS,)
        self.memory.write(layout.READ_ONLY, bytes(structure))
        self.commit(((layout.CONFIGURATION, profile.configuration), *self._unused_tables()), Sums.BOTH)

    def _unused_tables(self) -> tuple[Change, ...]:
        return (
            *((domain_address(index), UNUSED_DOMAIN) for index in range(layout.DOMAIN_COUNT)),
            (layout.ADDRESSES, bytes(layout.ADDRESS_COUNT * layout.ADDRESS_LENGTH)),
            (layout.VARIABLES, b"".join(_unbound(index, variable) for index, variable in enumerate(self._variables))),
            (layout.ALIASES, UNUSED_ALIAS * self.aliases),
        )

    def _reread(self) -> None:
        stored = self.memory.read(layout.READ_ONLY + layout.STATE, 1)[0] & 7
        self._state = State(stored) if stored in set(State) else State.UNCONFIGURED
        self._domains = tuple(_parse_domain(self.domain_entry(index)) for index in range(layout.DOMAIN_COUNT))
        if self._release is _Release.GIVEN and self.configured:
            self._release = _Release.USED
        count = self.memory.read(layout.READ_ONLY + layout.FLAGS, 1)[0] & _VARIABLE_COUNT
        if count != len(self._variables):
            added = (Variable(output=index % 2 == 1) for index in range(len(self.profile.variables), count))
            self._variables = (*self.profile.variables[:count], *added)
            self._clear_values()

    def _clear_values(self) -> None:
        self.volatile.values = [bytes(variable.length) for variable in self._variables]

    def _last_configuration_byte(self) -> int:
        return self.memory.read(layout.CONFIGURATION + layout.CONFIGURATION_LENGTH - 1, 1)[0]


def domain_address(index: int) -> int:
    """Tell where a domain table entry lies."""
    return layout.DOMAINS + index * layout.DOMAIN_LENGTH


def address_address(index: int) -> int:
    """Tell where an address table entry lies."""
    return layout.ADDRESSES + index * layout.ADDRESS_LENGTH


def variable_address(index: int) -> int:
    """Tell where a network variable configuration entry lies."""
    return layout.VARIABLES + index * layout.VARIABLE_LENGTH


def alias_address(number: int) -> int:
    """Tell where an alias lies."""
    return layout.ALIASES + number * layout.ALIAS_LENGTH


def domain_entry(domain_id: bytes, subnet: int, node: int) -> bytes:
    """Write a domain table entry without a key."""
    return domain_id.ljust(6, b"\0") + bytes([subnet, _NODE_FLAG | node, len(domain_id)]) + b"\xff" * 6


def _parse_domain(entry: bytes) -> Domain | None:
    flags = entry[8]
    length = flags & 7
    if flags & _UNUSED_FLAG or length not in _DOMAIN_LENGTHS:
        return None
    return Domain(entry[:length], entry[6], entry[7] & ~_NODE_FLAG, not entry[7] & _NODE_FLAG)


def _unbound(index: int, variable: Variable) -> bytes:
    selector = UNBOUND - index
    return bytes([variable.output << 6 | selector >> 8, selector & 0xFF, 0x0F])


def _selector(entry: bytes) -> int:
    return (entry[0] & 0x3F) << 8 | entry[1]


def _counters(values: tuple[int, ...]) -> bytes:
    return b"".join(min(value, 0xFFFF).to_bytes(2, "big") for value in values)
