"""Action and devices -> plan: what would be done, to which, what not and why, and how long it takes.

Pure: the same devices and circumstances give the same plan. It is shown before every job that asks,
and it is what `--dry-run` prints.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core import images
from core.actions import Action, Scope
from core.lifecycle import Circumstances, Standing, is_told_of_removal, refusal, standing
from core.models import Device, Pausing, Seats, StoredImage
from drivers.base import Capability, Estimate

PORT_OVERHEAD_SECONDS = 0.3
"""What a job takes on a port beside its devices: starting, journal, the last answer."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A device the action will be done to. `port` is None where it is only its record that changes."""

    device: int
    name: str
    uid: str
    port: str | None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A device the action will not be done to, and why."""

    device: int
    name: str
    uid: str
    reason: str


@dataclass(frozen=True, slots=True)
class MonitoringPlan:
    """What the job means for monitoring: events per second on its ports now, and whether it would pause it.

    `asks`: the operator decides; `pauses` is what is proposed.
    """

    events_per_second: float
    pauses: bool
    asks: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What a job would do. `seconds` is an estimate for all ports working side by side.

    `typed` is a word the operator has to type to agree, "" where a key is enough: that is not enough for an image made
    for another program, nor for the records of many that go for good. `by_hand` says what has to
    be done to the new unit first. `monitoring` is None where the action does not care.
    """

    action: str
    title: str
    subject: str
    parameters: Mapping[str, Any]
    devices: tuple[Planned, ...]
    skipped: tuple[Skipped, ...]
    ports: tuple[str, ...]
    seats: Seats
    seats_short: int
    seconds: float
    warnings: tuple[str, ...]
    asks: bool
    typed: str = ""
    by_hand: tuple[str, ...] = ()
    monitoring: MonitoringPlan | None = None

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """Why devices are skipped, most frequent first."""
        return Counter(skipped.reason for skipped in self.skipped).most_common()


@dataclass(frozen=True, slots=True)
class Conditions:
    """The circumstances of planning: what protocols can do and how fast, the license seats, and monitoring.

    `estimate` says how long the action keeps the port of a device, with the image that is loaded if one is. `images`
    are those of the repository, by SHA-256. `by_hand` is what a new unit needs first, and `snapshots` says when
    (`now`: the same clock) the configuration of a device, by its id, was saved last.
    """

    circumstances: Circumstances
    estimate: Callable[[Device, StoredImage | None], Estimate]
    seats: Seats
    found_again: frozenset[str] = frozenset()
    """Protocols in whose networks a device that is still there is found again after its removal (DMM)."""
    events_per_second: Mapping[str, float] = field(default_factory=dict)
    """By port."""
    pausing: Pausing = Pausing.ASK
    pause_above: float = 10.0
    images: Mapping[str, StoredImage] = field(default_factory=dict)
    by_hand: tuple[str, ...] = ()
    snapshots: Mapping[int, float] = field(default_factory=dict)
    now: float = 0.0


def plan(
    action: Action,
    devices: Sequence[Device],
    parameters: Mapping[str, Any],
    conditions: Conditions,
    scope: Scope = Scope.SELECTED,
    subject: str = "",
) -> Plan:
    """What doing the action to the devices means. `subject` is what they are together ("group roof")."""
    image = conditions.images.get(str(parameters.get("image")))
    times = parameters.get("count", 1)
    busy: defaultdict[str, _Busy] = defaultdict(_Busy)
    chosen: list[Device] = []
    planned: list[Planned] = []
    skipped: list[Skipped] = []
    standings: Counter[object] = Counter()
    short = 0
    for device in devices:
        why = refusal(action, device, conditions.circumstances) or _misfit(action, device, parameters, conditions)
        short += not device.licensed and action.needs_seat
        if why is not None:
            skipped.append(Skipped(device.id, device.name, device.uid, why))
            continue
        chosen.append(device)
        standings[standing(device)] += 1
        record_only = action.removes and not is_told_of_removal(device, conditions.circumstances)
        port = None if record_only else device.port
        planned.append(Planned(device.id, device.name, device.uid, port))
        if port is not None:
            loaded, share = _left_of(image, action, device, conditions)
            busy[port].add(conditions.estimate(device, loaded), loaded, share * times)
    warnings = [f"{standings[where]} {text}" for where, text in action.warnings if standings[where]]
    if action.removes:
        warnings += _removal_warnings(planned, devices, parameters, conditions)
    if image is not None:
        warnings += images.warnings(image, chosen)
    if action.capability is Capability.REPLACE:
        warnings += [_configuration(device, conditions) for device in chosen]
    forced = image is not None and parameters["force"]
    return Plan(
        action=action.name,
        title=action.title(scope) if image is None else f"{action.label} {image.name}",
        subject=subject,
        parameters=parameters,
        devices=tuple(planned),
        skipped=tuple(skipped),
        ports=tuple(sorted(busy)),
        seats=conditions.seats,
        seats_short=short,
        seconds=round(max(port.seconds for port in busy.values()) + PORT_OVERHEAD_SECONDS, 1) if busy else 0.0,
        warnings=tuple(warnings),
        asks=action.asks(scope, len(devices)),
        monitoring=_monitoring(busy, conditions) if action.pauses_monitoring else None,
        typed=action.name if planned and (forced or (action.removes and len(planned) > 1)) else "",
        by_hand=conditions.by_hand,
    )


