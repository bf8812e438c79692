"""Network management and diagnostics: request in, reply out (ISO/IEC 14908-1; codes as in the LonWorks Router
User's Guide pp. 100-101). Acts on a node; writes are handed back, because they take the device time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from drivers.virtual import memory as layout
from drivers.virtual.memory import Change, Sums
from drivers.virtual.node import (
    UNUSED_DOMAIN,
    Domain,
    Node,
    State,
    address_address,
    alias_address,
    domain_address,
    variable_address,
)

# A Neuron chip's default application buffers hold 66 bytes with 16 of header and explicit address.
LARGEST_CONTENT = 50

SERVICE_PIN = 0x7F
NETWORK_VARIABLE = 0x80  # with bit 6 clear for an update: it is meant for inputs (OpenLDV Programmer's Guide p. 74)
_EXTENDED_INDEX = 0xFF
_TWO_BYTE_INDEX = 3


class Service(Enum):
    """How a message came: only a request can be answered with data."""

    REQUEST = "request"
    OTHER = "acknowledged or unacknowledged"


@dataclass(frozen=True, slots=True)
class Request:
    """A message to a device, and the domain it came in if that is one of the device's own."""

    content: bytes
    service: Service
    domain: Domain | None

    @property
    def code(self) -> int:
        """The message code."""
        return self.content[0]

    @property
    def data(self) -> bytes:
        """What follows the code."""
        return self.content[1:]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a device does about a message. No answer is an answer too: a device not meant stays silent."""

    answer: bytes | None = None
    changes: tuple[Change, ...] = ()
    sums: Sums = Sums.NONE
    programs: bool = False
    loads: bool = False  # a piece of an application image, not configuration
    resets: bool = False
    anonymous: bool = False


SILENCE = Reply()


class _Refusal(Exception):
    """The request cannot be carried out; the device answers the failure code."""


Handler = Callable[[Node, Request], Reply]


def handle(node: Node, request: Request) -> Reply:
    """Carry a message out as far as it takes no time, and say what remains."""
    handler = _HANDLERS.get(request.code)
    if handler is None:
        return _failure(request) if 0x50 <= request.code <= 0x7E else _application(node, request)
    if node.authenticates_management and request.code not in _NEVER_AUTHENTICATED:
        return _failure(request)
    try:
        return handler(node, request)
    except _Refusal:
        return _failure(request)


# -- network diagnostics ---------------------------------------------------------------------------------


def _query_status(node: Node, request: Request) -> Reply:
    _need(not request.data)
    return _success(request, node.query_status())


def _query_status_anonymously(node: Node, request: Request) -> Reply:
    return Reply(_success_code(request) + node.query_status(), anonymous=True)


def _proxy(node: Node, request: Request) -> Reply:
    """Answer for this node itself; relaying to another one is not simulated, so that target stays silent."""
    if len(request.data) != 1:
        _need(bool(request.data))
        return SILENCE
    if request.data[0] == 0:
        return SILENCE if node.configured else _success(request, node.neuron_id + node.program_id)
    _need(request.data[0] == 1)
    return _success(request, node.query_status())


def _clear_status(node: Node, request: Request) -> Reply:
    node.statistics = type(node.statistics)(reset_cause=0)
    node.error_log = 0
    return _success(request)


def _query_version(node: Node, request: Request) -> Reply:
    return _success(request, bytes([node.profile.firmware, 0, node.profile.firmware, 0, 0, 0]))


# -- identification --------------------------------------------------------------------------------------


def _query_id(node: Node, request: Request) -> Reply:
    data = request.data
    _need(len(data) == 1 or (len(data) >= 5 and len(data) == 5 + data[4]))
    _need(data[0] in _SELECTORS)
    if not _SELECTORS[data[0]](node):
        return SILENCE
    if len(data) > 1:
        content = _read(node, data[1], int.from_bytes(data[2:4], "big"), data[4])
        if content != data[5:]:
            return SILENCE
    return _success(request, node.neuron_id + node.program_id)


_SELECTORS: dict[int, Callable[[Node], bool]] = {
    0: lambda node: not node.configured,
    1: lambda node: node.volatile.responds_to_query,
    2: lambda node: node.volatile.responds_to_query and not node.configured,
}


def _respond_to_query(node: Node, request: Request) -> Reply:
    _need(request.data in (b"\0", b"\1"))
    node.volatile.responds_to_query = request.data == b"\1"
    return _success(request)


def _wink(node: Node, request: Request) -> Reply:
    """Wink, or one of the queries that share its code. A wink cannot be asked for as a request."""
    if request.data[:1] in (b"", b"\0"):
        _need(request.service is not Service.REQUEST)
        if node.state is not State.APPLICATIONLESS:
            node.winks += 1
        return SILENCE
    _need(request.service is Service.REQUEST)
    if request.data[:2] == b"\x05\x03":
        return _documentation(node, request)
    _need(request.data[0] == 1 and request.data[1:] in (b"", b"\0"))
    return _success(request, b"\0" + node.neuron_id + node.program_id)


def _documentation(node: Node, request: Request) -> Reply:
    """Answer a piece of the node's documentation string, shorter or empty at its end."""
    _need(len(request.data) == 5)
    offset, length = int.from_bytes(request.data[2:4], "big"), request.data[4]
    text = node.profile.documentation.encode("latin-1", "replace")
    _need(offset <= len(text) and length < LARGEST_CONTENT)
    return _success(request, text[offset : offset + length])


