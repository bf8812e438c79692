"""The one rule from a device's fields to its status, and what is offered in which standing.

When a rule changes, one line of a table changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from core.models import Device, Health, Mode, Site, TaskState
from drivers.base import Capability, NetworkState

if TYPE_CHECKING:
    from core.actions import Action


class Status(StrEnum):
    """The one word for the eye."""

    UNLICENSED = "unlicensed"
    RUNNING = "running"
    QUEUED = "queued"
    FAILED = "failed"
    NO_APPLICATION = "no application"
    ELSEWHERE = "elsewhere"
    UNPROVISIONED = "unprovisioned"
    DOWN = "down"
    SUSPECT = "suspect"
    MARGINAL = "marginal"
    OK = "ok"


_STATUS_RULES: Final[tuple[tuple[Status, Callable[[Device], bool]], ...]] = (
    (Status.RUNNING, lambda d: d.pending is not None and d.pending.state is TaskState.RUNNING),
    (Status.QUEUED, lambda d: d.pending is not None),
    (Status.UNLICENSED, lambda d: not d.licensed),
    (Status.FAILED, lambda d: d.failure is not None),
    (Status.NO_APPLICATION, lambda d: not d.application),
    (Status.UNPROVISIONED, lambda d: d.state is NetworkState.UNPROVISIONED),
    (Status.ELSEWHERE, lambda d: not d.ours),
    (Status.DOWN, lambda d: d.health is Health.DOWN),
    (Status.SUSPECT, lambda d: d.health is Health.SUSPECT),
    (Status.MARGINAL, lambda d: bool(d.marginal)),
    (Status.OK, lambda d: True),
)
"""Read from the top: the first that holds is the status."""


def status(device: Device) -> Status:
    """The device's status."""
    return next(status for status, holds in _STATUS_RULES if holds(device))


def reason(device: Device) -> str:
    """What there is to say beside the status word, "" where it says it all."""
    match status(device):
        case Status.FAILED if device.failure:
            return device.failure.reason
        case Status.RUNNING if device.pending:
            percent = device.pending.percent
            return f"{percent}%" if percent is not None else device.pending.step
        case Status.MARGINAL:
            return device.marginal
        case Status.UNLICENSED:
            return "no license seat"
        case Status.NO_APPLICATION if device.interrupted and device.interrupted.image:
            return f"load of {device.interrupted.image} cut off at {device.interrupted.percent} %: resume load"
        case _:
            return ""


class Standing(StrEnum):
    """What a device is, as far as actions are concerned; the value is the reason given when that is in the way."""

    UNPROVISIONED = "not provisioned"
    PROVISIONED = "already provisioned"
    ELSEWHERE = "provisioned elsewhere"
    NO_APPLICATION = "no application"


def standing(device: Device) -> Standing:
    """Where the device stands in its lifecycle."""
    if not device.application:
        return Standing.NO_APPLICATION
    if device.state is NetworkState.UNPROVISIONED:
        return Standing.UNPROVISIONED
    return Standing.PROVISIONED if device.ours else Standing.ELSEWHERE


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What beside the device itself decides on what is offered.

    Which protocol can do what, the ports that are not open, with the reason, the protocols that the site
    does not have, and those whose networks another tool manages (independent management mode).
    """

    capabilities: Mapping[str, frozenset[Capability]]
    closed_ports: Mapping[str, str] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    independent: frozenset[str] = frozenset()


def circumstances(
    site: Site,
    capabilities: Mapping[str, frozenset[Capability]],
    other_tools: frozenset[str],
    closed_ports: Mapping[str, str] | None = None,
) -> Circumstances:
    """As the site is. `other_tools`: the protocols whose networks another tool may manage."""
    independent = other_tools if site.mode is Mode.IMM else frozenset()
    return Circumstances(capabilities, closed_ports or {}, frozenset(site.without), independent)


def is_told_of_removal(device: Device, circumstances: Circumstances) -> bool:
    """Whether the device itself is taken out of service when its record is removed: only if it is ours to configure."""
    return (
        standing(device) is Standing.PROVISIONED
        and device.licensed
        and bool(device.uid)
        and device.port is not None
        and device.port not in circumstances.closed_ports
        and device.protocol not in circumstances.absent | circumstances.independent
        and Capability.DEPROVISION in circumstances.capabilities.get(device.protocol, frozenset())
    )


def refusal(action: Action, device: Device, circumstances: Circumstances) -> str | None:
    """Why the action is not offered on the device; None: it is offered."""
    if action.needs_seat and not device.licensed:
        return "no license seat"
    if device.pending is not None:
        return f"busy: {device.pending.action} of job {device.pending.job}"
    if action.removes:
        return None  # the record can always go; the device is told where it can be
    if not device.uid:
        return "no UID yet"
    if device.port is None:
        return "on no port"
    if device.protocol in circumstances.absent:
        return f"the site has no {device.protocol}"
    if action.changes_network and device.protocol in circumstances.independent:
        return "another tool manages this network (IMM)"
    if action.capability not in circumstances.capabilities.get(device.protocol, frozenset()):
        return f"{device.protocol} devices cannot do this"
    if device.port in circumstances.closed_ports:
        return circumstances.closed_ports[device.port]
    where = standing(device)
    if where not in action.offered_in:
        return where.value
    if action.resumes and (device.interrupted is None or device.interrupted.action != action.capability.value):
        return "nothing was cut off"
    return None
