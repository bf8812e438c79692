"""The catalogue: everything that can be done to a device, each said once.

The palette, key bindings, help page, command line, plans and request checks are generated from it.
An action is an entry here and a driver method of the name of its capability.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Annotated, Final

from annotated_types import Interval

from core.lifecycle import Standing
from drivers.base import Capability


class Scope(StrEnum):
    """On what an action is started; the value completes the label."""

    DEVICE = ""
    SELECTED = "Selected"
    GROUP = "All Devices"
    ALL = "All"


class Confirm(Enum):
    """When the plan is shown and has to be agreed to; for groups and crowds it always is."""

    WHEN_MANY = "when many"
    ALWAYS = "always"


class AddressUse(Enum):
    """What becomes of the device's logical address."""

    KEEP = "keep"
    ASSIGN = "assign"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class NoParameters:
    """An action that takes none."""


@dataclass(frozen=True, slots=True)
class LoadParameters:
    """Which image, and whether also where it is not made for the program that the device has now."""

    image: str = field(metadata={"help": "name or SHA-256 of an image of the repository"})
    force: bool = field(default=False, metadata={"help": "also where program ID or an older firmware say otherwise"})


@dataclass(frozen=True, slots=True)
class ReplaceParameters:
    """The new unit, and whether also one with another program."""

    uid: str = field(metadata={"help": "UID of the new unit"})
    force: bool = field(default=False, metadata={"help": "also where the new unit has another program ID"})


@dataclass(frozen=True, slots=True)
class RemoveParameters:
    """Whether a search shall not offer the device again."""

    ignore: bool = field(default=False, metadata={"help": "never offer the device again when it is found"})


@dataclass(frozen=True, slots=True)
class TestParameters:
    """How often each device is asked."""

    count: Annotated[int, Interval(ge=1, le=1000)] = field(
        default=1, metadata={"help": "how often each device is asked"}
    )


@dataclass(frozen=True, slots=True)
class Action:
    """One entry of the catalogue.

    `past` completes "31 …"; `help` is one line that fits beside the key in a palette of 80 columns. `warnings` are
    said in the plan when a device of that standing is among the targets. `interactive` work overtakes jobs when it is
    for one device. `changes_network`: it is not offered where another tool manages the network of the site. `removes`:
    the record is gone afterwards. `resumes`: it takes up what was cut off on the device, with its parameters.
    """

    name: str
    label: str
    past: str
    key: str
    help: str
    capability: Capability
    offered_in: frozenset[Standing]
    scopes: frozenset[Scope] = frozenset(Scope)
    needs_seat: bool = True
    confirm: Confirm = Confirm.WHEN_MANY
    address: AddressUse = AddressUse.KEEP
    changes_network: bool = False
    removes: bool = False
    resumes: bool = False
    pauses_monitoring: bool = False
    interactive: bool = False
    warnings: tuple[tuple[Standing, str], ...] = ()
    parameters: type = NoParameters

    def title(self, scope: Scope) -> str:
        """The label with what it is started on: "Provision Selected"."""
        return f"{self.label} {scope.value}".strip()

    def asks(self, scope: Scope, devices: int) -> bool:
        """Whether the plan has to be agreed to before it starts."""
        return self.confirm is Confirm.ALWAYS or scope in (Scope.GROUP, Scope.ALL) or devices > 1


_EVERY: Final = frozenset(Standing)