def _self_identification(node: Node, request: Request) -> Reply:
    _need(len(request.data) == 3)
    offset, length = int.from_bytes(request.data[:2], "big"), request.data[2]
    content = node.self_identification()
    _need(length < LARGEST_CONTENT and offset + length <= len(content))
    return _success(request, content[offset : offset + length])


# -- tables ----------------------------------------------------------------------------------------------


def _update_domain(node: Node, request: Request) -> Reply:
    _need(not node.locked)
    index = _index(request, layout.DOMAIN_COUNT)
    entry = request.data[1 : 1 + layout.DOMAIN_LENGTH]
    _need(len(entry) == layout.DOMAIN_LENGTH)
    return _programmed(request, (domain_address(index), entry))


def _query_domain(node: Node, request: Request) -> Reply:
    return _success(request, node.domain_entry(_index(request, layout.DOMAIN_COUNT)))


def _leave_domain(node: Node, request: Request) -> Reply:
    """Leave a domain. Leaving the last one makes the device unconfigured and resets it without an answer."""
    index = _index(request, layout.DOMAIN_COUNT)
    left = node.domains[index]
    change = (domain_address(index), UNUSED_DOMAIN)
    remaining = [domain for number, domain in enumerate(node.domains) if number != index and domain]
    if not remaining:
        state = State.APPLICATIONLESS if node.state is State.APPLICATIONLESS else State.UNCONFIGURED
        changes = (change, node.state_change(state))
        return Reply(changes=changes, sums=Sums.CONFIGURATION, programs=True, resets=True)
    if left is not None and left is request.domain:
        return Reply(changes=(change,), sums=Sums.CONFIGURATION, programs=True)
    return _programmed(request, change)


def _update_key(node: Node, request: Request) -> Reply:
    """Add to the key bytes, so that a key never travels."""
    index = _index(request, layout.DOMAIN_COUNT)
    _need(len(request.data) == 7)
    key = node.domain_entry(index)[9:]
    changed = bytes((old + step) & 0xFF for old, step in zip(key, request.data[1:], strict=True))
    return _programmed(request, (domain_address(index) + 9, changed))


def _update_address(_node: Node, request: Request) -> Reply:
    index = _index(request, layout.ADDRESS_COUNT)
    entry = request.data[1 : 1 + layout.ADDRESS_LENGTH]
    _need(len(entry) == layout.ADDRESS_LENGTH)
    return _programmed(request, (address_address(index), entry))


def _query_address(node: Node, request: Request) -> Reply:
    return _success(request, node.address_entry(_index(request, layout.ADDRESS_COUNT)))


def _update_variable(node: Node, request: Request) -> Reply:
    """Write the configuration of a variable; the indexes behind those of the variables are its aliases."""
    index, rest = _any_index(request)
    alias = index - len(node.variables)
    _need(alias < node.aliases)
    address, length = variable_address(index), layout.VARIABLE_LENGTH
    if alias >= 0:
        address, length = alias_address(alias), layout.ALIAS_LENGTH
    _need(len(rest) >= length)
    return _programmed(request, (address, rest[:length]))


