"""What devices stand in the field: identical fresh ones, or the mix of a building for demo and training."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count

from drivers.virtual.device import RELIABLE, Temperament
from drivers.virtual.memory import Sums
from drivers.virtual.node import DeviceKind, Node, Profile, State, Variable, domain_address, domain_entry

MANUFACTURER_PREFIX = bytes.fromhex("00D071")
INTERFACE_PREFIX = MANUFACTURER_PREFIX + bytes([0x5E, 0x00])
PLAIN_PROGRAM_ID = bytes.fromhex("9FFFFF0501000401")
MODULE_PROGRAM_ID = bytes.fromhex("9FFFFF0510000401")
ELSEWHERE_ONE_IN = 8
POWERED_OFF_ONE_IN = 15
UPDATE_ONE_IN = 12
MODULE_ONE_IN = 40
MOST_MODULES = 2
MARGINAL_ERROR_LOG = 131
_MARGINAL = Temperament(misses=0.15, dawdles=0.15)


@dataclass(frozen=True, slots=True)
class Furnishing:
    """One device as it stands in the building."""

    node: Node
    powered: bool = True
    temperament: Temperament = RELIABLE


@dataclass(frozen=True, slots=True)
class _Family:
    """A kind of device: how its members are called, and what the maker fixed. Weight is its share."""

    names: tuple[str, ...]
    program_id: str
    model: int
    firmware: int
    variables: int
    weight: int
    aliases: int = 0

    def name(self, number: int) -> str:
        unit, which = divmod(number, len(self.names))
        return self.names[which].format(n=unit + 1, floor=unit // 12 + 1, room=unit % 12 + 1)


# Program IDs: 9F FF FF, device class, usage, channel type 04 (TP/FT-10), model of the maker.
_FAMILIES = (
    _Family(("VAV {floor}-{room:02d} zone",), "9FFFFF5005000402", 36, 21, 20, 10),
    _Family(
        (
            "AHU-{n:02d} supply fan",
            "AHU-{n:02d} return fan",
            "AHU-{n:02d} mixing damper",
            "AHU-{n:02d} cooling valve",
        ),
        "9FFFFF500A000403",
        36,
        21,
        12,
        4,
    ),
    _Family(("Pump P-{n:02d} heating", "Pump P-{n:02d} chilled water"), "9FFFFF5B00000404", 32, 19, 8, 3),
    _Family(("Exhaust EF-{n:02d} fan",), "9FFFFF5101000405", 14, 12, 6, 2),
    _Family(("Boiler B-{n:02d} burner", "Boiler B-{n:02d} header"), "9FFFFF5B01000406", 32, 19, 16, 1, aliases=4),
)


class Building:
    """Hands out devices. The same seed gives the same building; no Neuron ID comes twice."""

    def __init__(self, seed: int, mixed: bool, total: int, kind: DeviceKind = DeviceKind.PLAIN) -> None:
        self._random = random.Random(seed)
        self._mixed = mixed
        self._kind = kind
        self._modules = count(1)
        self._numbers = {family: count() for family in _FAMILIES}
        self._taken: set[bytes] = set()
        self._interfaces = count(1)
        self._marginal_at = self._random.randrange(max(total, 1))
        self._handed_out = 0

    def interface_id(self) -> bytes:
        """Give the Neuron ID of the next network interface."""
        return INTERFACE_PREFIX + bytes([next(self._interfaces)])

    def furnish(self, devices: int) -> Iterator[Furnishing]:
        """Give the devices of the next channel."""
        if not self._mixed:
            program_id = MODULE_PROGRAM_ID if self._kind is DeviceKind.MODULE else PLAIN_PROGRAM_ID
            for _ in range(devices):
                yield Furnishing(Node(Profile(self._neuron_id(), program_id, kind=self._kind)))
            return
        marginal = self._marginal_at - self._handed_out
        self._handed_out += devices
        candidates = [index for index in range(devices) if index != marginal]
        self._random.shuffle(candidates)
        elsewhere, off = round(devices / ELSEWHERE_ONE_IN), round(devices / POWERED_OFF_ONE_IN)
        configured = set(candidates[:elsewhere])
        unpowered = set(candidates[elsewhere : elsewhere + off])
        fresh = candidates[elsewhere + off :]
        special = min(round(devices / MODULE_ONE_IN), MOST_MODULES)
        modules, updatable = set(fresh[:special]), set(fresh[special : special + round(devices / UPDATE_ONE_IN)])
        for index in range(devices):
            profile = self._profile()
            if index in modules:
                profile = self._module(profile)
            elif index in updatable:
                profile = replace(profile, kind=DeviceKind.UPDATE)
            node = Node(profile)
            if index in configured:
                self._configure_elsewhere(node)
            if index == marginal:
                node.error_log = MARGINAL_ERROR_LOG
            yield Furnishing(
                node,
                powered=index not in unpowered,
                temperament=_MARGINAL if index == marginal else RELIABLE,
            )

    def _neuron_id(self) -> bytes:
        while True:
            neuron_id = MANUFACTURER_PREFIX + self._random.randbytes(3)
            if neuron_id not in self._taken and not neuron_id.startswith(INTERFACE_PREFIX):
                self._taken.add(neuron_id)
                return neuron_id

    def _profile(self) -> Profile:
        family = self._random.choices(_FAMILIES, [family.weight for family in _FAMILIES])[0]
        name = family.name(next(self._numbers[family]))
        return Profile(
            neuron_id=self._neuron_id(),
            program_id=bytes.fromhex(family.program_id),
            model=family.model,
            firmware=family.firmware,
            documentation=f"&3.2@0,2;{name}",
            variables=tuple(Variable(output=index % 2 == 1) for index in range(family.variables)),
            aliases=family.aliases,
        )

    def _module(self, profile: Profile) -> Profile:
        """Put an input/output module where another device would be."""
        return replace(
            profile,
            program_id=MODULE_PROGRAM_ID,
            documentation=f"&3.2@0,2;Module M-{next(self._modules):02d} inputs",
            kind=DeviceKind.MODULE,
        )

    def _configure_elsewhere(self, node: Node) -> None:
        """Let somebody else have commissioned it: another domain, subnet and node."""
        domain_id = self._random.choice((b"\x37", b"\x4d\x41\x4c"))
        entry = domain_entry(domain_id, self._random.randint(2, 9), self._random.randint(1, 120))
        changes = ((domain_address(0), entry), node.state_change(State.CONFIGURED))
        node.commit(changes, Sums.CONFIGURATION)
