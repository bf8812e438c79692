"""Devices for the tests of the model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from core.models import Device, Health
from drivers.base import Address, NetworkState
from tui.model.devices import Row

_PLAIN = Device(
    id=1,
    name="one",
    uid="00D071150901",
    protocol="lon",
    port="FT-1",
    group=None,
    program_id=None,
    state=NetworkState.UNPROVISIONED,
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
)


def device(identity: int, name: str, **more: Any) -> Device:
    if "address" in more and isinstance(more["address"], str):
        more["address"] = Address(more["address"], {})
        more.setdefault("state", NetworkState.PROVISIONED)
    return replace(_PLAIN, id=identity, name=name, uid=f"00D0711509{identity:02X}", **more)


def row(identity: int, name: str, **more: Any) -> Row:
    return Row.of(device(identity, name, **more))