def _query_variable(node: Node, request: Request) -> Reply:
    index, _ = _any_index(request)
    alias = index - len(node.variables)
    _need(alias < node.aliases)
    return _success(request, node.variable_entry(index) if alias < 0 else node.alias_entry(alias))


def _fetch_variable(node: Node, request: Request) -> Reply:
    index, rest = _variable_index(node, request)
    asked = request.data[: len(request.data) - len(rest)]
    return _success(request, asked + node.volatile.values[index])


# -- modes and memory ------------------------------------------------------------------------------------


def _set_node_mode(node: Node, request: Request) -> Reply:
    """Go offline, online, reset, or change state. Only a change of state has a response (lon traces)."""
    mode = request.data[:1]
    if mode in (b"\0", b"\1"):
        node.volatile.soft_offline = mode == b"\0" and node.state is State.CONFIGURED
        return SILENCE
    if mode == b"\2":
        return Reply(resets=True)
    _need(mode == b"\3" and len(request.data) == 2 and request.data[1] in set(State) and not node.locked)
    return _programmed(request, node.state_change(State(request.data[1])))


def _read_memory(node: Node, request: Request) -> Reply:
    _need(len(request.data) == 4)
    mode, high, low, length = request.data
    _need(length < LARGEST_CONTENT)
    return _success(request, _read(node, mode, high << 8 | low, length))


def _read(node: Node, mode: int, offset: int, length: int) -> bytes:
    if mode == 3:
        content = node.statistics.to_bytes()
        _need(offset + length <= len(content))
        return content[offset : offset + length]
    _need(mode in _MODES)
    first, end, word = _MODES[mode]
    address = first + offset * word
    _need(address + length <= end)
    _need(mode in _RELATIVE or not _protected(node))
    return node.memory.read(address, length)


def _write_memory(node: Node, request: Request) -> Reply:
    """Write, then recompute checksums or reset as the form byte says."""
    _need(len(request.content) >= 6)
    mode, high, low, length, form = request.data[:5]
    data = request.data[5:]
    _need(length == len(data) and len(request.content) <= LARGEST_CONTENT and mode in _MODES)
    first, end, word = _MODES[mode]
    address = first + (high << 8 | low) * word
    _need(address + length <= end and _writable(node, mode, address, form))
    sums = Sums.BOTH if form & 0x01 else Sums.CONFIGURATION if form & 0x04 else Sums.NONE
    return Reply(
        answer=_success(request).answer,
        changes=((address, data),),
        sums=sums,
        programs=True,
        loads=mode not in _RELATIVE,
        resets=bool(form & 0x08),
    )


# Mode -> first address, end, bytes a unit of offset. 0 absolute, 1 read-only structure, 2 configuration,
# 5 absolute without shadow; 7 counts 16-byte words of external memory, 8 those of all memory.
_MODES = {
    0: (0x0000, 0x10000, 1),
    1: (layout.READ_ONLY, layout.READ_ONLY + layout.READ_ONLY_LENGTH, 1),
    2: (layout.CONFIGURATION, layout.CONFIGURATION + layout.CONFIGURATION_LENGTH, 1),
    5: (0x0000, 0x10000, 1),
    7: (layout.EXTERNAL, layout.EXTERNAL + layout.EXTERNAL_LENGTH, 16),
    8: (0x0000, layout.EXTERNAL + layout.EXTERNAL_LENGTH, 16),
}
_RELATIVE = (1, 2)
_SYSTEM_IMAGE_END = 0x4000
_UNLOCK = 0x80


def _writable(node: Node, mode: int, address: int, form: int) -> bool:
    """The Neuron ID and model never change; the system image only with the unlock bit of the form."""
    if layout.READ_ONLY <= address < layout.READ_ONLY + layout.MODEL + 1:
        return False
    if address < _SYSTEM_IMAGE_END and not form & _UNLOCK:
        return False
    return mode in _RELATIVE or not _protected(node)


def _protected(node: Node) -> bool:
    return bool(node.memory.read(layout.READ_ONLY + layout.FLAGS, 1)[0] & 0x80)


def _recalculate(_node: Node, request: Request) -> Reply:
    sums = {b"\1": Sums.BOTH, b"\4": Sums.CONFIGURATION}.get(request.data)
    _need(sums is not None)
    return Reply(answer=_success(request).answer, sums=sums or Sums.NONE, programs=True)


