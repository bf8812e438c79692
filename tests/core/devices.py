"""Devices as values, for the tests of pure rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from core.lifecycle import Circumstances, Standing
from core.models import Device, Failure, Health, Interrupted, Pending, Seats, TaskState
from core.planning import Conditions
from drivers.base import Capability, Estimate, NetworkState

# a load that was cut off is no status: it only makes that there is something to resume
GOOD = Device(
    id=1,
    name="VAV 1",
    uid="00A1B2C3D401",
    protocol="lon",
    port="FT",
    group=None,
    program_id=None,
    state=NetworkState.PROVISIONED,
    ours=True,
    application=True,
    health=Health.NORMAL,
    licensed=True,
    marginal="",
    pending=None,
    failure=None,
    address=None,
    seen_at=None,
    created_at=0.0,
    rev=1,
    interrupted=Interrupted("load", "VAV.apb", "00" * 32, 40),
)
RUNNING = Pending(7, "provision", TaskState.RUNNING, "write domain", None, 0.0)
QUEUED = Pending(7, "provision", TaskState.QUEUED, "", None, 0.0)
FAILURE = Failure(6, "test", "no answer at query status after 3 tries", 0.0)

IN_STANDING: dict[Standing, dict[str, Any]] = {
    Standing.UNPROVISIONED: {"state": NetworkState.UNPROVISIONED},
    Standing.PROVISIONED: {},
    Standing.ELSEWHERE: {"ours": False},
    Standing.NO_APPLICATION: {"application": False},
}

CIRCUMSTANCES = Circumstances({"lon": frozenset(Capability)})


def device(**fields: Any) -> Device:
    """A device in the best of states, but for these fields."""
    return replace(GOOD, **fields)


def conditions(closed: dict[str, str] | None = None, seconds: float = 2.0, **monitoring: Any) -> Conditions:
    return Conditions(
        Circumstances(CIRCUMSTANCES.capabilities, closed or {}),
        lambda device, image: Estimate(seconds),
        Seats(capacity=10, used=3, waiting=0),
        **monitoring,
    )