@dataclass(slots=True)
class _Busy:
    """How long a port is: the devices one after the other, and once what goes to all of those with the same image."""

    _each: float = 0.0
    _once: dict[str, float] = field(default_factory=dict)

    def add(self, estimate: Estimate, image: StoredImage | None, share: float) -> None:
        """One more device, with this share of the work: less for what was begun, more for what is repeated."""
        self._each += estimate.each * share
        name = image.sha256 if image is not None else ""
        self._once[name] = max(self._once.get(name, 0.0), estimate.once * share)

    @property
    def seconds(self) -> float:
        return self._each + sum(self._once.values())


def _left_of(
    image: StoredImage | None, action: Action, device: Device, conditions: Conditions
) -> tuple[StoredImage | None, float]:
    """The image that the device gets, and how much of that is still to do: all, but where a load was cut off."""
    if not action.resumes or device.interrupted is None:
        return image, 1.0
    return conditions.images.get(device.interrupted.sha256), 1 - device.interrupted.percent / 100


def _monitoring(ports: Iterable[str], conditions: Conditions) -> MonitoringPlan:
    events = sum(conditions.events_per_second.get(port, 0.0) for port in ports)
    above = events > conditions.pause_above
    return MonitoringPlan(
        events_per_second=round(events, 1),
        pauses=above and conditions.pausing is not Pausing.NEVER,
        asks=above and conditions.pausing is Pausing.ASK,
    )


def _misfit(action: Action, device: Device, parameters: Mapping[str, Any], conditions: Conditions) -> str | None:
    """Why the image of the plan, the one that was cut off on the device, or what was saved of it, is not for it."""
    if action.capability is Capability.RESTORE and device.id not in conditions.snapshots:
        return "its configuration was never saved"
    if action.capability is not Capability.LOAD:
        return None
    if not action.resumes:
        return images.refusal(conditions.images[parameters["image"]], device, force=parameters["force"])
    if device.interrupted is not None and device.interrupted.sha256 not in conditions.images:
        return f"{device.interrupted.image} is not in the repository any more"
    return None


def _configuration(device: Device, conditions: Conditions) -> str:
    """What the new unit gets of the configuration of the old one."""
    saved = conditions.snapshots.get(device.id)
    if saved is None:
        return "no configuration was saved: an old unit that is silent gives its address only"
    return f"the new unit gets the configuration that was saved {_ago(conditions.now - saved)}"


def _ago(seconds: float) -> str:
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if count := int(seconds // length):
            return f"{count} {unit}{'s' * (count > 1)} ago"
    return "just now"


def _removal_warnings(
    planned: Sequence[Planned], devices: Sequence[Device], parameters: Mapping[str, Any], conditions: Conditions
) -> list[str]:
    chosen = {one.device: one for one in planned}
    going = [device for device in devices if device.id in chosen]
    untold = sum(chosen[device.id].port is None and standing(device) is Standing.PROVISIONED for device in going)
    again = sum(bool(device.uid) and device.protocol in conditions.found_again for device in going)
    warnings = []
    if untold:
        warnings.append(f"{untold} cannot be told: only the record goes, the device keeps its configuration")
    if again and not parameters.get("ignore"):
        warnings.append(
            f"{again} may be found again and get another configuration while on the channel:"
            " take the device off it first, or remove and ignore"
        )
    return warnings