def _refresh(_node: Node, request: Request) -> Reply:
    """Rewrite memory in place: 4 KB on the chip, in pages of 16 bytes (LON Stack DX)."""
    _need(len(request.data) == 4)
    offset, off_chip = int.from_bytes(request.data[:2], "big"), request.data[3]
    _need(not off_chip and offset * 16 < 4096)
    return Reply(answer=_success(request).answer, programs=True)


def _expanded(node: Node, request: Request) -> Reply:
    """Answer the version; every other expanded command fails, and says which one it was."""
    if request.data == b"\1":
        return _success(request, b"\1\2" + node.profile.capabilities.to_bytes(2, "big"))
    return Reply(b"\0" + request.data[:1])


# -- application messages --------------------------------------------------------------------------------


def _application(node: Node, request: Request) -> Reply:
    """Take a network variable update or answer a poll; the application understands nothing else."""
    if not node.online or request.code < NETWORK_VARIABLE or len(request.content) < 2:
        return SILENCE
    selector = (request.code & 0x3F) << 8 | request.content[1]
    index = node.variable_for(selector)
    if index is None:
        return SILENCE
    value = request.content[2:]
    if request.service is Service.REQUEST and not value:
        return Reply(bytes([request.code | 0x40, request.content[1]]) + node.volatile.values[index])
    variable = node.variables[index]
    if not variable.output and len(value) == variable.length:
        node.volatile.values[index] = value
    return SILENCE


_HANDLERS: dict[int, Handler] = {
    0x51: _query_status,
    0x52: _proxy,
    0x53: _clear_status,
    0x56: _query_status_anonymously,
    0x59: _query_version,
    0x60: _expanded,
    0x61: _query_id,
    0x62: _respond_to_query,
    0x63: _update_domain,
    0x64: _leave_domain,
    0x65: _update_key,
    0x66: _update_address,
    0x67: _query_address,
    0x68: _query_variable,
    0x6A: _query_domain,
    0x6B: _update_variable,
    0x6C: _set_node_mode,
    0x6D: _read_memory,
    0x6E: _write_memory,
    0x6F: _recalculate,
    0x70: _wink,
    0x71: _refresh,
    0x72: _self_identification,
    0x73: _fetch_variable,
    SERVICE_PIN: lambda _node, _request: SILENCE,
}
_NEVER_AUTHENTICATED = frozenset({0x51, 0x52, 0x56, 0x57, 0x59, 0x60, 0x61, 0x62, SERVICE_PIN})


def _need(condition: bool) -> None:
    if not condition:
        raise _Refusal


def _success_code(request: Request) -> bytes:
    """Diagnostics 0x5c answer 0x3c, management 0x60|c answers 0x20|c."""
    code = request.code
    return bytes([0x30 | code & 0x0F if code < 0x60 else 0x20 | code & 0x1F])


def _success(request: Request, data: bytes = b"") -> Reply:
    return Reply(_success_code(request) + data)


def _failure(request: Request) -> Reply:
    code = request.code
    return Reply(bytes([0x10 | code & 0x0F if code < 0x60 else code & 0x1F]))


def _programmed(request: Request, *changes: Change) -> Reply:
    return Reply(_success_code(request), changes=changes, sums=Sums.CONFIGURATION, programs=True)


def variable_update(node: Node, index: int) -> bytes:
    """Write the message that tells the others the value of an output: selector and value."""
    high, low, _ = node.variable_entry(index)
    return bytes([NETWORK_VARIABLE | high & 0x3F, low]) + node.volatile.values[index]


def _index(request: Request, count: int) -> int:
    _need(bool(request.data) and request.data[0] < count)
    return request.data[0]


def _variable_index(node: Node, request: Request) -> tuple[int, bytes]:
    index, rest = _any_index(request)
    _need(index < len(node.variables))
    return index, rest


def _any_index(request: Request) -> tuple[int, bytes]:
    data = request.data
    _need(bool(data))
    if data[0] == _EXTENDED_INDEX:
        _need(len(data) >= _TWO_BYTE_INDEX)
        index, rest = int.from_bytes(data[1:3], "big"), data[3:]
    else:
        index, rest = data[0], data[1:]
    return index, rest