ACTIONS: Final[tuple[Action, ...]] = (
    Action(
        name="provision",
        label="Provision",
        past="provisioned",
        key="p",
        help="bring into service in this site",
        capability=Capability.PROVISION,
        offered_in=frozenset({Standing.UNPROVISIONED}),
        address=AddressUse.ASSIGN,
        changes_network=True,
        pauses_monitoring=True,
    ),
    Action(
        name="deprovision",
        label="Deprovision",
        past="deprovisioned",
        key="d",
        help="take out of service, free address",
        capability=Capability.DEPROVISION,
        offered_in=frozenset({Standing.PROVISIONED, Standing.ELSEWHERE}),
        confirm=Confirm.ALWAYS,
        address=AddressUse.RELEASE,
        changes_network=True,
        pauses_monitoring=True,
        warnings=((Standing.ELSEWHERE, "provisioned by another tool, whose configuration will be lost"),),
    ),
    Action(
        name="reprovision",
        label="Reprovision",
        past="reprovisioned",
        key="R",
        help="take over from another tool",
        capability=Capability.REPROVISION,
        offered_in=frozenset({Standing.ELSEWHERE}),
        confirm=Confirm.ALWAYS,
        address=AddressUse.ASSIGN,
        changes_network=True,
        pauses_monitoring=True,
        warnings=((Standing.ELSEWHERE, "taken from the network of another tool"),),
    ),
    Action(
        name="load",
        label="Load Image",
        past="loaded",
        key="L",
        help="give it a program from an image",
        capability=Capability.LOAD,
        offered_in=_EVERY,
        confirm=Confirm.ALWAYS,
        pauses_monitoring=True,
        parameters=LoadParameters,
        warnings=(
            (Standing.PROVISIONED, "do not work while they are being loaded"),
            (Standing.ELSEWHERE, "work for another tool"),
        ),
    ),
    Action(
        name="resume",
        label="Resume Load",
        past="loaded",
        key="o",
        help="go on with a load that was cut off",
        capability=Capability.LOAD,
        offered_in=_EVERY,
        resumes=True,
        pauses_monitoring=True,
    ),
    Action(
        name="replace",
        label="Replace",
        past="replaced",
        key="c",
        help="let a new unit take its place",
        capability=Capability.REPLACE,
        offered_in=frozenset({Standing.PROVISIONED, Standing.NO_APPLICATION}),
        scopes=frozenset({Scope.DEVICE}),
        confirm=Confirm.ALWAYS,
        changes_network=True,
        pauses_monitoring=True,
        parameters=ReplaceParameters,
    ),
    Action(
        name="remove",
        label="Remove",
        past="removed",
        key="X",
        help="take off the list, and out of service",
        capability=Capability.DEPROVISION,
        offered_in=_EVERY,
        needs_seat=False,
        confirm=Confirm.ALWAYS,
        address=AddressUse.RELEASE,
        removes=True,
        pauses_monitoring=True,
        parameters=RemoveParameters,
    ),
    Action(
        name="snapshot",
        label="Save Configuration",
        past="saved",
        key="b",
        help="keep its configuration for later",
        capability=Capability.SNAPSHOT,
        offered_in=_EVERY - {Standing.NO_APPLICATION},
        pauses_monitoring=True,
    ),
    Action(
        name="restore",
        label="Restore Configuration",
        past="restored",
        key="B",
        help="write back what was kept of it",
        capability=Capability.RESTORE,
        offered_in=frozenset({Standing.PROVISIONED}),
        confirm=Confirm.ALWAYS,
        changes_network=True,
        pauses_monitoring=True,
    ),
    Action(
        name="test",
        label="Test",
        past="tested",
        key="t",
        help="ask for its status, count answers",
        capability=Capability.TEST,
        offered_in=_EVERY,
        interactive=True,
        parameters=TestParameters,
    ),
    Action(
        name="wink",
        label="Wink",
        past="winked at",
        key="w",
        help="let it show itself (LED, beep)",
        capability=Capability.WINK,
        offered_in=_EVERY - {Standing.NO_APPLICATION},
        interactive=True,
    ),
    Action(
        name="reset",
        label="Reset",
        past="reset",
        key="e",
        help="let it start anew, wait for it",
        capability=Capability.RESET,
        offered_in=frozenset({Standing.UNPROVISIONED, Standing.PROVISIONED}),
        confirm=Confirm.ALWAYS,
        interactive=True,
    ),
)

BY_NAME: Final = {action.name: action for action in ACTIONS}
